"""Households of which only the last baskets are known, and what the rest of the shop knows of them (notebook 07).

A *newcomer* has forgotten all but its last k baskets. Each of these is a lesson: predict it from those before it. After
the lessons comes the query: the next basket.

Letters for shapes: N newcomers, V items of the catalogue.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from recsys_kit.datasets.items import item_types, look_up
from recsys_kit.preprocessing import Split
from recsys_kit.training import baskets

__all__ = ["Episode", "basket_counts", "episode", "forget", "lean"]


def basket_counts(split: Split) -> np.ndarray:
    """Returns (N,) how many baskets each test case has before the cutoff."""
    users = split.history.drop_duplicates(["user", "basket_id"])["user"]
    return np.bincount(users, minlength=len(split.users))[split.test_users]


def lean(split: Split) -> Split:
    """Returns the split with only those columns of its history that are needed here; basket ids become numbers."""
    history = split.history[["user", "item", "basket_id", "timestamp"]]
    return replace(split, history=history.assign(basket_id=pd.factorize(history["basket_id"])[0]))


def forget(split: Split, users: np.ndarray, last: int | np.ndarray) -> Split:
    """Returns the split in which some users have only their last baskets; all others keep everything.

    Args:
        split: The split.
        users: (N,) positions in `split.users`.
        last: How many baskets stay: one number, or one a user.
    """
    history = split.history[["user", "item", "basket_id", "timestamp"]]
    if not pd.api.types.is_integer_dtype(history["basket_id"]):
        history = history.assign(basket_id=pd.factorize(history["basket_id"])[0])
    keep = np.full(len(split.users), np.iinfo(np.int32).max)
    keep[users] = last
    cut = keep[history["user"].to_numpy()] < np.iinfo(np.int32).max
    own = history[cut].drop_duplicates(["user", "basket_id"])
    back = own.groupby("user").cumcount(ascending=False)  # 0: the newest basket
    gone = own["basket_id"][back.to_numpy() >= keep[own["user"].to_numpy()]]
    return replace(split, history=history[~(cut & np.isin(history["basket_id"], gone))].reset_index(drop=True))


@dataclass(frozen=True)
class Episode:
    """Newcomers at one cutoff, and what the rest of the shop knows.

    Attributes:
        split: The split, in which the newcomers have forgotten all but their last baskets.
        seq: The newcomers' baskets, and what is known of the shop from all others, at the cutoff.
        cases: (N,) the newcomers, as rows of the split's test cases.
        facts: Item facts: `popular`, `recent`, `rebuy`, `share` (V,) and the codes `item_type`, `category` (V,).
    """

    split: Split
    seq: baskets.Sequences = field(repr=False)
    cases: np.ndarray = field(repr=False)
    facts: dict[str, np.ndarray] = field(repr=False)


def episode(
    split: Split, items: pd.DataFrame, cases: np.ndarray, last: int | np.ndarray, like: Episode | None = None
) -> Episode:
    """Makes newcomers out of some test cases of a split.

    Args:
        split: The split.
        items: The shop's items.
        cases: (N,) rows of the split's test cases.
        last: How many baskets they keep.
        like: An episode of the same split and cases, whose knowledge of the shop is the same: it saves time.
    """
    users = split.test_users[cases]
    short = forget(split, users, last)
    newcomer = np.isin(short.history["user"], users)
    if like is None:
        others = replace(short, history=short.history[~newcomer])
        shop, known = baskets.sequences(others), _item_facts(others, items)
    else:
        shop, known = like.seq, like.facts
    own = baskets.sequences(replace(short, history=short.history[newcomer]), rank=1)
    shift = np.float32((own.origin - shop.origin) / pd.Timedelta(days=1))
    at_cutoff = {name: getattr(shop, name)[-1:].copy() for name in ("trend", "lately", "usual")}  # the rest can go
    same = {name: getattr(shop, name) for name in ("origin", "basis", "plan_start", "plan")}
    seq = replace(own, last=0, days=own.days + shift, **at_cutoff, **same)  # last=0: all is asked at the cutoff
    return Episode(short, seq, np.asarray(cases), known)


def _item_facts(split: Split, items: pd.DataFrame) -> dict[str, np.ndarray]:
    """Returns what the shop knows of its items: see `Episode.facts`."""
    history = split.history
    size, column = len(split.items), history["item"].to_numpy(np.int64)
    age = ((split.cutoff - history["timestamp"]) / pd.Timedelta(days=1)).to_numpy()

    def log_share(days: float) -> np.ndarray:
        sold = np.bincount(column[age < days], minlength=size)
        return np.log((sold + 0.3) / max(sold.sum(), 1) * 1000)

    pair = history["user"].to_numpy(np.int64) * size + column
    basket = history["basket_id"].to_numpy(np.int64)
    order = np.lexsort((basket, pair))
    pair, basket = pair[order], basket[order]
    visit = np.r_[True, (np.diff(pair) != 0) | (np.diff(basket) != 0)] if len(pair) else np.zeros(0, bool)
    pairs, times = np.unique(pair[visit], return_counts=True)
    again, buyers = np.bincount(pairs[times > 1] % size, minlength=size), np.bincount(pairs % size, minlength=size)
    usual = max(again.sum(), 1) / max(buyers.sum(), 1)
    item_type = pd.factorize(item_types(items, split.items))[0]
    sold = np.bincount(column[age < 120], minlength=size) + 0.3
    facts = {
        "popular": log_share(60),
        "recent": log_share(14),
        "rebuy": np.log((again + 10 * usual) / (buyers + 10) / usual),
        "share": np.log(sold / np.bincount(item_type, sold)[item_type]),
    }
    facts = {name: values.astype(np.float32) for name, values in facts.items()}
    return facts | {"item_type": item_type, "category": pd.factorize(look_up(items, split.items)["category"])[0]}
