"""Candidates: a few hundred items of each household's catalogue, from several sources (notebook 08).

Letters for shapes: N test cases, B of a block, S sources, V items of the catalogue, W words of text (vector width).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import scipy.sparse as sp
from sklearn.preprocessing import normalize

from recsys_kit import baselines, evaluation
from recsys_kit.preprocessing import Split

__all__ = ["collect", "overlap", "recall_table", "recalls", "text_profiles", "text_scorer", "top_new"]


def text_scorer(split: Split, vectors: np.ndarray, decay: float = 120) -> evaluation.Scorer:
    """Ranks the items by how much their titles resemble what the household bought: it needs no sales of an item.

    Args:
        split: The split.
        vectors: (V, W) text vectors of the catalogue, of length 1.
        decay: Days after which a purchase weighs 1/e.
    """
    profile = text_profiles(split, vectors, decay)
    flat = np.ascontiguousarray(normalize(vectors - vectors.mean(0)).T.astype(np.float32))
    return lambda rows: profile[rows] @ flat


def text_profiles(split: Split, vectors: np.ndarray, decay: float = 120) -> np.ndarray:
    """Returns (N, W) of length 1: the mean of the texts that each case's household buys, less what all titles share.

    Args:
        split: The split.
        vectors: (V, W) text vectors of the catalogue.
        decay: Days after which a purchase weighs 1/e.
    """
    counts = baselines.decayed_counts(split, decay).log1p()[split.test_users]
    return normalize(counts @ normalize(vectors - vectors.mean(0))).astype(np.float32)  # (N, V) @ (V, W)


def top_new(scorer: evaluation.Scorer, split: Split, k: int, seen: sp.csr_matrix | None = None) -> np.ndarray:
    """Returns (N, K) the best items that each case never bought; -1 where nothing is left."""
    return evaluation.top_lists(scorer, len(split.test_users), k, exclude=split.seen() if seen is None else seen)


def recalls(lists: Sequence[np.ndarray], answers: sp.csr_matrix, seen: sp.csr_matrix) -> pd.Series:
    """Returns which part of the new items in the next basket lists hold together, for each case that bought any.

    Args:
        lists: Of each source (N, K) columns of items that the case never bought.
        answers: (N, V) booleans.
        seen: (N, V) booleans.

    Example:
        >>> answers, seen = sp.csr_matrix([[True, True, False]]), sp.csr_matrix([[False, False, False]])
        >>> recalls([np.array([[0]]), np.array([[2]])], answers, seen).tolist()
        [0.5]
    """
    new = sp.csr_matrix(answers.astype(np.int8) - answers.multiply(seen).astype(np.int8)) > 0
    size = np.diff(new.tocsr().indptr)
    held = sum(_matrix(items, answers.shape).astype(np.int32) for items in lists) > 0
    found = np.asarray(sp.csr_matrix(new.multiply(held)).sum(axis=1)).ravel()
    return pd.Series(found / np.maximum(size, 1), name="recall")[size > 0]


def recall_table(lists: Mapping[str, np.ndarray], answers: sp.csr_matrix, seen: sp.csr_matrix) -> pd.DataFrame:
    """Compares sources by which part of the new items in the next basket their lists hold.

    Args:
        lists: For each source (N, K) columns of items that the case never bought.
        answers: (N, V) booleans.
        seen: (N, V) booleans.

    Returns:
        One row a source, and one for all of them together: `recall` (mean over the cases that bought something new),
        `only_here` (share of all found items that no other source found) and `size` (mean length of the list).
    """
    new = sp.csr_matrix(answers.astype(np.int8) - answers.multiply(seen).astype(np.int8)) > 0
    size = np.diff(new.tocsr().indptr)
    cases = np.flatnonzero(size)
    held = {name: _matrix(items, answers.shape) for name, items in lists.items()}
    found = {name: sp.csr_matrix(new.multiply(matrix)) for name, matrix in held.items()}
    times = sum(matrix.astype(np.int32) for matrix in found.values())
    rows = {}
    for name, matrix in found.items():
        alone = (times.multiply(matrix) == 1).sum()
        rows[name] = (_share(matrix, size, cases), alone / max(1, times.nnz), held[name].sum(1).mean())
    everything = sum(matrix.astype(np.int32) for matrix in held.values()) > 0
    rows["all together"] = (
        _share(sp.csr_matrix(new.multiply(everything)), size, cases),
        np.nan,
        everything.sum(1).mean(),
    )
    return pd.DataFrame.from_dict(rows, orient="index", columns=["recall", "only_here", "size"]).rename_axis("source")


def overlap(lists: Mapping[str, np.ndarray], shape: tuple[int, int]) -> pd.DataFrame:
    """Returns (S, S) the part of the row's items that the column's source proposes, too.

    Args:
        lists: For each source (N, K) columns.
        shape: (N, V).

    Example:
        >>> overlap({"a": np.array([[0, 1]]), "b": np.array([[1, 2]])}, (1, 3)).loc["a", "b"]
        np.float64(0.5)
    """
    held = {name: _matrix(items, shape) for name, items in lists.items()}
    table = {a: {b: held[a].multiply(held[b]).sum() / max(1, held[a].nnz) for b in held} for a in held}
    return pd.DataFrame(table).T.rename_axis("of the items of")


def collect(
    split: Split,
    sources: Mapping[str, evaluation.Scorer],
    old: int = 100,
    new: int = 40,
    old_from: Sequence[str] = (),
    rows: np.ndarray | None = None,
    block: int = 128,
    bought: sp.csr_matrix | None = None,
) -> pd.DataFrame:
    """Merges the sources' best items, and notes what each source says of every candidate.

    Args:
        split: The split.
        sources: Scorers by name.
        old: Items of the household's own history that each source of `old_from` proposes.
        new: Items that it never bought, from every source.
        old_from: Names of the sources that speak for the history; empty: all.
        rows: Cases; all by default.
        block: Cases scored at once; bounds the memory.
        bought: (U, V) `split.counts()`, if it is at hand: counting a large history takes a while.

    Returns:
        One row a candidate: `case`, `item` (column), `seen`, and a column for each source: its score, less the case's
        mean over its candidates' scores, so that households of different activity can be compared.
    """
    rows = np.arange(len(split.test_users)) if rows is None else np.asarray(rows)
    bought = split.counts() if bought is None else bought
    parts = []
    for start in range(0, len(rows), block):
        part = rows[start : start + block]
        seen = bought[split.test_users[part]].toarray() > 0  # (B, V)
        chosen = np.zeros(seen.shape, bool)
        values = {name: np.asarray(scorer(part), np.float32) for name, scorer in sources.items()}
        for name, scores in values.items():
            _mark(chosen, np.where(seen, -np.inf, scores), new)
            if not old_from or name in old_from:
                _mark(chosen, np.where(seen, scores, -np.inf), old)
        case, item = np.nonzero(chosen)
        table = {"case": part[case].astype(np.int32), "item": item.astype(np.int32), "seen": seen[case, item]}
        parts.append(pd.DataFrame(table | {name: scores[case, item] for name, scores in values.items()}))
    return pd.concat(parts, ignore_index=True)


def _mark(chosen: np.ndarray, scores: np.ndarray, k: int) -> None:
    """Marks each row's k best finite scores, in place."""
    if k < 1:
        return
    best = evaluation.top_k(scores, k)
    row = np.repeat(np.arange(len(best)), best.shape[1])
    fine = np.take_along_axis(scores, best, 1).ravel() > -np.inf
    chosen[row[fine], best.ravel()[fine]] = True


def _matrix(items: np.ndarray, shape: tuple[int, int]) -> sp.csr_matrix:
    case, place = np.nonzero(items >= 0)
    return sp.coo_matrix((np.ones(len(case), bool), (case, items[case, place])), shape).tocsr()


def _share(found: sp.csr_matrix, size: np.ndarray, cases: np.ndarray) -> float:
    return float((np.asarray((found > 0).sum(1)).ravel()[cases] / size[cases]).mean()) if len(cases) else 0.0
