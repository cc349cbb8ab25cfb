"""Real purchases in the form in which a shop system hands them out: Shopify's export of orders, with its quirks.

So the way in can be tried on data whose right reading is known: the kit's own.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd

from recsys_kit.datasets.tables import Shop

__all__ = ["COLUMNS", "as_customer", "write_orders"]

COLUMNS = (
    "Name,Email,Financial Status,Paid at,Fulfillment Status,Fulfilled at,Accepts Marketing,Currency,Subtotal,Shipping,"
    "Taxes,Total,Discount Code,Discount Amount,Shipping Method,Created at,Lineitem quantity,Lineitem name,"
    "Lineitem price,Lineitem compare at price,Lineitem sku,Lineitem requires shipping,Lineitem taxable,"
    "Lineitem fulfillment status,Notes,Note Attributes,Cancelled at,Payment Method,Refunded Amount,Vendor,Id,Tags,"
    "Risk Level,Source,Lineitem discount,Phone"
).split(",")
"""Columns of the export, but for those of addresses and of taxes.

Source: https://help.shopify.com/en/manual/fulfillment/managing-orders/exporting-orders
"""

_QUIRKS = {
    "voided": {"Financial Status": "voided", "Cancelled at": "same"},
    "refunded": {"Financial Status": "refunded"},
    "cancelled": {"Cancelled at": "same"},
    "at the till": {"Email": ""},
}
"""Orders that are no purchase of a known customer: what their first line says."""


def address(user: str) -> str:
    """Returns an invented e-mail address."""
    return f"Household{user}@Example.com"


def as_customer(users: pd.Series) -> pd.Series:
    """Returns under which id customers come out of the conversion: the digest of their invented address.

    Whoever has a list of addresses can do the same: a digest hides nobody from him.

    Args:
        users: Ids of the shop that was written out.
    """
    digest = {user: hashlib.blake2s(address(user).lower().encode(), digest_size=8) for user in users.unique()}
    return users.map({user: value.hexdigest() for user, value in digest.items()})


def write_orders(shop: Shop, events: pd.DataFrame, folder: Path, quirks: float = 0.02, seed: int = 0) -> dict[str, int]:
    """Writes purchases as `orders_export_1.csv`.

    What belongs to an order stands in its first line alone; a discount is that of a line, a price has two decimals. So
    many orders as purchases were made up besides, copies of real ones: voided, refunded, cancelled, or paid at the till
    by nobody known.

    Args:
        shop: The shop, for titles and makers.
        events: Its purchases, cleaned.
        folder: Where the file goes; made if it is missing.
        quirks: For each kind of order that is no purchase, the part of the orders that is copied.
        seed: Seed of these.

    Returns:
        How many lines each kind of made-up order has.
    """
    rows = events.merge(shop.items[["item_id", "title", "brand"]], on="item_id", how="left")
    local = rows["timestamp"].dt.tz_convert(shop.timezone)
    made = pd.DataFrame(
        {
            "Name": "#" + rows["basket_id"],
            "Email": rows["user_id"].map({user: address(user) for user in rows["user_id"].unique()}),
            "Financial Status": "paid",
            "Currency": shop.currency,
            "Created at": local.dt.strftime("%Y-%m-%d %H:%M:%S %z"),
            "Lineitem quantity": rows["quantity"].astype("int64"),
            "Lineitem name": rows["title"],
            "Lineitem price": (rows["price"] + rows["discount"]).round(2),
            "Lineitem sku": rows["item_id"],
            "Vendor": rows["brand"],
            "Lineitem discount": (rows["discount"] * rows["quantity"]).round(2),
        }
    )
    made = made.sort_values("Name", kind="stable", ignore_index=True)
    rng, counts, orders = np.random.default_rng(seed), {}, made["Name"].unique()
    copies = []
    for kind, values in _QUIRKS.items():
        chosen = rng.choice(orders, round(quirks * len(orders)), replace=False)
        copy = made[made["Name"].isin(chosen)].assign(**values)
        copy["Name"] += f"-{kind[0].upper()}{kind[-1].upper()}"
        if "Cancelled at" in values:
            copy["Cancelled at"] = copy["Created at"]
        copies.append(copy)
        counts[kind] = len(copy)
    made = pd.concat([made, *copies], ignore_index=True)
    later = made["Name"].duplicated()
    made.loc[later, ["Email", "Financial Status", "Currency", "Cancelled at"]] = np.nan
    folder.mkdir(parents=True, exist_ok=True)
    made.reindex(columns=COLUMNS).to_csv(folder / "orders_export_1.csv", index=False)
    return counts
