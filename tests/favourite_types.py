"""A split of a small invented shop in which households keep to their favourite types: what tests of new items share."""

import numpy as np
import pandas as pd

from recsys_kit import preprocessing


def split() -> preprocessing.Split:
    """60 users, 40 items of 8 types; each user has two favourite types."""
    rows = []
    for user in range(60):
        types = np.random.default_rng(user).choice(8, 2, replace=False)
        for day in range(60):
            for item in np.random.default_rng((user, day)).choice(5, 2, replace=False):
                rows.append((f"u{user:02d}", f"i{types[day % 2] * 5 + item:02d}", f"b{user}-{day}", day))
    events = pd.DataFrame(rows, columns=["user_id", "item_id", "basket_id", "day"])
    events["timestamp"] = pd.Timestamp("2020-01-01", tz="UTC") + pd.to_timedelta(events.pop("day"), unit="D")
    return preprocessing.split_by_time(events, pd.Timestamp("2020-02-25", tz="UTC"), min_users=2, min_items=1)
