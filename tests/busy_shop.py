"""A made-up shop with habits, weekdays, stores and prices, for the room of notebook 17."""

from dataclasses import replace
from functools import cache
from itertools import product

import numpy as np
import pandas as pd

from recsys_kit.datasets.tables import Shop, fingerprint

FIRST = pd.Timestamp("2017-08-01")
DAYS = 100
USERS = 150
ITEMS = 60
COLOURS = ("red", "green", "blue", "white", "black", "grey")
THINGS = ("tea", "milk", "rice", "soap", "rope", "lamp", "wine", "corn", "fish", "salt")


@cache
def busy_shop(seed: int = 0) -> Shop:
    """A shop of 100 days: about 60 baskets a day in 4 stores, 12 categories, households with favourites."""
    rng = np.random.default_rng(seed)
    favourites = [rng.choice(ITEMS, 8, replace=False) for _ in range(USERS)]
    price, rows, basket = rng.uniform(1, 9, ITEMS).round(2), [], 0
    for day in range(DAYS):
        at = FIRST + pd.Timedelta(days=day)
        busy = 0.4 if at.day_of_week < 5 else 0.55
        for user in np.flatnonzero(rng.random(USERS) < busy):
            basket, minutes = basket + 1, int(np.clip(rng.normal(15, 3), 7, 23.9) * 60)
            items = np.unique(np.r_[rng.choice(favourites[user], 3), rng.integers(0, ITEMS, 1)])
            time = at + pd.Timedelta(minutes=minutes)
            rows += [
                (f"u{user:03d}", f"i{item:02d}", time, f"b{basket}", f"s{user % 4}", price[item]) for item in items
            ]
    events = pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp", "basket_id", "store_id", "price"])
    local = events["timestamp"].dt.tz_localize("America/New_York")
    events["timestamp"] = local.dt.tz_convert("UTC").astype("datetime64[us, UTC]")
    events = events.assign(quantity=1.0, discount=0.0, event_type=pd.Categorical(["purchase"] * len(events)))
    names = [f"i{item:02d}" for item in range(ITEMS)]
    items = pd.DataFrame({"item_id": names, "title": names, "is_merchandise": True})
    items["category"] = [f"C{item % 12}" for item in range(ITEMS)]
    for column in ("product_type", "department", "brand", "size"):
        items[column] = "unknown"
    users = pd.DataFrame({"user_id": [f"u{user:03d}" for user in range(USERS)]})
    shop = Shop("busy", events, items, users, "America/New_York", "")
    return Shop("busy", events, items, users, "America/New_York", fingerprint(shop))


def titled_shop(more: int = 0) -> Shop:
    """The same shop with a title for each item, "red tea" to "grey salt", and so many items more."""
    items = busy_shop().items
    titles = [f"{colour} {thing}" for colour, thing in product(COLOURS, THINGS)]
    new = items.iloc[:more].assign(item_id=[f"new{i}" for i in range(more)], title=[f"kettle {i}" for i in range(more)])
    return replace(busy_shop(), items=pd.concat([items.assign(title=titles), new], ignore_index=True))
