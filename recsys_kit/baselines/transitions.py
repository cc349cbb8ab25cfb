"""What follows what: counts of items in later baskets, and a chain that looks several baskets back (notebook 03).

Letters for shapes: E events, T steps (baskets), U users, V items of the catalogue, N test cases, B rows asked for.
"""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pandas as pd
import scipy.sparse as sp

from recsys_kit.baselines.frequency import recent_popularity
from recsys_kit.baselines.scorers import product_scorer
from recsys_kit.evaluation import Scorer
from recsys_kit.preprocessing import Split

__all__ = ["PairWeights", "basket_steps", "cooccurrence", "cooccurrence_table", "largest_entries", "recent_items"]


@dataclasses.dataclass(frozen=True)
class PairWeights:
    """What a pair of an earlier and a later item counts, beside 1 / lag.

    Args:
        backward: Weight of the other direction: the earlier item, seen from the later one.
        from_power: Discount for a frequent item in the history; 1 gives transition probabilities.
        to_power: Discount for a frequent item as an answer.
    """

    backward: float = 0.3
    from_power: float = 0.5
    to_power: float = 0.15


def cooccurrence_table(
    users: np.ndarray,
    steps: np.ndarray,
    items: np.ndarray,
    n_items: int,
    lags: int = 10,
    weights: PairWeights = PairWeights(),
    neighbours: int | None = None,
    block: int = 1000,
) -> sp.csr_matrix:
    """Counts which item follows which, 1 to `lags` steps later; a step is a bag of items (a basket, or one item).

    A pair at lag l counts 1/l; the sum is divided by frequency(from)^from_power * frequency(to)^to_power.

    Args:
        users: (E,) user of each event, 0 and up.
        steps: (E,) the event's place in its user's sequence, 0 and up; events of one basket share it.
        items: (E,) item of each event, 0 and up.
        n_items: Size of the catalogue, V.
        lags: How many steps to look ahead.
        weights: What a pair counts.
        neighbours: Entries kept in each row; None keeps all.
        block: Rows computed at once; bounds the memory.

    Returns:
        (V, V) table: row = item in the history, column = item to recommend.
    """
    if lags < 1:
        raise ValueError(f"`lags` must be at least 1. Received: lags={lags}")
    owner, bags = _bags(users, steps, items, n_items)  # (T,), (T, V)
    shift = sp.csr_matrix((len(owner), len(owner)), dtype=np.float32)
    for lag in range(1, lags + 1):
        start = np.flatnonzero(owner[lag:] == owner[:-lag])
        ahead = sp.coo_matrix((np.full(len(start), 1 / lag, np.float32), (start, start + lag)), shift.shape).tocsr()
        shift = shift + ahead + np.float32(weights.backward) * ahead.T.tocsr()
    frequency = np.maximum(np.asarray(bags.sum(axis=0)).ravel(), 1)
    after = shift @ bags @ sp.diags((frequency**-weights.to_power).astype(np.float32))  # (T, V)
    before = (bags @ sp.diags((frequency**-weights.from_power).astype(np.float32))).T.tocsr()  # (V, T)
    rows = []
    for first in range(0, n_items, block):
        part = sp.csr_matrix(before[first : first + block] @ after)
        rows.append(part if neighbours is None else largest_entries(part, neighbours))
    return sp.vstack(rows, format="csr").astype(np.float32)


def recent_items(
    users: np.ndarray,
    steps: np.ndarray,
    items: np.ndarray,
    n_users: int,
    n_items: int,
    last: int = 20,
    decay: float = 0.7,
) -> sp.csr_matrix:
    """Returns (U, V) weights of what each user took in the `last` steps: decay^0 for the newest, decay^1, ..."""
    owner, bags = _bags(users, steps, items, n_items)
    back = np.searchsorted(owner, owner, side="right") - 1 - np.arange(len(owner))
    kept = np.flatnonzero(back < last)
    weights = (decay ** back[kept]).astype(np.float32)
    return sp.csr_matrix(sp.coo_matrix((weights, (owner[kept], kept)), (n_users, len(owner))).tocsr() @ bags)


def cooccurrence(
    split: Split,
    lags: int = 3,
    weights: PairWeights = PairWeights(to_power=0.5),
    last: int = 20,
    decay: float = 0.8,
    neighbours: int = 300,
) -> Scorer:
    """Ranks the items by what usually follows the user's last baskets: a Markov chain that looks several steps back.

    Args:
        split: The split.
        lags: How many baskets ahead a pair may lie; it counts 1/lag.
        weights: What a pair counts.
        last: How many of the user's last baskets speak.
        decay: Weight of a basket relative to the next newer one.
        neighbours: Followers kept for each item.
    """
    events = (split.history["user"].to_numpy(), basket_steps(split.history), split.history["item"].to_numpy())
    table = cooccurrence_table(*events, len(split.items), lags, weights, neighbours)
    recent = recent_items(*events, len(split.users), len(split.items), last, decay)
    return product_scorer(recent[split.test_users], table, recent_popularity(split))


def basket_steps(history: pd.DataFrame) -> np.ndarray:
    """Returns for each row of a split's history its basket's place among its user's, 0 and up, in order of appearance.

    Example:
        >>> basket_steps(pd.DataFrame({"user": [7, 7, 2, 7], "basket_id": ["x", "y", "z", "x"]})).tolist()
        [0, 1, 0, 0]
    """
    user = history["user"].to_numpy(np.int64)
    basket, first = pd.factorize(user * len(history) + pd.factorize(history["basket_id"])[0])
    owner = pd.Series(first // max(1, len(history)))
    return owner.groupby(owner).cumcount().to_numpy()[basket]


def largest_entries(matrix: sp.csr_matrix, k: int) -> sp.csr_matrix:
    """Keeps the k largest entries of each row, and those equal to the smallest of them."""
    for start, end in itertools.pairwise(matrix.indptr):
        if end - start > k:
            row = matrix.data[start:end]
            row[row < np.partition(row, -k)[-k]] = 0
    matrix.eliminate_zeros()
    return matrix


def _bags(users: np.ndarray, steps: np.ndarray, items: np.ndarray, n_items: int) -> tuple[np.ndarray, sp.csr_matrix]:
    """Returns the owner (T,) and the content (T, V, zero or one) of each step, ordered by user and step."""
    users, steps = np.asarray(users, np.int64), np.asarray(steps, np.int64)
    keys, row = np.unique(users * (steps.max(initial=0) + 1) + steps, return_inverse=True)
    bags = sp.coo_matrix((np.ones(len(row), np.float32), (row, items)), (len(keys), n_items)).tocsr()
    bags.data[:] = 1  # an item taken twice in one basket is one co-occurrence
    return keys // (steps.max(initial=0) + 1), bags
