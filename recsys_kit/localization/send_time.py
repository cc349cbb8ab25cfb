"""When to send: how likely a household is to shop in each hour of its week, and can we trust it (notebook 15).

Letters for shapes: U households, C cells of a week (weekday x hour: 168, Monday midnight first).
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter1d

from recsys_kit.localization import clock

__all__ = ["CELLS", "best_cells", "cell_counts", "chances", "hit_rate", "profiles", "rates", "reliability", "scores"]

CELLS = 168


def cell_counts(events: pd.DataFrame, users: pd.Index, timezone: str) -> np.ndarray:
    """Returns the (U, C) number of baskets that each household began in each hour of the week, in local time.

    Args:
        events: Events with user_id, basket_id and timestamp.
        users: U ids; others are left out.
        timezone: IANA name of the shop's zone.
    """
    visits = events.drop_duplicates(["user_id", "basket_id"])
    row = users.get_indexer(visits["user_id"])
    cell = clock.hour_of_week(visits["timestamp"], timezone)
    flat = row[row >= 0].astype(np.int64) * CELLS + cell[row >= 0]
    return np.bincount(flat, minlength=len(users) * CELLS).reshape(len(users), CELLS).astype(float)


def profiles(count: np.ndarray, strength: float, width: float = 1.0, chain: np.ndarray | None = None) -> np.ndarray:
    """Returns the (U, C) share of each cell in a household's visits, smoothed twice.

    First along the clock: who came at 17 h may come at 18 h. Then towards the chain: each household begins with
    `strength` visits spread like everybody's.

    Args:
        count: (U, C) visits.
        strength: How many visits the chain's profile is worth; 0: the household's own profile as it is.
        width: Standard deviation of the smoothing along the clock, in hours; 0: none.
        chain: (C,) the chain's profile; None: of these counts.
    """
    if strength < 0 or width < 0:
        raise ValueError(f"`strength` and `width` must be 0 or more. Received: strength={strength}, width={width}.")
    chain = count.sum(0) / max(count.sum(), 1) if chain is None else chain
    own = gaussian_filter1d(count, width, axis=1, mode="wrap") if width else count
    total = own.sum(1, keepdims=True) + strength
    return np.where(total > 0, (own + strength * chain) / np.maximum(total, 1e-12), chain)


def rates(visits: np.ndarray, weeks: np.ndarray | float, strength: float) -> np.ndarray:
    """Returns (U,) visits a week, pulled towards the mean of all households (Gamma-Poisson).

    Args:
        visits: (U,) visits seen.
        weeks: (U,) or one number: weeks in which they were seen.
        strength: How many weeks of the average household each one begins with.
    """
    mean = visits.sum() / max(np.broadcast_to(weeks, visits.shape).sum(), 1e-12)
    return (visits + strength * mean) / np.maximum(weeks + strength, 1e-12)


def chances(rate: np.ndarray, profile: np.ndarray) -> np.ndarray:
    """Returns (U, C) chances of at least one visit in a cell of one week: 1 - exp(-rate x share).

    Example:
        >>> chances(np.array([2.0]), np.array([[0.5, 0.5]])).round(3).tolist()
        [[0.632, 0.632]]
    """
    return -np.expm1(-rate[:, None] * profile)


def scores(chance: np.ndarray, happened: np.ndarray, weeks: int, floor: float = 1e-6) -> pd.DataFrame:
    """Scores chances against weeks that nobody had seen, a household at a time.

    Args:
        chance: (U, C) chances for one week.
        happened: (U, C) in how many of the weeks it happened.
        weeks: How many weeks there were.
        floor: Chances are kept this far from 0 and 1: a "never" that comes true costs no end.

    Returns:
        One row a household: `brier` and `log_loss` (bits), summed over the cells of an average week.
    """
    p = np.clip(chance, floor, 1 - floor)
    no = weeks - happened
    brier = (happened * (1 - p) ** 2 + no * p**2).sum(1) / weeks
    loss = -(happened * np.log2(p) + no * np.log2(1 - p)).sum(1) / weeks
    return pd.DataFrame({"brier": brier, "log_loss": loss})


def reliability(chance: np.ndarray, happened: np.ndarray, weeks: int, bins: int = 10) -> pd.DataFrame:
    """Returns what was said against what came true: cells sorted by chance and cut into bins of equal visits.

    Args:
        chance: (U, C) chances for one week.
        happened: (U, C) in how many of the weeks it happened.
        weeks: How many weeks there were.
        bins: How many bins.

    Returns:
        One row a bin: said, came_true, cells.
    """
    order = np.argsort(chance, axis=None, kind="stable")
    said, true = chance.ravel()[order], happened.ravel()[order] / weeks
    share = np.cumsum(said) / max(said.sum(), 1e-12)
    place = np.minimum((share * bins - 1e-9).clip(0).astype(int), bins - 1)
    table = pd.DataFrame({"bin": place, "said": said, "came_true": true})
    return table.groupby("bin").agg(said=("said", "mean"), came_true=("came_true", "mean"), cells=("said", "size"))


def best_cells(profile: np.ndarray, k: int = 3) -> np.ndarray:
    """Returns the (U, k) most likely cells of each household, best first."""
    return np.argsort(-profile, axis=1, kind="stable")[:, :k]


def hit_rate(profile: np.ndarray, later: np.ndarray, k: int = 3) -> np.ndarray:
    """Returns (U,) the part of a household's later visits that fell into its k best cells; NaN without visits."""
    best = best_cells(profile, k)
    total = later.sum(1)
    return np.where(total > 0, np.take_along_axis(later, best, 1).sum(1) / np.maximum(total, 1), np.nan)
