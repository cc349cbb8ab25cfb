"""What would have to be otherwise: the smallest change of history that takes an item off the list (notebook 21)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from recsys_kit.explainability.attribution import Question, occlusion

__all__ = ["Counterfactual", "counterfactual", "sentence"]

_SENTENCES = {
    "en": {
        "one": "You see {item} because you bought {what}. Without that it would stand at place {place}, not {rank}.",
        "none": "{item} is on your list for no single purchase: whatever we took away, up to {most} items, it stayed.",
        "itself": "it before",
        "and": " and ",
        "comma": ", ",
    },
    "zh": {
        "one": "为您推荐{item}，因为您买过{what}。如果没有这些购买，它会排在第{place}位，而不是第{rank}位。",  # noqa: RUF001
        "none": "推荐{item}并非由于某一次购买：我们试着去掉过最多{most}种商品的记录，它仍在您的推荐列表中。",  # noqa: RUF001
        "itself": "它",
        "and": "和",
        "comma": "、",
    },
}


@dataclass(frozen=True)
class Counterfactual:
    """The change that was found.

    Attributes:
        item: The item id whose place is explained.
        rank: Its place with the whole history, from 1.
        without: Item ids whose purchases must go; empty if no change of the size allowed takes it off the list.
        place: Its place after that, from 1.
        smallest: Whether it is known to be the smallest: it is a single item.
        tried: How many items at most were taken away.
    """

    item: int
    rank: int
    without: tuple[int, ...]
    place: int
    smallest: bool
    tried: int


def counterfactual(
    question: Question,
    item: int,
    k: int = 10,
    most: int = 10,
    tries: tuple[int, int] = (64, 8),
    fixed: Sequence[int] = (),
) -> Counterfactual:
    """Looks for the fewest items of the history without which an item is not among the first k.

    Single items are tried, then every pair of the few that count most, then more and more items, those first whose
    absence costs most. One item is the smallest change there is; more are an upper bound.

    Args:
        question: The household's.
        item: The item id.
        k: Length of the list.
        most: The largest change.
        tries: How many items are tried alone, and of how many all pairs are tried; those whose absence costs most.
        fixed: Item ids that stay in the history, such as the item itself.
    """
    size, column = len(question.owned), item - 1
    free = np.flatnonzero(~np.isin(question.owned, list(fixed)))
    fall = occlusion(question, np.array([item], np.int32))[0]
    ranked = free[np.argsort(-fall[free], kind="stable")]
    rank = _rank(question.scores(np.ones(size))[0], column)
    changes = [(place,) for place in ranked[: tries[0]]]
    changes += list(combinations(ranked[: tries[1]], 2))
    changes += [tuple(ranked[:n]) for n in range(3, min(most, len(ranked)) + 1)]
    place, step = rank, 16
    for start in range(0, len(changes), step):
        part = [change for change in changes[start : start + step] if len(change) <= most]
        if not part:
            continue
        keep = np.ones((len(part), size))
        for row, change in enumerate(part):
            keep[row, list(change)] = 0
        places = [_rank(scores, column) for scores in question.scores(keep)]
        off = [row for row, place in enumerate(places) if place > k]
        if off:
            best = min(off, key=lambda row: (len(part[row]), -places[row]))
            without = tuple(int(question.owned[place]) for place in part[best])
            return Counterfactual(item, rank, without, places[best], len(without) == 1, most)
    return Counterfactual(item, rank, (), place, False, min(most, len(ranked)))


def sentence(found: Counterfactual, titles: Sequence[str], language: str = "en") -> str:
    """Says a counterfactual in words; nothing is said that was not tried on the model.

    Args:
        found: What `counterfactual` returned.
        titles: (V + 1,) titles by item id, in the language.
        language: "en" or "zh".

    Example:
        >>> found = Counterfactual(item=1, rank=2, without=(2, 3), place=31, smallest=False, tried=5)
        >>> sentence(found, ["", "jam", "bread", "butter"])
        'You see jam because you bought bread and butter. Without that it would stand at place 31, not 2.'
    """
    if language not in _SENTENCES:
        raise ValueError(f"`language` must be one of {', '.join(_SENTENCES)}. Received: {language!r}.")
    words, item = _SENTENCES[language], titles[found.item]
    if not found.without:
        return words["none"].format(item=item, most=found.tried)
    names = [words["itself"] if other == found.item else str(titles[other]) for other in found.without]
    what = words["and"].join([words["comma"].join(names[:-1]), names[-1]] if len(names) > 1 else names)
    return words["one"].format(item=item, what=what, place=found.place, rank=found.rank)


def _rank(scores: np.ndarray, column: int) -> int:
    """Returns the place of an item, from 1; ties count against it."""
    return int((scores >= scores[column]).sum())
