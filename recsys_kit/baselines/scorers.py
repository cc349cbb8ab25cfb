"""From matrices to scorers: functions from rows (B,) of a split's test cases to scores (B, V).

Letters for shapes: V items of the catalogue, N test cases, B rows asked for, M items or users in between, D width.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from recsys_kit.evaluation import Scorer

__all__ = ["TIE", "factor_scorer", "product_scorer", "sum_scorer"]

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
