"""A shop's purchases as partitioned Parquet, its households copied so that it grows (notebook 24)."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from recsys_kit.datasets.shops import Shop
from recsys_kit.datasets.tables import DataError

__all__ = ["COLUMNS", "TABLES", "Workload", "table", "write"]

COLUMNS = ("user_id", "item_id", "timestamp", "event_type", "basket_id", "quantity", "price", "discount")
"""What the engines read of the events; a column that a shop doesn't have is empty."""

TABLES = ("users", "pairs", "followers")
"""What every engine writes: one row a user; one a user and item; one an item and what is bought in the next basket."""

_DAY = 86_400  # seconds


@dataclass(frozen=True)
class Workload:
    """A folder of partitioned Parquet, and what is to be computed from it.

    Attributes:
        folder: Holds `events/part-*.parquet`, `items.parquet` and `workload.json`.
        cutoff: First instant of the future (UTC), as text: nothing at or after it is looked at.
        timezone: Zone of the shop.
        min_users: The catalogue holds the items that at least so many users bought before the cutoff.
        followers: How many followers of each item are kept as candidates.
        rows: How many events there are.
        copies: How often each household was written.
    """

    folder: str
    cutoff: str
    timezone: str
    min_users: int = 10
    followers: int = 50
    rows: int = 0
    copies: int = 1

    @property
    def events(self) -> list[str]:
        """The event files, in the order of their numbers."""
        return sorted(str(path) for path in Path(self.folder, "events").glob("part-*.parquet"))

    @classmethod
    def read(cls, folder: str | Path) -> Workload:
        """Reads what `write` wrote; the folder may have moved.

        Raises:
            DataError: If it is no such folder, or event files are missing.
        """
        path = Path(folder, "workload.json")
        if not path.is_file():
            raise DataError(f"{path}: no such file; `scaling.write` makes the folder of a workload.")
        known = json.loads(path.read_text(encoding="utf-8"))
        parts = known.pop("parts")
        found = cls(**known | {"folder": str(folder)})
        if len(found.events) != parts:
            raise DataError(f"{folder}/events: {parts} files were written, {len(found.events)} are there.")
        return found


def write(
    shop: Shop,
    folder: str | Path,
    cutoff: pd.Timestamp,
    *,
    copies: int = 1,
    parts: int = 8,
    min_users: int = 10,
    seed: int = 0,
    say: Callable[[str], None] = lambda line: None,
) -> Workload:
    """Writes a shop's events as partitioned Parquet; each copy of a household is another one, some days off.

    The first copy is the shop itself. In every other one each household is shifted by up to three days and each basket
    by up to an hour, so that no two copies are equal. Copies are dealt to the parts in turn, so that a household's rows
    may lie in several files: an engine has to bring them together.

    Args:
        shop: The shop.
        folder: Where to write; files of an earlier call are replaced.
        cutoff: First instant of the future (UTC).
        copies: How often each household is written.
        parts: Files of a copy.
        min_users: See `Workload`; it does not grow with the copies.
        seed: Of the shifts.
        say: Called with a line for each copy.
    """
    folder = Path(folder)
    (folder / "events").mkdir(parents=True, exist_ok=True)
    for old in folder.glob("events/part-*.parquet"):
        old.unlink()
    events = shop.events.reindex(columns=list(COLUMNS))
    shop.items[["item_id", "is_merchandise"]].to_parquet(folder / "items.parquet", index=False)
    user, basket = (pd.factorize(events[name])[0] for name in ("user_id", "basket_id"))
    rng = np.random.default_rng(seed)
    for copy in range(copies):
        rows = events
        if copy:
            shift = rng.integers(-3 * _DAY, 3 * _DAY, user.max() + 1)[user]
            shift += rng.integers(-3600, 3600, basket.max() + 1)[basket]
            rows = events.assign(
                user_id=events["user_id"].astype(str) + f"~{copy}",
                basket_id=events["basket_id"].astype(str) + f"~{copy}",
                timestamp=events["timestamp"] + pd.to_timedelta(shift, unit="s"),
            )
        for part, place in enumerate(np.array_split(np.arange(len(rows)), parts)):
            rows.iloc[place].to_parquet(folder / "events" / f"part-{copy * parts + part:05d}.parquet", index=False)
        say(f"copy {copy + 1} of {copies}: {len(rows) * (copy + 1):,} events")
    load = Workload(
        str(folder), str(cutoff), shop.timezone, min_users=min_users, rows=len(events) * copies, copies=copies
    )
    (folder / "workload.json").write_text(json.dumps(asdict(load) | {"parts": copies * parts}), encoding="utf-8")
    return load


def table(out: str | Path, name: str) -> pd.DataFrame:
    """Reads a table that an engine wrote, one file or parts, in the order of its ids.

    Args:
        out: The engine's folder.
        name: One of `TABLES`.
    """
    files = sorted(Path(out, name).glob("part-*.parquet")) or [Path(out, f"{name}.parquet")]
    found = pd.concat([pd.read_parquet(path) for path in files], ignore_index=True)
    keys = ["user_id", "item_id"] if name == "pairs" else ["user_id"]
    return found if name == "followers" else found.sort_values(keys, kind="stable", ignore_index=True)
