"""Start vectors: what is bought together is close, the size is the one asked for, padding is zero."""

import numpy as np
import pytest
import scipy.sparse as sp

from recsys_kit.neural import start_vectors

TOGETHER = sp.csr_matrix(np.kron(np.eye(2), np.ones((3, 3)) - np.eye(3)) * 5.0)  # two groups of three items


def closeness(vectors):
    return vectors @ vectors.T


def test_items_counted_together_are_closer_than_others():
    vectors = start_vectors.from_pairs(TOGETHER, np.full(6, 10.0), width=4, size=0.2)
    assert vectors.shape == (6, 4) and np.sqrt((vectors**2).mean()) == pytest.approx(0.2)
    near = closeness(vectors)
    assert near[0, 1] > near[0, 3] + 1e-3


def test_without_pairs_the_vectors_are_zeros():
    assert not start_vectors.from_pairs(sp.csr_matrix((4, 4)), np.ones(4), width=3).any()


def test_items_of_the_same_users_are_close_and_padding_is_zero():
    counts = sp.csr_matrix(np.kron(np.eye(2), np.ones((4, 3))).astype(np.float32))  # (8 users, 6 items)
    vectors = start_vectors.from_users(counts, width=8)
    assert vectors.shape == (7, 8) and not vectors[0].any() and not vectors[:, 5:].any()
    near = closeness(vectors[1:])
    assert near[0, 1] > near[0, 3] + 1e-3
