"""What a shop promotes in which week: its own plan, known in advance, so that a recommender may use it (notebook 05).

Letters for shapes: W weeks of the plan, V items of the catalogue (ids 1..V; 0 is padding), K ways to promote.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from recsys_kit.datasets import complete_journey, own_shop
from recsys_kit.datasets.tables import PROMOTIONS

__all__ = ["PROMOTIONS", "Plan", "load", "plan"]


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

    def week(self, times: pd.DatetimeIndex) -> np.ndarray:
        """Returns the rows of `share` in which moments (N,) lie."""
        return np.searchsorted(self.starts, times, side="right")

    def usual(self, weeks: int = 4) -> np.ndarray:
        """Returns (W + 1, V + 1, K) the mean share of the weeks before each; of the first, its own."""
        return np.stack([self.share[max(0, row - weeks) : max(1, row)].mean(0) for row in range(len(self.share))])

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
        return complete_journey.promotions()
    frame = own_shop.read_table(folder, "promotions")
    if frame is None:
        return None
    if not set(PROMOTIONS) & set(frame):
        frame["display"] = 1.0
    frame = frame.reindex(columns=["item_id", "start", *PROMOTIONS]).fillna(dict.fromkeys(PROMOTIONS, 0.0))
    return frame.groupby(["item_id", "start"], as_index=False)[list(PROMOTIONS)].max()


def plan(promotions: pd.DataFrame, items: pd.Index) -> Plan:
    """Arranges promotions by week and place in a catalogue.

    Args:
        promotions: `item_id`, `start`, and a column for each of `PROMOTIONS`, as `load` returns them.
        items: (V,) item ids of the catalogue; promotions of other items are not needed.
    """
    starts = pd.DatetimeIndex(promotions["start"].drop_duplicates().sort_values())
    place = items.get_indexer(promotions["item_id"])
    known = place >= 0
    share = np.zeros((len(starts) + 1, len(items) + 1, len(PROMOTIONS)), np.float32)
    week = starts.get_indexer(promotions["start"])
    share[week[known] + 1, place[known] + 1] = promotions.loc[known, list(PROMOTIONS)].to_numpy()
    return Plan(starts, share)
