"""A shop from the few events that a test writes down."""

from datetime import timedelta

import pandas as pd

from recsys_kit import datasets

ZONES = ("UTC", "America/New_York", "Asia/Shanghai", "Australia/Adelaide", "Pacific/Kiritimati", "Pacific/Pago_Pago")
START = pd.Timestamp("2024-02-20 12:00", tz="UTC")


def make_shop(events: pd.DataFrame, not_sold: tuple = (), unknown: tuple = (), timezone: str = "UTC") -> datasets.Shop:
    """Makes a shop from events with user_id, item_id, timestamp and whatever else a test cares for."""
    filled = {
        "event_type": "purchase",
        "basket_id": events["user_id"] + " " + events["timestamp"].dt.strftime("%Y-%m-%d"),
        "quantity": 1.0,
        "price": 2.0,
        "discount": 0.0,
        "store_id": "main",
    }
    events = pd.DataFrame(filled | {column: events[column] for column in events}, index=events.index)
    ids = sorted(set(events["item_id"]) - set(unknown))
    items = pd.DataFrame({"item_id": pd.Series(ids, dtype="str")})
    items = items.assign(title=items["item_id"], category="unknown", product_type="unknown", department="unknown")
    items = items.assign(brand="unknown", size="unknown", is_merchandise=~items["item_id"].isin(not_sold))
    users = pd.DataFrame({"user_id": sorted(set(events["user_id"]))})
    return datasets.Shop("test shop", events, items, users, timezone, "fingerprint")


def make_events(rows: list[tuple]) -> pd.DataFrame:
    """Makes events from (user, item, hours after START[, basket])."""
    table = pd.DataFrame(
        {
            "user_id": pd.Series([row[0] for row in rows], dtype="str"),
            "item_id": pd.Series([row[1] for row in rows], dtype="str"),
            "timestamp": pd.Series([START + timedelta(hours=row[2]) for row in rows], dtype="datetime64[us, UTC]"),
        }
    )
    if rows and len(rows[0]) > 3:
        table["basket_id"] = pd.Series([row[3] for row in rows], dtype="str")
    return table
