"""What accuracy does not see: which part of the shop the lists show.

Letters for shapes: N lists, K length of a list, V items of the catalogue.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

__all__ = ["beyond_accuracy"]


def beyond_accuracy(lists: np.ndarray, buyers: np.ndarray, users: int, labels: np.ndarray) -> dict[str, float]:
    """Measures what accuracy does not see: which part of the shop the lists show.

    Args:
        lists: (N, K) recommended columns; -1 for an empty place.
        buyers: (V,) how many users bought each item before.
        users: How many users there are.
        labels: (V,) what makes two items alike, such as their category.

    Returns:
        `coverage` (share of the catalogue in at least one list), `gini` (0: every item is shown equally often, 1: one
        item takes all places), `head` (share of the places that the most bought 1% of the items take), `novelty` (bits:
        mean of -log2 of the share of users who bought the item) and `diversity` (share of the pairs of a list with
        different labels).

    Example:
        >>> lists = np.array([[0, 1], [0, 2]])
        >>> values = beyond_accuracy(lists, np.array([8, 4, 2, 2]), 8, np.array(["milk", "milk", "tea", "tea"]))
        >>> values["coverage"], values["diversity"], values["novelty"]
        (0.75, 0.5, 0.75)
    """
    items = len(buyers)
    valid = lists >= 0
    shown = np.bincount(lists[valid], minlength=items)
    head = np.argsort(-buyers, kind="stable")[: max(1, round(items / 100))]
    share = np.cumsum(np.sort(shown)) / max(1, shown.sum())
    code = pd.factorize(labels)[0]
    alike = code[lists][:, :, None] == code[lists][:, None, :]  # (N, K, K)
    pair = valid[:, :, None] & valid[:, None, :] & ~np.eye(lists.shape[1], dtype=bool)
    return {
        "coverage": float((shown > 0).mean()),
        "gini": float((items + 1 - 2 * share.sum()) / items),
        "head": float(shown[head].sum() / max(1, shown.sum())),
        "novelty": float(-np.log2(np.maximum(buyers[lists[valid]], 1) / users).mean()),
        "diversity": float((pair & ~alike).sum() / max(1, pair.sum())),
    }
