"""Item vectors that counting gives: a better start for an embedding than random ones.

Letters for shapes: U users, D width, V items.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from sklearn.utils.extmath import randomized_svd

__all__ = ["factorised", "from_pairs", "from_users"]


def from_pairs(counts: sp.spmatrix, often: np.ndarray, width: int, size: float = 0.1) -> np.ndarray:
    """Returns (V, D) vectors in which items that were counted together are close: what word2vec does implicitly.

    Args:
        counts: (V, V) counts of pairs.
        often: (V,) how often each item was counted at all.
        width: D; if there are fewer items, the last columns are zeros.
        size: Root mean square of the vectors' entries.

    Source: Levy and Goldberg (2014), Neural word embedding as implicit matrix factorization.
    """
    counts = sp.coo_matrix(counts)
    share = often**0.75 / max((often**0.75).sum(), 1e-9)  # rare items would look informative
    information = np.log(counts.data / (often[counts.row] * share[counts.col]))
    matrix = sp.csr_matrix((information.clip(0), (counts.row, counts.col)), counts.shape, dtype=np.float32)
    if not matrix.nnz:
        return np.zeros((matrix.shape[0], width), np.float32)
    left, strength, _ = randomized_svd(matrix, min(width, matrix.shape[0]), n_iter=2, random_state=0)
    return factorised(left, strength, width, size)


def from_users(counts: sp.spmatrix, width: int, size: float = 0.1) -> np.ndarray:
    """Returns (V + 1, D) vectors in which items bought by the same users are close; row 0 is padding, zeros.

    Args:
        counts: (U, V) what each user bought, as logs of counts.
        width: D; if there are fewer items or users, the last columns are zeros.
        size: Root mean square of the vectors' entries.
    """
    often = np.asarray((counts > 0).sum(0)).ravel()
    counts = counts @ sp.diags((1 / np.sqrt(np.maximum(often, 1))).astype(np.float32))  # best sellers say little
    _, strength, right = randomized_svd(counts, max(1, min(width, min(counts.shape) - 1)), n_iter=2, random_state=0)
    return factorised(np.pad(right.T, ((1, 0), (0, 0))), strength, width, size)


def factorised(directions: np.ndarray, strength: np.ndarray, width: int, size: float = 0.1) -> np.ndarray:
    """Returns (V, D) vectors from the singular vectors (V, R) and values (R,) of a table, R at most D.

    Args:
        directions: The singular vectors.
        strength: The singular values.
        width: D; the columns after the R first are zeros.
        size: Root mean square of the vectors' entries.

    Example:
        >>> factorised(np.array([[1.0], [0.0]]), np.array([4.0]), width=2, size=0.5).tolist()
        [[1.0, 0.0], [0.0, 0.0]]
    """
    vectors = np.zeros((len(directions), width), np.float32)
    vectors[:, : directions.shape[1]] = directions * np.sqrt(strength)
    return vectors * (size / max(np.sqrt((vectors**2).mean()), 1e-9))
