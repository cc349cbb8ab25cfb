import numpy as np
import pytest
from two_tastes import make_split

from recsys_kit import baselines


def score(scorer, split, user):
    row = int(np.flatnonzero(split.users[split.test_users] == user)[0])
    return dict(zip(split.items, scorer(np.array([row]))[0], strict=True))


def test_only_the_most_similar_user_speaks_when_one_neighbour_is_asked():
    split = make_split([("u", 10, "ab"), ("v", 10, "abc"), ("w", 10, "ad")], [("u", "c")])
    scores = score(baselines.user_knn(split, neighbours=1), split, "u")
    assert scores["c"] > 0.1 > 1e-4 > scores["d"]


def test_item_neighbours_match_a_cosine_worked_by_hand():
    # Unlike a and b, whose two buyers are one and the same, c has one buyer of its own: cosine 1 / sqrt(2).
    split = make_split([("u", 10, "a"), ("v", 10, "c"), ("w", 10, "ac")], [("u", "c")])
    scores = score(baselines.item_knn(split), split, "u")
    assert scores["c"] / scores["a"] == pytest.approx(0.5, abs=1e-4)
