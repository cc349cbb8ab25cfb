"""Is an explanation true of the model? Take out what it names and see whether the score falls (notebook 21).

Deletion: the first k items of an order leave the history, and the score should fall far. Insertion: from a history of
empty baskets only they come back, and the score should rise. A good order does both with few items.

Letters for shapes: H distinct items of the history, C items asked for, K sizes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from recsys_kit.explainability.attribution import Question

__all__ = ["SIZES", "curves", "order", "rivals", "set_falls"]

SIZES = (1, 2, 3, 5, 10, 20)
"""So many items are taken out, or put in, for a curve; its area is the mean over these sizes."""


def order(values: np.ndarray, question: Question) -> np.ndarray:
    """Returns (H,) the places of a history's items, the largest value first, ties by the number of purchases."""
    return np.lexsort((-question.times, -np.asarray(values)))


def rivals(
    question: Question, asked: np.ndarray, groups: Sequence[Sequence[int]], seed: int = 0
) -> dict[str, np.ndarray]:
    """Returns the values (H,) of explanations that need no model: what any page could say without looking inside.

    Args:
        question: The household's.
        asked: (C,) the items that are explained.
        groups: As `training.baskets.item_groups` returns them; the first is the item's type.
        seed: Of the random order.

    Returns:
        By name: `random`; `recency`, bought last; `counts`, bought most often; `same kind`, the item itself, then its
        own type, then the rest, each by counts.
    """
    kind = np.asarray(groups[0])
    times = question.times / (question.times.max(initial=1) + 1)  # below 1
    same = np.isin(kind[question.owned], kind[asked]) * 1.0 + np.isin(question.owned, asked)
    return {
        "random": np.random.default_rng(seed).random(len(times)),
        "recency": question.last,
        "counts": question.times,
        "same kind": same + times,
    }


def curves(
    question: Question, asked: np.ndarray, orders: Mapping[str, np.ndarray], sizes: Sequence[int] = SIZES
) -> dict[str, np.ndarray]:
    """Returns for each order how the mean score of the items asked for moves as items leave, and as they come back.

    Args:
        question: The household's.
        asked: (C,) item ids.
        orders: By name (H,) places, the most important first.
        sizes: How many items are moved, K numbers; those beyond a history move all of it.

    Returns:
        By name (2, K): how far the score falls when they are taken out, and how far it lies above the empty history's
        when only they are put in. In log-odds.
    """
    size = len(question.owned)
    keep = [np.ones(size), np.zeros(size)]
    for ranked in orders.values():
        place = np.empty(size, int)
        place[ranked] = np.arange(size)
        keep += [place >= k for k in sizes] + [place < k for k in sizes]
    means = question.scores(np.stack(keep), asked).mean(1)
    moved = means[2:].reshape(len(orders), 2, len(sizes))
    return {name: np.stack([means[0] - part[0], part[1] - means[1]]) for name, part in zip(orders, moved, strict=True)}


def set_falls(question: Question, asked: int, sets: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Returns how far one item's score falls when each of several sets of items is taken out.

    Args:
        question: The household's.
        asked: The item id.
        sets: By name the places (in the history) of what is taken out; an empty set changes nothing.
    """
    keep = np.ones((len(sets) + 1, len(question.owned)))
    for row, places in enumerate(sets.values(), start=1):
        keep[row, np.asarray(places, int)] = 0
    scores = question.scores(keep, np.array([asked]))[:, 0]
    return {name: float(scores[0] - score) for name, score in zip(sets, scores[1:], strict=True)}
