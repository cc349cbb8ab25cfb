"""Stores as places: what sells where, and how far a small store can be trusted (notebook 15).

A store with ten baskets says little about its taste, and what it says is mostly noise. The chain says much, but of no
place in particular. Hierarchical smoothing starts each store at the chain and lets its own purchases pull it away.

Letters for shapes: S stores, C labels (categories or items).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.special import gammaln

__all__ = ["counts", "shares", "smoothed", "strength", "surprise"]


def counts(events: pd.DataFrame, labels: pd.Series, stores: Sequence[str], wanted: Sequence[str]) -> np.ndarray:
    """Returns the (S, C) numbers of purchases of each label in each store; a label counts once a basket.

    Args:
        events: Events with `store_id`, `basket_id` and `item_id`.
        labels: The label of each item id.
        stores: S store ids; events elsewhere are left out.
        wanted: C labels; others are left out.
    """
    row = pd.Index(stores).get_indexer(events["store_id"])
    column = pd.Index(wanted).get_indexer(events["item_id"].map(labels))
    there = (row >= 0) & (column >= 0)
    basket = pd.factorize(events["basket_id"])[0]
    key = pd.unique(basket[there].astype(np.int64) * len(wanted) + column[there])
    store_of = np.zeros(basket.max(initial=-1) + 1, np.int64)
    store_of[basket[there]] = row[there]
    flat = store_of[key // len(wanted)] * len(wanted) + key % len(wanted)
    return np.bincount(flat, minlength=len(stores) * len(wanted)).reshape(len(stores), len(wanted)).astype(float)


def shares(count: np.ndarray) -> np.ndarray:
    """Divides counts (..., C) by their sum; a row of zeros stays one."""
    return count / np.maximum(count.sum(-1, keepdims=True), 1e-12)


def smoothed(count: np.ndarray, prior: np.ndarray, strength: float) -> np.ndarray:
    """Returns the (S, C) shares of each store, pulled towards a prior.

    The posterior mean under a Dirichlet prior: the store is given `strength` purchases of the chain's kind to begin
    with. Without purchases of its own it is the chain; with many, itself.

    Args:
        count: (S, C) purchases.
        prior: (C,) or (S, C) shares.
        strength: How many purchases the prior is worth.

    Example:
        >>> smoothed(np.array([[1.0, 0.0], [90.0, 10.0]]), np.array([0.5, 0.5]), strength=10).round(2).tolist()
        [[0.55, 0.45], [0.86, 0.14]]
    """
    if not strength > 0:
        raise ValueError(f"`strength` must be above 0. Received: strength={strength}.")
    return (count + strength * prior) / (count.sum(-1, keepdims=True) + strength)


def strength(
    count: np.ndarray, prior: np.ndarray, grid: Sequence[float] = tuple(10 ** np.arange(0, 5.01, 0.2))
) -> float:
    """Estimates how many purchases the prior is worth, from the stores themselves (empirical Bayes).

    If stores differ no more than chance makes them differ, it is large; if each has a taste of its own, it is small.
    It maximises the Dirichlet-multinomial likelihood of the counts.

    Args:
        count: (S, C) purchases.
        prior: (C,) shares; labels with a share of zero are left out.
        grid: Values to try.

    Returns:
        The best value of the grid.
    """
    used = prior > 0
    count, prior = count[:, used], prior[used]
    total = count.sum(1)
    some = count > 0  # the others add nothing
    column = np.nonzero(some)[1]
    value = count[some]
    found = []
    for worth in grid:
        alpha = worth * prior[column]
        found.append((gammaln(value + alpha) - gammaln(alpha)).sum() + (gammaln(worth) - gammaln(total + worth)).sum())
    return float(grid[int(np.argmax(found))])


def surprise(probability: np.ndarray, held: np.ndarray, floor: float = 1e-6) -> np.ndarray:
    """Returns (S,) bits a purchase: how surprised a forecast is by what was bought later; smaller is better.

    Args:
        probability: (S, C) or (C,) forecast shares. They are mixed with a pinch of "anything can happen": one that
            said "never" would be surprised without end.
        held: (S, C) later purchases.
        floor: The least share that a label is given.

    Returns:
        One number a store, NaN for a store without later purchases.
    """
    p = np.maximum(np.broadcast_to(probability, held.shape), floor)
    p = p / p.sum(-1, keepdims=True)
    total = held.sum(-1)
    bits = -(held * np.log2(p)).sum(-1)
    return np.where(total > 0, bits / np.maximum(total, 1), np.nan)
