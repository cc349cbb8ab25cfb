"""The orders of one customer, and of nobody else (notebook 16).

`Orders.of` is the only door: it takes the id that the login gave and returns that customer's rows. What a text asks for
never opens it.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from recsys_kit.datasets.items import titles
from recsys_kit.datasets.shops import Shop

__all__ = ["Mine", "Orders"]


@dataclass(frozen=True)
class Mine:
    """The orders of one customer.

    Attributes:
        user_id: Whose they are.
        rows: What was bought: basket_id, item_id, title, timestamp (local), quantity, paid, saved; oldest first.
        orders: A row for each basket: basket_id, timestamp, items, paid, saved; oldest first.
        now: The moment that "the last four weeks" end at, local.
    """

    user_id: str
    rows: pd.DataFrame = field(repr=False)
    orders: pd.DataFrame = field(repr=False)
    now: pd.Timestamp

    def order(self, basket_id: str | None = None) -> pd.Series | None:
        """Returns an order of this customer, the last one if none is named; None if there is no such order."""
        found = self.orders if basket_id is None else self.orders[self.orders["basket_id"] == basket_id]
        return None if found.empty else found.iloc[-1]

    def titles(self, basket_id: str, most: int = 5) -> list[str]:
        """Returns the titles of what an order holds, the dearest first, each once."""
        rows = self.rows[self.rows["basket_id"] == basket_id]
        return rows.sort_values("paid", ascending=False, kind="stable")["title"].drop_duplicates().head(most).tolist()

    def usual(self, most: int = 5, decay: float = 120.0) -> list[str]:
        """Returns the titles of what this customer buys again and again: baskets, each worth 1/e after `decay` days."""
        if self.rows.empty:
            return []
        once = self.rows.drop_duplicates(["basket_id", "title"])
        age = (self.now - once["timestamp"]).dt.total_seconds() / 86400
        worth = np.exp(-age / decay).groupby(once["title"]).sum()
        return worth.sort_values(ascending=False, kind="stable").head(most).index.tolist()

    def since(self, days: int) -> pd.DataFrame:
        """Returns the orders of the last so many days."""
        return self.orders[self.orders["timestamp"] > self.now - pd.Timedelta(days=days)]


class Orders:
    """All orders of a shop, to be asked for one customer at a time.

    Args:
        shop: The shop; only purchases of at least one unit count.
        now: The moment of the conversation (UTC); None: that of the shop's last event.
    """

    def __init__(self, shop: Shop, now: pd.Timestamp | None = None):
        events = shop.events
        bought = (events["event_type"].astype("str") == "purchase") & (events["quantity"] > 0)
        events = events[bought & events["item_id"].isin(shop.items["item_id"])]
        self._events = events.sort_values(["user_id", "timestamp"], kind="stable").reset_index(drop=True)
        self._place = self._events.groupby("user_id", sort=False).indices
        self._titles = titles(shop.items, shop.items["item_id"])
        self._zone = shop.timezone
        self._read = functools.lru_cache(maxsize=256)(self._rows)  # a conversation asks several times
        self.now = (shop.events["timestamp"].max() if now is None else now).tz_convert(shop.timezone)

    @property
    def users(self) -> list[str]:
        """The customers who have an order; for tests and measurements, not for answers."""
        return sorted(self._place)

    def of(self, user_id: str) -> Mine:
        """Returns the orders of the customer who is logged in.

        Raises:
            TypeError: If the id is not a text: it comes from the login, and nobody is nobody.
        """
        if not isinstance(user_id, str) or not user_id:
            raise TypeError(f"`user_id` must be the id that the login gave, a text. Received: {user_id!r}.")
        return self._read(user_id)

    def _rows(self, user_id: str) -> Mine:
        rows = self._events.iloc[self._place.get(user_id, np.array([], int))]
        rows = pd.DataFrame(
            {
                "basket_id": rows["basket_id"],
                "item_id": rows["item_id"],
                "title": rows["item_id"].map(self._titles),
                "timestamp": rows["timestamp"].dt.tz_convert(self._zone),
                "quantity": rows["quantity"],
                "paid": rows["price"] * rows["quantity"],
                "saved": rows["discount"] * rows["quantity"],
            }
        ).reset_index(drop=True)
        baskets = rows.groupby("basket_id", sort=False)
        orders = pd.DataFrame(
            {
                "timestamp": baskets["timestamp"].max(),
                "items": baskets["item_id"].nunique(),
                "paid": baskets["paid"].sum(min_count=1),
                "saved": baskets["saved"].sum(min_count=1),
            }
        )
        orders = orders.sort_values("timestamp", kind="stable").reset_index()
        return Mine(user_id, rows, orders, self.now)
