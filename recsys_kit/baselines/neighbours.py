"""Neighbours: what similar households buy, and what is bought by the buyers of an item (notebook 03).

Letters for shapes: U users, V items of the catalogue, N test cases, B rows asked for.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from recsys_kit.baselines.frequency import decayed_counts, recent_popularity
from recsys_kit.baselines.scorers import product_scorer
from recsys_kit.evaluation import Scorer
from recsys_kit.preprocessing import Split

__all__ = ["item_knn", "user_knn"]


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
    return product_scorer(sp.csr_matrix(similar), tastes, recent_popularity(split))


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
    return product_scorer(counts[split.test_users], similar, recent_popularity(split))


def _unit_rows(matrix: sp.csr_matrix) -> sp.csr_matrix:
    norms = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    return sp.csr_matrix(sp.diags(1 / np.maximum(norms, 1e-9).astype(np.float32)) @ matrix)
