"""Search: what can be found, stages that agree with their definitions, clear answers to any query, and the command."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from search_shop import KINDS, small_shop

from recsys_kit import datasets, search, workspace
from recsys_kit.datasets.tables import Shop
from recsys_kit.search import fusion, lexical, personal
from recsys_kit.search import index as search_index

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    return search.build(small_shop(), workspace.Workspace(tmp_path_factory.mktemp("ws")), tower=False)


def test_sizes_of_one_product_are_one_document_and_every_item_has_one(index):
    assert len(index.documents) == len(KINDS)
    assert index.documents["products"].tolist() == [3] * len(KINDS)
    assert len(index.items) == 18
    assert (index.items["document"] >= 0).all()


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
    assert list(found.columns) == list(search.COLUMNS[1:])
    assert found["rank"].tolist() == [1, 2, 3]
    assert found["product_category"].iloc[0] == category
    assert found["score"].is_monotonic_decreasing


def test_a_household_puts_its_own_item_first_within_the_kind(index):
    item = index.items["item_id"][index.items["title"].str.startswith("Toothpaste")].iloc[-1]
    liking = personal.as_liking(pd.Series({item: 2.0, "01": -1.0}))
    assert search.search(index, "toothpaste", 1, liking)["item_id"].iloc[0] == item
    assert liking(pd.Index([item, "not in the catalogue"])).tolist() == pytest.approx([0.2, -0.1])


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


def test_stages_are_what_they_say(index):
    found = search.scores(index, ["toothpaste", "leche"])
    assert set(found) >= {"words", "meaning", "fused", "known"}
    assert found["meaning"] == pytest.approx(fusion.best_view(found["vector"], index.views))
    assert found["known"].tolist() == [1.0, 0.0]
    sales = search_index.SALES * np.log1p(index.documents["sold"].to_numpy())
    assert found["fused"][1] == pytest.approx(found["meaning"][1] + sales)  # unread words change nothing
    assert not np.allclose(found["fused"][0], found["meaning"][0] + sales)


def test_the_index_is_kept_and_found_again(tmp_path):
    store = workspace.Workspace(tmp_path)
    first = search.build(small_shop(), store, epochs=1, rerank=False)
    kept = sorted(path.name for path in tmp_path.glob("[!.]*"))
    again = search.build(small_shop(), store, epochs=1, rerank=False)
    assert sorted(path.name for path in tmp_path.glob("[!.]*")) == kept
    assert {name.split("-")[0] for name in kept} == {"search_vectors", "search_tower"}
    assert search.search(first, "milk", 5).equals(search.search(again, "milk", 5))


def test_a_shop_without_titles_is_told_what_is_missing():
    shop = small_shop("corner shop")
    bare = shop.items.assign(title=shop.items["item_id"], product_type="unknown")
    with pytest.raises(ValueError, match="no titles"):
        fusion.documents(Shop("corner shop", shop.events, bare, shop.users, "UTC", "x"))


def test_another_shop_is_searched_by_its_own_titles(tmp_path):
    shop = datasets.load(str(ROOT / "data" / "example_shop"))
    index = search.build(shop, workspace.Workspace(tmp_path), epochs=1)
    assert not index.rerankers
    title = index.items["title"].iloc[0]
    assert title in set(search.search(index, title.split(",")[0], 5)["title"])
    asked, grade = search.task(shop, index.documents, count=20)
    assert len(asked) == len(grade) == 20
    assert (grade.max(1) == 2).all()


def test_a_shop_in_a_folder_called_like_the_kits_gets_neither_its_glossary_nor_its_re_ranker(tmp_path):
    folder = tmp_path / "The Complete Journey"
    shutil.copytree(ROOT / "data" / "example_shop", folder)
    (folder / "shop.json").unlink(missing_ok=True)  # so that the folder's name is the shop's
    shop = datasets.load(str(folder))
    assert shop.name == "The Complete Journey" and not shop.is_kits_own
    index = search.build(shop, workspace.Workspace(tmp_path / "ws"), epochs=1)
    assert not index.codes and not index.rerankers


def test_a_file_of_queries_keeps_its_order_and_reports_what_got_no_answer(index, tmp_path):
    path = tmp_path / "queries.csv"
    pd.DataFrame({"query_id": ["z", "y", "x", "w"], "query": ["牛奶", "", "pizza", "qxzvb wkjhq"]}).to_csv(
        path, index=False
    )
    lists, notes = search.search_file(index, search.read_queries(path), 2)
    assert list(lists.columns) == list(search.COLUMNS)
    assert lists["query_id"].tolist() == ["z", "z", "x", "x"]
    assert [note.split(":")[0] for note in notes] == ["y", "w"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("query\nmilk\n", "column `query_id` is missing"),
        ("query_id,query\n", "has no rows"),
        ("query_id,query\na,milk\na,tea\n", "must be unique"),
        ("query_id,query\n,milk\n", "must not be empty"),
    ],
)
def test_a_broken_file_of_queries_is_refused(tmp_path, content, message):
    path = tmp_path / "queries.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        search.read_queries(path)


def command(*words):
    line = [sys.executable, "-c", "from recsys_kit.cli import app; app()", "search", *words]
    return subprocess.run(line, cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "give either a query or --queries FILE"),
        (["milk", "--k", "0"], "`--k` must be 1 or more"),
        ([""], "the query is empty"),
        (["--queries", "nowhere.csv"], "--queries needs --out"),
    ],
)
def test_the_command_says_what_is_wrong_before_it_builds_anything(words, message):
    done = command(*words)
    assert done.returncode == 2
    assert message in done.stderr


def test_lexical_and_search_import_no_model_library():
    script = "import sys; import recsys_kit.search; print('tensorflow' in sys.modules, 'keras' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
    assert lexical.tokens("") == []
