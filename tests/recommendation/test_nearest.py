"""Nearest neighbours: exact is exact, an index finds most, and a stand-in catalogue begins with the real one."""

import numpy as np
import pytest

from recsys_kit.recommendation import nearest

RNG = np.random.default_rng(0)
VECTORS = RNG.normal(size=(3000, 16)).astype("float32")


def test_recall_is_the_part_found():
    assert nearest.recall(np.array([[1, 2, 3, 4]]), np.array([[4, 3, 8, 9]])) == 0.5


def test_a_larger_catalogue_begins_with_the_real_one():
    large = nearest.enlarge(VECTORS, 5000)
    assert large.shape == (5000, 16) and large.dtype == np.float32
    np.testing.assert_array_equal(large[:3000], VECTORS)
    assert not (large[3000:, None] == VECTORS[:50]).all(-1).any()
    assert nearest.enlarge(VECTORS, 100).shape == (100, 16)


def test_the_exact_index_finds_what_numpy_finds():
    import faiss

    index = faiss.IndexFlatIP(16)
    index.add(VECTORS)
    query = RNG.normal(size=(5, 16)).astype("float32")
    expected = np.argsort(-(query @ VECTORS.T), axis=1)[:, :10]
    np.testing.assert_array_equal(index.search(query, 10)[1], expected)


def test_indexes_are_compared_on_the_same_queries():
    table = nearest.compare(VECTORS, RNG.normal(size=(20, 16)), k=10)
    assert list(table.index) == list(nearest.INDEXES)
    assert table.loc["exact", "recall"] == 1
    assert (table["recall"] > 0.3).all() and (table[["p50_ms", "mb"]] > 0).all().all()
    assert (table["p99_ms"] >= table["p50_ms"]).all()
    with pytest.raises(ValueError, match="Received: tree"):
        nearest.compare(VECTORS, VECTORS[:2], names=["tree"])
