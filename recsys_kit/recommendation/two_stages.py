"""The two stages: sources propose candidates, a ranker that learned from earlier weeks orders them (notebook 08).

The trees learn from facts, the Transformer from sequences, so the final order listens to both: `score` is the mean of
their log-odds. The trees must not read the Transformer's score: it was trained on the weeks that they learn from, so
there it looks better than it will be.

Letters for shapes: N cases, B of a block, V items of the catalogue, W text width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from recsys_kit import baselines, evaluation, features
from recsys_kit.baselines import boosting
from recsys_kit.datasets.shops import Shop
from recsys_kit.preprocessing import Split, Task, split_by_time
from recsys_kit.recommendation import candidates, discoveries, ranking
from recsys_kit.recommendation.discoveries import NextItem

__all__ = [
    "AMONG",
    "HISTORY",
    "RANKED",
    "Model",
    "candidate_table",
    "columns",
    "fit",
    "labelled",
    "score",
    "some_cases",
    "sources",
    "windows",
]

RANKED = ("personal frequency", "user-kNN", "co-occurrence")
"""The sources whose scores the ranker reads; the others only propose."""

HISTORY = ("Transformer", "personal frequency")
"""The sources that choose among what a household bought before."""

AMONG = 20_000
"""So many users are looked at for neighbours: in a larger shop the nearest of a sample do, and time stays linear."""


@dataclass(frozen=True)
class Model:
    """What was learned: everything that does not depend on today.

    Attributes:
        transformer: The next-basket Transformer; None: the other sources do without.
        towers: By name, the retrievers of `recommendation.towers`.
        text: (V, W) text vectors of the catalogue of length 1; None if the shop has no titles.
        ranker: The boosted trees, a `lightgbm.Booster`; None before it is fitted, and where nothing is bought again.
        next_item: The `discoveries.NextItem` of a shop whose customers discover; see `is_alone`.
    """

    transformer: Any = field(default=None, repr=False)
    towers: Mapping[str, Any] = field(default_factory=dict, repr=False)
    text: np.ndarray | None = field(default=None, repr=False)
    ranker: Any = field(default=None, repr=False)
    next_item: NextItem | None = field(default=None, repr=False)

    @property
    def is_alone(self) -> bool:
        """Whether the next-item model is all there is, as where nobody buys a thing twice."""
        return self.next_item is not None and self.ranker is None and self.transformer is None


def sources(model: Model, split: Split, seq: Any = None) -> dict[str, evaluation.Scorer]:
    """Returns the scorers that propose candidates, by name.

    Args:
        model: What was learned.
        split: Whose cases they score.
        seq: The `training.Sequences` of the split's history, if they are at hand.
    """
    found = {}
    if model.next_item is not None:
        found[discoveries.SOURCE] = discoveries.scorer(split, model.next_item)
        if model.is_alone:
            return found
    if model.transformer is not None or model.towers:
        from recsys_kit import training
        from recsys_kit.recommendation import towers
        from recsys_kit.training import baskets

        seq = seq or baskets.sequences(split)
    if model.transformer is not None:
        found["Transformer"] = training.scorer(model.transformer, split, seq)
    found |= {
        "personal frequency": baselines.personal_frequency(split, decay=120, popularity_weight=0.3),
        "user-kNN": baselines.user_knn(split, among=AMONG),
        "co-occurrence": baselines.cooccurrence(split),
    }
    for name, tower in model.towers.items():
        vectors = towers.user_vectors(tower, seq, split.test_users)
        found[name] = towers.vector_scorer(vectors, towers.item_vectors(tower))
    if model.text is not None:
        found["text"] = candidates.text_scorer(split, model.text)
    return found


def columns(table: pd.DataFrame, split: Split) -> list[str]:
    """Returns the names of what the ranker reads in a candidate table."""
    derived = [name for name in table if name.endswith(("_score", "_rank"))]
    return [*ranking.RANKING_FACTS, *(boosting.PLAN if split.plan is not None else ()), *derived]


def candidate_table(
    facts, scorers: Mapping[str, evaluation.Scorer], rows: np.ndarray | None = None, old: int = 100, new: int = 40
) -> pd.DataFrame:
    """Collects candidates and everything that the ranker reads about them.

    Args:
        facts: A `ranking.Facts`.
        scorers: What `sources` returned.
        rows: Cases; all by default.
        old: Items of its own history that each source of `HISTORY` proposes for a household.
        new: Items that it never bought, from every source.

    Returns:
        One row a candidate, sorted by case.
    """
    table = candidates.collect(facts.split, scorers, old, new, HISTORY, rows, bought=facts.bought)
    group = table.groupby("case", sort=False)
    for name in [name for name in RANKED if name in table]:
        own, values = name.replace(" ", "_"), table[name]
        table[f"{own}_rank"] = group[name].rank(ascending=False, method="first").astype(np.float32)
        table[f"{own}_score"] = values - group[name].transform("mean")  # the same scale for everybody
    return facts.add(table)


def windows(task: Task, count: int, days: int = 14) -> list[Split]:
    """Returns tasks that lie before the validation weeks, for the ranker to learn from; the latest first.

    Args:
        task: The task; the windows share its catalogue and its plan.
        count: How many.
        days: Length of each.
    """
    found = []
    for number in range(1, count + 1):
        cutoff = task.validation.cutoff - pd.Timedelta(days=days * number)
        if not (task.events["timestamp"] < cutoff).any():
            break
        part = split_by_time(
            task.events, cutoff, cutoff + pd.Timedelta(days=days), min_items=task.min_items, items=task.test.items
        )
        if len(part.test_users):
            found.append(replace(part.sharing(task.test), plan=task.test.plan))
    return found


def some_cases(split: Split, most: int, seed: int = 0) -> Split:
    """Returns the split with at most so many of its cases, drawn at random, in their order.

    Args:
        split: The split.
        most: How many cases stay.
        seed: Seed of the draw; a split that has no more cases is returned as it is.
    """
    if len(split.test_users) <= most:
        return split
    rows = np.sort(np.random.default_rng(seed).choice(len(split.test_users), most, replace=False))
    return replace(
        split,
        test_users=split.test_users[rows],
        answers=split.answers[rows],
        answer_times=split.answer_times[rows],
    )


def fit(tables: Sequence[pd.DataFrame], names: Sequence[str], keep: float = 0.3, seed: int = 0, **settings):
    """Fits the boosted trees to labelled candidate tables, one a window.

    Args:
        tables: Tables with a column `label`.
        names: What to learn from.
        keep: Part of the candidates that were not bought to learn from; each then counts 1 / keep times. Nearly all
            candidates are of that kind, and many tell the same.
        seed: Seed of that sample and of the trees.
        settings: As `ranking.boosting` takes them.
    """
    rng, parts = np.random.default_rng(seed), []
    for number, table in enumerate(tables):
        bought = table["label"].to_numpy(bool)
        part = table.loc[bought | (rng.random(len(table)) < keep), [*names, "case", "label"]]
        weight = np.where(part["label"], 1, 1 / keep)
        parts.append(part.assign(list=part["case"] + 1_000_000 * number, weight=weight))
    return ranking.boosting(pd.concat(parts, ignore_index=True), names, seed=seed, **settings)


def score(model: Model, table: pd.DataFrame) -> np.ndarray:
    """Returns (R,) the log-odds that the next basket holds each candidate: the mean of trees and Transformer.

    Where customers discover, the next-item model speaks with them, or alone; see `discoveries`.

    Args:
        model: With its ranker, its next-item model, or both.
        table: What `candidate_table` returned.
    """
    if model.is_alone:
        return table[discoveries.SOURCE].to_numpy(np.float32)
    trees = model.ranker.predict(table[model.ranker.feature_name()], raw_score=True)
    found = trees if "Transformer" not in table else (trees + table["Transformer"].to_numpy()) / 2
    return found if model.next_item is None else discoveries.mixed(found, table, model.next_item.mix)


def labelled(
    shop: Shop, split: Split, model: Model, scorers: Mapping[str, evaluation.Scorer] | None = None, **sizes
) -> pd.DataFrame:
    """Returns the candidate table of a split with `label`: whether the next basket holds the item.

    Args:
        shop: The shop.
        split: A split with answers.
        model: What was learned.
        scorers: What `sources` returned for this split, if it is at hand.
        sizes: `old` and `new` of `candidate_table`.
    """
    scorers = sources(model, split) if scorers is None else scorers
    table = candidate_table(ranking.Facts(split, shop.items, shop.timezone), scorers, **sizes)
    return table.assign(label=features.labels(split, table))
