"""Samples of a shop's customers that keep its density: enough buyers of an item, and histories as long as the whole's.

Letters for shapes: U users, V items.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import scipy.sparse as sp

__all__ = ["choose", "least_buyers"]

_KEPT = 0.75  # part of the whole's covered purchases that a random sample must keep, or it is no likeness
_GROWN = (0.25, 0.5, 0.75, 1.0)  # parts of a sample that are grown along shared items; the smallest that is enough
_ROUNDS = 8


def choose(events: pd.DataFrame, ids: pd.Series, users: int, seed: int) -> tuple[pd.Series, str]:
    """Chooses customers at random; where that leaves items without buyers, some of them along the items they share.

    Customers are then taken in the whole's shares of history lengths (and of those who buy a thing again), so that it
    is not the densest core, and only as many along shared items as it takes.

    Args:
        events: The shop's events.
        ids: (U,) the users to choose from.
        users: How many of them.
        seed: Seed of the choice.

    Returns:
        The chosen ids, and how the sample differs from the whole; nothing to say where a random one does not.
    """
    random = ids.sample(users, random_state=seed)
    names = pd.Index(ids)
    user, (item, kinds) = names.get_indexer(events["user_id"]), pd.factorize(events["item_id"])
    counts = sp.coo_matrix((np.ones(len(user)), (user, item)), (len(names), len(kinds))).tocsr()
    whole = _coverage(counts)
    at_random = _coverage(counts[names.get_indexer(random)])
    if at_random >= _KEPT * whole:
        return random, ""
    baskets = events.groupby("user_id")["basket_id"].nunique().reindex(names).to_numpy()
    again = np.asarray((counts > 1).sum(1)).ravel() > 0
    groups = pd.factorize(pd.MultiIndex.from_arrays([(2 * np.log2(baskets)).astype(int), again]))[0]
    chosen, how, covered = (
        names.get_indexer(random),
        "drawn at random, and no other keeps the shop's density",
        at_random,
    )
    for part in _GROWN:
        grown = _grown(counts > 0, groups, users, part, np.random.default_rng(seed))
        if _coverage(counts[grown]) >= _KEPT * whole:
            chosen, how, covered = grown, f"for {part:.0%} chosen along items that they share", _coverage(counts[grown])
            break
    note = (
        f"The sample of {users:,} customers is {how}. Purchases of items with enough buyers: {covered:.0%} (at random "
        f"{at_random:.0%}, whole shop {whole:.0%}); baskets a customer: {baskets[chosen].mean():.2f} (whole "
        f"{baskets.mean():.2f}); customers who buy a thing again: {again[chosen].mean():.0%} (whole "
        f"{again.mean():.0%})."
    )
    return ids.iloc[np.sort(chosen)], note


def least_buyers(customers: int) -> int:
    """Returns how many buyers an item of the catalogue needs in a shop of so many customers.

    Example:
        >>> least_buyers(100), least_buyers(1000), least_buyers(100_000)
        (2, 5, 10)
    """
    return min(10, max(2, customers // 200))


def _coverage(counts: sp.csr_matrix) -> float:
    """Returns the share of purchases whose item has as many buyers as a catalogue of so many customers asks for."""
    enough = np.asarray((counts > 0).sum(0)).ravel() >= least_buyers(counts.shape[0])
    return float(counts[:, enough].sum() / counts.sum())


def _grown(bought: sp.csr_matrix, groups: np.ndarray, users: int, part: float, rng: np.random.Generator) -> np.ndarray:
    """Returns (users,) positions: random ones first, then in rounds those whose items are most often in the sample."""
    share = np.bincount(groups) / len(groups) * users
    quota = np.floor(share).astype(int)
    quota[np.argsort(quota - share, kind="stable")[: users - quota.sum()]] += 1
    order = rng.permutation(len(groups))
    taken = np.zeros(len(groups), bool)
    size = np.maximum(np.asarray(bought.sum(1)).ravel(), 1)
    for number in range(_ROUNDS + 1):
        # The first round finds nothing to share and is random; with `part` 1 it takes half a round's customers.
        until = (1 - part) + part * max(number, 0.5) / _ROUNDS
        have = np.asarray(bought[taken].sum(0)).ravel() > 0
        score = (bought @ have) / size
        ranked = order[np.argsort(-score[order], kind="stable")]
        for group in range(len(quota)):
            free = ranked[(groups[ranked] == group) & ~taken[ranked]]
            taken[free[: max(0, round(quota[group] * min(until, 1)) - int(taken[groups == group].sum()))]] = True
    return np.flatnonzero(taken)
