"""What a product sold in a week, at which price, promoted in which way: the table behind elasticities (notebook 14).

Letters for shapes: N rows (a product in a week), I products, W weeks, K ways to promote.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from recsys_kit.datasets import items
from recsys_kit.datasets.tables import PROMOTIONS, NotForThisShop, Shop

__all__ = ["CHEAP", "CLIP", "LEAST_WEEKS", "SHELF", "later_price", "weekly", "with_empty_weeks", "with_shelf"]

CLIP = 40.0
"""Most units of a row of `events`: what is above is fuel or a slip."""
LEAST_WEEKS = 12
"""Whole weeks below which a price has hardly moved."""
SHELF = ("cut", "cheap", "others", *(f"others_{way}" for way in PROMOTIONS))
"""What `with_shelf` adds."""
CHEAP = 0.05
"""How far below its usual logarithm a price is cheap."""
_ONE_PRICE = 0.4
"""Part of a week's further rows with a price of their own from which on a product is sold by weight."""


def weekly(
    shop: Shop, promotions: pd.DataFrame | None, products: int = 4, share: float = 0.5, until: int = 0
) -> pd.DataFrame:
    """Returns a row for each product and week in which it was sold.

    Products sold by weight are left out, and types of fewer than `products` products, as one type's elasticity is told
    from the price changes of several. Weeks are the shop's own, Monday to Sunday; the first and the last are left out
    if they are not whole.

    Args:
        shop: The shop.
        promotions: See `datasets.promotions.load`; None: nothing is known of promotions, and all of them are 0.
        products: Least products of a type.
        share: Least part of the weeks in which a product was sold.
        until: Products are chosen by the weeks before this one, so that later weeks choose nothing; 0: by all.

    Returns:
        (N,) `item_id`, `item_type`, `category`, `week` (0 is the first), `units`, `price` (the week's median),
        and the part of the stores for each of `PROMOTIONS`.

    Raises:
        NotForThisShop: If there is no price, or too few weeks, or no price that ever changed.
    """
    if "price" not in shop.events or shop.events["price"].notna().sum() == 0:
        raise NotForThisShop("events.price is missing: without prices there is no elasticity")
    local = shop.events["timestamp"].dt.tz_convert(shop.timezone).dt.tz_localize(None).dt.normalize()
    first = _monday(local.min()) + pd.Timedelta(weeks=int(local.min().weekday() > 0))
    last = (local.max() + pd.Timedelta(days=1)).to_period("W-SUN").start_time
    weeks = (last - first).days // 7
    if weeks < LEAST_WEEKS:
        raise NotForThisShop(f"elasticities need {LEAST_WEEKS} whole weeks or more; this shop has {max(weeks, 0)}")
    rows = pd.DataFrame({"item_id": shop.events["item_id"], "week": (local - first).dt.days // 7})
    units = shop.events["quantity"] if "quantity" in shop.events else pd.Series(1.0, shop.events.index)
    rows["units"], rows["price"] = units.clip(upper=CLIP), shop.events["price"]
    sold = (shop.events["event_type"] == "purchase") & (rows["units"] > 0) & (rows["price"] > 0)
    rows = rows[sold & rows["week"].between(0, weeks - 1)]
    if "is_merchandise" in shop.items:
        rows = rows[rows["item_id"].isin(shop.items.loc[shop.items["is_merchandise"], "item_id"])]
    rows["price"] = rows["price"].round(2)
    seen = rows[rows["week"] < (until or weeks)]
    by_week = seen.groupby(["item_id", "week"], observed=True)["price"].agg(["size", "nunique", "first"])
    by_item = by_week.groupby("item_id").agg({"size": ["size", "sum"], "nunique": "sum", "first": "nunique"})
    by_item.columns = ["weeks", "rows", "prices", "different"]
    further = (by_item["prices"] - by_item["weeks"]) / (by_item["rows"] - by_item["weeks"]).clip(lower=1)
    kept = by_item["weeks"] >= share * (until or weeks)
    kept &= (by_item["different"] > 1) & (further <= _ONE_PRICE)
    rows = rows[rows["item_id"].isin(by_item.index[kept])]
    grouped = rows.groupby(["item_id", "week"], observed=True, sort=True)
    table = grouped.agg(units=("units", "sum"), price=("price", "median")).reset_index()
    ids = pd.Index(table["item_id"].unique())
    kind = items.item_types(shop.items, ids)
    many = kind.groupby(kind).transform("size") >= products
    table = table[table["item_id"].isin(ids[many.to_numpy()])].reset_index(drop=True)
    if table.empty:
        raise NotForThisShop(f"no type of this shop has {products} products or more whose prices changed")
    table.insert(1, "item_type", table["item_id"].map(kind))
    table.insert(2, "category", table["item_type"].str.split(" | ", n=1, regex=False).str[0])
    return _with_promotions(table, promotions, shop.timezone, first)


def with_empty_weeks(table: pd.DataFrame, promotions: pd.DataFrame | None, shop: Shop) -> pd.DataFrame:
    """Returns the table with the weeks in which a product was not sold, between its first and its last sale.

    Nobody saw a price in such a week: the last one seen stands in for it.

    Args:
        table: See `weekly`.
        promotions: The same as for `weekly`.
        shop: The shop.
    """
    local = shop.events["timestamp"].min().tz_convert(shop.timezone).tz_localize(None).normalize()
    first = _monday(local) + pd.Timedelta(weeks=int(local.weekday() > 0))
    code, ids = pd.factorize(table["item_id"])
    span = table.groupby(code)["week"].agg(["min", "max"])
    count = (span["max"] - span["min"] + 1).to_numpy()
    start = np.repeat(span["min"].to_numpy() - np.r_[0, count.cumsum()[:-1]], count)
    grid = pd.DataFrame({"item_id": np.repeat(np.asarray(ids), count), "week": np.arange(count.sum()) + start})
    found = grid.merge(table[["item_id", "week", "units", "price"]], how="left", on=["item_id", "week"])
    found["units"] = found["units"].fillna(0.0)
    found["price"] = found["price"].ffill()  # each product's first row is a week with a sale
    of_item = table.drop_duplicates("item_id").set_index("item_id")
    found.insert(1, "item_type", found["item_id"].map(of_item["item_type"]))
    found.insert(2, "category", found["item_id"].map(of_item["category"]))
    return _with_promotions(found, promotions, shop.timezone, first)


def with_shelf(table: pd.DataFrame, until: int) -> pd.DataFrame:
    """Returns the table with what else a shop knows of a week beforehand: is a price a cut, what do its neighbours do?

    Args:
        table: See `weekly`.
        until: What a product usually costs is told by the weeks before this one, so that later weeks tell nothing.

    Returns:
        (N,) the table with `cut` (how far the log price lies below the mean of those weeks, 0 if above it), `cheap` (1
        if that is more than `CHEAP`), and the mean of the type's other products in that week: of how far their log
        prices lie above their means (`others`) and of each of `PROMOTIONS`; 0 where there is no other.

    Example:
        The second product is dear in the week in which the first one is cheap:

        >>> rows = {"item_id": ["a", "a", "b", "b"], "item_type": "soup", "week": [0, 1, 0, 1], "price": [4, 1, 1, 2.0]}
        >>> table = with_shelf(pd.DataFrame(rows).assign(**dict.fromkeys(PROMOTIONS, 0.0)), until=2)
        >>> table[["cut", "cheap", "others"]].round(2).iloc[1].tolist()
        [0.69, 1.0, 0.35]
    """
    price = np.log(table["price"])
    past = table["week"] < until
    usual = price[past].groupby(table.loc[past, "item_id"].to_numpy()).mean()
    moved = (price - table["item_id"].map(usual).astype(float)).fillna(0.0)
    week = [table["item_type"].to_numpy(), table["week"].to_numpy()]
    size = moved.groupby(week).transform("size")

    def others(values: pd.Series) -> pd.Series:
        return (values.groupby(week).transform("sum") - values) / (size - 1).clip(lower=1)

    found = {"cut": (-moved).clip(lower=0), "cheap": (moved < -CHEAP).astype(float), "others": others(moved)}
    return table.assign(**found, **{f"others_{way}": others(table[way]) for way in PROMOTIONS})


def later_price(table: pd.DataFrame, weeks: int = 3) -> pd.Series:
    """Returns (N,) the price of the same product some weeks later; NaN where it was not sold then.

    Example:
        >>> table = pd.DataFrame({"item_id": ["a"] * 3, "week": [0, 1, 3], "price": [2.0, 3.0, 4.0]})
        >>> later_price(table, 3).tolist()
        [4.0, nan, nan]
    """
    prices = table.set_index(["item_id", "week"])["price"]
    then = pd.MultiIndex.from_arrays([table["item_id"], table["week"] + weeks])
    return pd.Series(prices.reindex(then).to_numpy(), table.index)


def _monday(day: pd.Timestamp) -> pd.Timestamp:
    return day - pd.Timedelta(days=day.weekday())


def _with_promotions(
    table: pd.DataFrame, promotions: pd.DataFrame | None, timezone: str, first: pd.Timestamp
) -> pd.DataFrame:
    if promotions is None:
        return table.assign(**dict.fromkeys(PROMOTIONS, 0.0))
    local = promotions["start"].dt.tz_convert(timezone).dt.tz_localize(None).dt.normalize()
    known = promotions.assign(week=(local - first).dt.days // 7)
    known = known[known["item_id"].isin(table["item_id"])]
    known = known.groupby(["item_id", "week"], as_index=False)[list(PROMOTIONS)].max()
    found = table.merge(known, how="left", on=["item_id", "week"])
    found[list(PROMOTIONS)] = found[list(PROMOTIONS)].fillna(0.0).astype(float)
    return found
