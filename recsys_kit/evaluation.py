"""Ranking metrics, evaluated over the whole catalogue in blocks (notebook 06).

Letters for shapes: N test cases, V items of the catalogue, K length of the list.
This module depends on no other module of the kit.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import scipy.sparse as sp

__all__ = ["evaluate", "paired_difference", "bootstrap_interval", "summary", "top_k"]

Scorer = Callable[[np.ndarray], np.ndarray]


def top_k(scores: np.ndarray, k: int) -> np.ndarray:
    """Returns the (N, K) columns of the k highest scores of each row, best first.

    Example:
        >>> top_k(np.array([[0.1, 0.9, 0.5]]), 2).tolist()
        [[1, 2]]
    """
    k = min(k, scores.shape[1])
    best = np.argpartition(scores, -k, axis=1)[:, -k:]
    order = np.argsort(-np.take_along_axis(scores, best, 1), axis=1, kind="stable")
    return np.take_along_axis(best, order, 1)


def evaluate(
    scorer: Scorer | np.ndarray,
    answers: sp.csr_matrix,
    k: int = 10,
    exclude: sp.csr_matrix | None = None,
    block: int = 256,
) -> pd.DataFrame:
    """Ranks the whole catalogue for every test case and scores the first k places.

    Ties count against the model: of equal scores, the relevant item comes last. An excluded item is never
    recommended, and is not a relevant item either; cases with no relevant item left are dropped.

    Args:
        scorer: (N, V) scores, or a function from rows (B,) to their scores (B, V).
        answers: (N, V) boolean CSR matrix of the relevant items.
        k: Length of the list.
        exclude: (N, V) boolean CSR matrix of items to leave out of the ranking.
        block: How many cases are scored at once; bounds the memory.

    Returns:
        One row a case (index `case`: its row in `answers`) with `ndcg` (ideal at min(k, relevant)), `recall` (divided by min(k, relevant)),
        `mrr`, `map`, `hit` and `relevant` (how many items were to be found).
    """
    if exclude is not None:
        answers = (answers.astype(np.int8) - answers.multiply(exclude).astype(np.int8)) > 0
    answers = answers.tocsr()
    relevant = np.diff(answers.indptr)
    cases = np.flatnonzero(relevant)
    tables = []
    for start in range(0, len(cases), block):
        rows = cases[start : start + block]
        scores = np.array(scorer(rows) if callable(scorer) else scorer[rows], dtype=np.float32)
        if scores.shape != (len(rows), answers.shape[1]):
            raise ValueError(
                f"a scorer must return shape (rows, items). Received: {scores.shape}, expected {(len(rows), answers.shape[1])}."
            )
        truth = answers[rows].toarray().astype(bool)
        scores[truth] = np.nextafter(scores[truth], np.float32(-np.inf))
        if exclude is not None:
            scores[exclude[rows].toarray().astype(bool)] = -np.inf
        hits = np.take_along_axis(truth, top_k(scores, k), 1)
        tables.append(_list_metrics(hits, relevant[rows], k).set_index(rows))
    return pd.concat(tables).rename_axis("case")


def _list_metrics(hits: np.ndarray, relevant: np.ndarray, k: int) -> pd.DataFrame:
    """Scores lists: hits (B, K) booleans, relevant (B,) counts."""
    rank = np.arange(1, hits.shape[1] + 1)
    discount = 1 / np.log2(rank + 1)
    ideal = np.cumsum(1 / np.log2(np.arange(1, k + 1) + 1))[np.minimum(relevant, k) - 1]
    first = np.where(hits.any(1), 1 / (hits.argmax(1) + 1), 0.0)
    precision = np.cumsum(hits, 1) / rank
    return pd.DataFrame(
        {
            "ndcg": hits @ discount / ideal,
            "recall": hits.sum(1) / np.minimum(relevant, k),
            "mrr": first,
            "map": (precision * hits).sum(1) / np.minimum(relevant, k),
            "hit": hits.any(1).astype(float),
            "relevant": relevant,
        }
    )


def bootstrap_interval(
    values: np.ndarray, level: float = 0.95, draws: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """Returns the percentile bootstrap interval of the mean of `values` (N,)."""
    rng = np.random.default_rng(seed)
    values = np.asarray(values, float)
    means = np.array([values[rng.integers(0, len(values), len(values))].mean() for _ in range(draws)])
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def paired_difference(a: pd.Series, b: pd.Series, level: float = 0.95, draws: int = 2000, seed: int = 0) -> dict:
    """Compares two methods on the same cases: mean of a - b, with its bootstrap interval."""
    difference = (a - b).dropna().to_numpy()
    low, high = bootstrap_interval(difference, level, draws, seed)
    return {"difference": float(difference.mean()), "low": low, "high": high, "cases": len(difference)}


def summary(results: dict[str, pd.DataFrame], metrics: tuple[str, ...] = ("ndcg", "recall", "mrr")) -> pd.DataFrame:
    """Returns one row a method with the mean of each metric, best first."""
    table = pd.DataFrame({name: result[list(metrics)].mean() for name, result in results.items()}).T
    return table.sort_values(metrics[0], ascending=False).rename_axis("method")
