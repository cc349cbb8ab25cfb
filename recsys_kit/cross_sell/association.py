"""What is bought together: support, confidence, lift, and measures that do not fall for rare pairs (notebook 11).

Letters for shapes: T baskets, U users, V items, P pairs, N baskets of which a part is left, B of them, D width.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import scipy.sparse as sp
from scipy.stats import chi2
from sklearn.preprocessing import normalize

from recsys_kit import evaluation
from recsys_kit.datasets.tables import NotForThisShop
from recsys_kit.neural import start_vectors

_LEAST_BASKETS = 50  # with two things or more; what goes with what can't be learned from fewer
_LEAST_PART = 0.05  # of all baskets: where fewer hold two things, they are by chance of one day

__all__ = [
    "BasketTable",
    "basket_table",
    "by_vectors",
    "check_baskets",
    "explain",
    "lift_bounds",
    "pair_measures",
    "seen_again",
    "signed_g2",
    "starting_vectors",
    "together",
    "told_and_kept",
]


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


def check_baskets(table: BasketTable) -> None:
    """Refuses a shop whose baskets hold one thing each: there, nothing goes with anything.

    Args:
        table: What there is to learn from.

    Raises:
        NotForThisShop: If hardly any basket holds two things or more.
    """
    several = int((table.sizes() >= 2).sum())
    if several < max(_LEAST_BASKETS, _LEAST_PART * len(table.user)):
        raise NotForThisShop(
            f"of {len(table.user):,} baskets only {several:,} hold two different things: what goes with what in a "
            f"basket needs {_LEAST_BASKETS} of them, and {_LEAST_PART:.0%} of all. What follows an earlier purchase is "
            "in notebook 08, and in `recsys-kit recommend`"
        )


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


def seen_again(pairs: pd.DataFrame, later: BasketTable) -> pd.DataFrame:
    """Looks for pairs in baskets that were not counted.

    Args:
        pairs: What `pair_measures` returned.
        later: Other baskets, with the same columns as the counted ones.

    Returns:
        One row a pair: `seen` (common baskets among the later ones), `by_chance` (as many as if the two had nothing to
        do with each other), `if_true` (as many as if the lift that was told were true).

    Raises:
        NotForThisShop: If there is no pair, as where nearly all baskets hold one item.
    """
    if not len(pairs):
        raise NotForThisShop("no two items lie together in baskets often enough: here nothing is bought with anything")
    often, again = np.asarray(later.matrix.sum(axis=0), float).ravel(), together(later.matrix)
    a, b = pairs["a"].to_numpy(), pairs["b"].to_numpy()
    chance = often[a] * often[b] / later.matrix.shape[0]
    seen = np.asarray(again[a, b]).ravel()
    return pd.DataFrame({"seen": seen, "by_chance": chance, "if_true": chance * pairs["lift"]}, index=pairs.index)


def told_and_kept(pairs: pd.DataFrame, later: pd.DataFrame) -> dict[str, float]:
    """Compares the lift that chosen pairs were told to have with the one that they have in other baskets.

    A pair that is expected less than once is mostly not seen again even if its lift is true: `seen again` has to be
    read beside what the lift itself would expect of it.

    Args:
        pairs: Rows of what `pair_measures` returned.
        later: The same rows of what `seen_again` returned.

    Returns:
        `common baskets` (the median), `lift told`, `lift kept` (both of all pairs together), `of it` (kept / told) with
        its bounds `low` and `high`, `seen again` (a share), and that share `if the lift were true` and `by chance`.
    """
    told = pairs["together"].sum() / pairs["expected"].sum()
    seen, expected = later["seen"].sum(), max(later["by_chance"].sum(), 1e-9)
    low, high = lift_bounds(seen, expected * told)
    return {
        "common baskets": pairs["together"].median(),
        "lift told": told,
        "lift kept": seen / expected,
        "of it": seen / expected / told,
        "low": float(low),
        "high": float(high),
        "seen again": (later["seen"] > 0).mean(),
        "if the lift were true": -np.expm1(-later["if_true"]).mean(),
        "by chance": -np.expm1(-later["by_chance"]).mean(),
    }


def explain(
    matrix: sp.csc_matrix, basket: np.ndarray, suggested: np.ndarray, by: str = "g2", min_lift: float = 1.5
) -> np.ndarray:
    """Says which item of a basket each suggestion goes with: the surest pair among those that are strong enough.

    Without a floor under the lift the best sellers explain everything: they lie in many baskets, with anything.

    Args:
        matrix: (T, V) the baskets that are counted; by columns (CSC), if many baskets are asked for.
        basket: (L,) columns of what the basket holds.
        suggested: (K,) columns of what is suggested.
        by: "g2" (the surest pair) or "together" (the most common one).
        min_lift: Least lower bound of the lift; 0: no floor.

    Returns:
        (K,) a column of the basket for each suggestion; -1: no pair is strong enough, so no reason is given.
    """
    if by not in ("g2", "together"):
        raise ValueError(f"`by` must be 'g2' or 'together'. Received: {by!r}.")
    matrix = sp.csc_matrix(matrix)
    held, wanted = matrix[:, basket], matrix[:, suggested]
    both = (wanted.T @ held).toarray().astype(float)  # (K, T) @ (T, L) -> (K, L)
    a, b = (np.asarray(part.sum(axis=0), float).ravel() for part in (wanted, held))
    chance = np.maximum(np.outer(a, b) / matrix.shape[0], 1e-12)
    sure = signed_g2(both, a[:, None], b[None], matrix.shape[0]) if by == "g2" else both
    strong = (both > 0) & (lift_bounds(both, chance)[0] >= min_lift)
    best = np.where(strong, sure, -np.inf).argmax(axis=1)
    return np.where(strong.any(axis=1), np.asarray(basket)[best], -1)


def starting_vectors(table: BasketTable, width: int, min_count: int = 3, size: float = 0.1) -> np.ndarray:
    """Returns (V, D) vectors in which items of the same baskets are close: a start for the item embedding.

    The counts, as positive pointwise mutual information, are factorised (`start_vectors.from_pairs`).

    Args:
        table: The baskets.
        width: D; if there are fewer items, the last columns are zeros.
        min_count: Pairs in fewer baskets are left out.
        size: Root mean square of the vectors' entries.
    """
    counts = together(table.matrix)
    counts.data[counts.data < min_count] = 0
    counts.eliminate_zeros()
    return start_vectors.from_pairs(counts, np.maximum(np.asarray(counts.sum(axis=1)).ravel(), 1), width, size)


def by_vectors(table: BasketTable, rest: sp.csr_matrix, width: int = 256) -> evaluation.Scorer:
    """Asks such vectors, which nobody trained: how near does each item lie to the mean of what is left of a basket?

    Args:
        table: The baskets that are counted.
        rest: (N, V) what is left of each basket.
        width: D; nothing is trained, so it may be larger than a model's.

    Returns:
        Rows (B,) of `rest` -> cosines (B, V), to be weighed and added to counted log chances.
    """
    start = normalize(starting_vectors(table, width))
    mean = normalize(rest @ start)
    return lambda rows: mean[rows] @ start.T
