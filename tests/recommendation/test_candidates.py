"""Candidates: recall and overlap by hand, and nothing proposed that a household already has."""

import light_shop
import numpy as np
import pytest
import scipy.sparse as sp

from recsys_kit import baselines
from recsys_kit.recommendation import candidates


def test_recall_counts_only_what_is_new():
    answers = sp.csr_matrix(np.array([[1, 1, 1, 0], [0, 0, 1, 0]], bool))
    seen = sp.csr_matrix(np.array([[1, 0, 0, 0], [0, 0, 1, 0]], bool))  # the second case buys nothing new
    table = candidates.recall_table({"a": np.array([[1, 3], [0, 1]]), "b": np.array([[3, -1], [2, -1]])}, answers, seen)
    assert table.loc["a", "recall"] == 0.5 and table.loc["b", "recall"] == 0
    assert table.loc["all together", "recall"] == 0.5
    assert table.loc["a", "only_here"] == 1


def test_recalls_of_several_lists_count_what_they_hold_together():
    answers = sp.csr_matrix(np.array([[1, 1, 1, 0], [0, 0, 1, 0]], bool))
    seen = sp.csr_matrix(np.array([[1, 0, 0, 0], [0, 0, 1, 0]], bool))
    one, other = np.array([[1, 3], [0, 1]]), np.array([[2, -1], [3, -1]])
    assert candidates.recalls([one], answers, seen).to_dict() == {0: 0.5}  # the second case buys nothing new
    assert candidates.recalls([one, other], answers, seen).to_dict() == {0: 1.0}


def test_overlap_is_a_part_of_the_row():
    table = candidates.overlap({"a": np.array([[0, 1, 2, 3]]), "b": np.array([[3, 9, -1, -1]])}, (1, 10))
    assert table.loc["a", "b"] == 0.25 and table.loc["b", "a"] == 0.5 and table.loc["a", "a"] == 1


def test_new_items_are_new():
    split = light_shop.task().validation
    lists = candidates.top_new(baselines.popularity(split), split, 10)
    seen = split.seen()
    for case, own in enumerate(lists):
        assert not seen[case, own[own >= 0]].toarray().any()


@pytest.mark.parametrize("block", [7, 500])
def test_every_source_has_its_best_among_the_candidates(block):
    split = light_shop.task().validation
    sources = {"a": baselines.personal_frequency(split, 30), "b": baselines.user_knn(split)}
    table = candidates.collect(split, sources, old=5, new=3, old_from=["a"], block=block)
    assert table["case"].is_monotonic_increasing
    assert not table.duplicated(["case", "item"]).any()
    seen = split.seen().toarray()
    np.testing.assert_array_equal(seen[table["case"], table["item"]], table["seen"])
    assert table[table["seen"]].groupby("case").size().max() <= 5
    for case in (0, 11, 40):
        own = table[table["case"] == case]
        for name, scorer in sources.items():
            scores = scorer(np.array([case]))[0]
            fresh = np.where(seen[case], -np.inf, scores)
            assert own["item"].isin(np.argsort(-fresh, kind="stable")[:1]).any()
            np.testing.assert_allclose(scores[own["item"]], own[name], rtol=1e-5)


def test_text_needs_no_sales():
    split = light_shop.task().validation
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(len(split.items), 6)).astype("float32")
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    case = 3
    counts = split.counts()[split.test_users[case]].toarray()[0]
    favourite = counts.argmax()
    twin = np.flatnonzero(counts == 0)[0]
    vectors[twin] = vectors[favourite]  # never sold to the household, but the same text
    scores = candidates.text_scorer(split, vectors)(np.array([case]))[0]
    assert scores[twin] == pytest.approx(scores[favourite], abs=1e-5)
