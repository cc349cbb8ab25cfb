"""Which wrong items a batch learns from: drawn by popularity^0.75, or sampled by keys.

Letters for shapes: C candidate items, T answers of a batch, V items.
"""

from __future__ import annotations

import numpy as np

__all__ = ["MOST_WEIGHT", "POWER", "chance", "draw", "draw_by_keys", "popularity_share", "weights"]

POWER = 0.75
"""Between uniform (0) and by sales (1): rare items are met often enough to be learned, best sellers more often."""

MOST_WEIGHT = 30.0
"""The most items that a drawn one stands for; else a single rare item could outweigh the rest of its batch."""


def popularity_share(counts: np.ndarray, allowed: np.ndarray | None = None) -> np.ndarray:
    """Returns (V,) how likely each draw is an item: in proportion to popularity^0.75.

    Args:
        counts: (V,) how often each item was bought.
        allowed: (V,) booleans, which items may be drawn; None: all.

    Example:
        >>> popularity_share(np.array([16, 0, 16])).tolist()
        [0.5, 0.0, 0.5]
    """
    share = counts**POWER
    if allowed is not None:
        share = share * allowed
    return share / max(share.sum(), 1e-9)


def chance(share: np.ndarray, count: int) -> np.ndarray:
    """Returns the chance of each item to be among `count` draws with replacement."""
    return 1 - (1 - share) ** count


def weights(share: np.ndarray, count: int) -> np.ndarray:
    """Returns what each item weighs if it is drawn: one over its chance, at most `MOST_WEIGHT`."""
    return 1 / np.maximum(chance(share, count), 1 / MOST_WEIGHT)


def draw(
    share: np.ndarray, count: int, answers: np.ndarray, slots: int, rng: np.random.Generator
) -> tuple[np.ndarray, int]:
    """Draws a batch's candidates: its answers first, then items by their share.

    Args:
        share: (V,) how likely each draw is an item.
        count: Draws, with replacement.
        answers: Items that are candidates in any case, in ascending order, each once.
        slots: The most candidates.
        rng: The source of chance.

    Returns:
        At most `slots` items without repetition, and how many of them are answers.
    """
    drawn = np.setdiff1d(rng.choice(len(share), count, p=share), answers)
    return np.r_[answers, drawn][:slots], min(len(answers), slots)


def draw_by_keys(
    rate: np.ndarray, share: np.ndarray, count: int, target: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draws a batch's candidates, always the same number: the items that are answers, filled up with others.

    An item's key is exponential with its rate; the items with the smallest keys are a weighted sample without
    replacement. The answers get in whatever their key.

    Args:
        rate: (V,) the larger, the more often an item is drawn.
        share: (V,) how likely an item is to be an answer.
        count: C, more than there are answers; from V on all items are candidates.
        target: (T,) the answers, 0..V - 1.
        rng: The source of chance.

    Returns:
        (C,) items in ascending order, the columns of those that were drawn by their key, and (C,) log chances.
    """
    if count >= len(rate):
        every = np.arange(len(rate))
        return every, every, np.zeros(len(rate), np.float32)
    keys = rng.standard_exponential(len(rate)) / rate
    forced = keys.copy()
    forced[target] = 0.0
    limit = np.partition(forced, count - 1)[count - 1]
    candidates = np.flatnonzero(forced <= limit)
    missed = np.exp(-rate[candidates] * limit) * (1 - share[candidates]) ** len(target)
    return candidates, np.flatnonzero(keys[candidates] <= limit), np.log1p(-missed).astype(np.float32)
