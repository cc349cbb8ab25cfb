"""Text and household together: what is ranked, for whom, and what counts as found."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from recsys_kit.search import personal

ANSWERS = sp.csr_matrix(np.array([[1, 0, 0, 0, 1], [0, 0, 1, 0, 0], [0, 0, 0, 0, 1]], bool))
SPLIT = SimpleNamespace(answers=ANSWERS, items=pd.Index(list("abcde")), test_users=np.arange(3))
DOCUMENT = np.array([0, 0, 0, 1, 2])  # a, b, c are of one kind
TEXT = np.array([[0.9, 0.1, 0.5]])
GRADES = np.array([[2, 0, 0]])


def test_only_households_that_bought_a_relevant_item_are_cases():
    liking = np.zeros((3, 5))
    liking[0, 0] = liking[1, 2] = 1
    table = personal.within(SPLIT, DOCUMENT, TEXT, GRADES, liking, 1.0)
    assert table["case"].tolist() == [0, 1]
    assert table["ndcg"].tolist() == [1.0, 1.0]
    assert table["items"].tolist() == [3, 3]


def test_text_alone_cannot_tell_items_of_one_kind_apart():
    table = personal.within(SPLIT, DOCUMENT, TEXT, GRADES, np.ones((1, 5)), 0.0)
    assert (table["mrr"] == 1 / 3).all()  # ties count against it


def test_on_a_shortlist_items_of_other_kinds_compete_but_are_no_answers():
    liking = np.zeros((3, 5))
    liking[:, 4] = 100.0  # everybody loves e, which the query does not ask for
    table = personal.within(SPLIT, DOCUMENT, TEXT, GRADES, liking, 1.0, shortlist=3)
    assert table["case"].tolist() == [0, 1]
    assert (table["mrr"] < 1).all()
    assert len(personal.within(SPLIT, DOCUMENT, TEXT, GRADES, liking, 1.0, most=1)) == 1


def test_a_query_whose_kinds_nobody_bought_gives_no_case():
    assert personal.within(SPLIT, DOCUMENT, TEXT, np.array([[0, 2, 0]]), np.ones((1, 5)), 1.0).empty


def test_liking_is_scaled_and_unknown_items_are_liked_least():
    liking = personal.as_liking(pd.Series({"a": 4.0, "b": -2.0}), scale=0.5)
    assert liking(pd.Index(["b", "a", "z"])).tolist() == pytest.approx([-1.0, 2.0, -1.0])


def test_items_that_cannot_be_searched_for_have_no_document():
    items = pd.DataFrame({"item_id": ["a", "c"], "document": [3, 1]})
    assert personal.item_documents(SPLIT, items).tolist() == [3, -1, 1, -1, -1]
