"""Lists that are not ten times the same: greedy re-ranking for diversity, and what it costs (notebook 08).

Both methods pick one item after the other from M candidates, for all cases at once. `mmr` takes away from an item's
relevance what it resembles the list so far; `dpp` asks for a list whose vectors span a large volume.

Letters for shapes: N cases, M candidates of a case, K places of a list, D width, V items of the catalogue.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

__all__ = ["METHODS", "dpp", "intra_list", "mmr", "rerank"]


def mmr(relevance: np.ndarray, vectors: np.ndarray, k: int, weight: float) -> np.ndarray:
    """Maximal marginal relevance: (1 - weight) * relevance - weight * cosine to the nearest item chosen so far.

    Args:
        relevance: (N, M) between 0 and 1; -inf: not to be chosen.
        vectors: (N, M, D) of length 1.
        k: K.
        weight: 0 keeps the order of relevance, 1 looks at nothing but difference.

    Returns:
        (N, K) places among the candidates, in the order in which they were chosen.

    Source: Carbonell and Goldstein (1998), The use of MMR, diversity-based reranking.

    Example:
        >>> vectors = np.array([[[1, 0], [1, 0], [0, 1]]], "float32")  # the second item is the first one again
        >>> mmr(np.array([[1.0, 0.9, 0.5]]), vectors, k=2, weight=0.5).tolist()
        [[0, 2]]
    """
    _check(weight)
    rows = np.arange(len(relevance))
    nearest = np.zeros(relevance.shape, np.float32)
    value = _scaled(relevance, 1 - weight)
    chosen = []
    for step in range(min(k, relevance.shape[1])):
        best = (value - np.float32(weight) * nearest).argmax(1)
        chosen.append(best)
        value[rows, best] = -np.inf
        same = np.einsum("nmd,nd->nm", vectors, vectors[rows, best])  # cosine to the item just chosen
        nearest = same if step == 0 else np.maximum(nearest, same)
    return np.stack(chosen, axis=1)


def dpp(relevance: np.ndarray, vectors: np.ndarray, k: int, weight: float) -> np.ndarray:
    """Greedy maximum of a determinantal point process: how much new volume does an item add?

    The kernel is quality_i * cosine_ij * quality_j with quality exp(relevance * (1 - weight) / weight / 2). The gain
    of each item is kept up to date by one step of a Cholesky factorisation a chosen item, O(N M K) numbers in all.

    Args:
        relevance: (N, M) between 0 and 1; -inf: not to be chosen.
        vectors: (N, M, D) of length 1.
        k: K.
        weight: 0 keeps the order of relevance, 1 looks at nothing but difference.

    Returns:
        (N, K) places among the candidates, in the order in which they were chosen.

    Raises:
        FloatingPointError: If a vector holds what is no number: one item would fill the list.

    Source: Chen, Zhang and Zhou (2018), Fast greedy MAP inference for determinantal point process.

    Example:
        >>> vectors = np.array([[[1, 0], [1, 0], [0, 1]]], "float32")
        >>> dpp(np.array([[1.0, 0.9, 0.5]]), vectors, k=2, weight=0.5).tolist()
        [[0, 2]]
    """
    _check(weight)
    rows = np.arange(len(relevance))
    k = min(k, relevance.shape[1])
    log_quality = _scaled(relevance, (1 - weight) / max(2 * weight, 1e-6))
    volume = np.ones(relevance.shape, np.float32)  # what is left of each item's own dimension, squared
    factor = np.zeros((*relevance.shape, k), np.float32)
    chosen = []
    for step in range(k):
        gain = 2 * log_quality + np.log(np.maximum(volume, 1e-6))
        if np.isnan(gain).any():  # the first of them would be chosen again and again
            raise FloatingPointError(f"place {step + 1} of a list: a gain is not a number. `vectors` must be finite.")
        best = gain.argmax(1)
        chosen.append(best)
        log_quality[rows, best] = -np.inf
        same = np.einsum("nmd,nd->nm", vectors, vectors[rows, best])
        if step:  # nothing was chosen before the first, so there is nothing to take off
            same -= np.einsum("nms,ns->nm", factor[:, :, :step], factor[rows, best, :step])
        own = volume[rows, best][:, None]  # an item within the span of the list so far says nothing new
        same = np.where(own > 1e-4, same / np.sqrt(np.maximum(own, 1e-4)), 0)
        factor[:, :, step] = same
        volume = np.maximum(volume - same**2, 0)
    return np.stack(chosen, axis=1)


METHODS: dict[str, Callable] = {"MMR": mmr, "DPP": dpp}


def rerank(
    items: np.ndarray, scores: np.ndarray, vectors: np.ndarray, k: int, weight: float, method: str = "MMR"
) -> np.ndarray:
    """Chooses k of each case's candidates.

    Args:
        items: (N, M) candidate columns; -1 for an empty place.
        scores: (N, M) the ranker's scores, larger is better; the best of a case counts as 1, the worst as 0.
        vectors: (V, D) of length 1; what makes two items alike.
        k: K.
        weight: 0 keeps the order of the scores, 1 looks at nothing but difference.
        method: A name in `METHODS`.

    Returns:
        (N, K) columns, -1 where nothing is left.
    """
    if method not in METHODS:
        raise ValueError(f"`method` must be one of {', '.join(METHODS)}. Received: method={method!r}.")
    lists = []
    for start in range(0, len(items), 128):  # a block at a time bounds the memory
        part, value = items[start : start + 128], np.asarray(scores[start : start + 128], np.float32)
        there = (part >= 0) & np.isfinite(value)
        low = np.where(there, value, np.inf).min(1, keepdims=True)
        high = np.where(there, value, -np.inf).max(1, keepdims=True)
        with np.errstate(invalid="ignore"):
            relevance = np.where(there, (value - low) / np.maximum(high - low, 1e-9), -np.inf)
        place = METHODS[method](relevance, vectors[part], k, weight)
        empty = ~np.take_along_axis(there, place, 1)
        lists.append(np.where(empty, -1, np.take_along_axis(part, place, 1)))
    return np.concatenate(lists) if lists else np.empty((0, k), int)


def intra_list(lists: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Returns (N,) the mean of 1 - cosine over the pairs of each list: 0 for ten equal items.

    Args:
        lists: (N, K) columns; -1 for an empty place.
        vectors: (V, D) of length 1.

    Example:
        >>> intra_list(np.array([[0, 1], [0, 0]]), np.eye(2, dtype="float32")).tolist()
        [1.0, 0.0]
    """
    there = (lists >= 0).astype(np.float32)
    total = (vectors[lists] * there[:, :, None]).sum(1)  # (N, D): the sum of all cosines is the square of the sum
    own = (vectors[lists] ** 2).sum(-1) * there
    size = there.sum(1)
    pairs = np.maximum(size * (size - 1), 1)
    return np.where(size > 1, 1 - ((total**2).sum(1) - own.sum(1)) / pairs, 0.0)


def _scaled(relevance: np.ndarray, factor: float) -> np.ndarray:
    """Returns a scaled copy in which empty places come last, before nothing but what is chosen already.

    The factor is never quite 0: among equally different items the more relevant one comes first.
    """
    there, factor = np.isfinite(relevance), max(factor, 1e-6)
    return np.where(there, np.where(there, relevance, 0) * factor, -1e9).astype(np.float32)


def _check(weight: float) -> None:
    if not 0 <= weight <= 1:
        raise ValueError(f"`weight` must lie in 0..1. Received: weight={weight}.")
