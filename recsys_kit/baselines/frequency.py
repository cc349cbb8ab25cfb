"""What is bought often, by everybody or by one household: the first thing that a model has to beat (notebook 03).

Letters for shapes: U users, V items of the catalogue, N test cases, B rows asked for.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import scipy.sparse as sp

from recsys_kit.baselines.scorers import sum_scorer
from recsys_kit.evaluation import Scorer
from recsys_kit.preprocessing import Split

__all__ = ["decayed_counts", "personal_frequency", "popularity", "recent_popularity"]


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
    return sum_scorer(counts, popularity_weight * recent_popularity(split))
