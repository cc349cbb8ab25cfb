"""A small invented shop with a plan, whose promotions really sell: five categories, two stores, thirty weeks."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from recsys_kit.datasets.tables import Shop
from recsys_kit.demand import plan, series

WEEKS, ITEMS = 30, 20


@pytest.fixture(scope="session")
def promotions() -> pd.DataFrame:
    """Each item is in the mailer in every fifth week."""
    rows = [(str(item), week) for item in range(ITEMS) for week in range(WEEKS + 4) if (item * 7 + week * 3) % 5 == 0]
    frame = pd.DataFrame(rows, columns=["item_id", "week"])
    frame["start"] = pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(7 * frame["week"], unit="D")
    return frame[["item_id", "start"]].assign(display=0.0, mailer_inside=0.0, mailer_prominent=1.0)


@pytest.fixture(scope="session")
def shop(promotions) -> Shop:
    """The shop."""
    random, rows = np.random.default_rng(0), []
    shown = {
        (row.item_id, (row.start - pd.Timestamp("2024-01-01", tz="UTC")).days // 7) for row in promotions.itertuples()
    }
    for item in range(ITEMS):
        for week in range(WEEKS):
            for store in "AB":
                rate = (3 + item % 4) * (3 if (str(item), week) in shown else 1)
                for unit in range(random.poisson(rate)):
                    day = pd.Timestamp("2024-01-01 12:00", tz="UTC") + pd.Timedelta(days=7 * week + unit % 7)
                    rows.append((str(unit % 9), str(item), day, store))
    events = pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp", "store_id"])
    events["quantity"], events["price"] = 1.0, 2.0
    ids = [str(item) for item in range(ITEMS)]
    items = pd.DataFrame({"item_id": ids, "title": ids})
    items["category"] = [f"C{item % 5}" for item in range(ITEMS)]
    items["product_type"] = [f"P{item % 10}" for item in range(ITEMS)]
    return Shop("Invented", events, items, pd.DataFrame({"user_id": list("012345678")}), "UTC", "x")


@pytest.fixture(scope="session")
def tree(shop, promotions) -> series.Hierarchy:
    """Its hierarchy: three categories of five have nodes of their own."""
    starts = series.week_starts(shop, promotions)
    return series.hierarchy(series.sales(shop, starts), starts, 20, (3, 4, 4))


@pytest.fixture(scope="session")
def facts(tree, promotions) -> dict[int, np.ndarray]:
    """What the plan says at each origin."""
    return plan.facts(tree, plan.shares(promotions, tree, "UTC", 4), range(8, WEEKS + 1))
