"""The index of a night: what was encoded is not encoded again, and it answers as the light index does."""

from dataclasses import replace

import pandas as pd
import pytest
from search_shop import small_shop

from recsys_kit import search
from recsys_kit.search import nightly

WORDS = ["milk", "toothpaste", "leche", "frozen pizza"]


def sold(shop):
    return shop.events["item_id"].value_counts()


def more(shop):
    """The shop with one product more, and one size more of a product that it has."""
    rows = shop.items.iloc[:2].assign(item_id=["new1", "new2"])
    rows["title"] = ["Marzipan Potatoes", rows["title"].iloc[1]]
    rows["product_type"] = ["MARZIPAN", rows["product_type"].iloc[1]]
    return replace(shop, items=pd.concat([shop.items, rows], ignore_index=True))


def files(folder):
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}


def test_it_answers_as_the_light_index_does(index, tmp_path):
    shop = small_shop()
    name = nightly.write(shop, tmp_path)["index"]
    mine = nightly.read(tmp_path, name, index.items.set_index("item_id")["sold"])
    assert mine.documents.equals(index.documents) and (mine.views == index.views).all()
    for one, other in zip(search.search_many(mine, WORDS, 5), search.search_many(index, WORDS, 5), strict=True):
        assert one.equals(other)


def test_the_same_items_change_no_file(tmp_path):
    first = nightly.write(small_shop(), tmp_path)
    before = files(tmp_path)
    again = nightly.write(small_shop(), tmp_path, first["index"])
    assert again == first | {"new": 0} and files(tmp_path) == before


def test_a_new_item_costs_its_own_texts_alone_and_is_found(tmp_path, monkeypatch):
    shop = small_shop()
    first = nightly.write(shop, tmp_path)
    asked, encode = [], nightly.encode

    def counted(texts):
        asked.append(list(texts))
        return encode(texts)

    monkeypatch.setattr(nightly, "encode", counted)
    second = nightly.write(more(shop), tmp_path, first["index"])
    assert second["index"] != first["index"] and second["new"] == 1
    assert second["documents"] == first["documents"] + 1 and second["items"] == first["items"] + 2
    assert {len(texts) for texts in asked} == {1}
    whole = nightly.write(more(shop), tmp_path / "whole")
    one, other = (nightly.read(folder, second["index"], sold(shop)) for folder in (tmp_path, tmp_path / "whole"))
    assert whole["index"] == second["index"]
    assert one.views == pytest.approx(other.views, abs=1e-5)
    assert search.search(one, "marzipan", 1)["item_id"].tolist() == ["new1"]


def test_what_sells_more_is_further_up(tmp_path):
    shop = small_shop()
    name = nightly.write(shop, tmp_path)["index"]
    for item in ("21", "23"):
        found = search.search(nightly.read(tmp_path, name, pd.Series({item: 100})), "milk", 1)
        assert found["item_id"].tolist() == [item]


def test_a_shop_without_titles_has_no_index(tmp_path):
    shop = small_shop()
    bare = shop.items.assign(title=shop.items["item_id"], product_type="unknown")
    assert nightly.write(replace(shop, items=bare), tmp_path) == {} and not list(tmp_path.iterdir())


def test_what_no_way_leads_to_is_removed(tmp_path):
    first = nightly.write(small_shop(), tmp_path)["index"]
    second = nightly.write(more(small_shop()), tmp_path, first)["index"]
    nightly.keep_only(tmp_path, {second})
    assert {path.stem for path in tmp_path.iterdir()} == {second}


def test_an_earlier_index_that_is_broken_is_not_needed(tmp_path):
    first = nightly.write(small_shop(), tmp_path)["index"]
    (tmp_path / f"{first}.npz").write_bytes(b"")
    second = nightly.write(more(small_shop()), tmp_path, first)
    assert second["new"] == second["documents"]
