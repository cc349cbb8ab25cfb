"""From raw events to a split that a model can be trained and judged on (notebook 01).

Letters for shapes: U users, V items of the catalogue, N test cases (one a test user).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
import scipy.sparse as sp

from recsys_kit import shop_kind
from recsys_kit.datasets import samples
from recsys_kit.datasets.entry import PURCHASE
from recsys_kit.datasets.promotions import Plan, plan
from recsys_kit.datasets.tables import NotForThisShop, Shop

__all__ = ["Split", "Task", "audit", "clean", "default_cutoff", "frequency_encode", "k_core", "split_by_time", "task"]


# What figures of the next-basket task need at least; below, an interval is as wide as what it is to show.
_LEAST_ITEMS = 20
_LEAST_BACK = 10
_LEAST_PART_BACK = 0.1
_MOST_ITEMS = 20_000  # of a catalogue with all that was ever bought: each list is chosen among all of them


@dataclass(frozen=True)
class Split:
    """The next-basket task at one cutoff: the past, and the basket that each test user bought next.

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
        plan: What the shop promotes in which week, if that is known.
    """

    cutoff: pd.Timestamp
    end: pd.Timestamp
    items: pd.Index
    users: pd.Index
    history: pd.DataFrame = field(repr=False)
    test_users: np.ndarray = field(repr=False)
    answers: sp.csr_matrix = field(repr=False)
    answer_times: pd.DatetimeIndex = field(repr=False)
    plan: Plan | None = field(default=None, repr=False)

    def counts(self) -> sp.csr_matrix:
        """Returns the (U, V) matrix of how often each user bought each item before the cutoff."""
        shape = (len(self.users), len(self.items))
        ones = np.ones(len(self.history), np.float32)
        return sp.coo_matrix((ones, (self.history["user"], self.history["item"])), shape).tocsr()

    def seen(self) -> sp.csr_matrix:
        """Returns the (N, V) boolean matrix of what each test user bought before the cutoff."""
        return self.counts()[self.test_users] > 0

    def sharing(self, later: Split) -> Split:
        """Returns the split with its history as a part of a later split's, which takes memory only once.

        Args:
            later: A split of the same events by the same catalogue; of its history only the users' positions differ.
        """
        return replace(self, history=later.history.iloc[: len(self.history)].assign(user=self.history["user"]))


@dataclass(frozen=True)
class Task:
    """A shop's cleaned events, split for choosing a model (`validation`) and for judging it once (`test`).

    Both splits share the catalogue. `validation.end` is `test.cutoff`: what a model is tuned on lies before the test.

    Attributes:
        events: The cleaned events.
        cleaning: What `clean` removed, and why.
        validation: The last days before the test.
        test: The test.
        min_users: How many buyers an item of the catalogue has at least.
        min_items: How many items of the catalogue an answer holds at least.
        kind: Which kind of shop it is.
        chosen: The task, one of `shop_kind.TASKS`.
    """

    events: pd.DataFrame = field(repr=False)
    cleaning: pd.DataFrame = field(repr=False)
    validation: Split
    test: Split
    min_users: int
    min_items: int
    kind: shop_kind.Kind | None = field(default=None, repr=False)
    chosen: str = shop_kind.NEXT_BASKET


def task(
    shop: Shop,
    cutoff: str = "",
    test_days: int = 31,
    validation_days: int = 14,
    promotions: pd.DataFrame | None = None,
    judged: bool = True,
    wanted: str = "",
) -> Task:
    """Cleans a shop's events, says to itself which kind of shop it is, and splits them twice.

    The catalogue holds the items with at least 10 buyers (fewer in shops with few users), and a test basket at least
    3 of them (1 where baskets are small). Where customers discover, rare things are what they buy: then every item
    that was bought is in the catalogue, unless there are very many.

    Args:
        shop: The shop.
        cutoff: First day of the test period (YYYY-MM-DD); empty: the last `test_days` days are the test.
        test_days: Length of the test period if no cutoff is given.
        validation_days: The days before the cutoff on which models are chosen.
        promotions: What the shop promotes in which week, see `datasets.promotions`. A shop knows its own plan before
            the week begins, so this is no look into the future; None: models do without.
        judged: Whether figures are made on the splits. Then a shop on which they would mean nothing is refused: too
            few customers who come back, or hardly more items than a list holds. False for serving.
        wanted: The task, one of `shop_kind.TASKS`; empty: the one that fits the shop.

    Raises:
        ValueError: If `cutoff` is not a date, or lies outside the data, or `wanted` is no task.
        NotForThisShop: If a split has no test case, or too little to judge on.
    """
    shop_kind.check(wanted)
    events, cleaning = clean(shop)
    if events.empty:
        raise NotForThisShop(f"no event of {shop.name!r} is left after cleaning:\n{cleaning.to_string(index=False)}")
    first, last = events["timestamp"].iloc[[0, -1]]
    start = _parse_day(cutoff) if cutoff else default_cutoff(shop, test_days)
    if cutoff and not first < start <= last:
        raise ValueError(
            f"`cutoff` must be a day between the first and the last purchase, {first:%Y-%m-%d} and {last:%Y-%m-%d}. "
            f"Received: {cutoff!r}."
        )
    days = (start - first).days
    valid_start = start - pd.Timedelta(days=max(1, min(validation_days, days // 5)))
    kind = shop_kind.measure(events)
    min_users = samples.least_buyers(kind.customers)
    if kind.task != shop_kind.NEXT_BASKET and kind.items <= _MOST_ITEMS:
        min_users = 1
    lines = events.groupby(["user_id", "basket_id"], observed=True, sort=False)["item_id"].nunique()
    min_items = 3 if lines.median() >= 3 else 1
    test = split_by_time(events, start, min_users=min_users, min_items=min_items)
    validation = split_by_time(events, valid_start, end=start, min_items=min_items, items=test.items).sharing(test)
    for name, split in (("test", test), ("validation", validation)):
        if not len(split.test_users):
            raise NotForThisShop(
                f"the {name} period {split.cutoff:%Y-%m-%d} to {split.end:%Y-%m-%d} holds no basket with at least "
                f"{min_items} items of the catalogue ({len(split.items)} items with at least {min_users} buyers). "
                "Choose another `cutoff`, or bring more data."
            )
        if split.history.empty:
            raise NotForThisShop(
                f"nothing of the catalogue was bought before {split.cutoff:%Y-%m-%d}, when the {name} period begins: "
                "there is nothing to learn from. Bring a longer history, or choose a later `cutoff`."
            )
        if judged:
            _refuse_if_too_little(split, name, min_items)
    if promotions is not None:
        weeks = plan(promotions, test.items)
        test, validation = replace(test, plan=weeks), replace(validation, plan=weeks)
    return Task(events, cleaning, validation, test, min_users, min_items, kind, kind.choose(wanted))


def _refuse_if_too_little(split: Split, name: str, min_items: int) -> None:
    if len(split.items) < _LEAST_ITEMS:
        raise NotForThisShop(
            f"the catalogue holds {len(split.items)} items that enough customers bought: a list of 10 says something "
            f"only among {_LEAST_ITEMS} or more"
        )
    cases, back = len(split.test_users), int(np.isin(split.test_users, split.history["user"]).sum())
    if back < max(_LEAST_BACK, _LEAST_PART_BACK * cases):
        bought = f"bought {min_items} items of the catalogue at once" if min_items > 1 else "bought"
        period = f"in the {name} period from {split.cutoff:%Y-%m-%d}"
        if back == cases:
            had = f"only {cases:,} customers {bought} {period}"
        else:
            had = f"of the {cases:,} customers who {bought} {period} only {back:,} had bought before"
        raise NotForThisShop(
            f"{had}: predicting what they buy next needs {_LEAST_BACK} who had bought before, "
            f"and {_LEAST_PART_BACK:.0%} of all: bring more data, or choose an earlier `cutoff`"
        )


def clean(shop: Shop) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Removes rows that are not the sale of merchandise, and says how many and why.

    A row that breaks several rules is counted once, under the first of them, so the report adds up to the rows lost.

    Returns:
        The cleaned events in time order, and a report with the columns step, why, rows_before, removed.
    """
    events = shop.events
    merchandise = shop.items.loc[shop.items["is_merchandise"], "item_id"]
    purchase = (events["event_type"] == PURCHASE).to_numpy()
    known, sold = _isin(events["item_id"], shop.items["item_id"], merchandise)
    rules = [
        ("duplicates", "the same row twice", ~events.duplicated().to_numpy()),
        ("not a purchase", "views and clicks are no baskets", purchase),
        ("unknown item", "item_id is not in items", known),
        ("not merchandise", "fuel, coupons, stamps, donations", sold),
        ("quantity", "quantity is 0 or less: returns, corrections", ~(events["quantity"] <= 0).to_numpy()),
        ("price", "price is 0: given away, or a correction", ~(events["price"] <= 0).to_numpy()),
    ]
    kept = np.ones(len(events), bool)
    report = []
    for step, why, passes in rules:
        report.append((step, why, int(kept.sum()), int((kept & ~passes).sum())))
        kept &= passes
    return _in_time_order(events[kept]), pd.DataFrame(report, columns=["step", "why", "rows_before", "removed"])


def audit(shop: Shop) -> pd.DataFrame:
    """Counts what is odd in a shop's tables. Nothing is removed: some of it is an error, some of it is the trade.

    Returns:
        One row a check, with the columns table, check, rows (how many fail) and share (of the table's rows).
    """
    events, items, users = shop.events, shop.items, shop.users
    usual = events["quantity"].quantile(0.95)
    attributes = [c for c in items.columns if c not in ("item_id", "is_merchandise")]
    known = users.drop(columns="user_id")
    checks = [
        ("events", "the same row twice", events.duplicated()),
        ("events", "item_id is not in items", ~_isin(events["item_id"], items["item_id"])[0]),
        ("events", "quantity is 0 or less", events["quantity"] <= 0),
        ("events", f"quantity above {10 * usual:g} (10 x the 95th percentile)", events["quantity"] > 10 * usual),
        ("events", "price is not known", events["price"].isna()),
        ("events", "price is 0", events["price"] == 0),
        ("items", "item_id twice", items["item_id"].duplicated()),
        ("items", "all attributes equal an earlier item's", items.duplicated(attributes)),
        ("items", "category is not known", items["category"] == "unknown"),
        ("items", "never sold", ~_isin(items["item_id"], events["item_id"])[0]),
        ("users", "no attribute is known", known.isna().all(axis=1)),
    ]
    rows = [(table, check, int(fails.sum()), float(fails.mean())) for table, check, fails in checks]
    return pd.DataFrame(rows, columns=["table", "check", "rows", "share"])


def k_core(events: pd.DataFrame, min_users: int, min_items: int) -> tuple[pd.DataFrame, int]:
    """Keeps the items with enough users and the users with enough items, repeated until nothing changes.

    One pass is not enough: a user who leaves takes a buyer away from every item in the basket.

    Args:
        events: Events with `user_id` and `item_id`.
        min_users: An item is kept if at least so many different users bought it.
        min_items: A user is kept if he or she bought at least so many different items.

    Returns:
        The events that are left, and the number of passes.

    Example:
        >>> events = pd.DataFrame({"user_id": list("aabbc"), "item_id": list("xyxyz")})
        >>> k_core(events, min_users=2, min_items=2)[0]["user_id"].tolist()
        ['a', 'a', 'b', 'b']
    """
    user, users = pd.factorize(events["user_id"])
    item, items = pd.factorize(events["item_id"])
    pair_user, pair_item = np.divmod(pd.unique(user.astype(np.int64) * len(items) + item), max(len(items), 1))
    kept, passes = np.ones(len(pair_user), bool), 0
    while True:
        enough_users = np.bincount(pair_item[kept], minlength=len(items)) >= min_users
        enough_items = np.bincount(pair_user[kept], minlength=len(users)) >= min_items
        still = kept & enough_users[pair_item] & enough_items[pair_user]
        if still.sum() == kept.sum():
            return events[enough_users[item] & enough_items[user]], passes
        kept, passes = still, passes + 1


def frequency_encode(training: pd.Series, values: pd.Series) -> pd.Series:
    """Replaces each category by its share of the training rows; a category that training never held becomes 0.

    Example:
        >>> frequency_encode(pd.Series(["milk", "milk", "tea", "milk"]), pd.Series(["tea", "milk", "mate"])).tolist()
        [0.25, 0.75, 0.0]
    """
    return values.map(training.value_counts(normalize=True)).astype(float).fillna(0.0)


def default_cutoff(shop: Shop, test_days: int = 31) -> pd.Timestamp:
    """Returns midnight UTC of the first test day; days are counted as the shop's local days.

    *Which* day: the shop closes its books by local days, so the test is the last `test_days` local days. A shop with
    a short history keeps at least four fifths of it for training. *Which instant* of that day: midnight UTC, because
    the course's reference figures compare the stored UTC timestamps with the date. In New York the test therefore
    starts some hours before local midnight. That leaks nothing: a split is one instant, and everything before it is
    past, for every user alike.

    Args:
        shop: The shop.
        test_days: Wanted length of the test period in days.
    """
    if test_days < 1:
        raise ValueError(f"`test_days` must be at least 1. Received: test_days={test_days}.")
    times = shop.events["timestamp"]
    first, last = (time.tz_convert(shop.timezone).tz_localize(None).normalize() for time in (times.min(), times.max()))
    days = max(1, min(test_days, ((last - first).days + 1) // 5))
    return (last - pd.Timedelta(days=days - 1)).tz_localize("UTC")


def split_by_time(
    events: pd.DataFrame,
    cutoff: pd.Timestamp,
    end: pd.Timestamp | None = None,
    min_users: int = 10,
    min_items: int = 3,
    items: pd.Index | None = None,
) -> Split:
    """Splits events at an instant, as a shop lives: the past to learn from, each user's next basket to predict.

    A user's next basket is the first one from the cutoff on that holds an item of the catalogue. A basket that began
    before the cutoff is no answer: its beginning is already in the history.

    Args:
        events: Cleaned events.
        cutoff: First instant of the future (UTC).
        end: First instant after the test period; None for the end of the data.
        min_users: The catalogue holds the items that at least so many users bought before the cutoff.
        min_items: A test case's next basket holds at least so many items of the catalogue.
        items: Catalogue to use instead of the one that `min_users` gives.

    Raises:
        ValueError: If `cutoff` or `end` has no time zone, or `end` is not after `cutoff`.
    """
    for name, time in (("cutoff", cutoff), ("end", end)):
        if time is not None and time.tzinfo is None:
            raise ValueError(f"`{name}` must have a time zone (timestamps are UTC). Received: {time!r}.")
    if end is not None and end <= cutoff:
        raise ValueError(f"`end` must be after `cutoff`. Received: cutoff={cutoff}, end={end}.")
    if not events["timestamp"].is_monotonic_increasing:
        events = _in_time_order(events)
    past = (events["timestamp"] < cutoff).to_numpy()
    future = ~past if end is None else ~past & (events["timestamp"] < end).to_numpy()
    user, user_ids = pd.factorize(events["user_id"])
    item, item_ids = pd.factorize(events["item_id"])
    if items is None:
        bought = pd.unique(user[past].astype(np.int64) * len(item_ids) + item[past])  # each (user, item) pair once
        buyers = np.bincount(bought % max(len(item_ids), 1), minlength=len(item_ids))
        items = pd.Index(np.sort(item_ids[buyers >= min_users].to_numpy()), name="item_id")
    column = np.append(items.get_indexer(item_ids), -1)[item]  # position in the catalogue, -1: not in it
    basket, _ = pd.factorize(pd.factorize(events["basket_id"])[0].astype(np.int64) * len(user_ids) + user)
    begun = np.zeros(len(events), bool)
    begun[basket[past]] = True
    past, future = past & (column >= 0), future & (column >= 0) & ~begun[basket]

    rows = pd.DataFrame({"user": user, "basket": basket, "column": column})[future]  # index: position in events
    first = rows.drop_duplicates("user").set_index("user")["basket"]
    rows = rows[rows["basket"] == rows["user"].map(first)].drop_duplicates(["user", "column"])
    size = rows["user"].value_counts()
    rows = rows[rows["user"].isin(size.index[size >= min_items])]

    test_ids = pd.Index(np.sort(user_ids[rows["user"].unique()].to_numpy()), name="user_id")
    users = pd.Index(np.union1d(user_ids[pd.unique(user[past])].to_numpy(), test_ids.to_numpy()), name="user_id")
    history = events[past].assign(
        user=users.get_indexer(user_ids)[user[past]].astype(np.int32), item=column[past].astype(np.int32)
    )
    case = test_ids.get_indexer(user_ids)[rows["user"]]
    starts = pd.Series(rows.index, index=case).groupby(level=0).min()  # in the order of the cases
    shape = (len(test_ids), len(items))
    return Split(
        cutoff=cutoff,
        end=end if end is not None else events["timestamp"].max() + pd.Timedelta(seconds=1),
        items=items,
        users=users,
        history=history.reset_index(drop=True),
        test_users=users.get_indexer(test_ids),
        answers=sp.coo_matrix((np.ones(len(rows), bool), (case, rows["column"])), shape).tocsr(),
        answer_times=pd.DatetimeIndex(events["timestamp"].iloc[starts.to_numpy()]),
    )


def _isin(values: pd.Series, *allowed: pd.Series) -> list[np.ndarray]:
    """Looks each distinct value up once, in an index, which takes far less time than `isin` on strings."""
    codes, distinct = pd.factorize(values)
    found = [pd.Index(some.unique()).get_indexer(distinct) >= 0 for some in allowed]
    return [np.append(known, False)[codes] for known in found]


def _in_time_order(events: pd.DataFrame) -> pd.DataFrame:
    return events.sort_values(["timestamp", "user_id", "basket_id"], kind="stable", ignore_index=True)


def _parse_day(text: str) -> pd.Timestamp:
    try:
        return pd.to_datetime(text, format="%Y-%m-%d").tz_localize("UTC")
    except ValueError:
        raise ValueError(f"`cutoff` must be a day written YYYY-MM-DD. Received: {text!r}.") from None
