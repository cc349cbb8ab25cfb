"""Faults as they really happen in a shop's data, planted in one day's file to try the contracts on (notebook 17)."""

from __future__ import annotations

import numpy as np
import pandas as pd

__all__ = ["FAULTS", "plant"]

FAULTS = {
    "load twice": (1.0, 0.05),
    "store missing": (1.0, 10.0),
    "cents for dollars": (1.0, 0.05),
    "time-zone shift": (5.0, 1.0),
    "renamed category": (10.0, 40.0),
    "bot": (5000.0, 15.0),
    "truncated file": (0.5, 0.95),
}
"""Each fault with its usual size and a small one: the share of the file that is loaded again, or in cents; among how
many of the day's largest stores (categories) one is drawn; hours; baskets; the share that arrives."""


def plant(
    fault: str, today: pd.DataFrame, rng: np.random.Generator, size: float | None = None, hit: str = ""
) -> pd.DataFrame:
    """Returns a day's file with a fault.

    Args:
        fault: One of `FAULTS`.
        today: The file: rows of `contracts.arrivals`.
        rng: Draws what is hit.
        size: How bad it is, see `FAULTS`; None: the usual size.
        hit: The store that is missing, or the category that has a new name; empty: drawn.
    """
    if fault not in FAULTS:
        raise ValueError(f"`fault` must be one of {', '.join(FAULTS)}. Received: {fault!r}.")
    size = FAULTS[fault][0] if size is None else size
    if fault == "load twice":
        return pd.concat([today, today.sample(frac=size, random_state=rng)], ignore_index=True)
    if fault == "store missing":
        return today[today["store"] != (hit or _drawn(today.drop_duplicates("basket")["store"], rng, size))]
    if fault == "cents for dollars":
        return today.assign(price=today["price"] * np.where(rng.random(len(today)) < size, 100, 1))
    if fault == "time-zone shift":
        return today.assign(hour=today["hour"] + size)
    if fault == "renamed category":
        old = hit or _drawn(today["category"], rng, size)
        names = today["category"].astype(str)
        return today.assign(category=names.where(names != old, f"{old} (NEW)"))
    if fault == "bot":
        rows = today.iloc[rng.integers(0, len(today), int(size))]
        fresh = today["basket"].max() + 1 + np.arange(int(size))
        return pd.concat([today, rows.assign(user=today["user"].max() + 1, basket=fresh)], ignore_index=True)
    return today[today["hour"] <= today["hour"].quantile(size)]


def _drawn(values: pd.Series, rng: np.random.Generator, size: float) -> str:
    """Returns one of the `size` values that are there most often."""
    names = values.astype(str).value_counts().index
    return names[rng.integers(min(int(size), len(names)))]
