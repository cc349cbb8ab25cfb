"""Which new model goes live: not the one that looks best, but none that is worse by more than a margin (notebook 17).

A model is a record, a few settings of the counting rule, so that it can be stored, compared and brought back. Letters
for shapes: N test cases, V items of the catalogue.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from recsys_kit import baselines, evaluation
from recsys_kit.operations import freshness
from recsys_kit.preprocessing import Split

__all__ = ["GRID", "Rules", "decide", "low", "rejected", "scorer", "spoil", "train", "value"]

GRID = tuple({"decay": decay, "popularity_weight": weight} for decay in (60.0, 120.0, 240.0) for weight in (0.1, 0.3))
"""Settings of the counting rule to choose from."""


@dataclass(frozen=True)
class Rules:
    """When a new model goes live.

    Attributes:
        margin: How much of the live model's NDCG@10 it may lose, as a part of it.
        total: How much of the reference's it may lose. The reference is the best model that was ever shown to be better
            than the one before it: a chain of small losses does not move it.
        level: How sure the first must be: the lower end of a one-sided interval over households counts.
        yearly: How often a year, with a training every night, a model that loses more than `total` may slip through.
    """

    margin: float = 0.02
    total: float = 0.03
    level: float = 0.95
    yearly: float = 0.05

    @property
    def strict(self) -> float:
        """How sure it must be that a model is not worse than the reference: each night of a year is a try."""
        return 1 - self.yearly / 365


def scorer(model: Mapping[str, Any], split: Split) -> evaluation.Scorer:
    """Returns what a model says on a split.

    Args:
        model: `decay` and `popularity_weight` of `baselines.personal_frequency`; and what `spoil` added.
        split: The split; its history is what the shop knows tonight, but for a model with stale features.
    """
    stale = model.get("stale_days", 0)
    if stale:
        split = freshness.aged(split, split.cutoff - pd.Timedelta(days=stale))
    scores = baselines.personal_frequency(split, model["decay"], model["popularity_weight"])
    popular = baselines.recent_popularity(split)
    order = np.random.default_rng(0).permutation(len(split.items)) if model.get("permuted") else None
    lost = np.random.default_rng(1).random(len(split.users)) < model.get("lost", 0.0)

    def spoiled(rows: np.ndarray) -> np.ndarray:
        found = np.asarray(scores(rows))
        found = np.where(lost[split.test_users[rows]][:, None], popular, found)
        return found if order is None else found[:, order]

    return spoiled if model.get("lost") or model.get("permuted") else scores


def spoil(model: Mapping[str, Any], **how: Any) -> dict[str, Any]:
    """Returns a model that is bad in a way in which models really are.

    Args:
        model: A good one.
        how: `stale_days`: features of so many days ago; `permuted`: ids of items mixed up; `lost`: part of the
            households whose history is not found, so that they get what is popular.
    """
    return {**model, **how}


def value(model: Mapping[str, Any], split: Split) -> pd.Series:
    """Returns a model's NDCG@10 in each case of a split."""
    return evaluation.evaluate(scorer(model, split), split.answers)["ndcg"]


def train(split: Split, grid: Iterable[Mapping[str, Any]] = GRID) -> dict[str, Any]:
    """Chooses the settings that are best on a split: the training of a counting rule.

    Args:
        split: A week that is not the one on which the model is judged.
        grid: Models to choose from.
    """
    return dict(max(grid, key=lambda model: value(model, split).mean()))


def decide(new: pd.Series, live: pd.Series, reference: pd.Series, rules: Rules = Rules()) -> dict[str, Any]:
    """Decides whether a new model goes live.

    Args:
        new: (N,) its NDCG@10 on the latest week.
        live: (N,) the live model's, on the same cases.
        reference: (N,) the same of a model that stays fixed, so that many small losses add up.
        rules: The margins.

    Returns:
        `passes`, `why` in words, `raises` (whether it is shown to be better than the reference, whose place it
        takes), and the numbers: `new`, `live`, `reference`, `low_live`, `low_reference`.
    """
    found: dict[str, Any] = {"new": new.mean(), "live": live.mean(), "reference": reference.mean()}
    wrong = []
    sides = (("live", live, rules.margin, rules.level), ("reference", reference, rules.total, rules.strict))
    for name, other, margin, level in sides:
        found[f"low_{name}"] = float(low((new - other).to_numpy(), level))
        if found[f"low_{name}"] < -margin * other.mean():
            wrong.append(f"may be {-found[f'low_{name}'] / other.mean():.1%} worse than the {name} model")
    found = {name: round(float(number), 6) for name, number in found.items()}
    raises = not wrong and found["low_reference"] > 0
    why = "; ".join(wrong) or ("better than the reference" if raises else "not worse by more than the margins")
    return {"passes": not wrong, "raises": raises, "why": why, **found}


def low(difference: np.ndarray, level: float) -> np.ndarray:
    """Returns the lower end of a one-sided interval of the mean, over the last axis (Student's t)."""
    cases = difference.shape[-1]
    error = difference.std(axis=-1, ddof=1) / np.sqrt(cases)
    return difference.mean(-1) - stats.t.ppf(level, cases - 1) * error


def rejected(
    new: pd.Series, live: pd.Series, cases: int = 0, rules: Rules = Rules(), draws: int = 1000, seed: int = 0
) -> pd.Series:
    """Returns how often the gate stops a model: its power, if the model is bad; its false alarms, if it is good.

    Args:
        new: (N,) the model's NDCG@10 on as many cases as there are.
        live: (N,) the live model's, which is the reference as well.
        cases: How many cases a week has; 0: N.
        rules: The margins.
        draws: How many weeks are drawn from the cases.
        seed: Of the draws.

    Returns:
        `live`, `reference`: how often by each comparison; `stopped`: by at least one.
    """
    rng, size = np.random.default_rng(seed), cases or len(new)
    rows = rng.integers(0, len(new), (draws, size))
    difference, base = (new - live).to_numpy()[rows], live.to_numpy()[rows].mean(1)
    by_live = low(difference, rules.level) < -rules.margin * base
    by_reference = low(difference, rules.strict) < -rules.total * base
    found = {"live": by_live, "reference": by_reference, "stopped": by_live | by_reference}
    return pd.Series({name: float(one.mean()) for name, one in found.items()})
