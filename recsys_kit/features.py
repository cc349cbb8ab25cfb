"""Features of users, items and their interactions, computed strictly from before a cutoff (notebook 02).

Letters for shapes: U users, V items, N test cases, R rows (one a user and item of the history), D width.
Whatever is unknown stays NaN; a shop without prices, discounts, categories or attributes gets the same columns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import scipy.sparse as sp

from recsys_kit.datasets.items import item_types
from recsys_kit.evaluation import Scorer
from recsys_kit.neural import text_encoder
from recsys_kit.preprocessing import Split

__all__ = [
    "INTERACTION_DECAYS",
    "PAIR_COLUMNS",
    "RANKING_COLUMNS",
    "category_profile",
    "circular_hour",
    "interaction_features",
    "item_features",
    "labels",
    "ranking_features",
    "table_scorer",
    "text_embeddings",
    "user_baskets",
    "user_features",
    "varying",
]

INTERACTION_DECAYS = (7, 30, 90, 365)
"""Memories, in days, of the decayed counts: a purchase of so many days ago counts 1/e."""

PAIR_COLUMNS = (
    "count",
    *(f"decayed_{days}" for days in INTERACTION_DECAYS),
    "basket_share",
    "visits_since",
    "recency_days",
    "gap_days",
    "overdue",
)
"""Of `interaction_features`, those that a user's own rows say, without a clock or another user."""

RANKING_COLUMNS = (*PAIR_COLUMNS, "hour_match", "buyers_60d", "repeat_rate", "frequency", "basket_size")
"""The columns of `ranking_features` that a model learns from."""

_DAY = pd.Timedelta(days=1)


def user_features(
    events: pd.DataFrame, items: pd.DataFrame, users: pd.DataFrame, cutoff: pd.Timestamp, timezone: str
) -> pd.DataFrame:
    """Describes every user by what happened before the cutoff.

    Args:
        events: Cleaned events; those at or after `cutoff` are not looked at.
        items: Item table; an item's type is its pair of category and product type.
        users: User table; its attributes are appended, the missing ones as "unknown" (text) or NaN (numbers).
        cutoff: First instant of the future (UTC).
        timezone: Zone of the shop; hours and weekdays are local.

    Returns:
        One row for each row of `users` (index `user_id`). `recency_days`, `frequency` (baskets) and `monetary`
        (spend) are RFM; `tenure_days`, `basket_size` (items), `price_level` (1.1: pays 10% more than usual for the
        same type of item), `promotion_affinity` (share of spend on discounted rows), `hour` (preferred local hour,
        0 to 24), `hour_focus` (0: any hour, 1: always the same), `weekend_share`, `kinds` (how many item types)
        and `attributes_known` (share of the user's attributes that are recorded).
    """
    past = _past(events, cutoff)
    index = pd.Index(users["user_id"], name="user_id")
    user = index.get_indexer(past["user_id"])
    past, user = past[user >= 0], user[user >= 0]
    item_type = pd.factorize(item_types(items, past["item_id"]))[0]
    local = past["timestamp"].dt.tz_convert(timezone)
    spend = past["price"] * past["quantity"]
    typical = past["price"].groupby(item_type).transform("median")
    rows = pd.DataFrame(
        {
            "age": (cutoff - past["timestamp"]) / _DAY,
            "spend": spend,
            "on_discount": spend.where(past["discount"] > 0, 0.0).where(past["discount"].notna()),
            "priced": spend.where(past["discount"].notna()),
            "log_ratio": np.log(past["price"].where(past["price"] > 0) / typical.where(typical > 0)),
            "weekend": (local.dt.day_of_week >= 5).astype(float),
        }
    )
    groups = rows.groupby(user)
    sums = groups[["spend", "on_discount", "priced"]].sum(min_count=1)
    table = pd.DataFrame(index=range(len(index)))
    table["recency_days"] = groups["age"].min()
    table["tenure_days"] = groups["age"].max()
    table["frequency"] = frequency = _distinct(user, past["basket_id"])
    table["monetary"] = sums["spend"]
    table["basket_size"] = _distinct(user, past["basket_id"], past["item_id"]) / frequency
    table["price_level"] = np.exp(groups["log_ratio"].mean())
    table["promotion_affinity"] = sums["on_discount"] / sums["priced"]
    hours = (local.dt.hour + local.dt.minute / 60).to_numpy()
    table["hour"], table["hour_focus"] = circular_hour(hours, user, len(index))
    table["weekend_share"] = groups["weekend"].mean()
    table["kinds"] = _distinct(user, item_type)
    table[["frequency", "kinds"]] = table[["frequency", "kinds"]].fillna(0)
    table.index = index
    attributes = users.set_index("user_id")
    known = attributes.notna() & (attributes != "unknown")
    table["attributes_known"] = known.mean(axis=1) if len(attributes.columns) else np.nan
    for column, values in attributes.items():
        name = f"{column}_attribute" if column in table else column  # a shop's own "frequency" replaces nothing
        table[name] = values if pd.api.types.is_numeric_dtype(values) else values.astype("str").fillna("unknown")
    return table


def category_profile(
    events: pd.DataFrame, items: pd.DataFrame, cutoff: pd.Timestamp, column: str = "department"
) -> pd.DataFrame:
    """Returns, for each user of the past, the share of bought rows in each category; rows sum to 1.

    Args:
        events: Cleaned events; those at or after `cutoff` are not looked at.
        items: Item table.
        cutoff: First instant of the future (UTC).
        column: Which column of `items` holds the category.
    """
    past = _past(events, cutoff)
    category = past["item_id"].map(items.set_index("item_id")[column]).fillna("unknown")
    counts = pd.crosstab(past["user_id"], category.astype("str"))
    return counts.div(counts.sum(axis=1), axis=0).rename_axis(columns=column)


def item_features(events: pd.DataFrame, items: pd.DataFrame, cutoff: pd.Timestamp) -> pd.DataFrame:
    """Describes every item by what happened before the cutoff.

    Args:
        events: Cleaned events; those at or after `cutoff` are not looked at.
        items: Item table.
        cutoff: First instant of the future (UTC).

    Returns:
        One row for each row of `items` (index `item_id`): `price` (median paid), `price_ratio` (to the median item of
        its type), `units`, `buyers`, `buyers_60d` (in the last 60 days), `repeat_rate` (share of buyers who bought it
        in a second basket, drawn to the shop's mean where there are few buyers), `discount_depth` (share of the regular
        price that was let off), `promoted_share` (of rows sold with a discount), `age_days` (since the first
        sale), and `category`, `department`, `brand` as they are.
    """
    past = _past(events, cutoff)
    index = pd.Index(items["item_id"], name="item_id")
    item = index.get_indexer(past["item_id"])
    past, item = past[item >= 0], item[item >= 0]
    age = (cutoff - past["timestamp"]) / _DAY
    rows = pd.DataFrame(
        {
            "price": past["price"],
            "units": past["quantity"],
            "age": age,
            "let_off": past["discount"] * past["quantity"],
            "regular": (past["price"] + past["discount"]) * past["quantity"],
            "promoted": (past["discount"] > 0).astype(float).where(past["discount"].notna()),
        }
    )
    groups = rows.groupby(item)
    sums = groups[["let_off", "regular"]].sum(min_count=1)
    table = pd.DataFrame(index=range(len(index)))
    table["price"] = groups["price"].median()
    typical = table["price"].groupby(pd.factorize(item_types(items, index))[0]).transform("median")
    table["price_ratio"] = table["price"] / typical
    table["units"] = groups["units"].sum().reindex(table.index, fill_value=0).astype(float)
    table = table.join(_buyers(item, past["user_id"], past["basket_id"], (age <= 60).to_numpy(), len(index)))
    table["discount_depth"] = sums["let_off"] / sums["regular"]
    table["promoted_share"] = groups["promoted"].mean()
    table["age_days"] = groups["age"].max()
    table.index = index
    for column in ("category", "department", "brand"):
        table[column] = items[column].to_numpy() if column in items else "unknown"
    return table


def text_embeddings(
    titles: Sequence[str], encode: Callable[[list[str]], np.ndarray] | None = None, block: int = 512
) -> np.ndarray:
    """Returns the (V, D) pretrained embedding of each title; each distinct title is encoded once.

    Args:
        titles: V texts.
        encode: Function from texts to (texts, D) vectors; None for the encoder that ships with the kit
            (`text_encoder.load`, D = 512, vectors of length 1).
        block: How many texts are encoded at once; bounds the memory.
    """
    return text_encoder.encode(titles, encode, block)


def interaction_features(split: Split, at: pd.DatetimeIndex | None = None, timezone: str = "UTC") -> pd.DataFrame:
    """Describes each user and item of the history: how often, how lately, how regularly.

    Args:
        split: The task; only `split.history` is read, which ends at the cutoff.
        at: (N,) moments at which the test cases are looked at, such as `split.answer_times` (a server knows when a
            user comes back): the table then holds the test cases only, and a column `case`. None: all users, at the
            cutoff.
        timezone: Zone of the shop, for `hour_match`.

    Returns:
        One row for each user and item of the history, in the order of `user`, `item` (positions in the split):
        `count` (baskets), `decayed_7` ... `decayed_365` (each purchase weighs exp(-age / days)), `basket_share`
        (count by the user's baskets), `visits_since` (baskets since the last purchase), `recency_days`, `gap_days`
        (mean days between purchases, at least 1; NaN if bought once), `overdue` (recency by gap), and `hour_match`
        (how much more than usual the item sells around this local hour, a log ratio; without `at`, around the user's
        own preferred hour).

    Raises:
        ValueError: If `at` does not hold one moment for each test case, at or after the cutoff.
    """
    history, basket = _lines(split)
    now = np.full(len(split.users), split.cutoff.value, np.int64)
    if at is not None:
        at = pd.DatetimeIndex(at)
        if len(at) != len(split.test_users) or at.min() < split.cutoff:
            raise ValueError(
                "`at` must hold one moment for each test case, none before the cutoff. Received: "
                f"{len(at)} moments from {at.min()} for {len(split.test_users)} cases and cutoff {split.cutoff}."
            )
        now[split.test_users] = at.as_unit("ns").asi8
        asked = np.isin(history["user"], split.test_users)
        history, basket = history[asked], pd.factorize(basket[asked])[0]
    user, item = history["user"].to_numpy(np.int64), history["item"].to_numpy(np.int64)
    time = history["timestamp"].dt.as_unit("ns").astype("int64").to_numpy()
    age = (now[user] - time) / _DAY.value  # days

    pair, row = np.unique(user * len(split.items) + item, return_inverse=True)  # (R,), one a history row
    table = pd.DataFrame({"user": pair // len(split.items), "item": pair % len(split.items)}).astype(np.int32)
    if at is not None:
        table.insert(0, "case", np.searchsorted(split.test_users, table["user"]).astype(np.int32))
    count = np.bincount(row, minlength=len(pair))
    table["count"] = count.astype(np.float32)
    for days in INTERACTION_DECAYS:
        table[f"decayed_{days}"] = np.bincount(row, np.exp(-age / days), len(pair)).astype(np.float32)
    first, last = np.full(len(pair), -np.inf), np.full(len(pair), np.inf)
    np.maximum.at(first, row, age)
    np.minimum.at(last, row, age)

    visit, baskets = _visit_numbers(user, basket, time, len(split.users))
    latest = np.zeros(len(pair), np.int64)
    np.maximum.at(latest, row, visit)
    owner = table["user"].to_numpy()
    table["basket_share"] = (count / np.maximum(baskets[owner], 1)).astype(np.float32)
    table["visits_since"] = (baskets[owner] - latest).astype(np.float32)
    table["recency_days"] = last.astype(np.float32)
    gap = np.where(count > 1, np.maximum((first - last) / np.maximum(count - 1, 1), 1), np.nan)
    table["gap_days"] = gap.astype(np.float32)
    table["overdue"] = (last / gap).astype(np.float32)
    table["hour_match"] = _hour_match(split, None if at is None else now, timezone)(owner, table["item"].to_numpy())
    return table


def varying(table: pd.DataFrame, columns: Sequence[str]) -> list[str]:
    """Returns the columns that are not the same in every row: the others tell nothing, and have no spread to divide by.

    Example:
        >>> varying(pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, None], "c": [None, None]}), ["a", "b", "c"])
        ['a']
    """
    numbers = table[list(columns)].astype(float)
    spread = numbers.max() - numbers.min()
    return spread.index[spread > 1e-6].tolist()  # less is rounding


def labels(split: Split, table: pd.DataFrame) -> np.ndarray:
    """Returns (R,) booleans: whether the next basket of a row's `case` holds its `item`."""
    if table.empty:  # nobody who comes in this window has a history; SciPy would return a matrix
        return np.zeros(0, bool)
    return np.asarray(split.answers[table["case"].to_numpy(), table["item"].to_numpy()]).ravel().astype(bool)


def ranking_features(split: Split, timezone: str) -> pd.DataFrame:
    """Joins what a ranking model may know when each test user comes back: interaction, item and user features.

    Args:
        split: The task.
        timezone: Zone of the shop.

    Returns:
        One row for each test case and item of its history: `case`, `user`, `item` and `RANKING_COLUMNS`.
    """
    table = interaction_features(split, split.answer_times, timezone)
    recent = (split.history["timestamp"] >= split.cutoff - 60 * _DAY).to_numpy()
    item, user, basket = (split.history[name] for name in ("item", "user", "basket_id"))
    item = _buyers(item.to_numpy(), user, basket, recent, len(split.items))[["buyers_60d", "repeat_rate"]]
    user = user_baskets(split).assign(basket_size=lambda table: table.pop("lines") / table["frequency"])
    return table.join(item, on="item").join(user, on="user")


def user_baskets(split: Split) -> pd.DataFrame:
    """Returns for each user with a history (index) `frequency` (baskets) and `lines` (items in all of them)."""
    history, basket = _lines(split)
    rows = pd.Series(basket).groupby(history["user"].to_numpy())
    return pd.DataFrame({"frequency": rows.nunique(), "lines": rows.size()})


def table_scorer(split: Split, table: pd.DataFrame, values: np.ndarray) -> Scorer:
    """Ranks each case's history by one value a row; what is not in the table follows, by popularity of 60 days.

    Args:
        split: The task.
        table: R rows with `case` and `item`, such as `ranking_features` returns.
        values: (R,) values, larger is better; NaN comes last in the history; popularity breaks ties.

    Returns:
        A function from rows (B,) of the split's test cases to scores (B, V).
    """
    rank = pd.Series(np.asarray(values)).groupby(table["case"].to_numpy()).rank(na_option="top")  # 1 and more
    matrix = sp.csr_matrix((rank.to_numpy(np.float32), (table["case"], table["item"])), split.answers.shape)
    recent = split.history["timestamp"] >= split.cutoff - 60 * _DAY
    sales = np.log1p(np.bincount(split.history["item"][recent], minlength=len(split.items)))
    popular = (0.4 * sales / max(1, sales.max(initial=0))).astype(np.float32)  # below the step between two ranks
    return lambda rows: matrix[rows].toarray() + popular


def circular_hour(hours: np.ndarray, groups: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Averages hours on the clock's circle, group by group: 23 h and 1 h make 0 h, not 12 h.

    Args:
        hours: (rows,) hours, 0 to 24.
        groups: (rows,) group of each row, 0 to size - 1.
        size: How many groups there are.

    Returns:
        (size,) mean hours, NaN for an empty group, and (size,) focus: 1 if all hours are equal, 0 if they cancel out.

    Example:
        >>> hour, focus = circular_hour(np.array([5.0, 7.0]), np.array([0, 0]), 1)
        >>> round(float(hour[0]), 6), round(float(focus[0]), 3)
        (6.0, 0.966)
    """
    angle = np.asarray(hours) * (2 * np.pi / 24)
    x, y = (np.bincount(groups, f(angle), size) for f in (np.cos, np.sin))
    empty = (rows := np.bincount(groups, minlength=size)) == 0
    hour = np.where(empty, np.nan, np.arctan2(y, x) * (24 / (2 * np.pi)) % 24)
    return hour, np.where(empty, np.nan, np.hypot(x, y) / np.maximum(rows, 1))


def _past(events: pd.DataFrame, cutoff: pd.Timestamp) -> pd.DataFrame:
    """The one gate: every feature starts from these rows."""
    if cutoff.tzinfo is None:
        raise ValueError(f"`cutoff` must have a time zone, as the timestamps have. Received: {cutoff}.")
    return events[events["timestamp"] < cutoff]


def _distinct(group: np.ndarray, *keys: pd.Series | np.ndarray) -> pd.Series:
    """Counts the distinct keys of each group."""
    frame = pd.DataFrame({"group": group} | {i: pd.factorize(key)[0] for i, key in enumerate(keys)})
    return frame.drop_duplicates()["group"].value_counts().astype(float)


def _buyers(item: np.ndarray, user: pd.Series, basket: pd.Series, recent: np.ndarray, size: int) -> pd.DataFrame:
    """Returns `buyers`, `buyers_60d` and `repeat_rate` of items 0 to size - 1, from what each row of a history says."""
    user, basket = (pd.factorize(names, use_na_sentinel=False)[0] for names in (user, basket))
    users = user.max(initial=0) + 1
    rows = pd.DataFrame({"basket": basket, "recent": recent}).groupby(item.astype(np.int64) * users + user)
    pairs = pd.DataFrame({"buyers": True, "buyers_60d": rows["recent"].any(), "repeats": rows["basket"].nunique() > 1})
    table = pairs.groupby(pairs.index // users).sum().reindex(range(size), fill_value=0).astype(float)
    repeats = table.pop("repeats") + 10 * (pairs["repeats"].mean() if len(pairs) else 0.0)
    return table.assign(repeat_rate=repeats / (table["buyers"] + 10))


def _lines(split: Split) -> tuple[pd.DataFrame, np.ndarray]:
    """Returns the history with each item of a basket once, and a number for the basket of each row: 0, 1, ..."""
    history, shop_wide = split.history, pd.factorize(split.history["basket_id"], use_na_sentinel=False)[0]
    basket = pd.factorize(history["user"].to_numpy(np.int64) * (shop_wide.max(initial=0) + 1) + shop_wide)[0]
    again = pd.Series(basket * len(split.items) + history["item"].to_numpy()).duplicated().to_numpy()
    return history[~again], basket[~again]


def _visit_numbers(user: np.ndarray, basket: np.ndarray, time: np.ndarray, users: int) -> tuple[np.ndarray, np.ndarray]:
    """Counts each user's baskets (`basket`: 0, 1, ...) in time order; returns which a row's is, and (U,) how many."""
    starts = pd.DataFrame({"user": user, "time": time, "basket": basket}).drop_duplicates("basket")
    starts = starts.sort_values(["user", "time", "basket"], kind="stable")
    number = pd.Series(starts.groupby("user").cumcount().to_numpy() + 1, starts["basket"]).sort_index().to_numpy()
    return number[basket], np.bincount(starts["user"], minlength=users)


def _hour_match(split: Split, now: np.ndarray | None, timezone: str) -> Callable:
    """Returns a function from users and items to how much more than usual the item sells at the user's hour."""
    history = split.history
    hour = history["timestamp"].dt.tz_convert(timezone).dt.hour.to_numpy()
    if now is None:
        own, _ = circular_hour(hour + 0.5, history["user"].to_numpy(), len(split.users))
        own = np.nan_to_num(own).astype(int) % 24  # (U,)
    else:
        own = pd.to_datetime(now, utc=True).tz_convert(timezone).hour.to_numpy()
    sold = np.bincount(history["item"].to_numpy(np.int64) * 24 + hour, minlength=len(split.items) * 24).reshape(-1, 24)
    around = sold + np.roll(sold, 1, 1) + np.roll(sold, -1, 1)  # an hour and its neighbours; 23 and 0 are neighbours
    usual = around.sum(0) / max(sold.sum(), 1)  # (24,)
    share = (around + 50 * usual) / (sold.sum(1, keepdims=True) + 50)  # an item with few sales stays near the usual
    ratio = np.log(np.maximum(share, 1e-9) / np.maximum(usual, 1e-9)).astype(np.float32)
    return lambda user, item: ratio[item, own[user]]
