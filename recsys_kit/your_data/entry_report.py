"""What a shop brings when it comes in: which columns, how much of what, and what each notebook can do with it.

The rules are those that the notebooks keep themselves; a test holds them to what `benchmarks/foreign_shops.py` saw the
notebooks do on converted exports.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from recsys_kit import preprocessing, shop_kind
from recsys_kit.advertising import campaigns
from recsys_kit.datasets import own_shop
from recsys_kit.datasets.tables import NotForThisShop, Shop
from recsys_kit.pricing import panel

__all__ = ["columns", "numbers", "pages"]

_WEEKS_OF_FORECASTS = 36  # 13 fits its models 24 weeks before the end
_USED_FOR = {
    "event_type": "only purchases are learned from; views and carts are told apart",
    "basket_id": "what was bought together; else a customer's day is a basket",
    "quantity": "units, for demand and prices; returns are 0 or less",
    "price": "money: prices, what is given away, dearer items",
    "discount": "what a price was before",
    "store_id": "taste of a store",
    "title": "search, the assistant, text of new items; lists that can be read",
    "category": "groups of items: diversity, forecasts, what a new item is like",
    "product_type": "finer groups",
    "department": "coarser groups",
    "brand": "larger packs and dearer brands",
    "size": "larger packs",
    "image": "pictures",
    "attributes": "customers by group; newcomers",
    "promotions": "the plan of promotions, which recommenders and forecasts may read",
}
_MISSING = {
    "event_type": "every row is a purchase",
    "basket_id": "a customer's purchases of a day are a basket",
    "quantity": "each row is one unit",
    "price": "unknown",
    "discount": "none",
    "store_id": "one store",
    "title": "an item is called by its id",
    "promotions": "nothing is known in advance",
}


def columns(shop: Shop, folder: str | Path = "") -> pd.DataFrame:
    """Returns what is there and what is not, a row for each optional column.

    Args:
        shop: The shop.
        folder: Its folder, to look for a promotion plan; empty: the kit's own shop, which has one.
    """
    events, items = shop.events, shop.items
    known = {
        "event_type": (events["event_type"] != "purchase").mean() if events["event_type"].nunique() > 1 else 0.0,
        "basket_id": float(not (events["basket_id"].str.startswith(events["user_id"].iloc[0] + " ")).any()),
        "quantity": float((events["quantity"] != 1).any()),
        "price": events["price"].notna().mean(),
        "discount": float((events["discount"] > 0).any()),
        "store_id": float(events["store_id"].nunique() > 1),
        "title": (items["title"] != items["item_id"]).mean(),
        **{
            name: (items[name] != "unknown").mean()
            for name in ("category", "product_type", "department", "brand", "size")
        },
        "image": items["image"].notna().mean() if "image" in items else 0.0,
        "attributes": shop.users.drop(columns="user_id").notna().any(axis=1).mean(),
        "promotions": float(not folder or own_shop.find_file(Path(folder), "promotions") is not None),
    }
    tables = dict.fromkeys(known, "items") | dict.fromkeys(list(known)[:6], "events")
    tables |= {"attributes": "users", "promotions": "promotions"}
    rows = [
        (tables[name], name, "yes" if part else "no", _USED_FOR[name], "" if part else _MISSING.get(name, "unknown"))
        for name, part in known.items()
    ]
    return pd.DataFrame(rows, columns=["table", "column", "there", "what it is for", "without it"])


def numbers(shop: Shop) -> pd.Series:
    """Returns what kind of shop it is, in numbers: who comes back, how much is bought again, how long, how dense."""
    events = preprocessing.clean(shop)[0]
    local = shop.events["timestamp"].dt.tz_convert(shop.timezone)
    kind, baskets = shop_kind.measure(events), events.groupby("user_id")["basket_id"].nunique()
    buyers = events.groupby("item_id")["user_id"].nunique()
    return pd.Series(
        {
            "days from the first event to the last": (local.max().normalize() - local.min().normalize()).days + 1,
            "events": len(shop.events),
            "purchases": len(events),
            "customers who bought": kind.customers,
            "items that were bought": kind.items,
            "items that ten or more bought": int((buyers >= 10).sum()),
            "customers with three baskets or more": round((baskets >= 3).mean(), 3),
            "purchases of an item that its customer had bought": round(kind.repeats, 3),
            "items a basket": round(kind.purchases / max(events["basket_id"].nunique(), 1), 2),
        },
        name=shop.name,
    )


def pages(shop: Shop, folder: str | Path = "", cutoff: str = "") -> pd.DataFrame:
    """Returns what each notebook will do with a shop, and why not all.

    Args:
        shop: The shop.
        folder: Its folder, to look for campaigns; empty: the kit's own shop.
        cutoff: First day of the test period, as in the notebooks.

    Returns:
        A row for each notebook or group of them: `notebooks`, `what`, `here` (whole, in part or skipped) and `why`.
    """
    empty, next_basket = _why_not(shop, cutoff, judged=False), _why_not(shop, cutoff, judged=True)
    titled = (shop.items["title"] != shop.items["item_id"]).any()
    no_titles = "" if titled else "items have no titles"
    weeks = _weeks(shop)
    short = f"it needs {_WEEKS_OF_FORECASTS} whole weeks, and there are {weeks}"
    prices = "prices are not known" if shop.events["price"].isna().all() else ""
    if not prices and weeks < panel.LEAST_WEEKS:
        prices = f"elasticities need {panel.LEAST_WEEKS} whole weeks, and there are {weeks}"
    lacking = [name for name in campaigns.FILES if folder and own_shop.find_file(Path(folder), name) is None]
    pictures = "image" in shop.items and shop.items["image"].notna().any()
    events = preprocessing.clean(shop)[0]
    discover = len(events) and shop_kind.measure(events).task == shop_kind.NEXT_ITEM
    no_repeats = "02 is skipped: it ranks what was bought before, and nobody buys a thing twice" if discover else ""
    gaps = "; ".join(filter(None, [no_repeats, "" if next_basket else _too_few_baskets(shop, cutoff)]))
    rows = [
        ("00", "a first look, a first list, a first search", next_basket, no_titles),
        ("01-09", "cleaning, features, models, training, evaluation, lists", next_basket, gaps),
        ("10", "search", empty, no_titles and f"{no_titles}: it is shown on the kit's own catalogue"),
        ("11", "what is bought together", empty, ""),
        ("12", "advertising", lacking and f"the folder has no {', '.join(lacking)}", ""),
        ("13", "demand", short if weeks < _WEEKS_OF_FORECASTS else "", ""),
        ("14", "prices", prices, ""),
        ("15", "languages, stores, clocks", next_basket, no_titles),
        ("16", "the assistant", empty, no_titles),
        ("20-22", "privacy, explanations, fairness", next_basket, ""),
        ("23", "pictures", next_basket or ("" if pictures or not folder else "no item has a picture"), ""),
    ]
    said = [
        (page, what, "skipped" if none else "in part" if part else "whole", none or part)
        for page, what, none, part in rows
    ]
    return pd.DataFrame(said, columns=["notebooks", "what", "here", "why"])


def _too_few_baskets(shop: Shop, cutoff: str) -> str:
    """Says which notebooks are skipped where a sequence model has nothing to learn from."""
    history = preprocessing.task(shop, cutoff).validation.history
    if history.groupby("user")["basket_id"].nunique().max() >= 3:
        return ""
    return "05 is skipped, 06 is skipped, 08 is skipped: no customer has 3 baskets to learn from"


def _why_not(shop: Shop, cutoff: str, judged: bool) -> str:
    try:
        preprocessing.task(shop, cutoff, judged=judged)
    except NotForThisShop as error:
        return str(error).rstrip(".")
    return ""


def _weeks(shop: Shop) -> int:
    """Returns how many weeks from Monday to Sunday lie whole between the first event and the last."""
    days = shop.events["timestamp"].dt.tz_convert(shop.timezone).dt.tz_localize(None).dt.normalize()
    first, last = days.min(), days.max()
    monday = first + pd.Timedelta(days=-first.weekday() % 7)
    return max(0, (last + pd.Timedelta(days=1) - monday).days // 7)
