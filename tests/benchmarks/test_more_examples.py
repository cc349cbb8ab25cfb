"""More examples: none says what a test asks, the second set is new, and the search's own row is what it refuses."""

from pathlib import Path

import hard_search
import more_examples
import new_intents
import pandas as pd
import pytest
import refusals

from recsys_kit import results_file
from recsys_kit.search import nothing, queries
from recsys_kit.search.vectors import encode

FILE = Path(__file__).parents[2] / "benchmarks" / "results" / "more_examples.json"
LANGUAGES = list(queries.LANGUAGES)


def lower(*tables):
    return {text.lower() for table in tables for text in table}


def test_no_query_of_the_second_set_stands_in_another_file():
    own = refusals.read("second")["query"]
    others = [table["query"] for table in (queries.judged(), hard_search.read(), new_intents.read(), refusals.read())]
    assert not lower(own) & lower(*others, nothing.unanswerable())
    assert not own.str.lower().duplicated().any()


def test_no_example_says_what_is_asked_elsewhere_nor_nearly():
    table = more_examples.read()
    texts = table[LANGUAGES].melt()["value"]
    texts = texts[texts != ""].tolist()
    tables = (refusals.read("second"), refusals.read(), hard_search.read("test"), new_intents.read())
    asked = sorted(set(queries.judged()["query"]).union(*(one["query"] for one in tables)))
    assert not lower(texts) & lower(asked)
    assert (encode(texts) @ encode(asked).T).max() < 0.9
    assert set(table["kind"]) == set(more_examples.KINDS)


def test_every_judge_has_every_row_and_the_search_is_the_reference():
    table = results_file.read(FILE).table
    rows = pd.MultiIndex.from_frame(table[["which", "measure", "judge"]])
    measures = (*more_examples.KINDS, "AUC")
    assert set(rows) == set(pd.MultiIndex.from_product([more_examples.SETS, measures, more_examples.JUDGES]))
    own = table[table["judge"] == more_examples.NOW]
    assert (own["difference"] == 0).all()
    first = own[(own["which"] == "first") & (own["measure"] == "good")]["value"].item()
    before = results_file.read(FILE.with_name("refusals.json")).table.query(
        "which == 'first' and setting == 'one limit' and kind == 'good' and language == 'all'"
    )
    assert first == pytest.approx(before["refused"].item(), abs=1e-4)
