"""Queries to judge refusals by: both kinds in every language, none of them learned from, and rows that add up."""

from pathlib import Path

import pandas as pd
import pytest
import refusals

from recsys_kit import results_file

ROOT = Path(__file__).parents[2]
FILE = ROOT / "benchmarks" / "results" / "refusals.json"
OTHERS = ("data/queries.csv", "data/nothing.csv", "benchmarks/hard_queries.csv", "benchmarks/new_queries.csv")
TABLE = refusals.read()


def test_there_are_enough_queries_of_both_kinds_in_every_language():
    counts = pd.crosstab(TABLE["language"], TABLE["kind"])
    assert set(counts.index) == set(refusals.LANGUAGES) - {"all"} and set(counts.columns) == set(refusals.KINDS)
    assert counts["good"].min() >= 30 and counts["nothing"].min() >= 20
    assert not TABLE["query"].str.lower().duplicated().any() and not TABLE["query_id"].duplicated().any()


@pytest.mark.parametrize("other", OTHERS)
def test_none_of_them_stands_in_a_file_that_was_learned_from_or_chosen_by(other):
    known = pd.read_csv(ROOT / other, dtype=str, keep_default_na=False)["query"].str.lower()
    assert not set(TABLE["query"].str.lower()) & set(known)


def test_the_rows_of_all_languages_are_the_means_of_their_parts():
    table = results_file.read(FILE).table
    names, shares = ["which", "setting", "kind"], ["refused", "doubted"]
    whole = table[table["language"] == "all"].set_index(names)[shares]
    parts = table[table["language"] != "all"].set_index(names)
    means = parts[shares].mul(parts["queries"], axis=0).groupby(names).sum()
    means = means.div(parts.groupby(names)["queries"].sum(), axis=0)
    assert means.loc[whole.index].to_numpy() == pytest.approx(whole.to_numpy())


def test_the_aim_is_met_where_page_10_says_so():
    table = results_file.read(FILE).table.query("language == 'all' and setting == 'now'").set_index(["which", "kind"])
    shown, refused = 1 - table["refused"] - table["doubted"], table["refused"].round(3)
    assert max(shown["first", "nothing"], shown["second", "nothing"]) <= 0.1
    assert refused["first", "good"] <= 0.02 < refused["second", "good"]


def test_two_limits_refuse_no_more_than_one_and_let_no_more_through_without_a_word():
    table = results_file.read(FILE).table.query("language == 'all'").set_index(["which", "kind", "setting"])
    assert (table.xs("one limit", level="setting")["doubted"] == 0).all()
    now, one = (table.xs(setting, level="setting") for setting in ("now", "one limit"))
    assert (now["refused"] <= one["refused"]).all() and (now["refused"] + now["doubted"] >= one["refused"]).all()
