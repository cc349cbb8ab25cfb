"""Search: what can be found, stages that agree with their definitions, clear answers to any query, and the command."""

import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from recsys_kit import datasets, search, workspace
from recsys_kit.search import lexical, personal

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("query", "category"),
    [
        ("toothpaste", "ORAL HYGIENE PRODUCTS"),
        ("TOOTHPASTE!!", "ORAL HYGIENE PRODUCTS"),
        ("toothpaset", "ORAL HYGIENE PRODUCTS"),
        ("牙膏", "ORAL HYGIENE PRODUCTS"),
        ("狗粮", "DOG FOODS"),
        ("红酒", "DOMESTIC WINE"),
        ("leche", "FLUID MILK PRODUCTS"),
        ("papier toilette", "BATH TISSUES"),
        ("Tiefkühlpizza", "FROZEN PIZZA"),
    ],
)
def test_a_query_in_any_language_finds_its_kind(index, query, category):
    found = search.search(index, query, 3)
    assert list(found.columns) == list(search.RESULT_COLUMNS[1:])
    assert found["rank"].tolist() == [1, 2, 3]
    assert found["product_category"].iloc[0] == category
    assert found["score"].is_monotonic_decreasing


def test_a_household_puts_its_own_item_first_within_the_kind(index):
    item = index.items["item_id"][index.items["title"].str.startswith("Toothpaste")].iloc[-1]
    liking = personal.as_liking(pd.Series({item: 2.0, "01": -1.0}))
    assert search.search(index, "toothpaste", 1, liking)["item_id"].iloc[0] == item
    assert liking(pd.Index([item, "not in the catalogue"])).tolist() == pytest.approx([0.2, -0.1])


def test_a_list_holds_each_product_once_and_says_how_many_more_there_are(index):
    found = search.search(index, "toothpaste", 6)
    assert found["product_type"].is_unique and len(found) == 6
    assert found["more"].tolist() == [2] * 6 and set(found["brand"]) == {"National"}


def test_no_liking_brings_forward_what_the_text_finds_clearly_worse(index):
    wine = index.items["item_id"][index.items["title"].str.startswith("Box Wines")].iloc[0]
    liking = personal.as_liking(pd.Series({wine: 50.0, "01": 0.0}))
    assert search.search(index, "toothpaste", 1, liking)["product_type"].iloc[0] == "TOOTHPASTE"
    assert search.search(index, "wine", 1, liking)["item_id"].iloc[0] == wine


@pytest.mark.parametrize("query", ["", "   ", "\n\t", None, float("nan"), "?!…", "🍕"])
def test_what_is_no_query_is_an_error_that_says_so(index, query):
    with pytest.raises(ValueError, match="the query"):
        search.search(index, query)


def test_an_over_long_query_is_refused_and_the_limit_named(index):
    with pytest.raises(ValueError, match="at most 200 characters long"):
        search.search(index, "milk " * 1000)
    assert len(search.search(index, "milk " * 40, 2)) == 2


@pytest.mark.parametrize("query", ["qxzvb wkjhq", "fjdksl"])
def test_nonsense_finds_nothing_instead_of_anything(index, query):
    assert search.search(index, query).empty


@pytest.mark.parametrize(
    "query", ["ミルク", "молоко", "حليب", "milk\u202e", "'; DROP TABLE items; --", "milk\x00", "Ⅷ milk"]
)
def test_any_unicode_text_gets_an_answer_without_an_error(index, query):
    assert len(search.search(index, query, 2)) in (0, 2)


def test_k_below_1_is_refused(index):
    with pytest.raises(ValueError, match="`k` must be 1 or more"):
        search.search(index, "milk", 0)


def test_another_shop_is_searched_by_its_own_titles(tmp_path):
    shop = datasets.load(str(ROOT / "data" / "example_shop"))
    index = search.build(shop, workspace.Workspace(tmp_path), epochs=1)
    assert not index.rerankers
    title = index.items["title"].iloc[0]
    assert title in set(search.search(index, title.split(",")[0], 5)["title"])


def test_a_shop_in_a_folder_called_like_the_kits_gets_neither_its_glossary_nor_its_re_ranker(tmp_path):
    folder = tmp_path / "The Complete Journey"
    shutil.copytree(ROOT / "data" / "example_shop", folder)
    (folder / "shop.json").unlink(missing_ok=True)  # so that the folder's name is the shop's
    shop = datasets.load(str(folder))
    assert shop.name == "The Complete Journey" and not shop.is_kits_own
    index = search.build(shop, workspace.Workspace(tmp_path / "ws"), epochs=1)
    assert not index.codes and not index.rerankers


def test_lexical_and_search_import_no_model_library():
    script = "import sys; import recsys_kit.search; print('tensorflow' in sys.modules, 'keras' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
    assert lexical.tokens("") == []
