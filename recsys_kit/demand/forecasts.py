"""Forecasts from rolling origins: simple rules, classic methods, boosting; their intervals, and what judges them.

At an origin `o` the first `o` weeks are known; week `o` (counted from 0) is one week ahead.

Letters for shapes: O origins, N series, T weeks, H weeks ahead, K facts, Q quantiles.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

__all__ = [
    "CLASSIC",
    "QUANTILES",
    "Settings",
    "boosting",
    "classic",
    "coverage",
    "errors",
    "facts_of_series",
    "mase",
    "moving_average",
    "normal_quantiles",
    "pinball",
    "plan_rule",
    "rolling_stretch",
    "stretched",
    "targets",
    "wape",
]

QUANTILES = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
CLASSIC = ("exponential smoothing", "Croston", "TSB")
_SHORTEST = 8  # weeks of history before a first origin to learn from
_WINDOW = 8  # weeks that give a series its level


@dataclass(frozen=True)
class Settings:
    """How the boosted trees learn; the defaults were chosen on origins before the test.

    Attributes:
        trees: Number of trees.
        leaves: Leaves of a tree.
        learning_rate: Of the boosting.
        least_rows: Fewest rows in a leaf.
        every: A model is fitted anew at each so many origins.
        seed: Of the drawing of rows and columns.
    """

    trees: int = 300
    leaves: int = 15
    learning_rate: float = 0.04
    least_rows: int = 100
    every: int = 100
    seed: int = 0


def targets(units: np.ndarray, origins: Sequence[int], ahead: int) -> np.ndarray:
    """Returns (O, N, H) what was sold after each origin; NaN after the last week.

    Example:
        >>> targets(np.array([[1.0, 2.0, 3.0]]), [1, 2], 2)[:, 0]
        array([[ 2.,  3.],
               [ 3., nan]])
    """
    padded = np.pad(np.asarray(units, float), ((0, 0), (0, ahead)), constant_values=np.nan)
    return np.stack([padded[:, origin : origin + ahead] for origin in origins])


def moving_average(units: np.ndarray, origins: Sequence[int], ahead: int, weeks: int = 4) -> np.ndarray:
    """Returns (O, N, H) the mean of the last weeks; with one week it is the naive forecast."""
    means = np.stack([units[:, max(origin - weeks, 0) : origin].mean(axis=1) for origin in origins])
    return np.repeat(means[..., None], ahead, axis=2)


def classic(units: np.ndarray, origins: Sequence[int], ahead: int, method: str) -> np.ndarray:
    """Returns (O, N, H) forecasts of one of `CLASSIC`, by the library statsforecast, fitted to each series by itself.

    Croston's method (here with the correction of Syntetos and Boylan) and TSB (Teunter, Syntetos and Babai) are for
    series with many zeros: they smooth how much is sold apart from how often.
    """
    from statsforecast import models

    makers = {
        "exponential smoothing": models.SimpleExponentialSmoothingOptimized,
        "Croston": models.CrostonSBA,
        "TSB": lambda: models.TSB(alpha_d=0.1, alpha_p=0.1),
    }
    if method not in makers:
        raise ValueError(f"`method` must be one of {', '.join(makers)}. Received: {method!r}.")
    model = makers[method]()
    series = np.asarray(units, np.float32)
    found = [[model.forecast(row[:origin], ahead)["mean"] for row in series] for origin in origins]
    return np.maximum(np.nan_to_num(np.array(found, float)), 0)


def plan_rule(
    units: np.ndarray, origins: Sequence[int], ahead: int, facts: Mapping[int, np.ndarray], weeks: int = _WINDOW
) -> np.ndarray:
    """Returns (O, N, H) the plan's expected units, times what was sold of what was expected in the last weeks.

    Args:
        units: (N, T) what was sold.
        origins: How many weeks are known at each.
        ahead: H.
        facts: Of each origin (N, W, 1 + K), see `recsys_kit.demand.plan.facts`.
        weeks: How many last weeks give the level.
    """
    found = []
    for origin in origins:
        expected = facts[origin][..., 0] + 0.01
        last = slice(max(origin - weeks, 0), origin)
        level = units[:, last].sum(axis=1) / expected[:, last].sum(axis=1)
        found.append(level[:, None] * expected[:, origin : origin + ahead])
    return np.stack(found)


def facts_of_series(
    units: np.ndarray, origin: int, ahead: int, facts: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Returns (N, H, K) what a model is told of each series and week ahead, and (N, H) the base that it corrects.

    The base is the mean of the last eight weeks or, with the plan, `plan_rule`. Amounts are divided by the level, so
    that large and small series look alike.

    Args:
        units: (N, T) what was sold; only the first `origin` weeks are read.
        origin: How many weeks are known.
        ahead: H.
        facts: (N, W, 1 + K) see `recsys_kit.demand.plan.facts`; None: no plan.
    """
    past = units[:, :origin]
    level = past[:, -_WINDOW:].mean(axis=1) + 0.1
    means = [past[:, -weeks:].mean(axis=1) / level for weeks in (4, 13, 26)]
    same = [past[:, -lag] / level for lag in (1, 2, 3, 4)] + means
    same += [past[:, -_WINDOW:].std(axis=1) / level, np.log(level), (past[:, -13:] == 0).mean(axis=1)]
    told = [np.repeat(np.stack(same, axis=1)[:, None], ahead, axis=1)]
    told.append(np.broadcast_to(np.arange(1, ahead + 1)[:, None], (len(units), ahead, 1)))
    base = np.repeat(level[:, None], ahead, axis=1)
    if facts is not None:
        expected = facts[:, : origin + ahead, 0] + 0.01
        coming, recent = facts[:, origin : origin + ahead], facts[:, max(origin - _WINDOW, 0) : origin]
        base = plan_rule(units, [origin], ahead, {origin: facts})[0] + 0.1
        ratio = past / expected[:, :origin]
        usual = past[:, -_WINDOW:].sum(axis=1) / expected[:, origin - _WINDOW : origin].sum(axis=1) + 1e-3
        told.append(np.log((coming[..., :1] + 0.1) / (recent[..., :1].mean(axis=1, keepdims=True) + 0.1)))
        told.append(np.log((coming[..., :1] + 0.1) / (facts[:, :origin, 0].mean(axis=1)[:, None, None] + 0.1)))
        told += [coming[..., 1:], coming[..., 1:] - recent[..., 1:].mean(axis=1, keepdims=True)]
        adjusted = np.stack([ratio[:, -lag] / usual for lag in (1, 2, 3)], axis=1)
        adjusted = np.concatenate([adjusted, ratio[:, -4:].mean(axis=1, keepdims=True) / usual[:, None]], axis=1)
        told.append(np.repeat(np.minimum(adjusted, 10)[:, None], ahead, axis=1))
    return np.concatenate(told, axis=2).astype(np.float32), base


def boosting(
    units: np.ndarray,
    origins: Sequence[int],
    ahead: int,
    facts: Mapping[int, np.ndarray] | None = None,
    quantiles: Sequence[float] = (0.5,),
    settings: Settings | None = None,
) -> np.ndarray:
    """Returns (O, N, H, Q) forecasts of boosted trees (LightGBM), one model a quantile over all series.

    The model of an origin has learned from the weeks before it alone. Its target is the part of the base that was sold
    (see `facts_of_series`), weighed by the base: so its losses add up to the loss in units. They are
    sorted, because trees of several quantiles may cross.

    Args:
        units: (N, T) what was sold.
        origins: How many weeks are known at each, ascending.
        ahead: H.
        facts: Of each origin, also the earlier ones, (N, W, 1 + K), see `recsys_kit.demand.plan.facts`; None: no plan.
        quantiles: (Q,) of the forecasts; .5 is learned with the absolute error.
        settings: How the trees learn.
    """
    import lightgbm

    settings = settings or Settings()
    options = {"num_leaves": settings.leaves, "learning_rate": settings.learning_rate, "verbosity": -1}
    options |= {"min_data_in_leaf": settings.least_rows, "seed": settings.seed, "bagging_fraction": 0.7}
    options |= {"bagging_freq": 1, "feature_fraction": 0.6, "num_threads": 1, "deterministic": True}
    told = {}

    def ask(origin: int) -> tuple[np.ndarray, np.ndarray]:
        if origin not in told:
            told[origin] = facts_of_series(units, origin, ahead, None if facts is None else facts[origin])
        return told[origin]

    found, models = [], []
    for place, origin in enumerate(origins):
        if place % settings.every == 0:
            past = range(_SHORTEST, origin)
            asked = [ask(earlier) for earlier in past]
            truth = targets(units[:, :origin], past, ahead)
            x, base = np.stack([x for x, _ in asked]), np.stack([base for _, base in asked])
            known = ~np.isnan(truth)
            x, base, truth = x[known], base[known], truth[known]
            data = lightgbm.Dataset(x, truth / base, weight=base, free_raw_data=False)
            goals = [{"objective": "l1"} if q == 0.5 else {"objective": "quantile", "alpha": q} for q in quantiles]
            models = [lightgbm.train(options | goal, data, settings.trees) for goal in goals]
        x, base = ask(origin)
        flat = x.reshape(-1, x.shape[-1])
        parts = np.stack([model.predict(flat, num_threads=1) for model in models], axis=1)
        parts = np.maximum(parts, 0).reshape(*base.shape, len(models)) * base[..., None]
        found.append(np.sort(parts, axis=-1))
    return np.stack(found)


def errors(points: np.ndarray, units: np.ndarray, origins: Sequence[int], origin: int) -> np.ndarray:
    """Returns (O', N, H) the errors that are known at an origin, of forecasts made before it; else NaN."""
    before = [place for place, earlier in enumerate(origins) if earlier < origin]
    return targets(units[:, :origin], [origins[place] for place in before], points.shape[2]) - points[before]


def normal_quantiles(
    points: np.ndarray,
    units: np.ndarray,
    origins: Sequence[int],
    quantiles: Sequence[float] = QUANTILES,
    weeks: int = 13,
) -> np.ndarray:
    """Returns (O, N, H, Q) quantiles of a normal distribution around point forecasts: what textbooks hold in stock for.

    The deviation of a series and week ahead is the root mean square of its last known errors; the first origins, which
    have less than three, have NaN.

    Args:
        points: (O, N, H) forecasts from consecutive origins.
        units: (N, T) what was sold.
        origins: How many weeks are known at each.
        quantiles: (Q,) of the forecasts.
        weeks: How many last errors count.
    """
    from scipy.stats import norm

    found = np.full((*points.shape, len(quantiles)), np.nan)
    for place, origin in enumerate(origins):
        if place < points.shape[2] + 2:
            continue
        known = errors(points, units, origins, origin)[-weeks - points.shape[2] :]
        deviation = np.sqrt(np.nanmean(known**2, axis=0))
        found[place] = np.maximum(points[place][..., None] + norm.ppf(quantiles) * deviation[..., None], 0)
    return found


def stretched(forecast: np.ndarray, past: np.ndarray, truth: np.ndarray, quantiles: Sequence[float]) -> np.ndarray:
    """Returns quantiles whose distance from the median is stretched so that they would have held on known weeks.

    One factor a quantile (conformal prediction on what was sold in units of the distance): the one that would have put
    the share `q` of the known truth at or below it. Quantiles stay in order.

    Args:
        forecast: (..., Q) quantiles to correct; one of them is the median.
        past: (..., Q) quantiles of earlier origins, by a model that did not learn from their targets.
        truth: (...) what was sold there; NaN where it is not known.
        quantiles: (Q,) which they are.
    """
    middle = list(quantiles).index(0.5)
    known = ~np.isnan(truth)
    found = np.array(forecast, float)
    for place, q in enumerate(quantiles):
        if q == 0.5:
            continue
        reach = np.abs(past[..., place] - past[..., middle])[known] + 0.1
        away = (truth - past[..., middle])[known] * (1 if q > 0.5 else -1) / reach
        factor = max(float(np.quantile(away, max(q, 1 - q))), 0.0)
        distance = np.abs(forecast[..., place] - forecast[..., middle]) + 0.1
        found[..., place] = forecast[..., middle] + (1 if q > 0.5 else -1) * factor * distance
    return np.maximum(np.sort(found, axis=-1), 0)


def rolling_stretch(
    forecast: np.ndarray, units: np.ndarray, origins: Sequence[int], first: int, quantiles: Sequence[float] = QUANTILES
) -> np.ndarray:
    """Returns (O', N, H, Q) the forecasts from origin `first` on, each stretched by what was known at its own origin.

    Args:
        forecast: (O, N, H, Q) quantiles; no model has learned from the target weeks of its own origins.
        units: (N, T) what was sold.
        origins: How many weeks are known at each.
        first: The first origin that is wanted; those before it serve to stretch.
        quantiles: (Q,) of the forecasts.
    """
    found = []
    for place, origin in enumerate(origins):
        if origin >= first:
            truth = targets(units[:, :origin], origins[:place], forecast.shape[2])
            found.append(stretched(forecast[place], forecast[:place], truth, quantiles))
    return np.stack(found)


def wape(points: np.ndarray, truth: np.ndarray) -> pd.Series:
    """Returns (N,) each series' part of the weighted absolute error: their *mean* is all errors by all units.

    Args:
        points: (O, N, H) forecasts.
        truth: (O, N, H) what was sold; NaN does not count.
    """
    lost = np.nansum(np.abs(truth - points), axis=(0, 2))
    return pd.Series(lost / np.nansum(truth) * len(lost))


def mase(points: np.ndarray, truth: np.ndarray, units: np.ndarray, known: int) -> pd.Series:
    """Returns (N,) each series' absolute error by that of the naive forecast in the first `known` weeks."""
    steps = np.abs(np.diff(units[:, :known], axis=1)).mean(axis=1)
    return pd.Series(np.nanmean(np.abs(truth - points), axis=(0, 2)) / np.maximum(steps, 1e-9))


def pinball(forecast: np.ndarray, truth: np.ndarray, quantile: float) -> pd.Series:
    """Returns (N,) each series' part of the pinball loss: their mean is the mean loss by the mean units.

    Too low costs `quantile` a unit, too high `1 - quantile`.

    Args:
        forecast: (O, N, H) forecasts of the quantile.
        truth: (O, N, H) what was sold; NaN does not count.
        quantile: Above 0, below 1.
    """
    short = truth - forecast
    lost = np.nansum(np.maximum(quantile * short, (quantile - 1) * short), axis=(0, 2))
    return pd.Series(lost / np.nansum(truth) * len(lost))


def coverage(low: np.ndarray, high: np.ndarray, truth: np.ndarray) -> pd.Series:
    """Returns (N,) how often what was sold lay between two quantiles, ends included."""
    inside = np.where(np.isnan(truth), np.nan, (truth >= low) & (truth <= high))
    return pd.Series(np.nanmean(inside, axis=(0, 2)))
