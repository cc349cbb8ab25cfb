"""A shop of six kinds of product in three sizes each: what several test files of notebook 10 share."""

import pandas as pd

from recsys_kit.datasets import Shop

KINDS = [
    ("BATH TISSUES", "TOILET TISSUE"),
    ("ORAL HYGIENE PRODUCTS", "TOOTHPASTE"),
    ("FLUID MILK PRODUCTS", "FLUID MILK WHITE ONLY"),
    ("DOG FOODS", "DRY DOG FOOD PREMIUM (ALPO/PUR"),
    ("FROZEN PIZZA", "PIZZA/PREMIUM"),
    ("DOMESTIC WINE", "BOX WINES"),
]


def small_shop(name="The Complete Journey"):
    """Six kinds of product in three sizes each, two users."""
    rows = [
        (f"{i}{size}", category, kind, f"{size} OZ") for i, (category, kind) in enumerate(KINDS) for size in (1, 2, 3)
    ]
    items = pd.DataFrame(rows, columns=["item_id", "category", "product_type", "size"])
    items["title"] = items["product_type"].str.title() + ", " + items["size"].str.lower()
    items = items.assign(department="GROCERY", brand="National", is_merchandise=True)
    times = pd.date_range("2017-01-01", periods=len(items) * 3, freq="D", tz="UTC")
    events = pd.DataFrame({"user_id": ["a", "b", "a"] * len(items), "item_id": list(items["item_id"]) * 3})
    events = events.assign(timestamp=times, basket_id=events.index.astype(str), quantity=1.0)
    users = pd.DataFrame({"user_id": ["a", "b"]})
    return Shop(name, events, items, users, "UTC", f"small-{name}", is_kits_own=name == "The Complete Journey")
