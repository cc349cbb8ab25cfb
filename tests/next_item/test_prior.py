import itertools

import numpy as np
import pytest

from recsys_kit.next_item import leave_one_out, prior


def _names(data):
    """The circle's own numbers of the items: consecutive in a sequence."""
    first = data.items[0]
    following = {}
    for user in range(len(data.start) - 1):
        part = data.items[data.start[user] : data.start[user + 1]]
        following |= dict(itertools.pairwise(part))
    place, item = {}, first
    for number in range(20):
        place[item], item = number, following[item]
    return [place[item] for item in data.items]


def test_vectors_from_counts_put_neighbours_close(data):
    vectors = prior.cooccurrence_vectors(data, 2, width=8)
    assert vectors.shape == (20, 8) and np.sqrt((vectors**2).mean()) == pytest.approx(0.1)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    number = np.zeros(20, int)
    for item, name in zip(data.items, _names(data), strict=True):
        number[item - 1] = name
    order = np.argsort(number)
    similar = unit[order] @ unit[order].T
    assert np.diag(similar, 1).mean() > np.diag(similar, 10).mean() + 0.5


def test_the_prior_knows_what_follows_and_is_a_log_chance(data):
    scores = prior.ItemPrior(data, held_out=2).scorer(2)(np.arange(60))
    np.testing.assert_allclose(np.exp(scores).sum(axis=1), 1, rtol=1e-5)
    assert leave_one_out.judge(lambda rows: scores[rows], data, 2)["recall@5"] == 1
