"""From matrices to scorers: functions from rows (B,) of a split's test cases to scores (B, V).

Letters for shapes: V items of the catalogue, N test cases, B rows asked for, M items or users in between, D width.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp

from recsys_kit.evaluation import Scorer
from recsys_kit.preprocessing import Split

__all__ = ["TIE", "factor_scorer", "product_scorer", "promoted", "sum_scorer"]

TIE = np.float32(1e-6)
"""Weight of popularity where it only has to break ties."""


def sum_scorer(matrix: sp.csr_matrix, bias: np.ndarray) -> Scorer:
    """Returns a scorer for ready (N, V) scores plus a bias (V,)."""
    return lambda rows: matrix[rows].toarray() + bias


def product_scorer(left: sp.csr_matrix, right: sp.csr_matrix, popular: np.ndarray) -> Scorer:
    """Returns a scorer for (N, M) @ (M, V), multiplied block by block; popularity breaks the ties."""
    return lambda rows: (left[rows] @ right).toarray() + TIE * popular


def factor_scorer(users: np.ndarray, items: np.ndarray, popular: np.ndarray) -> Scorer:
    """Returns a scorer for users (N, D) and items (V, D); a user without history (all zeros) gets popularity."""
    users, items = users.astype(np.float32), items.astype(np.float32)
    return lambda rows: users[rows] @ items.T + TIE * popular


def promoted(scorer: Scorer, split: Split, weights: Sequence[float], lift: bool = False, least: float = 0.02) -> Scorer:
    """Multiplies the scores of any method by what the promotion plan says of the week in which each user comes back.

    So a rule of counting reads the plan, too. The factor of an item is 1 + the sum of the parts of the
    stores that promote it in that week, each by its weight.

    Args:
        scorer: The method; its scores are not negative.
        split: The split; it has a plan.
        weights: One for each of `datasets.promotions.PROMOTIONS`.
        lift: Read how much *more* an item is promoted than in the mean of the four weeks before.
        least: The factor is at least so large.
    """
    if split.plan is None:
        raise ValueError("`split` has no promotion plan: give `promotions` to `preprocessing.task`.")
    share = split.plan.share - split.plan.usual() if lift else split.plan.share
    factor = np.maximum(least, 1 + share[:, 1:] @ np.asarray(weights, np.float32))
    week = split.plan.week(split.answer_times)
    return lambda rows: scorer(rows) * factor[week[rows]]
