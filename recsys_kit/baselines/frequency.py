"""What is bought often, by everybody or by one household: the first thing that a model has to beat (notebook 03).

Letters for shapes: U users, V items of the catalogue, N test cases, B rows asked for.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import scipy.sparse as sp

from recsys_kit.baselines.scorers import promoted, sum_scorer
from recsys_kit.evaluation import Scorer
from recsys_kit.preprocessing import Split

__all__ = ["decayed_counts", "personal_frequency", "popularity", "promoted_frequency", "recent_popularity"]

HABITS, NEWS = (0.0, 0.1, 0.1), (8.0, 4.0, 4.0)
"""What a display and two ways of mailing weigh, for own habits and for popularity: see `promoted_frequency`."""


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


def promoted_frequency(
    split: Split,
    decay: float | None = 120,
    popularity_weight: float = 0.3,
    habits: Sequence[float] = HABITS,
    news: Sequence[float] = NEWS,
) -> Scorer:
    """Ranks the items as `personal_frequency` does, with the promotion plan: counting that knows what networks know.

    A habit is bought a little more often in a week in which it is promoted, what a household never bought much more:
    so its own counts and popularity have weights of their own. The default weights were chosen on The Complete
    Journey, on six windows before 2017-12-01 (`benchmarks/ladder.py --weights`); they overlap the test weeks of earlier
    cutoffs, in the rule's favour there.

    Args:
        split: The split; it has a plan.
        decay: As of `personal_frequency`.
        popularity_weight: Likewise.
        habits: What the ways to promote weigh for the user's own counts; see `promoted`.
        news: What they weigh for popularity.
    """
    own = promoted(personal_frequency(split, decay, popularity_weight=0), split, habits)
    popular = promoted(popularity(split), split, news)
    return lambda rows: own(rows) + popularity_weight * popular(rows)
