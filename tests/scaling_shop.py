"""A small shop with what real ones have: rows twice, returns, gifts, ties in time, prices and discounts not known."""

from __future__ import annotations

import numpy as np
import pandas as pd

from recsys_kit.datasets.tables import Shop

CUTOFF = pd.Timestamp("2017-06-01", tz="UTC")


def shop(users: int = 40, items: int = 12, seed: int = 0) -> Shop:
    """Returns a shop of `users` households; every rule of `preprocessing.clean` removes some of its rows."""
    rng = np.random.default_rng(seed)
    rows = []
    for user in range(users):
        for visit in range(rng.integers(1, 9)):
            day = pd.Timestamp("2017-03-01", tz="UTC") + pd.Timedelta(days=int(rng.integers(0, 120)))
            start = day + pd.Timedelta(minutes=int(rng.choice([8, 17, 23])) * 60)  # many baskets begin together
            for item in rng.choice(items + 1, rng.integers(1, 6), replace=False):
                rows.append((f"u{user:02d}", f"i{item:02d}", start, f"b{user:02d}-{visit}"))
    events = pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp", "basket_id"])
    some = rng.random((len(events), 4))
    events["event_type"] = np.where(some[:, 0] < 0.05, "view", "purchase")
    events["quantity"] = np.where(some[:, 1] < 0.05, -1.0, 1.0 + (some[:, 1] > 0.8))
    events["price"] = np.where(some[:, 2] < 0.05, 0.0, np.where(some[:, 2] < 0.15, np.nan, 1 + some[:, 2]))
    events["discount"] = np.where(some[:, 3] < 0.2, np.nan, np.where(some[:, 3] < 0.6, 0.0, 0.1))
    events = pd.concat([events, events.iloc[::17]], ignore_index=True)
    names = [f"i{item:02d}" for item in range(items)]  # the last item is in no table
    table = pd.DataFrame({"item_id": names, "is_merchandise": [name != "i03" for name in names]})
    return Shop(
        "small", events, table, pd.DataFrame({"user_id": sorted(set(events["user_id"]))}), "America/New_York", ""
    )
