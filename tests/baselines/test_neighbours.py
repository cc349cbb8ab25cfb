import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from two_tastes import make_split, random_split, score

from recsys_kit import baselines
from recsys_kit.baselines import neighbours


def test_only_the_most_similar_user_speaks_when_one_neighbour_is_asked():
    split = make_split([("u", 10, "ab"), ("v", 10, "abc"), ("w", 10, "ad")], [("u", "c")])
    scores = score(baselines.user_knn(split, neighbours=1), split, "u")
    assert scores["c"] > 0.1 > 1e-4 > scores["d"]


def dense_user_knn(split, nearest, decay):
    """User-kNN as it is written in one line of algebra, all users by all users."""
    tastes = neighbours._unit_rows(baselines.decayed_counts(split, decay).log1p())
    similar = (tastes[split.test_users] @ tastes.T).toarray()
    similar[np.arange(len(similar)), split.test_users] = 0
    if nearest < similar.shape[1]:
        least = np.partition(similar, -nearest, axis=1)[:, -nearest]
        similar[similar < least[:, None]] = 0
    return (sp.csr_matrix(similar) @ tastes).toarray() + np.float32(1e-6) * baselines.recent_popularity(split)


@given(seed=st.integers(0, 999), nearest=st.integers(1, 45), cells=st.sampled_from([1, 100, 2**24]))
@settings(max_examples=25, deadline=None)
def test_user_neighbours_found_in_blocks_are_to_the_bit_those_of_all_users_by_all(seed, nearest, cells):
    split = random_split(seed)
    wanted = dense_user_knn(split, nearest, 120)
    before, neighbours._CELLS = neighbours._CELLS, cells
    try:
        score = baselines.user_knn(split, nearest)
        rows = np.arange(len(split.test_users))
        assert np.array_equal(score(rows), wanted)
        assert np.array_equal(score(rows[::-3]), wanted[::-3])
        assert score(rows[:0]).shape == (0, len(split.items))
    finally:
        neighbours._CELLS = before


def test_among_as_many_users_as_there_are_means_all_and_among_fewer_only_they_speak():
    split = random_split(1)
    rows = np.arange(len(split.test_users))
    everybody = baselines.user_knn(split, 5)(rows)
    assert np.array_equal(baselines.user_knn(split, 5, among=len(split.users))(rows), everybody)
    some = baselines.user_knn(split, 5, among=10, seed=3)(rows)
    assert np.array_equal(some, baselines.user_knn(split, 5, among=10, seed=3)(rows))
    assert not np.array_equal(some, everybody)
    others = np.sort(np.random.default_rng(3).choice(len(split.users), 10, replace=False))
    bought = np.asarray(split.counts()[others].sum(axis=0)).ravel() > 0
    assert (some[:, ~bought] < 1e-5).all()
    with pytest.raises(ValueError, match="`among` must be 1 or more"):
        baselines.user_knn(split, among=0)


def test_user_neighbours_of_many_users_take_little_memory():
    """3,000 users by 3,000 would be 36 MB; of a block nobody asks for, nothing is computed."""
    rng = np.random.default_rng(0)
    events = [(f"u{i}", int(rng.integers(1, 200)), "abcdefghij"[rng.integers(10)]) for i in range(3000)]
    split = make_split(events, [(f"u{i}", "a") for i in range(3000)])
    tracemalloc.start()
    baselines.user_knn(split)(np.arange(10))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12e6


def test_item_neighbours_match_a_cosine_worked_by_hand():
    # Unlike a and b, whose two buyers are one and the same, c has one buyer of its own: cosine 1 / sqrt(2).
    split = make_split([("u", 10, "a"), ("v", 10, "c"), ("w", 10, "ac")], [("u", "c")])
    scores = score(baselines.item_knn(split), split, "u")
    assert scores["c"] / scores["a"] == pytest.approx(0.5, abs=1e-4)
