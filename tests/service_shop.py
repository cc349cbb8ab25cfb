"""A shop whose products everybody buys, but for one a customer: what several test files of notebook 16 share."""

import numpy as np
import pandas as pd

from recsys_kit.datasets.tables import Shop

KINDS = ["Oat Milk", "Toothpaste", "Dog Food", "Frozen Pizza"]
USERS = ["7", "1228", "kd-039"]
BASKETS = {"7": ["40000071", "40000072"], "1228": ["40012281"], "kd-039": ["50003901", "50003902"]}


def small_shop(prices=True, titles=True):
    """Four products that everybody buys, and for each of three customers a product that nobody else does."""
    rows = []
    for n, user in enumerate(USERS):
        for b, basket in enumerate(BASKETS[user]):
            for item in (*range(4), 10 + n):
                rows.append((user, str(item), f"2017-11-{3 + 7 * b + n:02d} 18:30", basket, 1.0 + n, 3.0 + n + b, 0.5))
    for crowd in range(6):  # enough customers for prices to be told
        for item in range(4):
            rows.append((f"crowd{crowd}", str(item), "2017-11-20 10:00", f"6000000{crowd}", 1.0, 4.0, 0.5))
    columns = ["user_id", "item_id", "timestamp", "basket_id", "quantity", "price", "discount"]
    events = pd.DataFrame(rows, columns=columns)
    events["timestamp"] = pd.to_datetime(events["timestamp"], utc=True)
    events = events.assign(event_type=pd.Categorical(["purchase"] * len(events)), store_id="1")
    if not prices:
        events = events.assign(price=np.nan)
    ids = [*map(str, range(4)), *(str(10 + n) for n in range(3))]
    names = [*KINDS, *(f"Only of {user} Cheese" for user in USERS)]
    items = pd.DataFrame({"item_id": ids, "title": names if titles else ids, "product_type": "unknown"})
    items = items.assign(category="unknown", department="G", brand="B", size="", is_merchandise=True)
    users = pd.DataFrame({"user_id": sorted(set(events["user_id"]))})
    return Shop("small", events, items, users, "America/New_York", f"cs-{prices}-{titles}", currency="USD")
