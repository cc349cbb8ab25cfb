"""The command: a file of queries into a file of results, and what is wrong said before anything is built."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from recsys_kit import search

ROOT = Path(__file__).parents[2]


def test_a_file_of_queries_keeps_its_order_and_reports_what_got_no_answer(index, tmp_path):
    path = tmp_path / "queries.csv"
    pd.DataFrame({"query_id": ["z", "y", "x", "w"], "query": ["牛奶", "", "pizza", "qxzvb wkjhq"]}).to_csv(
        path, index=False
    )
    lists, notes = search.search_file(index, search.read_queries(path), 2)
    assert list(lists.columns) == list(search.RESULT_COLUMNS)
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
