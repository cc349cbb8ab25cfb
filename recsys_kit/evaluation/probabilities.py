"""Are chances right, and are the right ones on top: calibration, lift, and a model of who is changed (notebook 12).

Letters for shapes: N cases, B bins, S shares.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

__all__ = ["calibration_error", "captured", "paired_statistic", "qini", "reliability"]


def reliability(truth: np.ndarray, chance: np.ndarray, bins: int = 10) -> pd.DataFrame:
    """Returns what was said and what happened, in bins of equal width.

    Args:
        truth: (N,) 0 or 1.
        chance: (N,) forecasts in 0..1.
        bins: B.

    Returns:
        A row for each bin that holds cases: `cases`, `said` (mean forecast), `happened` (share of ones).
    """
    truth, chance = np.asarray(truth, float), np.asarray(chance, float)
    if not len(chance) or ((chance < 0) | (chance > 1)).any():
        raise ValueError(f"`chance` must hold numbers from 0 to 1. Received: {len(chance)} numbers.")
    place = np.minimum((chance * bins).astype(int), bins - 1)
    cases = np.bincount(place, minlength=bins)
    sums = {"said": np.bincount(place, chance, bins), "happened": np.bincount(place, truth, bins)}
    table = pd.DataFrame({"cases": cases, **{name: total / np.maximum(cases, 1) for name, total in sums.items()}})
    return table[table["cases"] > 0].rename_axis("bin")


def calibration_error(truth: np.ndarray, chance: np.ndarray, bins: int = 10) -> float:
    """Returns the expected calibration error: how far said and happened are apart, bins weighted by their cases.

    Even a perfect forecast has one above 0: the cases of a bin are a sample.

    Example:
        >>> calibration_error(np.array([1, 0, 0, 0]), np.array([0.25, 0.25, 0.25, 0.25]))
        0.0
    """
    table = reliability(truth, chance, bins)
    return float(np.average((table["said"] - table["happened"]).abs(), weights=table["cases"]))


def captured(truth: np.ndarray, score: np.ndarray, shares: Sequence[float] = (0.1, 0.2, 0.5)) -> np.ndarray:
    """Returns (S,) the part of all ones among the cases with the highest scores; ties count as in a random order.

    Args:
        truth: (N,) 0 or 1, or what each case is worth.
        score: (N,) scores; higher comes first.
        shares: Parts of the cases, 0..1.

    Example:
        >>> captured(np.array([0, 1, 0, 1]), np.array([0.1, 0.9, 0.5, 0.5]), (0.25, 0.5)).tolist()
        [0.5, 0.75]
    """
    truth, score = np.asarray(truth, float), np.asarray(score, float)
    levels, code = np.unique(-score, return_inverse=True)
    worth, cases = np.bincount(code, truth, len(levels)), np.bincount(code, minlength=len(levels))
    x = np.r_[0, np.cumsum(cases)] / len(truth)
    return np.interp(shares, x, np.r_[0, np.cumsum(worth)] / truth.sum())


def qini(effect: np.ndarray, score: np.ndarray) -> float:
    """Returns the area between the curve of effect won, from the highest score down, and the line of chance.

    With a known effect (a simulation) there is no noise in it: the oracle, who ranks by the effect, has the largest.

    Args:
        effect: (N,) how much a case is changed by being treated.
        score: (N,) what a method ranks by.

    Example:
        >>> effect = np.array([1.0, 0.0, 0.0, 0.0])
        >>> qini(effect, effect), qini(effect, -effect)
        (0.09375, -0.09375)
    """
    effect, score = np.asarray(effect, float), np.asarray(score, float)
    levels, code = np.unique(-score, return_inverse=True)
    won, cases = np.bincount(code, effect, len(levels)), np.bincount(code, minlength=len(levels))
    x, y = np.r_[0, np.cumsum(cases)] / len(effect), np.r_[0, np.cumsum(won)] / len(effect)
    return float(np.trapezoid(y - x * y[-1], x))


def paired_statistic(
    statistic: Callable[[np.ndarray], float], units: np.ndarray, level: float = 0.95, draws: int = 500, seed: int = 0
) -> tuple[float, float, float]:
    """Returns a statistic that is no mean of cases, such as a difference of two AUCs, with its bootstrap interval.

    Args:
        statistic: Takes (N,) weights of the cases, how often each was drawn, and returns a number.
        units: (N,) who each case belongs to; whole units are drawn.
        level: Coverage of the interval.
        draws: Bootstrap samples.
        seed: Seed of the samples.

    Returns:
        The statistic of all cases, and the ends of its interval.
    """
    code, labels = pd.factorize(np.asarray(units))
    rng, count = np.random.default_rng(seed), len(labels)
    drawn = [statistic(np.bincount(rng.integers(0, count, count), minlength=count)[code]) for _ in range(draws)]
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return float(statistic(np.ones(len(code)))), float(low), float(high)
