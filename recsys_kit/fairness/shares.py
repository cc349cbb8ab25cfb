"""What lists show against what is bought: exposure, popularity, the household's own mix; and re-ranking for each.

Letters for shapes: N households (lists), K places, M candidates, V items, C categories.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import scipy.sparse as sp

from recsys_kit.evaluation import bootstrap_interval, discounts

__all__ = [
    "boosted",
    "calibrated",
    "exposure",
    "list_ndcg",
    "miscalibration",
    "mix_of",
    "popularity_lift",
    "small_makers",
]

SMOOTHING = 0.01  # of the list's mix, so that a category without a place costs much and not infinitely much


def small_makers(maker: pd.Series, sales: np.ndarray, share: float = 0.2) -> np.ndarray:
    """Returns (V,) whether an item's manufacturer is one of the smallest, which together have `share` of the sales.

    Example:
        >>> small_makers(pd.Series(["big", "big", "tiny", "mid"]), np.array([60, 20, 5, 15])).tolist()
        [False, False, True, True]
    """
    total = pd.Series(sales, dtype=float).groupby(maker.astype(str).to_numpy()).sum().sort_values()
    small = total.index[total.cumsum() <= share * total.sum() + 1e-9]
    return maker.astype(str).isin(small).to_numpy()


def exposure(
    lists: np.ndarray, answers: sp.csr_matrix, sales: np.ndarray, members: dict[str, np.ndarray]
) -> pd.DataFrame:
    """Compares how much of the attention of lists a group of items gets with how much of the sales it has.

    A place is worth what NDCG gives it: 1 / log2(place + 1).

    Args:
        lists: (N, K) columns; -1 for an empty place.
        answers: (N, V) what the households bought next: the same households' own demand.
        sales: (V,) how often each item was bought before.
        members: For each group of items (V,) whether an item belongs to it.

    Returns:
        One row a group: `catalogue`, `sales`, `bought` and `exposure` as shares, `ratio` (exposure over sales) with its
        interval over households, `low` and `high`, and `minus_bought`, exposure minus the share of the same
        household's next basket, with `minus_low` and `minus_high`.
    """
    weight = np.where(lists >= 0, discounts(lists.shape[1]), 0)
    weight /= np.maximum(weight.sum(1, keepdims=True), 1e-9)
    size = np.maximum(np.diff(answers.indptr), 1)
    rows = {}
    for name, member in members.items():
        shown = (weight * member[lists]).sum(1)  # (N,)
        own = (answers @ member.astype(float)) / size
        sold = float(sales[member].sum() / max(1, sales.sum()))
        (low, high), (less, more) = bootstrap_interval(shown), bootstrap_interval(shown - own)
        rows[name] = {
            "catalogue": float(member.mean()),
            "sales": sold,
            "bought": float(own.mean()),
            "exposure": float(shown.mean()),
            "ratio": float(shown.mean() / max(sold, 1e-9)),
            "low": low / max(sold, 1e-9),
            "high": high / max(sold, 1e-9),
            "minus_bought": float((shown - own).mean()),
            "minus_low": less,
            "minus_high": more,
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("items")


def popularity_lift(lists: np.ndarray, counts: sp.csr_matrix, buyers: np.ndarray) -> np.ndarray:
    """Returns (N,) how many times as popular a list's items are as what the household buys, as log2; 0: equally.

    Args:
        lists: (N, K) columns; -1 for an empty place.
        counts: (N, V) what each household bought; one without purchases gets nan.
        buyers: (V,) how many households bought each item.

    Example:
        >>> popularity_lift(np.array([[0]]), sp.csr_matrix([[0, 3]]), np.array([8, 2])).tolist()
        [2.0]
    """
    popular = np.log2(np.maximum(buyers, 1))
    there = lists >= 0
    shown = (there * popular[lists]).sum(1) / np.maximum(there.sum(1), 1)
    total = np.asarray(counts.sum(1)).ravel()
    with np.errstate(invalid="ignore", divide="ignore"):
        return shown - np.where(total > 0, (counts @ popular) / total, np.nan)


def mix_of(counts: sp.csr_matrix, category: np.ndarray) -> np.ndarray:
    """Returns (N, C) the share of each category in what a household bought; rows of 0 where it bought nothing."""
    columns = sp.csr_matrix((np.ones(len(category)), (np.arange(len(category)), category)))
    mix = np.asarray((counts @ columns).todense(), float)
    return mix / np.maximum(mix.sum(1, keepdims=True), 1e-9)


def miscalibration(lists: np.ndarray, mix: np.ndarray, category: np.ndarray) -> np.ndarray:
    """Returns (N,) Kullback-Leibler divergence of the list's mix of categories from the household's own, in nats.

    Source: Steck (2018), Calibrated recommendations, with its smoothing of .01.

    Example:
        >>> miscalibration(np.array([[0, 1]]), np.array([[0.5, 0.5]]), np.array([0, 1])).tolist()
        [0.0]
    """
    shown = np.zeros_like(mix)
    rows, places = np.nonzero(lists >= 0)
    np.add.at(shown, (rows, category[lists[rows, places]]), 1)
    shown /= np.maximum(shown.sum(1, keepdims=True), 1)
    shown = (1 - SMOOTHING) * shown + SMOOTHING * mix
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(mix > 0, mix * np.log(mix / shown), 0).sum(1)


def calibrated(
    items: np.ndarray, scores: np.ndarray, mix: np.ndarray, category: np.ndarray, k: int, weight: float
) -> np.ndarray:
    """Chooses k of each household's candidates: relevant ones, and in the household's own mix of categories.

    One item after the other, (1 - weight) * relevance + weight * what the item takes off the divergence. An item
    changes only its own category's term, so no sum over categories is needed.

    Args:
        items: (N, M) candidate columns; -1 for an empty place.
        scores: (N, M) larger is better; scaled to 0..1 in each case.
        mix: (N, C) from `mix_of`.
        category: (V,) code of each item's category.
        k: K.
        weight: 0 keeps the order of the scores, 1 looks at nothing but the mix.

    Returns:
        (N, K) columns, -1 where nothing is left.

    Source: Steck (2018), Calibrated recommendations, section 4.
    """
    if not 0 <= weight <= 1:
        raise ValueError(f"`weight` must lie in 0..1. Received: weight={weight}.")
    value = (1 - weight) * _relevance(items, scores)
    rows = np.arange(len(items))
    code = category[items]  # (N, M)
    wanted = np.take_along_axis(mix, code, 1)
    taken = np.zeros(mix.shape)
    chosen = []
    for step in range(min(k, items.shape[1])):
        now = np.take_along_axis(taken, code, 1)
        without = (1 - SMOOTHING) * now / (step + 1) + SMOOTHING * wanted
        gain = wanted * np.log1p((1 - SMOOTHING) / (step + 1) / np.maximum(without, 1e-12))
        best = (value + weight * gain).argmax(1)
        chosen.append(np.where(np.isfinite(value[rows, best]), items[rows, best], -1))
        taken[rows, code[rows, best]] += 1
        value[rows, best] = -np.inf
    return np.stack(chosen, 1)


def boosted(items: np.ndarray, scores: np.ndarray, member: np.ndarray, k: int, weight: float) -> np.ndarray:
    """Chooses the k best of each household's candidates after adding `weight` to the members' relevance (0..1).

    Example:
        >>> boosted(np.array([[0, 1, 2]]), np.array([[9.0, 8.0, 5.0]]), np.array([False, True, True]), 2, 0.5).tolist()
        [[1, 0]]
    """
    value = _relevance(items, scores) + weight * member[items]
    place = np.argsort(-value, axis=1, kind="stable")[:, :k]
    kept = np.isfinite(np.take_along_axis(value, place, 1))
    return np.where(kept, np.take_along_axis(items, place, 1), -1)


def list_ndcg(lists: np.ndarray, answers: sp.csr_matrix) -> np.ndarray:
    """Returns (N,) NDCG@K of lists that are there already.

    Example:
        >>> list_ndcg(np.array([[0, 1]]), sp.csr_matrix([[True, False, False]])).tolist()
        [1.0]
    """
    k, width = lists.shape[1], answers.shape[1]
    rows, columns = answers.nonzero()
    bought = np.isin(lists + width * np.arange(len(lists))[:, None], columns + width * rows.astype(np.int64))
    worth = discounts(k)
    best = np.cumsum(worth)[np.minimum(np.maximum(np.diff(answers.indptr), 1), k) - 1]
    return (bought & (lists >= 0)) @ worth / best


def _relevance(items: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Scores scaled to 0..1 case by case; -inf for empty places."""
    scores = np.asarray(scores, float)
    there = (items >= 0) & np.isfinite(scores)
    low = np.where(there, scores, np.inf).min(1, keepdims=True)
    high = np.where(there, scores, -np.inf).max(1, keepdims=True)
    with np.errstate(invalid="ignore"):
        return np.where(there, (scores - low) / np.maximum(high - low, 1e-9), -np.inf)
