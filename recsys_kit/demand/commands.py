"""The command `recsys-kit forecast`: the coming weeks of every series as a file, with what to stock (notebook 13)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from recsys_kit import output_file
from recsys_kit.datasets.tables import Shop
from recsys_kit.demand import forecasts, inventory, plan, series

__all__ = ["AHEAD", "TEXTS", "check", "forecast"]

AHEAD = 8
"""Most weeks that a forecast of one year may look ahead."""
TEXTS = ("category", "product_type")
"""Columns of the forecast that hold a shop's own words."""
_HELD_OUT = 9  # origins on whose weeks the intervals are set


def check(out: str | Path, weeks: int, service: float, lead: int) -> Path:
    """Returns the path of the file to write; complains before anything is computed.

    Raises:
        ValueError: If the file can't be written, or a number is out of its range.
    """
    if not 1 <= weeks <= AHEAD:
        raise ValueError(f"--weeks must be 1 to {AHEAD}. Received: {weeks}")
    if not 0.5 <= service < 1:
        raise ValueError(f"--service must be 0.5 or more and below 1. Received: {service}")
    if not 0 <= lead < weeks:
        raise ValueError(f"--lead must be 0 or more and below --weeks ({weeks}). Received: {lead}")
    return output_file.check(out, output_file.TABLES)


def forecast(
    shop: Shop,
    promotions: pd.DataFrame | None,
    weeks: int = 4,
    service: float = 0.95,
    lead: int = 1,
    say: Callable[[str], object] = print,
    settings: forecasts.Settings | None = None,
) -> pd.DataFrame:
    """Returns one row for each series and coming week.

    Columns: `level`, `category`, `product_type` and `store_id` (empty where they do not apply), `week_start`,
    `weeks_ahead`, `units` (adds up over the levels), the quantiles `q05` to `q95` (each series by itself), and
    `safety_stock` and `reorder_point` (for the lead time, the same in all rows of a series).

    Args:
        shop: The shop.
        promotions: Its plan; used if it reaches as far as the forecast.
        weeks: How many weeks ahead.
        service: The quantile of demand that the stock shall reach.
        lead: Weeks until an order arrives.
        say: Is told what was used and what was not, a sentence each.
        settings: How the trees learn.

    Raises:
        NotForThisShop: If the items have no categories, or the shop has too few weeks.
    """
    starts = series.week_starts(shop, promotions)
    known = len(starts)
    tree = series.hierarchy(series.sales(shop, starts), starts, known)
    for column, there in (
        ("events.quantity", "quantity" in shop.events),
        ("items.product_type", "type" in set(tree.nodes["level"])),
        ("events.store_id", "store" in set(tree.nodes["level"])),
    ):
        if not there:
            say(f"{column} is missing: " + ("every row is one unit" if "quantity" in column else "no such level"))
    held = max(known - weeks - _HELD_OUT + 1, (known - weeks) // 2 + 4)
    origins, facts = [*range(held, known - weeks + 1)], None
    if promotions is not None:
        begun = promotions["start"].dt.tz_convert(shop.timezone).dt.tz_localize(None).max()
        if begun >= starts[-1] + pd.Timedelta(weeks=weeks):
            share = plan.shares(promotions, tree, shop.timezone, weeks)
            facts = plan.facts(tree, share, range(8, known + 1))
        else:
            say(f"the promotion plan ends with the week of {begun:%Y-%m-%d}: the forecast is made without it")
    else:
        say("there is no promotion plan (promotions.csv): the forecast is made without one")
    arguments = (weeks, facts, forecasts.QUANTILES, settings)
    past = forecasts.boosting(tree.units, origins, *arguments)
    truth = forecasts.targets(tree.units, origins, weeks)
    made = forecasts.boosting(tree.units, [known], *arguments)[0]
    made = forecasts.stretched(made, past, truth, forecasts.QUANTILES)
    middle = forecasts.QUANTILES.index(0.5)
    variance = np.nanmean((truth - past[..., middle]) ** 2, axis=(0, 2)) + 0.1
    units = _adding_up(made[..., middle], tree.constraints, variance)
    return _table(tree, units, made, inventory.reorder_point(made, forecasts.QUANTILES, service, lead))


def _adding_up(points: np.ndarray, constraints: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Reconciles, and lifts what falls below 0, by turns: both hold in the end, but for a thousandth of a unit."""
    for _ in range(200):
        points = series.reconcile(points, constraints, variance)
        if points.min() > -1e-3:
            break
        points = np.maximum(points, 0)
    return np.maximum(points, 0)


def _table(tree: series.Hierarchy, units: np.ndarray, made: np.ndarray, stock: pd.DataFrame) -> pd.DataFrame:
    count, ahead = units.shape
    parts = tree.nodes["name"].str.split(" | ", n=1, regex=False)
    level, second = tree.nodes["level"], parts.map(lambda names: names[1] if len(names) > 1 else "")
    second = second.where(level != "type", parts.str[-1].str.split(" | ", regex=False).str[-1])
    nodes = pd.DataFrame(
        {
            "level": level,
            "category": parts.str[0].where(level != "total", ""),
            "product_type": second.where(level == "type", ""),
            "store_id": second.where(level == "store", ""),
        }
    )
    table = nodes.loc[nodes.index.repeat(ahead)].reset_index(drop=True)
    weeks = pd.DatetimeIndex([tree.starts[-1] + pd.Timedelta(weeks=week + 1) for week in range(ahead)])
    table["week_start"], table["weeks_ahead"] = np.tile(weeks, count), np.tile(np.arange(1, ahead + 1), count)
    table["units"] = units.ravel()
    for place, q in enumerate(forecasts.QUANTILES):
        table[f"q{round(100 * q):02d}"] = made[..., place].ravel()
    for column in ("safety_stock", "reorder_point"):
        table[column] = np.repeat(stock[column].to_numpy(), ahead)
    return table
