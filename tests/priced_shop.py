"""A shop whose price elasticity is known: a price moves, and units answer with a power law."""

from pathlib import Path

import numpy as np
import pandas as pd

from recsys_kit.datasets.tables import Shop

WEEKS = 40
START = pd.Timestamp("2021-03-01", tz="UTC")  # a Monday


def priced_table(truth: dict[str, float], products: int = 6, seed: int = 0) -> pd.DataFrame:
    """Product-weeks as `panel.weekly` returns them, types with these elasticities, displays that go with low prices."""
    rng = np.random.default_rng(seed)
    parts = []
    for kind, elasticity in truth.items():
        for product in range(products):
            cheap = rng.random(WEEKS) < 0.3
            price = rng.uniform(1, 5) * np.where(cheap, rng.uniform(0.6, 0.9, WEEKS), 1.0)
            display = np.where(cheap & (rng.random(WEEKS) < 0.7), rng.uniform(0.1, 0.5, WEEKS), 0.0)
            log_units = rng.uniform(1, 3) + elasticity * np.log(price) + 1.5 * display + rng.normal(0, 0.2, WEEKS)
            part = {"item_id": f"{kind}{product}", "item_type": kind, "category": kind.split(" | ")[0]}
            part |= {"week": np.arange(WEEKS), "units": np.exp(log_units), "price": price, "display": display}
            parts.append(pd.DataFrame(part | {"mailer_inside": 0.0, "mailer_prominent": 0.0}))
    return pd.concat(parts, ignore_index=True)


def priced_shop(elasticity: float = -2.0, items: int = 6, seed: int = 0) -> Shop:
    """A shop of one type, one row a product and day; the last product is sold by weight: each row has its own price."""
    rng = np.random.default_rng(seed)
    rows = []
    for item in range(items + 1):
        base = rng.uniform(2, 4)
        for day in range(7 * WEEKS):
            price = round(base * (0.75 if (day // 7 + item) % 5 == 0 else 1.0), 2)
            price = round(base * rng.uniform(0.2, 2), 2) if item == items else price
            units = rng.poisson(12 * (price / base) ** elasticity)
            rows.append((f"u{day % 9}", f"i{item}", START + pd.Timedelta(days=day, hours=12), units, price))
    events = pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp", "quantity", "price"])
    events["event_type"], events["basket_id"] = "purchase", events["user_id"] + events["timestamp"].astype(str)
    names = [f"i{item}" for item in range(items + 1)]
    table = pd.DataFrame({"item_id": names, "title": names, "category": "DAIRY", "product_type": "MILK"})
    users = pd.DataFrame({"user_id": sorted(set(events["user_id"]))})
    return Shop("Priced", events, table, users, "UTC", "priced")


def write_priced_shop(folder: Path, without: tuple[str, ...] = ()) -> Path:
    """Writes the shop's events and items into a folder, some columns left out."""
    shop = priced_shop()
    folder.mkdir(parents=True, exist_ok=True)
    events = shop.events[shop.events["quantity"] > 0].drop(columns=[*without])
    events.to_csv(folder / "events.csv", index=False)
    shop.items.to_csv(folder / "items.csv", index=False)
    return folder
