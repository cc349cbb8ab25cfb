"""Search by meaning: documents as vectors of a frozen encoder, and fusion of rankings (notebook 10).

Letters for shapes: Q queries, P documents, S views of a document (its English text, its Chinese text), E width of the
encoder.
"""

from __future__ import annotations

import numpy as np

__all__ = [
    "best_of_document",
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


def best_of_document(
    text: np.ndarray, document: np.ndarray, liking: np.ndarray, width: float = np.inf
) -> tuple[np.ndarray, np.ndarray]:
    """Chooses the item that stands for each document, and scores the documents: liking may move only good answers.

    Which item of a document is shown is the liking's choice. Where the document stands is the text's: only documents
    that the text finds nearly as good as its best are moved by the liking; the others follow in the text's own order.

    Args:
        text: (P,) scores of the documents.
        document: (C,) the document of each item, ascending, each of the P at least once.
        liking: (N, C) how much each household likes each item, in units of the text score.
        width: How much worse than the best of the text a document may be and still be moved; 0: none but the best is.

    Returns:
        (N, P) item of each document, and (N, P) scores of the documents.

    Example:
        >>> text, document = np.array([1.0, 0.9, 0.5]), np.array([0, 0, 1, 2])
        >>> item, score = best_of_document(text, document, np.array([[0.1, 0.2, 0.9, 9.0]]), width=0.2)
        >>> item.tolist(), np.argsort(-score).tolist()
        ([[1, 2, 3]], [[1, 0, 2]])
    """
    start = np.flatnonzero(np.diff(document, prepend=-1))
    most = np.maximum.reduceat(liking, start, axis=1)
    is_most = liking == np.repeat(most, np.diff(start, append=len(document)), axis=1)
    item = np.minimum.reduceat(np.where(is_most, np.arange(len(document)), len(document)), start, axis=1)
    near, moved = text >= text.max() - width, text + most
    least = np.where(near, moved, np.inf).min(1, keepdims=True)
    return item, np.where(near, moved, least + text - text.max())
