"""Diversity: both methods keep the ranker's order at weight 0, and give it up for difference as the weight grows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import normalize

from recsys_kit.recommendation import diversity

METHODS = list(diversity.METHODS)


def candidates(seed, n=4, m=12, d=5):
    rng = np.random.default_rng(seed)
    vectors = normalize(np.abs(rng.normal(size=(30, d)))).astype("float32")
    items = np.stack([rng.permutation(30)[:m] for _ in range(n)])
    return items, -np.sort(-rng.random((n, m)), axis=1), vectors


@pytest.mark.parametrize("method", METHODS)
@given(seed=st.integers(0, 10_000), k=st.integers(1, 12))
@settings(max_examples=20, deadline=None)
def test_weight_0_keeps_the_order_of_the_ranker(method, seed, k):
    items, scores, vectors = candidates(seed)
    np.testing.assert_array_equal(diversity.rerank(items, scores, vectors, k, 0.0, method), items[:, :k])


@pytest.mark.parametrize("method", METHODS)
@given(seed=st.integers(0, 10_000), weight=st.floats(0, 1))
@settings(max_examples=20, deadline=None)
def test_no_item_is_chosen_twice_and_none_that_was_no_candidate(method, seed, weight):
    items, scores, vectors = candidates(seed)
    for own, chosen in zip(items, diversity.rerank(items, scores, vectors, 8, weight, method), strict=True):
        assert len(set(chosen)) == 8 and set(chosen) <= set(own)


@pytest.mark.parametrize("method", METHODS)
def test_more_weight_gives_more_difference(method):
    items, scores, vectors = candidates(3, n=200, d=16)
    lists = [diversity.rerank(items, scores, vectors, 5, weight, method) for weight in (0.0, 0.4, 0.8)]
    difference = [diversity.intra_list(found, vectors).mean() for found in lists]
    assert difference[0] < difference[1] < difference[2]


@pytest.mark.parametrize("weight", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("method", METHODS)
def test_empty_places_stay_last(method, weight):
    items = np.array([[3, 1, -1, -1]])
    scores = np.array([[0.5, 0.9, -np.inf, -np.inf]])
    chosen = diversity.rerank(items, scores, np.eye(5, dtype="float32"), 4, weight, method)
    assert chosen.tolist() == [[1, 3, -1, -1]]


def test_dpp_is_the_greedy_search_over_determinants():
    items, scores, vectors = candidates(11, n=1, m=7)
    weight = 0.6
    relevance = (scores[0] - scores[0].min()) / np.ptp(scores[0])
    quality = np.exp(relevance * (1 - weight) / (2 * weight))
    kernel = quality[:, None] * (vectors[items[0]] @ vectors[items[0]].T) * quality
    chosen = []
    for _ in range(4):
        rest = [i for i in range(7) if i not in chosen]
        chosen.append(max(rest, key=lambda i: np.linalg.det(kernel[np.ix_([*chosen, i], [*chosen, i])])))
    assert diversity.rerank(items, scores, vectors, 4, weight, "DPP")[0].tolist() == items[0][chosen].tolist()


def test_the_difference_within_a_list_is_the_one_worked_by_hand():
    vectors = np.array([[1, 0], [0, 1], [1, 0]], "float32")
    lists = np.array([[0, 1, 2], [0, 2, -1], [1, -1, -1]])  # pairs: 1 + 0 + 1 of 3; 0 of 1; none
    np.testing.assert_allclose(diversity.intra_list(lists, vectors), [2 / 3, 0, 0], atol=1e-6)


def test_a_weight_out_of_range_and_an_unknown_method_are_named():
    items, scores, vectors = candidates(0)
    with pytest.raises(ValueError, match=r"`weight` must lie in 0..1. Received: weight=2"):
        diversity.rerank(items, scores, vectors, 3, 2)
    with pytest.raises(ValueError, match=r"`method` must be one of MMR, DPP. Received: method='mmr'"):
        diversity.rerank(items, scores, vectors, 3, 0.5, "mmr")


def test_vectors_that_are_no_numbers_are_refused_and_no_item_is_shown_twice():
    items, scores, vectors = candidates(0)
    vectors[items[0, 0]] = np.nan
    with pytest.raises(FloatingPointError, match="`vectors` must be finite"):
        diversity.rerank(items, scores, vectors, 3, 0.5, "DPP")
