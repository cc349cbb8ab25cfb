"""Why is it on the list: a short, true sentence for every recommended item (notebook 08).

The sentences say what the data holds about the item and the household. They do not claim to be what moved the model.

Letters for shapes: P recommended pairs, U users, V items of the catalogue.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import scipy.sparse as sp

from recsys_kit import baselines
from recsys_kit.preprocessing import Split

__all__ = ["Companions", "sentences"]


class Companions:
    """Which item of a household's last baskets speaks most for a new one: "bought with ...".

    Args:
        split: The split.
        last: How many of the last baskets are looked at.
    """

    def __init__(self, split: Split, last: int = 20):
        history = split.history
        events = history["user"].to_numpy(), baselines.basket_steps(history), history["item"].to_numpy()
        size = len(split.items)
        self.recent = baselines.recent_items(*events, len(split.users), size, last, 0.8)
        # Frequent items go with everything: what remains is said of fewer pairs, and says more.
        weights = baselines.PairWeights(to_power=0.5)
        self.into = baselines.cooccurrence_table(*events, size, lags=1, weights=weights, neighbours=100).T.tocsr()

    def of(self, users: np.ndarray, items: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns for pairs (P,) of user and item the column of the companion, -1 if there is none, and its weight."""
        together = sp.csr_matrix(self.recent[users].multiply(self.into[items]))
        if not together.nnz:
            return np.full(len(users), -1), np.zeros(len(users), np.float32)
        weight = np.asarray(together.max(axis=1).todense()).ravel()
        best = np.asarray(together.argmax(axis=1)).ravel()
        return np.where(weight > 0, best, -1), weight


def sentences(table: pd.DataFrame, titles: np.ndarray, types: np.ndarray | None, companions: Companions) -> list[str]:
    """Writes a sentence for each recommended pair.

    Args:
        table: P rows with `user`, `item` and the columns of `ranking.Facts`.
        titles: (V,) titles.
        types: (V,) the type of each item in words; None if the shop has no such column.
        companions: What was bought together.
    """
    count = np.nan_to_num(table["count"].to_numpy(float))
    gap, recency = table["gap_days"].to_numpy(float), table["recency_days"].to_numpy(float)
    type_count = table["type_count"].to_numpy(float)
    promoted = _promoted(table)
    item = table["item"].to_numpy()
    fresh = count == 0
    with_item = np.full(len(table), -1)
    if fresh.any():
        with_item[fresh] = companions.of(table["user"].to_numpy()[fresh], item[fresh])[0]
    lines = []
    for i in range(len(table)):
        if count[i] >= 2:
            text = f"you buy it {_every(gap[i])}, last {_ago(recency[i])}"
        elif count[i] == 1:
            text = f"you bought it {_ago(recency[i])}"
        elif with_item[i] >= 0 and with_item[i] != item[i]:
            text = f"goes with {titles[with_item[i]]}, which you bought"
        elif types is not None and type_count[i] >= 2 and types[item[i]] != "unknown":
            text = f"similar to what you buy: {types[item[i]].lower()}"
        else:
            text = "popular in the last weeks"
        if promoted[i]:
            text += "; on promotion this week"
        lines.append(text)
    return lines


def _promoted(table: pd.DataFrame, least: float = 0.2) -> np.ndarray:
    """Says where a display or a mailer shows the item in many stores in the week of the visit."""
    now = [name for name in table.columns if name.startswith("now_")]
    return table[now].to_numpy().max(axis=1) >= least if now else np.zeros(len(table), bool)


def _every(days: float) -> str:
    """Writes a gap: 1.2 -> "every day", 9.4 -> "every 9 days"."""
    return "every day" if not days >= 1.5 else f"every {days:.0f} days"


def _ago(days: float) -> str:
    return "today" if days < 0.5 else "yesterday" if days < 1.5 else f"{days:.0f} days ago"
