"""How fast does a model age, and when is it worth training again (notebook 17)?

Walk forward: a model of week t is judged on the next baskets of the weeks after t. What ages is taken apart: the
*histories* that it reads may be of tonight or of week t, and what it *learned* (the trees) of tonight or of week t.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from recsys_kit import baselines, evaluation, features
from recsys_kit.baselines import boosting
from recsys_kit.datasets import samples
from recsys_kit.preprocessing import Split, split_by_time

__all__ = ["aged", "cheapest", "counting", "plans", "tree_values", "trees", "week"]

_WEEK = pd.Timedelta(days=7)


def week(events: pd.DataFrame, start: pd.Timestamp, items: pd.Index | None = None, days: int = 7) -> Split:
    """Returns the task of some days: each household's next basket in them.

    Args:
        events: Cleaned events.
        start: First instant of the days (UTC).
        items: Catalogue; None: what at least 10 households had bought before.
        days: How many days.
    """
    end = start + pd.Timedelta(days=days)
    least = samples.least_buyers(events["user_id"].nunique())
    return split_by_time(events, start, end, least, 1, items)


def aged(split: Split, at: pd.Timestamp) -> Split:
    """Returns a split whose history ends at an earlier moment: what a shop knows that has not looked since."""
    return replace(split, cutoff=at, history=split.history[split.history["timestamp"] < at].reset_index(drop=True))


def counting(split: Split, at: pd.Timestamp, decay: float = 120, popularity_weight: float = 0.3) -> pd.Series:
    """Returns NDCG@10 in each case of the decayed count whose histories end at a moment."""
    scorer = baselines.personal_frequency(aged(split, at), decay, popularity_weight)
    return evaluation.evaluate(scorer, split.answers)["ndcg"]


def trees(events: pd.DataFrame, timezone: str, at: pd.Timestamp, windows: int = 3, seed: int = 0):
    """Returns boosted trees that have learned from the weeks before a moment.

    Args:
        events: Cleaned events.
        timezone: Zone of the shop.
        at: The moment.
        windows: How many weeks, the latest before `at`, they learn from.
        seed: Of the sample and the trees.
    """
    rng, samples = np.random.default_rng(seed), []
    for back in range(1, windows + 1):
        split = week(events, at - back * _WEEK)
        samples.append(boosting.labelled(split, features.ranking_features(split, timezone), 0.1, rng))
    return boosting.fit_trees(pd.concat(samples, ignore_index=True), features.RANKING_COLUMNS, seed)


def tree_values(model, split: Split, rows: pd.DataFrame) -> pd.Series:
    """Returns NDCG@10 in each case of trees on the features `rows` (`features.ranking_features`)."""
    chance = boosting.predict(model, rows[list(features.RANKING_COLUMNS)])
    return evaluation.evaluate(features.table_scorer(split, rows, chance), split.answers)["ndcg"]


def plans(curve: pd.Series, every: Sequence[int] = (1, 7, 28)) -> pd.Series:
    """Returns the mean quality of training every so many days, from a curve of quality by age.

    Args:
        curve: NDCG by age in days (index, rising from 0).
        every: Days between two trainings.

    Example:
        >>> plans(pd.Series([1.0, 0.8], index=[0, 2]), every=(1, 3)).round(2).tolist()
        [1.0, 0.9]
    """
    ages = curve.index.to_numpy(float)
    return pd.Series({days: float(np.interp(np.arange(days), ages, curve.to_numpy()).mean()) for days in every})


def cheapest(found: pd.Series, loss: float = 0.01) -> int:
    """Returns the rarest training that loses at most a part of the quality of the most frequent one.

    Example:
        >>> cheapest(pd.Series({1: 0.250, 7: 0.249, 28: 0.240}))
        7
    """
    return int(max(days for days, value in found.items() if value >= (1 - loss) * found[min(found.index)]))
