"""Complements against substitutes: bought on the same trip, or by the same household on different ones (notebook 11).

Letters for shapes: T baskets, U users, V items, P pairs.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import scipy.sparse as sp
from sklearn.preprocessing import normalize

from recsys_kit.cross_sell.association import BasketTable, lift_bounds, together

__all__ = ["groups", "hold", "same_trip", "shared_weeks", "text_similarity"]


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


def shared_weeks(table: BasketTable, pairs: pd.DataFrame, level: float = 0.95) -> pd.DataFrame:
    """Counts pairs again, each in the weeks alone in which the shop sold both.

    An item that replaces another one is never bought on the same trip with it, and is no substitute: it came when the
    other had gone. Over the year both look alike; in the weeks in which a household could choose they don't.

    Args:
        table: The baskets, those that `same_trip` counted.
        pairs: Some rows of what it returned; the work grows with their number.
        level: Coverage of the interval of the ratio.

    Returns:
        The same rows: `weeks` (in which both were sold), and `together`, `expected`, `ratio`, `low` and `high` as
        `same_trip` has them, within these weeks.
    """
    users = len(table.users)
    week = ((table.time - table.time.min()) // pd.Timedelta(days=7)).to_numpy() if len(table.time) else np.zeros(0, int)
    weeks = int(week.max(initial=0)) + 1
    place, size = table.user * weeks + week, table.sizes().astype(float)
    total, squares = (np.bincount(place, size**p, users * weeks).reshape(users, weeks) for p in (1, 2))
    columns = table.matrix.tocsc()
    held = {i: columns.indices[columns.indptr[i] : columns.indptr[i + 1]] for i in np.unique(pairs[["a", "b"]])}
    sold = {i: np.bincount(week[rows], minlength=weeks) > 0 for i, rows in held.items()}
    found = np.zeros((len(pairs), 3))
    for row, (a, b) in enumerate(pairs[["a", "b"]].to_numpy()):
        both = sold[a] & sold[b]
        often = [np.bincount(table.user[rows][both[week[rows]]], minlength=users) for rows in (held[a], held[b])]
        who = np.flatnonzero(often[0] * often[1])
        habit = (squares[who] @ both) / np.maximum(total[who] @ both, 1) ** 2
        shared = np.intersect1d(held[a], held[b], assume_unique=True)  # in a shared basket both are sold in its week
        expected = (often[0][who] * often[1][who] * habit).sum()
        found[row] = both.sum(), len(shared), expected
    result = pd.DataFrame(found, index=pairs.index, columns=["weeks", "together", "expected"])
    result["ratio"] = (result["together"] + 2) / (result["expected"] + 2)
    result["low"], result["high"] = lift_bounds(result["together"], np.maximum(result["expected"], 1e-9), level)
    return result


def groups(table: BasketTable, trips: pd.DataFrame, alike: float = 0.65, most: int = 400) -> dict[str, pd.DataFrame]:
    """Sorts pairs into complements, varieties, substitutes and successors.

    Args:
        table: The baskets that were counted.
        trips: What `same_trip` returned, with a column `text`: how alike the two titles are.
        alike: Titles at least so alike are; those that are less alike by 0.05 or more are not.
        most: The largest number of pairs of a group, the surest ones.

    Returns:
        Rows of `trips`. Complements read differently and share the trip; varieties read alike and share it; substitutes
        read alike and avoid each other in the weeks in which both were sold. Successors are the pairs that would have
        been taken for substitutes if the year had been counted as a whole.
    """
    text = trips["text"]
    avoid = trips[(text > alike) & (trips["high"] < 1)].nsmallest(most, "high")
    within = shared_weeks(table, avoid)
    inside = within[["weeks", "together", "expected"]].set_axis(["weeks", "shared together", "shared expected"], axis=1)
    avoid = avoid.join(inside)
    still = within["high"] < 1
    return {
        "complements": trips[(text < alike - 0.05) & (trips["low"] > 1)].nlargest(most, "low"),
        "varieties": trips[(text > alike) & (trips["low"] > 1)].nlargest(most, "low"),
        "substitutes": avoid[still],
        "successors": avoid[~still],
    }


def hold(groups: Mapping[str, pd.DataFrame], table: BasketTable) -> pd.DataFrame:
    """Counts groups of pairs in other baskets.

    Args:
        groups: Rows of what `same_trip` returned, by name.
        table: The other baskets, with the same columns.

    Returns:
        One row a group: `pairs`, `ratio, past`, `ratio, later` and its bounds `low` and `high`.
    """
    newer = same_trip(table, min_expected=0.0).set_index(["a", "b"])[["together", "expected"]]
    rows = {}
    for name, chosen in groups.items():
        later = newer.reindex(pd.MultiIndex.from_frame(chosen[["a", "b"]])).fillna(0)
        seen, expected = later["together"].sum(), max(later["expected"].sum(), 1e-9)
        low, high = lift_bounds(seen, expected)
        past = chosen["together"].sum() / max(chosen["expected"].sum(), 1e-9)
        rows[name] = {"pairs": len(chosen), "ratio, past": past, "ratio, later": seen / expected}
        rows[name] |= {"low": float(low), "high": float(high)}
    return pd.DataFrame(rows).T


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
