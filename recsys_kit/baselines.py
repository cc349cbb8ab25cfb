"""Classic recommenders, from counting to factorisation: what a Transformer has to beat (notebook 03).

Every method takes a `Split` and returns a scorer: a function from rows (B,) of the split's test cases to scores (B, V).
Letters for shapes: U users, V items of the catalogue, N test cases, B rows asked for, D width of a vector.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import scipy.sparse as sp

from recsys_kit.evaluation import Scorer
from recsys_kit.preprocessing import Split

__all__ = ["decayed_counts", "item_knn", "personal_frequency", "popularity", "recent_popularity", "user_knn"]

_TIE = np.float32(1e-6)  # weight of popularity where it only has to break ties


def recent_popularity(split: Split, days: float = 60) -> np.ndarray:
    """Returns (V,) sales of each item in the last `days` before the cutoff, as a share of the best seller's."""
    if not days > 0:
        raise ValueError(f"`days` must be above 0. Received: days={days}")
    recent = split.history["timestamp"] >= split.cutoff - pd.Timedelta(days=days)
    sales = np.bincount(split.history["item"][recent], minlength=len(split.items))
    return (sales / max(1, sales.max(initial=0))).astype(np.float32)


def decayed_counts(split: Split, decay: float | None = None) -> sp.csr_matrix:
    """Returns the (U, V) counts in which a purchase `decay` days before the cutoff weighs 1/e; None: all weigh 1.

    Ages are measured to the cutoff. Measuring them to the moment when the user comes back multiplies a user's whole
    row by one number, so it does not change the order of the items.
    """
    if decay is None:
        return split.counts()
    if not decay > 0:
        raise ValueError(f"`decay` must be above 0 days, or None. Received: decay={decay}")
    age = (split.cutoff - split.history["timestamp"]).dt.total_seconds().to_numpy() / 86400
    weights = np.exp(-age / decay).astype(np.float32)
    shape = (len(split.users), len(split.items))
    return sp.coo_matrix((weights, (split.history["user"], split.history["item"])), shape).tocsr()


def popularity(split: Split, days: float = 60) -> Scorer:
    """Ranks the items by their sales in the last `days`: the same list for everybody."""
    scores = recent_popularity(split, days)
    return lambda rows: np.tile(scores, (len(rows), 1))


def personal_frequency(split: Split, decay: float | None = None, popularity_weight: float = 1e-3) -> Scorer:
    """Ranks the items by how often the user bought them: "what you always buy".

    Args:
        split: The split.
        decay: Days after which a purchase weighs 1/e; None: old purchases weigh as much as new ones.
        popularity_weight: Weight of `recent_popularity`: a small one breaks ties, 0.3 also fills short histories.
    """
    counts = decayed_counts(split, decay)[split.test_users]
    return _sum_scorer(counts, popularity_weight * recent_popularity(split))


def user_knn(split: Split, neighbours: int = 300, decay: float | None = 120) -> Scorer:
    """Ranks the items by what similar users buy: cosine similarity of decayed, log-scaled counts.

    Args:
        split: The split.
        neighbours: How many of the most similar other users speak.
        decay: Days after which a purchase weighs 1/e.
    """
    tastes = _unit_rows(decayed_counts(split, decay).log1p())
    similar = (tastes[split.test_users] @ tastes.T).toarray()  # (N, V) @ (V, U) -> (N, U)
    similar[np.arange(len(similar)), split.test_users] = 0
    if neighbours < similar.shape[1]:
        least = np.partition(similar, -neighbours, axis=1)[:, -neighbours]
        similar[similar < least[:, None]] = 0
    return _product_scorer(sp.csr_matrix(similar), tastes, recent_popularity(split))


def item_knn(split: Split, neighbours: int = 100, decay: float | None = None) -> Scorer:
    """Ranks the items by their similarity to what the user bought: cosine of the items' buyers.

    Args:
        split: The split.
        neighbours: How many similar items are kept for each item, itself among them.
        decay: Days after which a purchase weighs 1/e.
    """
    from implicit.nearest_neighbours import ItemItemRecommender

    counts = decayed_counts(split, decay).log1p()
    model = ItemItemRecommender(K=neighbours, num_threads=1)
    model.fit(sp.csr_matrix(_unit_rows(counts.T.tocsr()).T, dtype=np.float64), show_progress=False)
    similar = sp.csr_matrix(model.similarity, dtype=np.float32)
    return _product_scorer(counts[split.test_users], similar, recent_popularity(split))


def _unit_rows(matrix: sp.csr_matrix) -> sp.csr_matrix:
    norms = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    return sp.csr_matrix(sp.diags(1 / np.maximum(norms, 1e-9).astype(np.float32)) @ matrix)


def _sum_scorer(matrix: sp.csr_matrix, bias: np.ndarray) -> Scorer:
    """Returns a scorer for ready (N, V) scores plus a bias (V,)."""
    return lambda rows: matrix[rows].toarray() + bias


def _product_scorer(left: sp.csr_matrix, right: sp.csr_matrix, popular: np.ndarray) -> Scorer:
    """Returns a scorer for (N, M) @ (M, V), multiplied block by block; popularity breaks the ties."""
    return lambda rows: (left[rows] @ right).toarray() + _TIE * popular
