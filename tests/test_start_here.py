import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_kit import start_here
from recsys_kit.datasets.shops import Shop
from recsys_kit.workspace import Workspace

TITLES = ["Toothpaste, 6 oz", "Toothpaste, 8 oz", "Frozen Pizza", "Dog Food", "Frozen Pizza", "Beer"]
CATEGORIES = ["ORAL", "ORAL", "FROZEN", "PETS", "GREETING CARDS", "unknown"]
SIZES = ["6 oz", "8 oz", "unknown", "unknown", "unknown", "unknown"]


def tiny_shop(titles=TITLES, categories=CATEGORIES, sizes=SIZES) -> Shop:
    ids = [f"i{n}" for n in range(len(titles))]
    items = pd.DataFrame({"item_id": ids, "title": titles, "category": categories, "size": sizes})
    items["is_merchandise"] = True
    sold = [n for n, times in zip(ids, (3, 2, 200, 4, 1, 5), strict=False) for _ in range(times)]
    events = pd.DataFrame({"item_id": sold, "user_id": "u"})
    return Shop("tiny", events, items, pd.DataFrame({"user_id": ["u"]}), "UTC", "-".join(titles))


@pytest.fixture(scope="module")
def search(tmp_path_factory):
    return start_here.build_search(tiny_shop(), Workspace(tmp_path_factory.mktemp("workspace")))


def test_sizes_of_one_product_are_one_document():
    documents = start_here.search_documents(tiny_shop()).set_index("title")
    assert documents.loc["Toothpaste", "products"] == 2
    assert documents.loc["Toothpaste", "sold"] == 5


def test_a_title_filed_under_a_second_category_by_mistake_is_left_out_there():
    documents = start_here.search_documents(tiny_shop())
    assert documents.loc[documents["title"] == "Frozen Pizza", "category"].tolist() == ["FROZEN"]


def test_what_was_never_sold_or_is_no_merchandise_cannot_be_found():
    shop = tiny_shop()
    items = shop.items.assign(is_merchandise=shop.items["title"] != "Beer")
    shop = replace(shop, items=items, events=shop.events[shop.events["item_id"] != "i3"])
    assert set(start_here.search_documents(shop)["title"]) == {"Toothpaste", "Frozen Pizza"}


def test_the_limit_keeps_the_best_sold_documents():
    assert start_here.search_documents(tiny_shop(), limit=1)["title"].tolist() == ["Frozen Pizza"]


@given(st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=6))
def test_any_titles_make_documents_whose_sales_and_products_add_up(titles):
    shop = tiny_shop(titles, ["c"] * len(titles), ["unknown"] * len(titles))
    documents = start_here.search_documents(shop)
    named = shop.items["title"] != shop.items["item_id"]
    assert documents["products"].sum() == named.sum()
    assert documents["sold"].sum() == shop.events["item_id"].isin(shop.items.loc[named, "item_id"]).sum()
    assert not documents.duplicated(["title", "category"]).any()


def test_vectors_have_length_one_so_that_a_dot_product_is_a_cosine(search):
    assert search.vectors.shape == (len(search.documents), 512)
    np.testing.assert_allclose(np.linalg.norm(search.vectors, axis=1), 1, atol=1e-5)


def test_vectors_come_from_the_workspace_the_second_time(tmp_path, monkeypatch):
    first = start_here.build_search(tiny_shop(), Workspace(tmp_path))
    monkeypatch.setattr(start_here, "encode", lambda *_: pytest.fail("encoded again"))
    again = start_here.build_search(tiny_shop(), Workspace(tmp_path))
    np.testing.assert_array_equal(first.vectors, again.vectors)


@pytest.mark.parametrize(
    ("query", "title"),
    [
        ("frozen pizza", "Frozen Pizza"),
        ("冷冻披萨", "Frozen Pizza"),
        ("狗粮", "Dog Food"),
        ("TOOTHPASTE", "Toothpaste"),
    ],
)
def test_english_and_chinese_queries_find_the_same_product(search, query, title):
    found = start_here.semantic_search(query, search, k=2)
    assert found.iloc[0]["title"] == title
    assert found.index.tolist() == [1, 2]
    assert found["score"].is_monotonic_decreasing


def test_a_title_is_shown_once(search):
    assert not start_here.semantic_search("food", search, k=9)["title"].duplicated().any()


def test_two_languages_are_put_side_by_side_with_what_they_share(search):
    table = start_here.side_by_side([("beer", "啤酒"), ("dog food", "狗粮")], search, k=1)
    assert table["in common"].tolist() == ["1 of 1", "1 of 1"]
    assert table["the same query"].tolist() == ["啤酒", "狗粮"]


def test_an_empty_query_is_refused_by_name(search):
    with pytest.raises(ValueError, match="`query` must hold a word"):
        start_here.semantic_search("  ", search)


def test_a_shop_without_titles_says_what_search_needs(tmp_path):
    shop = tiny_shop()
    shop = replace(shop, items=shop.items.assign(title=shop.items["item_id"]))
    search = start_here.build_search(shop, Workspace(tmp_path))
    assert search.documents.empty and search.vectors.shape == (0, 512)
    with pytest.raises(ValueError, match="no titles: search needs an items file"):
        start_here.semantic_search("pizza", search)


def test_encoding_nothing_or_one_text_keeps_the_shape():
    assert start_here.encode(["beer"]).shape == (1, 512)
    np.testing.assert_allclose(start_here.encode(["BEER"]), start_here.encode(["beer"]), atol=1e-6)


def described(rows):
    events = pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp", "basket_id"])
    events = events.assign(event_type="purchase", quantity=1.0, price=1.0, discount=0.0, store_id="s")
    events["timestamp"] = pd.to_datetime(events["timestamp"], unit="h", utc=True)
    ids = events["item_id"].unique()
    items = pd.DataFrame({"item_id": ids, "title": ids, "is_merchandise": True})
    users = events[["user_id"]].drop_duplicates()
    shop = Shop("shop", events, items, users, "UTC", "")
    return start_here.describe_shop(shop)


def test_a_shop_to_which_people_come_back_is_counted_and_that_is_all():
    rows = [(f"u{n}", f"i{(n * k) % 30}", 24 * (n % 7 + 5 * k), f"{n}-{k}") for n in range(100) for k in range(12)]
    line, kind = described(rows)
    assert (
        kind.startswith("In this shop customers buy things again, and discover new ones") and "The task is both" in kind
    )
    assert line.startswith("100 customers bought something: 0.0% in one basket, 0.0% in two, 100.0% in three or more.")


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([(f"u{n}", f"i{n % 40}", n, f"b{n}") for n in range(2000)], "only 0 had bought before"),
        ([("u", f"i{n % 40}", 24 * n, f"b{n}") for n in range(200)], "0 items"),
        ([(f"u{n}", "i", 24 * n, f"b{n}") for n in range(200)], "only 0 had bought before|1 items"),
        (
            [(f"u{n % 50}", f"i{n % 30}", 1, f"b{n % 50}") for n in range(500)],
            "holds no basket|nothing of the catalogue",
        ),
        ([("u", "i", 5, "b")], "holds no basket"),
    ],
    ids=["everybody once", "one customer", "one item", "one instant", "one basket"],
)
def test_a_shop_on_which_the_main_task_cannot_be_taught_is_told_so(rows, why):
    _, _, task, commands = described(rows)
    assert re.search(why, task) and "16" in task
    assert "recsys-kit search needs an items file with titles" in commands
