"""The next-item model among the sources: alone where nobody buys a thing twice, mixed in where both happen.

The two stages know what a household buys again. What it will discover, the next-item model knows better: it reads the
order of what came before. Each says log-odds; how much each is believed, of old items and of new ones, is learned on
the validation weeks, which neither has seen.

Letters for shapes: R rows (one a candidate), V items of the catalogue.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from recsys_kit import evaluation
from recsys_kit.next_item import customers
from recsys_kit.next_item.customers import Choice
from recsys_kit.preprocessing import Split

__all__ = ["ALONE", "SOURCE", "NextItem", "choose_mix", "fit_mix", "mixed", "scorer"]

SOURCE = "next item"
"""Its name among the sources."""

ALONE = (0.0, 0.0, 1.0, 0.0, 0.0, 0.0)
"""The mix in which the two stages are not heard."""

_LEAST = 30  # purchases among the candidates; with fewer nothing is learned from them
_PLAIN = (0.0, 0.5, 0.5, 0.0, 0.5, -0.5)  # the mean of both for what is new, the two stages alone for what is old


@dataclass(frozen=True)
class NextItem:
    """What the next-item model learned.

    Attributes:
        model: The sequence model; None: pairs are counted, and that is all.
        choice: How long it was trained, and what counting weighs beside it.
        mix: What `fit_mix` learned; not needed where it stands alone.
    """

    model: Any = field(default=None, repr=False)
    choice: Choice = field(default_factory=Choice)
    mix: tuple[float, ...] = _PLAIN


def scorer(split: Split, found: NextItem) -> evaluation.Scorer:
    """Returns the function from rows (B,) of a split's cases to log-odds (B, V) that an item is the next one."""
    return customers.scorer(split, found.model, found.choice)


def fit_mix(stages: np.ndarray, table: pd.DataFrame) -> tuple[float, ...]:
    """Learns how much each of the two is believed: a logistic regression on what was bought.

    Args:
        stages: (R,) the two stages' log-odds.
        table: R candidates with `seen`, `label` and the next-item model's log-odds.

    Returns:
        Six weights for `mixed`; plain ones if too little was bought to learn from.
    """
    from sklearn.linear_model import LogisticRegression

    bought = table["label"].to_numpy(bool)
    if bought.sum() < _LEAST or bought.all():
        return _PLAIN
    # Not weighted: the chances have to come out right, and nearly all candidates are not bought.
    learned = LogisticRegression(C=1.0, max_iter=1000).fit(_facts(stages, table), bought)
    return (float(learned.intercept_[0]), *map(float, learned.coef_[0]))


def choose_mix(stages: np.ndarray, table: pd.DataFrame, ndcg: Callable[[np.ndarray], float]) -> tuple[float, ...]:
    """Learns a mix, and gives it up for the next-item model alone if it loses on cases that it has not learned from.

    A ranker that learned from few purchases does harm where it is believed. So half of the cases teach a mix that
    judges the other half, and the other way round. Where nothing that was bought before was bought again, and too
    little that was new, nothing speaks for the ranker, and it is not heard.

    Args:
        stages: (R,) the two stages' log-odds.
        table: R candidates with `case`, `seen`, `label` and the next-item model's log-odds.
        ndcg: Tells how good an order by (R,) values is.

    Returns:
        Six weights for `mixed`, or `ALONE`.
    """
    bought = table["label"].to_numpy(bool)
    if bought.sum() < _LEAST and not (bought & table["seen"].to_numpy(bool)).any():
        return ALONE
    values, odd = np.zeros(len(table), np.float32), table["case"].to_numpy() % 2 == 1
    for half in (odd, ~odd):
        values[half] = mixed(stages[half], table[half], fit_mix(stages[~half], table[~half]))
    return fit_mix(stages, table) if ndcg(values) >= ndcg(mixed(stages, table, ALONE)) else ALONE


def mixed(stages: np.ndarray, table: pd.DataFrame, mix: tuple[float, ...]) -> np.ndarray:
    """Returns (R,) the log-odds that both say together.

    Args:
        stages: (R,) the two stages' log-odds.
        table: R candidates with `seen` and the next-item model's log-odds.
        mix: What `fit_mix` returned.

    Example:
        What was bought before is left to the two stages, of what is new the plain mix takes the mean:

        >>> table = pd.DataFrame({"seen": [True, False], SOURCE: [-4.0, -4.0]})
        >>> mixed(np.array([-2.0, -2.0]), table, NextItem().mix).tolist()
        [-2.0, -3.0]
    """
    return (mix[0] + _facts(stages, table) @ np.array(mix[1:])).astype(np.float32)


def _facts(stages: np.ndarray, table: pd.DataFrame) -> np.ndarray:
    """Returns (R, 5): both log-odds, whether the item is known to the household, and the log-odds where it is."""
    seen, other = table["seen"].to_numpy(np.float64), table[SOURCE].to_numpy(np.float64)
    stages = np.asarray(stages, np.float64)
    return np.stack([stages, other, seen, seen * stages, seen * other], axis=1)
