"""Text and household together: what is ranked, for whom, and what counts as found."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from recsys_kit import preprocessing, recommendation, training
from recsys_kit.datasets import promotions
from recsys_kit.search import fusion, personal
from recsys_kit.training import baskets

ANSWERS = sp.csr_matrix(np.array([[1, 0, 0, 0, 1], [0, 0, 1, 0, 0], [0, 0, 0, 0, 1]], bool))
SPLIT = SimpleNamespace(answers=ANSWERS, items=pd.Index(list("abcde")), test_users=np.arange(3))
DOCUMENT = np.array([0, 0, 0, 1, 2])  # a, b, c are of one kind
TEXT = np.array([[0.9, 0.1, 0.5]])
GRADES = np.array([[2, 0, 0]])
ASKED = personal.questions(DOCUMENT, TEXT, GRADES)


def test_only_households_that_bought_a_relevant_item_are_cases():
    liking = np.zeros((3, 5))
    liking[0, 0] = liking[1, 2] = 1
    table = personal.within(SPLIT, ASKED, liking)
    assert table["case"].tolist() == [0, 1]
    assert table["ndcg"].tolist() == [1.0, 1.0]
    assert table["items"].tolist() == [5, 5]


def test_a_list_shows_one_item_of_a_product_so_the_others_are_not_found():
    liking = np.zeros((1, 5))
    liking[0, 1] = 1  # everybody is shown b, and two have bought a or c
    assert (personal.within(SPLIT, ASKED, liking)["mrr"] == 0).all()


def test_on_a_shortlist_items_of_other_kinds_compete_but_are_no_answers():
    liking = np.zeros((3, 5))
    liking[0, 0] = liking[1, 2] = 1
    liking[:, 4] = 100.0  # everybody loves e, which the query does not ask for
    table = personal.within(SPLIT, ASKED, liking)
    assert table["case"].tolist() == [0, 1]
    assert (table["mrr"] < 1).all()
    assert (personal.within(SPLIT, ASKED, liking, width=0.2)["mrr"] == 1).all()  # behind the gate
    assert len(personal.within(SPLIT, ASKED, liking, most=1)) == 1


def test_a_query_whose_kinds_nobody_bought_gives_no_case():
    asked = personal.questions(DOCUMENT, TEXT, np.array([[0, 2, 0]]))
    assert personal.within(SPLIT, asked, np.ones((1, 5))).empty


def test_a_question_holds_its_shortlist_with_all_items_and_no_setting_changes_it():
    (short,) = personal.questions(DOCUMENT, TEXT, GRADES, shortlist=2)
    assert short.documents.tolist() == [0, 2] and short.text.tolist() == [0.9, 0.5]
    assert short.answers.tolist() == [True, False]
    assert short.items.tolist() == [0, 1, 2, 4] and short.place.tolist() == [0, 0, 0, 1]
    before = [getattr(short, field.name).copy() for field in dataclasses.fields(short)]
    for width in (0, np.inf):
        personal.within(SPLIT, [short], np.ones((3, 5)), width)
        personal.relevance([short], np.ones((3, 5)), np.arange(3), width)
    for field, kept in zip(dataclasses.fields(short), before, strict=True):
        np.testing.assert_array_equal(getattr(short, field.name), kept)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_a_weight_is_that_of_the_liking_in_single_precision_or_better(kind):
    liking = np.random.default_rng(0).normal(size=(3, 5)).astype(kind)
    weighed = liking.astype(np.result_type(kind, np.float32)) * 0.1
    one, other = (personal.within(SPLIT, ASKED, each, weight=w) for each, w in ((liking, 0.1), (weighed, 1.0)))
    assert one.equals(other)


def test_liking_is_scaled_and_unknown_items_are_liked_least():
    liking = personal.as_liking(pd.Series({"a": 4.0, "b": -2.0}), scale=0.5)
    assert liking(pd.Index(["b", "a", "z"])).tolist() == pytest.approx([-1.0, 2.0, -1.0])


def test_items_that_cannot_be_searched_for_have_no_document():
    items = pd.DataFrame({"item_id": ["a", "c"], "document": [3, 1]})
    assert personal.item_documents(SPLIT, items).tolist() == [3, -1, 1, -1, -1]


def test_households_are_scored_together_and_who_has_bought_nothing_is_named(monkeypatch, tmp_path):
    asked, said = [], []
    task = SimpleNamespace(events=pd.DataFrame({"timestamp": [pd.Timestamp("2017-01-01")]}), test=None)
    split = SimpleNamespace(users=pd.Index(["u", "v"]), items=pd.Index(["a", "b"]))

    def score(rows):
        asked.append(rows.tolist())
        return np.array([[0.0, 10.0], [20.0, 30.0]])[rows]

    monkeypatch.setattr(promotions, "load", lambda data: None)
    monkeypatch.setattr(preprocessing, "task", lambda shop, promotions, judged: task)
    monkeypatch.setattr(recommendation, "default_settings", lambda *args: None)
    monkeypatch.setattr(recommendation, "everybody", lambda *args: split)
    monkeypatch.setattr(training, "trained", lambda *args: None)
    monkeypatch.setattr(training, "scorer", lambda *args: score)
    monkeypatch.setattr(baskets, "sequences", lambda split: None)
    shop = SimpleNamespace(users=pd.DataFrame({"user_id": ["u", "v", "w"]}))
    found = personal.open_households(shop, tmp_path, "", ["v", "w", "u"], said.append)
    assert asked == [[1, 0]]
    assert list(found) == ["v", "u"]
    assert found["v"](pd.Index(["a", "b"])).tolist() == pytest.approx([2.0, 3.0])
    assert len(said) == 1 and "user w has bought nothing" in said[0]
    with pytest.raises(ValueError, match="the shop does not know the user 'x'"):
        personal.open_households(shop, tmp_path, "", ["x"])


def test_relevance_counts_products_and_a_gate_keeps_it():
    document = np.array([0, 0, 1, 1, 2])
    text, grades = np.array([[0.9, 0.8, 0.1]]), np.array([[2, 1, 0]])
    liking = np.array([[0.0, 0.0, 0.0, 0.0, 9.0]])  # it likes what answers nothing
    asked = personal.questions(document, text, grades)
    alone = personal.relevance(asked, liking * 0, np.array([0]), k=2)
    liked = personal.relevance(asked, liking, np.array([0]), k=2)
    behind = personal.relevance(asked, liking, np.array([0]), width=0.2, k=2)
    assert alone.tolist() == [1.0] and liked.tolist() == [0.5] and behind.tolist() == [1.0]


@given(st.integers(0, 2**32 - 1))
def test_outside_the_gate_the_order_is_the_texts_whatever_a_household_likes(seed):
    draw = np.random.default_rng(seed)
    document = np.sort(np.append(np.arange(6), draw.integers(0, 6, 10)))
    text, liking = draw.normal(size=6), draw.normal(scale=5, size=(3, 16))
    item, score = fusion.best_of_document(text, document, liking, width=0.5)
    near = text >= text.max() - 0.5
    for row in range(3):
        place = np.argsort(-score[row], kind="stable")
        assert set(place[: near.sum()]) == set(np.flatnonzero(near))
        assert (np.diff(text[place[near.sum() :]]) <= 0).all()
        assert (document[item[row]] == np.arange(6)).all()
        assert all(liking[row, item[row, d]] == liking[row, document == d].max() for d in range(6))
