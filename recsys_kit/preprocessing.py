"""From raw events to a split that a model can be trained and judged on (notebook 01)."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import scipy.sparse as sp

from recsys_kit.datasets import Shop

__all__ = ["Split", "Task", "clean", "default_cutoff", "split_by_time", "task"]


@dataclass(frozen=True)
class Split:
    """The next-basket task at one cutoff: the past, and the basket that each test user bought next.

    Letters for shapes: U users, V items of the catalogue, N test cases (one a test user).

    Attributes:
        cutoff: First instant that belongs to the future (UTC).
        end: First instant after the test period.
        items: (V,) item ids; an item's position here is its column in every score matrix.
        users: (U,) ids of all users with history or a test case.
        history: Events before `cutoff` whose item is in the catalogue, in time order, with two extra columns:
            `user` and `item`, the positions in `users` and `items`.
        test_users: (N,) positions in `users` of the test cases.
        answers: (N, V) boolean CSR matrix: what the next basket holds.
        answer_times: (N,) start of that basket (a server knows when a user comes back, not what is bought).
    """

    cutoff: pd.Timestamp
    end: pd.Timestamp
    items: pd.Index
    users: pd.Index
    history: pd.DataFrame = field(repr=False)
    test_users: np.ndarray = field(repr=False)
    answers: sp.csr_matrix = field(repr=False)
    answer_times: pd.DatetimeIndex = field(repr=False)

    def counts(self) -> sp.csr_matrix:
        """Returns the (U, V) matrix of how often each user bought each item before the cutoff."""
        shape = (len(self.users), len(self.items))
        ones = np.ones(len(self.history), np.float32)
        return sp.coo_matrix((ones, (self.history["user"], self.history["item"])), shape).tocsr()

    def seen(self) -> sp.csr_matrix:
        """Returns the (N, V) boolean matrix of what each test user bought before the cutoff."""
        return self.counts()[self.test_users] > 0


@dataclass(frozen=True)
class Task:
    """A shop's cleaned events, split for choosing a model (`validation`) and for judging it once (`test`).

    Both splits share the catalogue. `validation.end` is `test.cutoff`: what a model is tuned on lies before the test.
    """

    events: pd.DataFrame = field(repr=False)
    cleaning: pd.DataFrame = field(repr=False)
    validation: Split
    test: Split


def task(shop: Shop, cutoff: str = "", test_days: int = 31, validation_days: int = 14) -> Task:
    """Cleans a shop's events and splits them twice: the next-basket task of this course.

    The catalogue holds the items with at least 10 buyers (fewer in shops with few users), and a test basket at least
    3 of them (1 where baskets are small).

    Args:
        shop: The shop.
        cutoff: First day of the test period (YYYY-MM-DD); empty: the last `test_days` days are the test.
        test_days: Length of the test period if no cutoff is given.
        validation_days: The days before the cutoff on which models are chosen.

    Raises:
        ValueError: If a split has no test case.
    """
    events, cleaning = clean(shop)
    start = pd.Timestamp(cutoff, tz="UTC") if cutoff else default_cutoff(shop, test_days)
    days = (start - events["timestamp"].min()).days
    valid_start = start - pd.Timedelta(days=max(1, min(validation_days, days // 5)))
    min_users = min(10, max(2, events["user_id"].nunique() // 200))
    min_items = 3 if events.groupby("basket_id")["item_id"].nunique().median() >= 3 else 1
    test = split_by_time(events, start, min_users=min_users, min_items=min_items)
    validation = split_by_time(events, valid_start, end=start, min_items=min_items, items=test.items)
    for name, split in (("test", test), ("validation", validation)):
        if not len(split.test_users):
            raise ValueError(
                f"the {name} period {split.cutoff:%Y-%m-%d} to {split.end:%Y-%m-%d} holds no basket with at least "
                f"{min_items} items of the catalogue ({len(split.items)} items with at least {min_users} buyers). "
                "Choose another `cutoff`, or bring more data."
            )
    return Task(events, cleaning, validation, test)


def clean(shop: Shop) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Removes rows that are not the sale of merchandise, and says how many and why.

    Returns:
        The cleaned events in time order, and a report with the columns step, why, rows_before, removed.
    """
    events = shop.events
    merchandise = shop.items.loc[shop.items["is_merchandise"], "item_id"]
    rules = [
        ("duplicates", "the same row twice", lambda t: ~t.duplicated()),
        ("unknown item", "item_id is not in items", lambda t: t["item_id"].isin(shop.items["item_id"])),
        ("not merchandise", "fuel, coupons, stamps, donations", lambda t: t["item_id"].isin(merchandise)),
        ("quantity", "quantity is 0 or less: returns, corrections", lambda t: ~(t["quantity"] <= 0)),
        ("price", "price is 0: given away, or a correction", lambda t: ~(t["price"] <= 0)),
    ]
    report = []
    for step, why, keep in rules:
        mask = keep(events)
        report.append({"step": step, "why": why, "rows_before": len(events), "removed": int((~mask).sum())})
        events = events[mask]
    events = events.sort_values(["timestamp", "user_id", "basket_id"], kind="stable").reset_index(drop=True)
    return events, pd.DataFrame(report)


def default_cutoff(shop: Shop, test_days: int = 31) -> pd.Timestamp:
    """Returns midnight (UTC) `test_days` days before the end of the data, counted in the shop's local days.

    A shop with a short history keeps at least four fifths of it for training.
    """
    first, last = (shop.events["timestamp"].agg(f).tz_convert(shop.timezone).normalize() for f in ("min", "max"))
    days = max(1, min(test_days, ((last - first).days + 1) // 5))
    return (last - pd.Timedelta(days=days - 1)).tz_localize(None).tz_localize("UTC")


def split_by_time(
    events: pd.DataFrame,
    cutoff: pd.Timestamp,
    end: pd.Timestamp | None = None,
    min_users: int = 10,
    min_items: int = 3,
    items: pd.Index | None = None,
) -> Split:
    """Splits events at an instant, as a shop lives: the past to learn from, each user's next basket to predict.

    Args:
        events: Cleaned events.
        cutoff: First instant of the future (UTC).
        end: First instant after the test period; None for the end of the data.
        min_users: The catalogue holds the items that at least so many users bought before the cutoff.
        min_items: A test case's next basket holds at least so many items of the catalogue.
        items: Catalogue to use instead of the one that `min_users` gives.
    """
    past = events[events["timestamp"] < cutoff]
    future = events[events["timestamp"] >= cutoff]
    if end is not None:
        future = future[future["timestamp"] < end]
    if items is None:
        buyers = past.drop_duplicates(["user_id", "item_id"])["item_id"].value_counts()
        items = pd.Index(np.sort(buyers.index[buyers >= min_users].to_numpy()), name="item_id")
    past = past[past["item_id"].isin(items)]
    future = future[future["item_id"].isin(items)]
    first = future.drop_duplicates("user_id").set_index("user_id")
    basket = future[future["basket_id"].isin(first["basket_id"])].drop_duplicates(["user_id", "item_id"])
    basket = basket[basket["basket_id"] == basket["user_id"].map(first["basket_id"])]
    size = basket["user_id"].value_counts()
    cases = np.sort(size.index[size >= min_items].to_numpy())
    basket = basket[basket["user_id"].isin(cases)]
    users = pd.Index(np.union1d(past["user_id"].unique(), cases), name="user_id")
    history = past.assign(
        user=users.get_indexer(past["user_id"]).astype(np.int32),
        item=items.get_indexer(past["item_id"]).astype(np.int32),
    ).reset_index(drop=True)
    rows = pd.Index(cases).get_indexer(basket["user_id"])
    ones = np.ones(len(basket), bool)
    answers = sp.coo_matrix((ones, (rows, items.get_indexer(basket["item_id"]))), (len(cases), len(items))).tocsr()
    return Split(
        cutoff=cutoff,
        end=end if end is not None else events["timestamp"].max() + pd.Timedelta(seconds=1),
        items=items,
        users=users,
        history=history,
        test_users=users.get_indexer(cases),
        answers=answers,
        answer_times=pd.DatetimeIndex(first.loc[cases, "timestamp"]),
    )
