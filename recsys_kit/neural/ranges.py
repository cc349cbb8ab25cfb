"""Ranges of a flat array, such as each user's part of all events, without a loop. Loads no Keras."""

from __future__ import annotations

import numpy as np

__all__ = ["ragged"]


def ragged(low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Flattens N ranges [low, high): the positions, the range that each belongs to, and its place in that range.

    Example:
        >>> [part.tolist() for part in ragged(np.array([3, 7]), np.array([5, 8]))]
        [[3, 4, 7], [0, 0, 1], [0, 1, 0]]
    """
    count = high - low
    owner = np.repeat(np.arange(len(low)), count)
    place = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    return np.repeat(low, count) + place, owner, place
