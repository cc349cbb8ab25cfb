"""Nearest neighbours, exact and approximate: what an index of a library saves, and what it misses (notebook 08).

Letters for shapes: Q queries, V items, D width, K neighbours.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

__all__ = ["INDEXES", "compare", "enlarge", "recall"]

INDEXES = ("exact", "IVF", "HNSW")


def enlarge(vectors: np.ndarray, size: int, noise: float = 0.3, seed: int = 0) -> np.ndarray:
    """Returns (size, D) vectors: the real ones, and noisy copies of them, as a stand-in for a larger catalogue.

    Args:
        vectors: (V, D) real vectors.
        size: How many are wanted.
        noise: Standard deviation of the noise, in units of each column's own.
        seed: Seed of the copies.
    """
    vectors = np.asarray(vectors, np.float32)
    if size <= len(vectors):
        return vectors[:size]
    rng = np.random.default_rng(seed)
    copies = vectors[rng.integers(0, len(vectors), size - len(vectors))]
    spread = (noise * vectors.std(0)).astype(np.float32)
    copies += rng.standard_normal(copies.shape, np.float32) * spread
    return np.concatenate([vectors, copies])


def recall(found: np.ndarray, exact: np.ndarray) -> float:
    """Returns which part of the exact neighbours (Q, K) was found (Q, K).

    Example:
        >>> recall(np.array([[1, 2, 3]]), np.array([[3, 1, 9]]))
        0.6666666666666666
    """
    return float(np.mean([len(np.intersect1d(a, b)) / len(b) for a, b in zip(found, exact, strict=True)]))


def compare(
    vectors: np.ndarray, queries: np.ndarray, k: int = 100, names: Sequence[str] = INDEXES, threads: int = 1
) -> pd.DataFrame:
    """Builds each index, asks it every query on its own, and compares what it finds with the exact answer.

    Args:
        vectors: (V, D); neighbours are those with the largest dot product.
        queries: (Q, D).
        k: K.
        names: Of `INDEXES`; "exact" comes first whatever the order.
        threads: Threads of the library.

    Returns:
        One row an index: `items`, `build_s`, `p50_ms` and `p99_ms` of one query, `recall` and `mb` (its size).
    """
    import faiss

    unknown = set(names) - set(INDEXES)
    if unknown:
        raise ValueError(f"`names` must be among {', '.join(INDEXES)}. Received: {', '.join(sorted(unknown))}.")
    vectors, queries = np.ascontiguousarray(vectors, np.float32), np.ascontiguousarray(queries, np.float32)
    k = min(k, len(vectors))
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(threads)
    rows, exact = {}, None
    try:
        for name in ["exact", *(other for other in INDEXES[1:] if other in names)]:
            began = time.perf_counter()
            index = _BUILD[name](faiss, vectors)
            built = time.perf_counter() - began
            seconds, found = [], []
            asked = np.pad(queries, ((0, 0), (0, index.d - queries.shape[1])))
            for query in asked:
                began = time.perf_counter()
                found.append(index.search(query[None], k)[1][0])
                seconds.append(time.perf_counter() - began)
            exact = np.stack(found) if exact is None else exact
            p50, p99 = np.quantile(seconds, [0.5, 0.99]) * 1000
            size = len(faiss.serialize_index(index)) / 2**20
            rows[name] = (len(vectors), built, p50, p99, recall(np.stack(found), exact), size)
            del index
    finally:
        faiss.omp_set_num_threads(before)
    columns = ["items", "build_s", "p50_ms", "p99_ms", "recall", "mb"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("index")


def _exact(faiss, vectors):
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    return index


def _ivf(faiss, vectors):
    cells = max(1, min(int(2 * np.sqrt(len(vectors))), len(vectors) // 40))
    coarse = faiss.IndexFlatIP(vectors.shape[1])
    index = faiss.IndexIVFFlat(coarse, vectors.shape[1], cells, faiss.METRIC_INNER_PRODUCT)
    index.cp.niter = 8
    index.train(vectors[: 40 * cells] if len(vectors) > 40 * cells else vectors)
    index.add(vectors)
    index.nprobe = max(1, cells // 16)
    return index


def _hnsw(faiss, vectors):
    # A graph of neighbours wants distances. One more number makes all vectors equally long, and then the nearest vector
    # is the one with the largest dot product (Bachrach et al., 2014); a query's own extra number is 0.
    length = (vectors**2).sum(1)
    extra = np.sqrt(np.maximum(length.max(initial=0) - length, 0))[:, None]
    index = faiss.IndexHNSWFlat(vectors.shape[1] + 1, 32)
    index.hnsw.efConstruction, index.hnsw.efSearch = 40, 256
    index.add(np.ascontiguousarray(np.hstack([vectors, extra])))
    return index


_BUILD: dict[str, Callable] = {"exact": _exact, "IVF": _ivf, "HNSW": _hnsw}
