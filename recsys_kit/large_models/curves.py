"""Scaling laws: how a loss falls with parameters, data or compute, and what a larger model is expected to reach.

A law has three numbers: loss = a + b * x ** -c. The floor a is what no size removes, c says how much a doubling helps.

Letters for shapes: N points.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import optimize

__all__ = ["Forecast", "Law", "fit", "forecast", "frontier"]

STEEPEST = 2.0
"""The largest exponent that is looked at: above it a law is a step, and its floor is the last point."""


@dataclass(frozen=True)
class Law:
    """A fitted law, loss = floor + gain * x ** -exponent.

    Attributes:
        floor: a, the loss that is left at any size.
        gain: b, in units of loss at x = 1.
        exponent: c.

    Example:
        >>> float(Law(floor=2.0, gain=8.0, exponent=0.5)(16.0))
        4.0
    """

    floor: float
    gain: float
    exponent: float

    def __call__(self, x):
        """Returns the loss at x, a number or an array."""
        return self.floor + self.gain * np.asarray(x, float)[()] ** -self.exponent


@dataclass(frozen=True)
class Forecast:
    """A law and what it says of a point that it was not fitted on.

    Attributes:
        law: The law on all points.
        low: Lower end of the exponent's interval.
        high: Its upper end.
        value: The loss that is expected.
        value_low: Lower end of its interval.
        value_high: Its upper end.
    """

    law: Law
    low: float
    high: float
    value: float
    value_low: float
    value_high: float


def fit(x: Sequence[float], loss: Sequence[float]) -> Law:
    """Fits a law by least squares, with a floor of 0 or more.

    For a given exponent the law is a line, whose two numbers have a closed form: only the exponent is searched.

    Args:
        x: (N,) sizes above 0, at least three different ones.
        loss: (N,) losses; several at one size are several seeds.

    Raises:
        ValueError: If there are fewer than three sizes: a law has three numbers.

    Example:
        >>> law = fit([1, 4, 16, 64], [10.0, 6.0, 4.0, 3.0])  # 2 + 8 / sqrt(x)
        >>> round(law.floor, 3), round(law.gain, 3), round(law.exponent, 3)
        (2.0, 8.0, 0.5)
    """
    x, loss = np.asarray(x, float), np.asarray(loss, float)
    if len(np.unique(x)) < 3:
        raise ValueError(f"`x` must hold at least three sizes. Received: {np.unique(x).tolist()}.")
    middle = np.exp(np.log(x).mean())  # sizes of 1e12 to the power -c would leave nothing of the gain to solve for

    def line(exponent):
        columns = np.stack([np.ones_like(x), (x / middle) ** -exponent], axis=1)
        return optimize.nnls(columns, loss)

    grid = np.geomspace(1e-3, STEEPEST, 60)
    best = int(np.argmin([line(one)[1] for one in grid]))
    around = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    found = optimize.minimize_scalar(lambda one: line(one)[1], bounds=around, method="bounded")
    floor, gain = line(found.x)[0]
    return Law(float(floor), float(gain * middle**found.x), float(found.x))


def forecast(points: pd.DataFrame, at: float, draws: int = 300, level: float = 0.95, seed: int = 0) -> Forecast:
    """Fits a law on points and says what it expects at another size; intervals by drawing points again.

    Each draw takes as many sizes as there are, with replacement, and of each one of its seeds.

    Args:
        points: Columns `x` and `loss`, a row a trained model; rows of one x are seeds of one point.
        at: The size that is asked for.
        draws: How often points are drawn again.
        level: Of the intervals.
        seed: Seed of the draws.
    """
    law, rng = fit(points["x"], points["loss"]), np.random.default_rng(seed)
    losses = [group.to_numpy(float) for _, group in points.groupby("x", sort=True)["loss"]]
    sizes, exponents, values = np.unique(points["x"].to_numpy(float)), [], []
    while len(exponents) < draws:
        drawn = rng.integers(0, len(sizes), len(sizes))
        if len(np.unique(drawn)) < 3:
            continue  # three numbers cannot be read off two sizes
        again = fit(sizes[drawn], [rng.choice(losses[one]) for one in drawn])
        exponents.append(again.exponent)
        values.append(again(at))
    ends = 50 * (1 - level), 50 * (1 + level)
    low, high, value_low, value_high = (float(end) for part in (exponents, values) for end in np.percentile(part, ends))
    return Forecast(law, low, high, float(law(at)), value_low, value_high)


def frontier(points: pd.DataFrame) -> pd.DataFrame:
    """Returns the points that no cheaper one equals: the best loss for what was spent.

    Args:
        points: Columns `x` (what was spent) and `loss`; rows of one point are seeds, and their mean is compared.

    Example:
        >>> frontier(pd.DataFrame({"x": [1, 2, 3], "loss": [3.0, 3.5, 2.0]}))["x"].tolist()
        [1, 3]
    """
    means = points.groupby("x", sort=True)["loss"].mean()
    kept = means.index[means < means.cummin().shift(fill_value=np.inf)]
    return points[points["x"].isin(kept)].sort_values("x")
