"""Two generated shops: one of discoveries, where nobody buys a thing twice, and a mixed one that half repeats.

What comes next depends on what came before: an item has a few followers (the next in its series), and a customer has
a favourite theme.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

DAYS = 600


def events(customers: int = 3000, items: int = 2000, repeats: float = 0.0, seed: int = 0) -> pd.DataFrame:
    """Returns the purchases: `user_id`, `item_id`, `timestamp`, one item at a time.

    Args:
        customers: How many; each buys 3 to 20 times.
        items: Size of the catalogue.
        repeats: Chance that a purchase is one of the things that the customer bought before, the usual ones first; 0: a
            shop of discoveries.
        seed: Seed of all choices.
    """
    rng = np.random.default_rng(seed)
    theme = rng.integers(24, size=items)
    popular = rng.pareto(2.0, items) + 0.2
    pools = [(np.flatnonzero(theme == one), popular[theme == one].cumsum()) for one in range(24)]
    followers = [_drawn(*pools[theme[item]], rng, 12) for item in range(items)]
    everything = (np.arange(items), popular.cumsum())
    rows = []
    for customer in range(customers):
        favourite, bought, times = rng.integers(24), [], 3 + min(17, rng.geometric(0.2) - 1)
        day = rng.uniform(0, DAYS - 10)
        for _ in range(round(times * (1 + 2 * repeats))):
            item = _next(bought, favourite, followers, pools, everything, repeats, rng)
            rows.append((f"c{customer:04}", f"toy {item:04}", day))
            bought.append(item)
            day += rng.exponential(25)
            if day > DAYS:
                break
    table = pd.DataFrame(rows, columns=["user_id", "item_id", "day"])
    table["timestamp"] = (pd.Timestamp("2022-01-01") + pd.to_timedelta(table.pop("day"), unit="D")).dt.floor("s")
    return table


def write(folder: Path, **shape) -> Path:
    """Writes a bare `events.csv` of such a shop; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    events(**shape).to_csv(folder / "events.csv", index=False)
    return folder


def _next(bought, favourite, followers, pools, everything, repeats, rng) -> int:
    if bought and rng.random() < repeats:
        return int(bought[min(rng.geometric(0.3) - 1, len(bought) - 1)])  # the first things are the usual ones
    for _ in range(50):
        chance = rng.random()
        if bought and chance < 0.25:
            item = rng.choice(followers[bought[-1]])
        elif chance < 0.6:
            item = _drawn(*pools[favourite], rng, 1)[0]
        else:
            item = _drawn(*everything, rng, 1)[0]
        if item not in bought:
            return int(item)
    return int(rng.choice(np.setdiff1d(everything[0], bought)))


def _drawn(items: np.ndarray, weights: np.ndarray, rng: np.random.Generator, size: int) -> np.ndarray:
    """Draws items by cumulated weights, with replacement."""
    return items[np.searchsorted(weights, rng.random(size) * weights[-1])]
