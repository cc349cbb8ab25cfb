"""Complements against substitutes: bought on the same trip, or by the same household on different ones (notebook 11).

Letters for shapes: T baskets, U users, V items, P pairs.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import scipy.sparse as sp
from sklearn.preprocessing import normalize

from recsys_kit.cross_sell.association import BasketTable, lift_bounds, together

__all__ = ["same_trip", "text_similarity"]


def same_trip(table: BasketTable, min_expected: float = 5.0, level: float = 0.95) -> pd.DataFrame:
    """Asks of every pair that the same households buy: on the same trip more often than their habits explain, or less?

    A plain lift mixes two things: who buys, and when. Here the yardstick is the household itself. If household h puts
    n_a times item a and n_b times item b into its baskets, and what goes into which basket is left to chance (large
    baskets take more), it has n_a n_b sum(s^2) / sum(s)^2 common baskets, with s the sizes of its baskets. Summed over
    the households this is `expected`. A ratio above 1: complements, or things that run out together. Below 1: the
    household buys one *or* the other, as it does with substitutes.

    Args:
        table: The baskets.
        min_expected: Least `expected`: pairs that few households share say nothing.
        level: Coverage of the interval of the ratio.

    Returns:
        One row a pair a < b: `together`, `expected`, `households` (that buy both), `ratio` (with 2 added to both, so
        that it is drawn to 1), `low` and `high` (bounds of the ratio, without that).
    """
    users, items = len(table.users), table.matrix.shape[1]
    size = table.sizes().astype(float)
    total, squares = (np.bincount(table.user, size**p, users) for p in (1, 2))
    owner = sp.csr_matrix((np.ones(len(size), np.float32), (table.user, np.arange(len(size)))), (users, len(size)))
    bought = sp.csr_matrix(owner @ table.matrix)  # (U, V) in how many baskets
    habit = sp.diags((squares / np.maximum(total, 1) ** 2).astype(np.float32)) @ bought
    expected = sp.csr_matrix(sp.triu(bought.T @ habit, 1))
    expected.data[expected.data < min_expected] = 0
    expected.eliminate_zeros()
    expected.sort_indices()
    pairs = expected.tocoo()
    both = bought.copy()
    both.data[:] = 1
    seen, shared = (_at(matrix, pairs.row, pairs.col, items) for matrix in (together(table.matrix), both.T @ both))
    low, high = lift_bounds(seen, pairs.data, level)
    return pd.DataFrame(
        {
            "a": pairs.row,
            "b": pairs.col,
            "together": seen.astype(int),
            "expected": pairs.data.astype(float),
            "households": shared.astype(int),
            "ratio": (seen + 2) / (pairs.data + 2.0),
            "low": low,
            "high": high,
        }
    )


def text_similarity(pairs: pd.DataFrame, vectors: np.ndarray) -> np.ndarray:
    """Returns (P,) how alike two items' texts are: the cosine of their embeddings.

    Args:
        pairs: Columns `a` and `b`.
        vectors: (V, D) text embeddings.
    """
    unit = normalize(vectors)
    return np.einsum("pd,pd->p", unit[pairs["a"]], unit[pairs["b"]])


def _at(matrix: sp.spmatrix, row: np.ndarray, column: np.ndarray, width: int) -> np.ndarray:
    """Returns (P,) the matrix's values at positions, 0 where nothing is stored."""
    matrix = sp.csr_matrix(matrix).tocoo()
    key = matrix.row.astype(np.int64) * width + matrix.col
    order = np.argsort(key, kind="stable")
    wanted = row.astype(np.int64) * width + column
    place = np.minimum(np.searchsorted(key[order], wanted), max(len(key) - 1, 0))
    if not len(key):
        return np.zeros(len(row))
    found = key[order][place] == wanted
    return np.where(found, matrix.data[order][place], 0).astype(float)
