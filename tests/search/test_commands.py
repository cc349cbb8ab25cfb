"""The command: a file of queries into a file of results, and what is wrong said before anything is built."""

import dataclasses
from pathlib import Path

import pandas as pd
import pytest
from search_shop import small_shop
from typer.testing import CliRunner

from recsys_kit import cli, output_file, search
from recsys_kit.search import commands, personal

ROOT = Path(__file__).parents[2]


def test_a_file_of_queries_keeps_its_order_and_reports_what_got_no_answer(index, tmp_path):
    path = tmp_path / "queries.csv"
    pd.DataFrame({"query_id": ["z", "y", "x", "w"], "query": ["牛奶", "", "pizza", "qxzvb wkjhq"]}).to_csv(
        path, index=False
    )
    lists, notes = search.search_file(index, search.read_queries(path), 2)
    assert list(lists.columns) == list(search.RESULT_COLUMNS)
    assert lists["query_id"].tolist() == ["z", "z", "x", "x"]
    assert [note.split(":")[:2] for note in notes] == [["no answer", " y"], ["no answer", " w"]]


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


def test_a_row_longer_than_the_header_is_refused_and_moves_no_column(tmp_path):
    path = tmp_path / "queries.csv"
    path.write_text("query_id,query\na,milk,\nb,tea,\n", encoding="utf-8")
    with pytest.raises(ValueError, match="must be a CSV file in UTF-8"):
        search.read_queries(path)
    path.write_text("\ufeffquery_id, query ,user_id\n a ,milk, u1 \n", encoding="utf-8")
    assert search.read_queries(path).iloc[0].tolist() == ["a", "milk", "u1"]
    for gone in (tmp_path, tmp_path / "nowhere.csv"):
        with pytest.raises(ValueError, match=r"--queries: (a folder|no such file)"):
            search.read_queries(gone)


@pytest.fixture
def opened(index, monkeypatch):
    """The command finds the small shop and its index; whoever is known is liked as nobody is."""
    monkeypatch.setattr(commands, "open_index", lambda *_, **__: (small_shop(), index))
    asked = []
    monkeypatch.setattr(personal, "open_households", lambda shop, folder, data, users, say: asked.extend(users) or {})
    return asked


def test_an_unknown_user_stops_its_own_query_alone(opened):
    rows = [("q1", "milk", "a"), ("q2", "milk", "aa"), ("q3", "pizza", ""), ("q4", "", "b"), ("q5", "wine", "NaN")]
    table = pd.DataFrame(rows, columns=["query_id", "query", "user_id"])
    lists, notes = search.run_file(table, 2, "", "ws")
    assert lists["query_id"].unique().tolist() == ["q1", "q3"]
    unknown = "no answer: {}: the shop does not know the user {!r}".format
    assert notes[:2] == [unknown("q2", "aa"), unknown("q5", "NaN")]
    assert notes[2].startswith("no answer: q4: the query is empty")
    assert opened == ["a", "b"]
    lists, notes = search.run_file(table.iloc[[1]], 2, "", "ws")
    assert lists.empty and list(lists.columns) == list(search.RESULT_COLUMNS) and len(notes) == 1


def test_a_similar_id_is_offered_for_an_unknown_user():
    shop = dataclasses.replace(small_shop(), users=pd.DataFrame({"user_id": ["kd-003", "kd-114"]}))
    lines = personal.unknown_users(shop, ["kd-03", "kd-114"])
    assert lines == {"kd-03": "the shop does not know the user 'kd-03' (did you mean 'kd-003'?)"}


def test_more_results_than_the_shop_has_items_are_all_of_them(index):
    assert 0 < len(search.search(index, "milk", 10**9)) <= len(index.items)


def test_formulas_are_defused_in_titles_and_ids_stay(tmp_path):
    row = {"query_id": "=q", "rank": 1, "item_id": "-7", "title": '=HYPERLINK("http://x")', "score": -0.5}
    row |= {"product_category": "@home", "product_type": "plain", "brand": "National", "more": 0, "doubtful": False}
    lists = pd.DataFrame([row])[list(search.RESULT_COLUMNS)]
    search.to_csv(lists, tmp_path / "out.csv")
    back = pd.read_csv(tmp_path / "out.csv", dtype="str").iloc[0]
    assert (back["query_id"], back["item_id"], back["score"]) == ("=q", "-7", "-0.5")
    assert (back["title"], back["product_category"]) == ('\'=HYPERLINK("http://x")', "'@home")


def test_results_go_to_the_screen_if_the_file_cannot_be_written(opened, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    (tmp_path / "q.csv").write_text("query_id,query\na,milk\n")
    monkeypatch.setattr(output_file, "write", full)
    words = ["--queries", tmp_path / "q.csv", "--out", tmp_path / "out.csv", "--workspace", tmp_path / "ws"]
    done = CliRunner().invoke(cli.app, ["search", *map(str, words)])
    assert done.exit_code == 2 and "No space left" in done.stderr
    assert done.stdout.splitlines()[0] == ",".join(search.RESULT_COLUMNS) and "a,1," in done.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "give either a query or --queries FILE"),
        (["milk", "--k", "0"], "`--k` must be 1 or more"),
        ([""], "the query is empty"),
        (["--queries", "nowhere.csv"], "--queries needs --out"),
        (["--queries", "nowhere.csv", "--out", "out.csv"], "--queries: no such file: nowhere.csv"),
        (["--queries", "README.md", "--out", "nowhere/out.csv"], "the folder of nowhere/out.csv does not exist"),
        (["--queries", "README.md", "--out", "out.txt"], "must end in .csv"),
        (["--queries", "README.md", "--out", "out.csv", "--user", "1"], "--user goes with one query"),
        (["milk", "--out", "out.csv"], "--out goes with --queries"),
        (["milk", "--workspace", "README.md"], "README.md is a file"),
    ],
)
def test_the_command_says_what_is_wrong_before_it_builds_anything(words, message, monkeypatch):
    monkeypatch.chdir(ROOT)
    done = CliRunner().invoke(cli.app, ["search", *words])
    assert done.exit_code == 2
    assert message in done.stderr
