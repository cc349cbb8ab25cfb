"""What is bought together: support, confidence, lift, and measures that do not fall for rare pairs (notebook 11).

Letters for shapes: T baskets, U users, V items, P pairs.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import scipy.sparse as sp
from scipy.stats import chi2

__all__ = ["BasketTable", "basket_table", "lift_bounds", "pair_measures", "signed_g2", "together"]


@dataclass(frozen=True)
class BasketTable:
    """Baskets as rows, items as columns.

    Attributes:
        matrix: (T, V) float32 CSR matrix, 1 where a basket holds an item.
        user: (T,) whose basket it is, as positions in `users`.
        time: (T,) when it began.
        users: (U,) user ids.
        items: (V,) item ids, or names of whatever the columns are.
    """

    matrix: sp.csr_matrix = field(repr=False)
    user: np.ndarray = field(repr=False)
    time: pd.DatetimeIndex = field(repr=False)
    users: pd.Index
    items: pd.Index

    def sizes(self) -> np.ndarray:
        """Returns (T,) how many different items each basket holds."""
        return np.diff(self.matrix.indptr)

    def rows(self, kept: np.ndarray) -> BasketTable:
        """Returns the table of some baskets: (T,) booleans or positions."""
        return BasketTable(self.matrix[kept], self.user[kept], self.time[kept], self.users, self.items)

    def columns(self, kept: np.ndarray) -> BasketTable:
        """Returns the table of some items: (V,) booleans or positions. Baskets may become empty."""
        return BasketTable(self.matrix[:, kept], self.user, self.time, self.users, self.items[kept])

    def grouped(self, labels: pd.Series | np.ndarray) -> BasketTable:
        """Returns the table with a column for each label: a basket holds a label if it holds one of its items.

        Args:
            labels: (V,) a label for each item, such as its product type.
        """
        code, names = pd.factorize(np.asarray(labels), sort=True)
        member = sp.csr_matrix((np.ones(len(code), np.float32), (np.arange(len(code)), code)))
        matrix = sp.csr_matrix(self.matrix @ member)
        matrix.data[:] = 1
        return BasketTable(matrix, self.user, self.time, self.users, pd.Index(names))


def basket_table(
    events: pd.DataFrame, items: pd.Index, start: pd.Timestamp | None = None, end: pd.Timestamp | None = None
) -> BasketTable:
    """Turns cleaned events into baskets.

    Args:
        events: Events with `user_id`, `basket_id`, `item_id`, `timestamp`.
        items: (V,) the catalogue; other items are left out, and so are baskets without an item of it.
        start: First instant; None: from the beginning.
        end: First instant that is left out; None: to the end. A basket is cut at neither edge: it belongs to the time
            of its first row.
    """
    column = items.get_indexer(events["item_id"])
    known = column >= 0
    events, column = events[known], column[known]
    user, users = pd.factorize(events["user_id"], sort=True)
    basket = pd.factorize(events["basket_id"])[0].astype(np.int64) * max(len(users), 1) + user
    keys, first, row = np.unique(basket, return_index=True, return_inverse=True)
    matrix = sp.csr_matrix((np.ones(len(row), np.float32), (row, column)), (len(keys), len(items)))
    matrix.data[:] = 1  # an item scanned twice is one item
    began = pd.DatetimeIndex(events["timestamp"].iloc[first])
    table = BasketTable(matrix, user[first], began, pd.Index(users), items)
    kept = np.ones(len(keys), bool)
    if start is not None:
        kept &= began >= start
    if end is not None:
        kept &= began < end
    return table if kept.all() else table.rows(np.flatnonzero(kept))


def together(matrix: sp.csr_matrix, weights: np.ndarray | None = None) -> sp.csr_matrix:
    """Returns (V, V) in how many baskets two items lie together, with an empty diagonal.

    Args:
        matrix: (T, V) zeros and ones.
        weights: (T,) what each basket counts; None: 1.
    """
    weighted = matrix if weights is None else sp.diags(np.asarray(weights, np.float32)) @ matrix
    counts = sp.csr_matrix(matrix.T @ weighted)
    counts.setdiag(0)
    counts.eliminate_zeros()
    return counts


def lift_bounds(count: np.ndarray, expected: np.ndarray, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Returns the lower and upper bound of count / expected, if counts vary as chance (Poisson) says.

    Args:
        count: (P,) how often a pair was seen.
        expected: (P,) how often it would be if the two had nothing to do with each other.
        level: Coverage of the interval.

    Example:
        >>> low, high = lift_bounds(np.array([1, 100]), np.array([0.01, 10.0]))
        >>> low.round(1).tolist()  # both lifts are large, 100 and 10; the second is the surer one
        [2.5, 8.1]

    Source: Garwood (1936), Fiducial limits for the Poisson distribution.
    """
    count, expected = np.asarray(count, float), np.asarray(expected, float)
    tail = (1 - level) / 2
    low = np.where(count > 0, chi2.ppf(tail, 2 * np.maximum(count, 1e-9)) / 2, 0.0)
    return low / expected, chi2.ppf(1 - tail, 2 * count + 2) / 2 / expected


def signed_g2(count: np.ndarray, a: np.ndarray, b: np.ndarray, baskets: int) -> np.ndarray:
    """Returns (P,) the log-likelihood ratio of the 2 x 2 table, negative where two items avoid each other.

    Args:
        count: (P,) baskets with both.
        a: (P,) baskets with the first.
        b: (P,) baskets with the second.
        baskets: T.

    Source: Dunning (1993), Accurate methods for the statistics of surprise and coincidence.
    """
    count, a, b = (np.asarray(x, float) for x in (count, a, b))
    cells = (count, a - count, b - count, baskets - a - b + count)
    sums = (a * b, a * (baskets - b), (baskets - a) * b, (baskets - a) * (baskets - b))
    total = sum(
        np.where(o > 0, o * np.log(np.maximum(o, 1e-12) * baskets / np.maximum(e, 1e-12)), 0.0)
        for o, e in zip(cells, sums, strict=True)
    )
    return np.sign(count * baskets - a * b) * 2 * np.maximum(total, 0.0)


def pair_measures(table: BasketTable, min_count: int = 5, level: float = 0.95) -> pd.DataFrame:
    """Measures every pair of items that lies in enough baskets together.

    Args:
        table: The baskets.
        min_count: Least number of common baskets.
        level: Coverage of the interval of the lift.

    Returns:
        One row a pair a < b (column positions): `together` (baskets), `support` (share of all), `confidence_ab`
        (of the baskets with a, the share with b), `confidence_ba`, `expected` (baskets together by chance), `lift`
        (together / expected), `lift_low` (lower bound), `g2` (log-likelihood ratio).
    """
    if min_count < 1:
        raise ValueError(f"`min_count` must be at least 1. Received: min_count={min_count}.")
    counts = sp.coo_matrix(sp.triu(together(table.matrix), 1))
    kept = counts.data >= min_count
    a, b, both = counts.row[kept], counts.col[kept], counts.data[kept].astype(float)
    often, baskets = np.asarray(table.matrix.sum(axis=0), float).ravel(), table.matrix.shape[0]
    expected = often[a] * often[b] / baskets
    return pd.DataFrame(
        {
            "a": a,
            "b": b,
            "together": both.astype(int),
            "support": both / baskets,
            "confidence_ab": both / often[a],
            "confidence_ba": both / often[b],
            "expected": expected,
            "lift": both / expected,
            "lift_low": lift_bounds(both, expected, level)[0],
            "g2": signed_g2(both, often[a], often[b], baskets),
        }
    )
