"""Whom a coupon changes, which is not who redeems it: a planted effect and the learners that look for it (notebook 12).

Letters for shapes: R rows (one a household and date), F facts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

__all__ = ["LEARNERS", "Planted", "effects", "plant", "propensity_weights"]


@dataclass(frozen=True)
class Planted:
    """A campaign whose truth is known.

    Attributes:
        treated: (R,) who got a coupon, drawn.
        bought: (R,) who came, drawn from the truth.
        without: (R,) the true chance of coming without a coupon.
        effect: (R,) what a coupon adds to it, below 0 for some.
        seen: (R,) the part of the effect that the recorded facts explain: its mean over what nobody recorded.
    """

    treated: np.ndarray
    bought: np.ndarray
    without: np.ndarray
    effect: np.ndarray
    seen: np.ndarray


def plant(facts: pd.DataFrame, size: float, chance: np.ndarray | float = 0.5, seed: int = 0) -> Planted:
    """Plants a campaign on recorded households: who would come is real facts, what a coupon changes is ours.

    Without a coupon, those come who visit often and use coupons anyway. A coupon changes households that visit seldom,
    that bought offered items, that spend little at a time, and that have a taste for offers which nobody recorded.

    Args:
        facts: (R, F) facts of `advertising.facts`.
        size: Mean chance of coming with a coupon.
        chance: Of getting a coupon, one number or (R,).
        seed: Of the unrecorded taste (one a household) and all draws.
    """
    rng = np.random.default_rng(seed)
    rank = facts.rank(pct=True)
    often, coupons = rank["baskets 30d"], rank["coupon visits 90d"]
    fit, trip = rank["share of offered categories"], rank["rows a basket 90d (log)"]
    household, names = pd.factorize(facts.index.get_level_values("user_id"))
    hidden = rng.random(len(names))[household]

    def added(hidden: np.ndarray) -> np.ndarray:
        wish = 3 * fit + 2 * hidden - 3.0 * often - 1.5 * trip
        return (1 / (1 + np.exp(-2 * wish)) - 0.15 * coupons).to_numpy()

    come = (1 / (1 + np.exp(-(6 * often + 4 * coupons - 6.5)))).to_numpy()
    unit, seen = added(hidden), np.mean([added(np.full(len(rank), at)) for at in np.linspace(0.05, 0.95, 10)], axis=0)
    scale = size / (come + unit).mean()  # both parts shrink together, so all three sizes are one world
    without = np.clip(scale * come, 0, 0.95)
    effect = np.clip(scale * unit, -without, 1 - without)
    treated = rng.random(len(rank)) < chance
    bought = rng.random(len(rank)) < without + treated * effect
    return Planted(treated, bought.astype(float), without, effect, scale * seen)


def _one(model: Callable, x: np.ndarray, treated: np.ndarray, y: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """S-learner: one model that reads the treatment, and its products with the facts."""

    def both(x: np.ndarray, t: np.ndarray) -> np.ndarray:
        return np.hstack([x, x * t[:, None], t[:, None]])

    fitted = model().fit(both(x, treated), y)
    ones, zeros = np.ones(len(asked)), np.zeros(len(asked))
    return fitted.predict(both(asked, ones)) - fitted.predict(both(asked, zeros))


def _two(model: Callable, x: np.ndarray, treated: np.ndarray, y: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """T-learner: one model of the treated, one of the others."""
    with_it, without = (model().fit(x[treated == t], y[treated == t]) for t in (1, 0))
    return with_it.predict(asked) - without.predict(asked)


def _crossed(model: Callable, x: np.ndarray, treated: np.ndarray, y: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """X-learner: each group's model says what the other group would have done; the gaps are learned again."""
    with_it, without = (model().fit(x[treated == t], y[treated == t]) for t in (1, 0))
    gap = np.where(treated == 1, y - without.predict(x), with_it.predict(x) - y)
    ours, theirs = (model().fit(x[treated == t], gap[treated == t]).predict(asked) for t in (1, 0))
    share = treated.mean()
    return share * theirs + (1 - share) * ours


LEARNERS = {"S-learner": _one, "T-learner": _two, "X-learner": _crossed}
"""How to make a model of effects from any regression; Künzel et al. (2019)."""


def effects(
    learner: str, model: Callable, x: np.ndarray, planted: Planted, rows: tuple[np.ndarray, np.ndarray]
) -> np.ndarray:
    """Returns the effect that a learner sees in the asked rows.

    Args:
        learner: One of `LEARNERS`.
        model: Makes a regression, such as `sklearn.linear_model.Ridge`.
        x: (R, F) facts.
        planted: The campaign; of the asked rows nothing of it is read.
        rows: Which rows to learn from, and which to ask for.
    """
    if learner not in LEARNERS:
        raise ValueError(f"`learner` must be one of {', '.join(LEARNERS)}. Received: {learner!r}.")
    x, (known, asked) = np.asarray(x, float), rows
    return LEARNERS[learner](model, x[known], planted.treated[known].astype(float), planted.bought[known], x[asked])


def propensity_weights(sent: np.ndarray, chance: np.ndarray, most: float = 10.0) -> np.ndarray:
    """Returns (R,) weights that make those who got a campaign and those who did not alike: 1 over the chance of it.

    Args:
        sent: (R,) who got it.
        chance: (R,) their chance to get it, forecast from the facts.
        most: No weight is larger: a household that hardly ever gets one would stand for hundreds.

    Example:
        >>> propensity_weights(np.array([1, 0]), np.array([0.25, 0.25])).round(2).tolist()
        [4.0, 1.33]
    """
    sent, chance = np.asarray(sent, float), np.clip(np.asarray(chance, float), 1e-6, 1 - 1e-6)
    return np.minimum(np.where(sent == 1, 1 / chance, 1 / (1 - chance)), most)
