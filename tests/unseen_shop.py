"""A shop that the kit has never seen: three columns, few users, single-item baskets, odd ids, another year."""

from pathlib import Path

import numpy as np
import pandas as pd

USERS = 60
ITEMS = 80
DAYS = 40


def unseen_events(seed: int = 3) -> pd.DataFrame:
    """Events of a corner shop: hardly any structure, one or two items a visit, times without a zone.

    Args:
        seed: Seed of all choices.
    """
    rng = np.random.default_rng(seed)
    users = [f"müller, {n}" if n % 3 else f"顧客 {n:03d}" for n in range(USERS)]
    items = [f"{n:05d}" if n % 4 else f'🧀 "extra" {n}' for n in range(ITEMS)]
    popular = rng.dirichlet(np.full(ITEMS, 0.5))
    rows = []
    for user in users:
        favourites = rng.choice(ITEMS, 6, p=popular, replace=False)
        for day in np.flatnonzero(rng.random(DAYS) < 0.35):
            time = pd.Timestamp("2019-10-20") + pd.Timedelta(days=int(day), minutes=int(rng.integers(24 * 60)))
            bought = {rng.choice(favourites) if rng.random() < 0.6 else rng.choice(ITEMS, p=popular)}
            if rng.random() < 0.2:
                bought.add(rng.choice(ITEMS, p=popular))
            rows += [(user, items[item], time) for item in sorted(bought)]
    return pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp"])


def write_unseen_shop(folder: Path, seed: int = 3) -> Path:
    """Writes `events.csv`, and nothing else, into a folder; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    unseen_events(seed).to_csv(folder / "events.csv", index=False)
    return folder
