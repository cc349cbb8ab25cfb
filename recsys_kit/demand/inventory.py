"""From a forecast's distribution to orders, and what the shelves look like afterwards.

Every week ends with a look at the stock and an order, which arrives `lead` weeks later. So a level must last for the
`lead` + 1 weeks until the next order can arrive.

Letters for shapes: O weeks with an order, N series, H weeks ahead, Q quantiles, G levels of a grid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

__all__ = ["Shelves", "at_the_same_fill", "level", "newsvendor", "quantile_at", "reorder_point", "simulate"]


@dataclass(frozen=True)
class Shelves:
    """What a simulation counted, summed over its weeks.

    Attributes:
        demand: (N,) units asked for.
        sold: (N,) units that were there when asked for; the others are lost.
        stock: (N,) units left at the ends of the weeks, on average.
        out: (N,) part of the weeks in which something was asked for in vain.
        weeks: How many weeks were played.
    """

    demand: np.ndarray = field(repr=False)
    sold: np.ndarray = field(repr=False)
    stock: np.ndarray = field(repr=False)
    out: np.ndarray = field(repr=False)
    weeks: int

    @property
    def fill_rate(self) -> float:
        """Part of the units asked for that were sold."""
        return float(self.sold.sum() / self.demand.sum())

    def summary(self) -> dict[str, float]:
        """Returns fill rate, stock-outs and stock of all series, the stock in weeks of demand too."""
        weekly = self.demand.sum() / self.weeks
        found = {"fill rate": self.fill_rate, "weeks with a stock-out": float(self.out.mean())}
        return found | {"stock": float(self.stock.sum()), "stock in weeks": float(self.stock.sum() / weekly)}


def newsvendor(under: float, over: float) -> float:
    """Returns the quantile of demand to stock, if a unit too few costs `under` and one too many `over`.

    Example:
        >>> newsvendor(under=3.0, over=1.0)
        0.75
    """
    if under <= 0 or over <= 0:
        raise ValueError(f"`under` and `over` must be above 0. Received: under={under}, over={over}.")
    return under / (under + over)


def quantile_at(forecast: np.ndarray, quantiles: Sequence[float], wanted: float) -> np.ndarray:
    """Returns (...) the forecast of a quantile between those that a model gives, or a little beyond them.

    Between two it is a straight line on normal paper; beyond the last two the line goes on.

    Args:
        forecast: (..., Q) ascending.
        quantiles: (Q,) which they are.
        wanted: Above 0, below 1.
    """
    from scipy.stats import norm

    score, target = norm.ppf(quantiles), norm.ppf(wanted)
    right = int(np.clip(np.searchsorted(score, target), 1, len(score) - 1))
    part = (target - score[right - 1]) / (score[right] - score[right - 1])
    return np.maximum(forecast[..., right - 1] + part * (forecast[..., right] - forecast[..., right - 1]), 0)


def level(forecast: np.ndarray, quantiles: Sequence[float], service: float, weeks: int) -> np.ndarray:
    """Returns (O, N) up to how many units to order: the medians of the weeks to come, and a safety stock.

    The safety stocks of several weeks are added as deviations are, as if the errors of different weeks had nothing to
    do with each other.

    Args:
        forecast: (O, N, H, Q) quantiles.
        quantiles: (Q,) which they are.
        service: The quantile of demand that the stock shall reach.
        weeks: How many weeks the stock must last, H at most.
    """
    middle = quantile_at(forecast[:, :, :weeks], quantiles, 0.5)
    extra = quantile_at(forecast[:, :, :weeks], quantiles, service) - middle
    safety = np.sign(extra).mean(axis=2).round() * np.sqrt((extra**2).sum(axis=2))
    return np.maximum(middle.sum(axis=2) + safety, 0)


def reorder_point(forecast: np.ndarray, quantiles: Sequence[float], service: float, lead: int) -> pd.DataFrame:
    """Returns of each series (N,) the forecast until an order arrives, safety stock, and the sum: when to order.

    Args:
        forecast: (N, H, Q) quantiles from the last origin.
        quantiles: (Q,) which they are.
        service: The quantile of demand that the stock shall reach.
        lead: Weeks until an order arrives; the stock must last one more.
    """
    middle = quantile_at(forecast[:, : lead + 1], quantiles, 0.5).sum(axis=1)
    point = level(forecast[None], quantiles, service, lead + 1)[0]
    return pd.DataFrame({"forecast": middle, "safety_stock": point - middle, "reorder_point": point})


def simulate(levels: np.ndarray, demand: np.ndarray, lead: int = 1) -> Shelves:
    """Plays the weeks: at the end of each, order up to the level; what is asked for and not there is lost.

    Args:
        levels: (O, N) from consecutive origins; the first is what is there at the start.
        demand: (O, N) units asked for in the week after each origin.
        lead: Weeks until an order arrives; 0: before the next week begins.
    """
    if levels.shape != demand.shape:
        raise ValueError(f"`levels` and `demand` must be of one shape. Received: {levels.shape} and {demand.shape}.")
    stock, coming = levels[0].copy(), [np.zeros(levels.shape[1]) for _ in range(lead)]
    sold, left, out = np.zeros_like(stock), np.zeros_like(stock), np.zeros_like(stock)
    for wanted, asked in zip(levels, demand, strict=True):
        coming.append(np.maximum(wanted - stock - sum(coming), 0))
        stock = stock + coming.pop(0)
        gone = np.minimum(stock, asked)
        stock = stock - gone
        sold, left, out = sold + gone, left + stock, out + (gone < asked)
    weeks = len(demand)
    return Shelves(demand.sum(axis=0), sold, left / weeks, out / weeks, weeks)


def at_the_same_fill(
    grids: dict[str, list[Shelves]], fill: float, against: str, draws: int = 1000, seed: int = 0
) -> pd.DataFrame:
    """Returns the stock that each forecaster needs for one fill rate, and by how much it is less than another's.

    Whatever a forecaster calls 95%: on a grid of service levels one is found that gives the fill rate.

    Args:
        grids: For each forecaster its simulations, with rising service levels.
        fill: The fill rate.
        against: The forecaster that the others are compared with.
        draws: Samples of series for the 95% interval.
        seed: Of these samples.

    Returns:
        One row a forecaster: `stock`, `less` (part of the other's stock that is saved), `low`, `high`; NaN where the
        grid does not reach the fill rate.
    """
    first = next(iter(grids.values()))[0]
    count = len(first.demand)
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), draws).astype(float)
    drawn = np.vstack([np.ones(count), drawn])  # the first row is what was seen
    stocks = {}
    for name, shelves in grids.items():
        stock = drawn @ np.stack([one.stock for one in shelves], axis=1)  # (draws + 1, G)
        rate = drawn @ np.stack([one.sold for one in shelves], axis=1) / (drawn @ shelves[0].demand)[:, None]
        stocks[name] = np.array(
            [np.interp(fill, r, s, left=np.nan, right=np.nan) for r, s in zip(rate, stock, strict=True)]
        )
    rows = {}
    for name, stock in stocks.items():
        less = 1 - stock / stocks[against]
        low, high = np.nanquantile(less[1:], [0.025, 0.975]) if np.isfinite(less[1:]).any() else (np.nan, np.nan)
        rows[name] = {"stock": stock[0], "less": less[0], "low": low, "high": high}
    return pd.DataFrame(rows).T.rename_axis("forecaster")
