"""Search by meaning: documents as vectors of a frozen encoder, and fusion of rankings (notebook 10).

Letters for shapes: Q queries, P documents, S views of a document (its English text, its Chinese text), E width of the
encoder.
"""

from __future__ import annotations

import numpy as np

__all__ = [
    "behind_gate",
    "best_view",
    "gated",
    "reciprocal_rank",
    "unit",
    "views",
    "weighted",
]


def unit(vectors: np.ndarray) -> np.ndarray:
    """Scales vectors (..., E) to length 1; zeros stay zeros."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)


def views(parts: dict[str, np.ndarray]) -> np.ndarray:
    """Returns the (P, S, E) views of the documents: of their own texts and, if there is one, of the Chinese text.

    Args:
        parts: The vectors of `corpus.texts`, each (P, E).
    """
    each = [unit(parts["name"] + parts["both"] + parts["category"])]
    if "name_zh" in parts:
        each.append(unit(parts["name_zh"] + parts["both_zh"] + parts["category"]))
    return np.stack(each, axis=1).astype(np.float32)


def best_view(query: np.ndarray, view: np.ndarray) -> np.ndarray:
    """Returns the (Q, P) dot products of queries (Q, E) with the view of each document (P, S, E) that fits best."""
    return np.max([query @ view[:, s].T for s in range(view.shape[1])], axis=0)


def _ranks(scores: np.ndarray) -> np.ndarray:
    """Returns the places (1 is the best) of scores (Q, P)."""
    order = np.argsort(-scores, axis=1, kind="stable")
    ranks = np.empty(order.shape, np.int64)
    np.put_along_axis(ranks, order, np.arange(1, scores.shape[1] + 1)[None], axis=1)
    return ranks


def reciprocal_rank(dense: np.ndarray, lexical: np.ndarray, k: int = 60) -> np.ndarray:
    """Adds one over (k + place) of both rankings; what has no word in common gets nothing from the lexical one.

    Source: Cormack, Clarke and Büttcher (2009), Reciprocal rank fusion.

    Example:
        >>> int(reciprocal_rank(np.array([[0.9, 0.8]]), np.array([[0.0, 2.0]])).argmax())
        1
    """
    return 1 / (k + _ranks(dense)) + np.where(lexical > 0, 1 / (k + _ranks(lexical)), 0)


def weighted(dense: np.ndarray, lexical: np.ndarray, weight: float) -> np.ndarray:
    """Adds the lexical scores (Q, P), each query's best scaled to 1, times a weight."""
    return dense + weight * lexical / np.maximum(lexical.max(1, keepdims=True), 1e-9)


def gated(fused: np.ndarray, dense: np.ndarray, known: np.ndarray, least: float = 0.6) -> np.ndarray:
    """Returns the fused scores where the index knows enough of a query's words (Q,), the dense ones elsewhere."""
    return np.where((known >= least)[:, None], fused, dense)


def behind_gate(text: np.ndarray, width: float) -> np.ndarray:
    """Pushes behind all others what the text finds clearly worse than its best, so that no liking brings it forward.

    Args:
        text: (Q, P) or (P,) scores of the text.
        width: How much worse than the best a document may be.

    Example:
        >>> behind_gate(np.array([1.0, 0.9, 0.5]), 0.2).tolist()
        [1.0, 0.9, -99.5]
    """
    best = text.max(-1, keepdims=True)
    return np.where(text >= best - width, text, text - 100.0)  # scores are cosines and their sums, likings logarithms
