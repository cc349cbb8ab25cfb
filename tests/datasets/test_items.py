"""Look-ups of items: in the order in which they are asked, with a stand-in for what a shop does not know."""

import pandas as pd
import pytest

from recsys_kit.datasets import items

TABLE = pd.DataFrame(
    {
        "item_id": ["a", "b", "c"],
        "title": ["Oat milk, 1 l", None, "Green tea"],
        "category": ["MILK", "unknown", "TEA"],
        "product_type": ["OAT", "unknown", "unknown"],
    }
)


@pytest.mark.parametrize("look_up", [items.look_up, items.titles, items.item_types, items.type_names])
def test_rows_come_in_the_order_of_the_ids_and_an_id_may_be_asked_twice(look_up):
    ids = ["c", "a", "c", "b"]
    found, alone = look_up(TABLE, ids), look_up(TABLE, TABLE["item_id"])
    assert found.index.tolist() == ids
    assert found.iloc[0].tolist() == alone.loc["c"].tolist() if found.ndim == 2 else found["a"] == alone["a"]


def test_an_item_without_a_title_goes_by_its_id_and_so_does_an_unknown_one():
    assert items.titles(TABLE, ["a", "b", "nowhere"]).tolist() == ["Oat milk, 1 l", "b", "nowhere"]


def test_a_type_is_the_pair_of_category_and_product_type():
    shop = pd.DataFrame({"item_id": list("abcd"), "category": list("xxyy"), "product_type": list("stst")})
    assert items.item_types(shop, shop["item_id"]).is_unique  # a product type alone, or a category alone, is not
    assert items.item_types(TABLE, ["c"]).tolist() == ["TEA | unknown"]


@pytest.mark.parametrize("missing", [["category"], ["product_type"], ["category", "product_type"]])
def test_a_shop_without_categories_or_types_has_unknown_ones(missing):
    found = items.item_types(TABLE.drop(columns=missing), ["a", "nowhere"])
    assert found["nowhere"] == "unknown | unknown" and found["a"].count("unknown") == len(missing)


def test_a_type_is_called_by_its_product_type_or_else_by_its_category():
    assert items.type_names(TABLE, ["a", "b", "c"]).tolist() == ["OAT", "unknown", "TEA"]


def test_a_row_that_is_there_twice_counts_once():
    assert items.titles(pd.concat([TABLE, TABLE]), ["a", "c"]).tolist() == ["Oat milk, 1 l", "Green tea"]
