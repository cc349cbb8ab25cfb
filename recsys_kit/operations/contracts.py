"""Contracts on what arrives: is today's file right (notebook 17)?

A day is measured against a reference that past weeks taught, and its measures against those of past days. Rules of the
tables themselves (ids, types, times) are those of entry: `datasets.tables.problems`, by pandera.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from scipy import stats
from scipy.spatial.distance import jensenshannon

from recsys_kit.datasets.tables import Shop
from recsys_kit.operations.holidays import beside, holidays
from recsys_kit.report import progress

__all__ = [
    "CHECKS",
    "WEEKS",
    "Check",
    "Limits",
    "Reference",
    "arrivals",
    "beside",
    "holidays",
    "judge",
    "learn",
    "measure",
    "replay",
    "watched",
]

WEEKS = 8
"""Weeks of the past that teach what is usual."""


@dataclass(frozen=True)
class Check:
    """One number of a day, and what of it is unusual.

    Attributes:
        says: What it measures.
        floor: The smallest spread that is believed: in a quiet shop every trifle would be unusual.
        sides: 1: only much is wrong; -1: only little; 0: both.
        calendar: Whether it goes with the weekday, and may be unusual on a holiday.
        chance: Whether it says itself how unlikely it is: -log10 of a chance; past days are not asked.
        absence: Whether somebody is away: such a chance, with false alarms of its own.
        early: What nobody asks on a holiday itself, since shops close early and people shop for a feast: 1: whether it
            is much; -1: whether it is little; 0: nothing.
    """

    says: str
    floor: float
    sides: int = 1
    calendar: bool = False
    chance: bool = False
    absence: bool = False
    early: int = 0


CHECKS = {
    "volume": Check("rows, as a logarithm", 0.05, 0, True),
    "buyers": Check("households, as a logarithm", 0.05, 0, True),
    "freshness": Check("-log10 of the chance that nobody buys so long before midnight", 0.5, 1, True, True, early=1),
    "hours": Check("mean hour of the purchases", 0.1, 0, True, early=-1),
    "other day": Check("share of rows that are of another day", 0.002),
    "repeated": Check("share of rows that were there already, or whose basket was", 0.002),
    "prices": Check("share of rows at five times, or a fifth, of the item's usual price", 0.002),
    "price level": Check("mean logarithm of price by the item's usual price", 0.01, 0, True),
    "stores": Check(
        "-log10 of the chance that a store so much visited is away so long", 0.5, chance=True, absence=True
    ),
    "categories": Check(
        "-log10 of the chance that a category so often bought is away so long", 0.5, chance=True, absence=True
    ),
    "new category": Check("share of rows of categories that were never seen", 0.001),
    "one buyer": Check("baskets of the busiest household", 1.0, 1, True),
    "mix": Check("distance of the shares of categories from the usual ones", 0.01, 1, True, early=1),
}
_ABSENT = {"store": "stores", "category": "sold"}
_RUNG = -1_000_000  # instead of the days of an absence that has rung: it does not ring again
_LONGEST = 7  # days in a row: who is away for longer has rung, or is too rare to be missed


@dataclass(frozen=True)
class Limits:
    """How far off is too far, as it was chosen on the first half of a year (`benchmarks/operations.py`).

    Attributes:
        false_alarms: Aimed at in a month, over all checks together that are none of an absence; they share it evenly.
        absences: Aimed at in a month by the two checks of an absence together.
        tail: Degrees of freedom of Student's t: days have heavier tails than the normal curve.
        holiday: How many times wider the limits of calendar checks are on a holiday and beside it.
        clumping: Variance of a day's baskets of one store by their mean; 1 if they came by pure chance.
        closed: The chance that a store is away for one, two, three or more days for another reason than chance.
    """

    false_alarms: float = 0.1
    absences: float = 0.75
    tail: float = 10.0
    holiday: float = 2.0
    clumping: float = 1.3
    closed: tuple[float, ...] = (0.01084, 0.00189, 0.00006)

    def absence(self, check: str) -> float:
        """Chance of a false alarm of a day that a check of an absence may have: most is for stores, which may close."""
        return self.absences / 30 * (0.9 if check == "stores" else 0.1)

    @property
    def pace(self) -> float:
        """By which part of the baskets that are expected the logarithm of the chance of none falls."""
        return float(np.log(self.clumping) / (self.clumping - 1)) if self.clumping > 1 else 1.0


def arrivals(shop: Shop) -> pd.DataFrame:
    """Returns what arrived, a row a purchase: ids, `price`, `store_id`, `category`, local `day`, `hour` of that day.

    Args:
        shop: The shop. Without stores, categories or prices their checks find nothing.
    """
    events = shop.events[(shop.events["event_type"] == "purchase").to_numpy()]
    local = events["timestamp"].dt.tz_convert(shop.timezone).dt.tz_localize(None)
    day = local.dt.normalize()
    code, names = pd.factorize(events["item_id"])
    known = shop.items.drop_duplicates("item_id").set_index("item_id")["category"].astype(str).reindex(names)
    store = events["store_id"] if "store_id" in events else pd.Series("", index=events.index)
    return pd.DataFrame(
        {
            "user": pd.factorize(events["user_id"])[0],
            "item": code,
            "basket": pd.factorize(events["basket_id"])[0],
            "price": events["price"].to_numpy(float),
            "store": pd.Categorical(store.to_numpy()),
            "category": pd.Categorical(known.fillna("unknown").to_numpy()[code]),
            "day": day.to_numpy(),
            "hour": (local - day).dt.total_seconds().to_numpy() / 3600,
        }
    )


@dataclass(frozen=True)
class Reference:
    """What past weeks say of a usual day.

    Attributes:
        prices: Median logarithm of the price of each item.
        stores: Share of the baskets of each store; a share of the last week if that is smaller, since seasons end; less
            for a store that had days without any.
        sold: Share of the baskets that hold something of each category, likewise.
        categories: Share of the rows of each category.
        baskets: Ids of the baskets of the past weeks.
        ends: Hours of the last purchases of these baskets, in order.
        days: How many days the past weeks have.
        away: By column, for how many files in a row each store and each category is away; far below 0 if it has rung.
    """

    prices: pd.Series
    stores: pd.Series
    sold: pd.Series
    categories: pd.Series
    baskets: pd.Index
    ends: np.ndarray
    days: int
    away: Mapping[str, pd.Series] = field(default_factory=dict)

    def after(self, today: pd.DataFrame, limits: Limits = Limits(), near: str = "") -> Reference:
        """Returns the same after one more file: who is away for how long, and who has rung. The rest stays.

        Args:
            today: The file.
            limits: The limits.
            near: What `beside` says of the day: at a holiday no store rings, but it does after it if it stays away.
        """
        away = dict(self.away)
        for column in _ABSENT:
            run, rings = _absences(self, today, column, limits)
            away[column] = run if near and column == "store" else run.mask(run.index.isin(rings), _RUNG)
        return replace(self, away=away)


def learn(past: pd.DataFrame) -> Reference:
    """Learns what is usual.

    Args:
        past: Rows of `arrivals` of the past weeks.
    """
    priced = past[past["price"] > 0]
    ends = past.groupby("basket")["hour"].max()
    return Reference(
        np.log(priced["price"]).groupby(priced["item"]).median(),
        *_shares(past),
        past["category"].astype(str).value_counts(normalize=True),
        ends.index,
        np.sort(ends.to_numpy()),
        past["day"].nunique(),
    )


def _visits(table: pd.DataFrame) -> list[pd.DataFrame]:
    """Returns the baskets of each day: those of each store, and those that hold something of each category."""
    days, found = np.sort(table["day"].unique()), []
    for column in _ABSENT:
        once = table.drop_duplicates(["basket", column]).dropna(subset=column)
        names = pd.Categorical(once[column])
        place = np.searchsorted(days, once["day"].to_numpy()) * len(names.categories) + names.codes
        counts = np.bincount(place, minlength=len(days) * len(names.categories)).reshape(len(days), -1)
        found.append(pd.DataFrame(counts, index=pd.DatetimeIndex(days), columns=names.categories.astype(str)))
    return [*found, table.drop_duplicates("basket").groupby("day").size()]


def _shares(past: pd.DataFrame | list[pd.DataFrame]) -> list[pd.Series]:
    """Returns the share of the baskets of each store and of each category, as a `Reference` has them."""
    *visits, baskets = _visits(past) if isinstance(past, pd.DataFrame) else past
    recent, found = baskets.index > baskets.index.max() - pd.Timedelta(days=7), []
    for counts in visits:
        counts = counts.loc[:, (counts > 0).any()]
        part = np.minimum(counts.sum() / baskets.sum(), counts[recent].sum() / max(baskets[recent].sum(), 1))
        # who was without a basket on n of these days is so again with a chance of about n / days, not exp(-baskets)
        without = np.maximum((counts == 0).sum(), 1e-9) / len(baskets)
        found.append(np.minimum(part, -np.log(without) / baskets.mean()))
    return found


def watched(
    share: pd.Series, baskets: float, limits: Limits = Limits(), longest: int = _LONGEST, closes: bool = True
) -> pd.Series:
    """Returns after how many days without a basket each store (or category) rings; 0: it is too rare to be watched.

    A store that is expected to have m baskets has none in r days with a chance of about exp(-r m), and of
    `Limits.closed` for another reason, however large it is. Half of the false alarms of the check are for the first
    day, a quarter for the second, and so on. So a store that is too small to be missed on one day is missed after two
    or three, and each absence rings once.

    Args:
        share: Share of the baskets.
        baskets: How many baskets there are in a day.
        limits: The limits.
        longest: The longest absence that is looked at.
        closes: Whether they may be away for another reason than chance; categories hardly are.

    Example:
        >>> watched(pd.Series({"large": 0.02, "middle": 0.01, "small": 0.001}), baskets=500).to_dict()
        {'large': 1, 'middle': 2, 'small': 0}
    """
    runs, pace = np.arange(1, longest + 1)[:, None], share.to_numpy() * baskets * limits.pace
    closed = np.array(limits.closed)[np.minimum(runs, len(limits.closed)) - 1] if closes else 0.0
    order = np.argsort(-pace)
    any_away = (np.exp(-runs * pace[order]) + closed).cumsum(1)  # that one of those who are so large is away so long
    rings = any_away < limits.absence("stores" if closes else "categories") / 2.0**runs
    days = np.zeros(len(share), int)
    days[order] = np.where(rings.any(0), rings.argmax(0) + 1, 0)
    return pd.Series(days, index=share.index)


def _absences(known: Reference, today: pd.DataFrame, column: str, limits: Limits) -> tuple[pd.Series, pd.Index]:
    """Returns for how many files each store (or category) is away, and those that ring today."""
    share = getattr(known, _ABSENT[column])
    before = known.away.get(column, pd.Series(dtype=int)).reindex(share.index, fill_value=0)
    here = share.index.isin(today[column].unique())
    run = (before + 1).where(~here, 0)
    if column == "store":  # the day's baskets lack those of a store that is away: what it has to those of all others
        share = share.where(here, share / (1 - share).clip(1e-9))
    due = watched(share, today["basket"].nunique(), limits, closes=column == "store")
    return run, share.index[(due > 0) & (run >= due)] if len(share) > 1 else share.index[:0]


def measure(today: pd.DataFrame, known: Reference, day: pd.Timestamp, limits: Limits = Limits()) -> pd.Series:
    """Returns the numbers of `CHECKS` of one day's file.

    Args:
        today: The file: rows of `arrivals`.
        known: What is usual.
        day: The day that the file is of.
        limits: What is usual enough to be missed.
    """
    baskets = today.drop_duplicates("basket")
    hour = today["hour"] + (today["day"] - day).dt.total_seconds() / 3600
    ratio = np.log(today["price"].where(today["price"] > 0)) - today["item"].map(known.prices)
    ratio = ratio.dropna()
    names = today["category"].astype(str)
    counts = names.value_counts()
    gone = {}
    for column, share in (("store", known.stores), ("category", known.sold)):
        run, rings = _absences(known, today, column, limits)
        gone[column] = max((share[name] * run[name] for name in rings), default=0.0) * len(baskets) / np.log(10)
    later = (len(known.ends) - np.searchsorted(known.ends, hour.max(), side="right")) / known.days
    both = known.categories.index.union(counts.index)
    again = today.duplicated(["user", "item", "basket", "day", "hour"]) | today["basket"].isin(known.baskets)
    return pd.Series(
        {
            "volume": np.log(len(today)),
            "buyers": np.log(today["user"].nunique()),
            "freshness": later * limits.pace / np.log(10),
            "hours": hour.mean(),
            "other day": ((hour < 0) | (hour >= 24)).mean(),
            "repeated": again.mean(),
            "prices": (ratio.abs() > np.log(5)).mean() if len(ratio) else 0.0,
            "price level": ratio.clip(-1, 1).mean() if len(ratio) else 0.0,
            "stores": gone["store"],
            "categories": gone["category"],
            "new category": (~names.isin(known.categories.index)).mean(),
            "one buyer": float(baskets["user"].value_counts().max()),
            "mix": jensenshannon(known.categories.reindex(both, fill_value=0), counts.reindex(both, fill_value=0)),
        }
    )


def judge(
    today: pd.Series,
    usual: pd.DataFrame,
    day: pd.Timestamp,
    named: Mapping[pd.Timestamp, str] | None = None,
    limits: Limits = Limits(),
) -> pd.DataFrame:
    """Holds a day's measures to those of past days.

    Args:
        today: What `measure` returned.
        usual: The same of past days, a row a day (index: the day).
        day: The day.
        named: Holidays. On them and the days beside them what goes with the calendar has wider limits, and a store may
            be away; on the holiday itself nobody asks for what is `early`.
        limits: How far off is too far.

    Returns:
        One row a check: `value`, `usual`, `spreads` (how many spreads it is away, on the side that counts; the value
        itself if that is a chance), `chance` of so much on a usual day, `alarm`, and `holiday` (its name, where the
        limits were wider).
    """
    others = sum(not check.absence for check in CHECKS.values())
    near, itself = beside(day, named), day in (named or {})
    weekday = usual.index.day_of_week == day.day_of_week
    rows = {}
    for name, check in CHECKS.items():
        past = usual[name]
        middle, rest = past.median(), past - past.median()
        if check.calendar and weekday.sum() >= 4:
            middle = past[weekday].median()
            rest = past - past.groupby(usual.index.day_of_week).transform("median")
        spread = max(1.4826 * rest.abs().median() * np.sqrt(1 + 1 / max(weekday.sum(), 1)), check.floor)
        wide = bool(near) and (check.calendar or name == "stores")
        limit = limits.absence(name) if check.absence else limits.false_alarms / 30 / others
        away = (today[name] if check.chance else (today[name] - middle) / spread) / (limits.holiday if wide else 1)
        if (itself and check.early * away > 0) or (near and name == "stores"):
            away = 0.0  # shops close early on a holiday, or do not open; when and which, eight weeks can't tell
        away = abs(away) if check.sides == 0 else away * check.sides
        chance = 10.0**-away if check.chance else stats.t.sf(away, limits.tail) * (2 if check.sides == 0 else 1)
        rows[name] = {"value": today[name], "usual": middle, "spreads": away, "chance": chance}
        rows[name] |= {"alarm": bool(chance < limit), "holiday": near if wide else ""}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("check")


def replay(
    table: pd.DataFrame,
    weeks: int = WEEKS,
    first: pd.Timestamp | None = None,
    limits: Limits = Limits(),
    named: Mapping[pd.Timestamp, str] | None = None,
) -> tuple[pd.DataFrame, dict[pd.Timestamp, Reference]]:
    """Measures day after day as they arrive; each against the weeks before it.

    Who is usually there is learned anew each day, all else every seven days.

    Args:
        table: What `arrivals` returned.
        weeks: How many weeks teach.
        first: The first day to measure; None: as early as a fortnight has taught.
        limits: What is usual enough to be missed.
        named: Holidays, see `judge`.

    Returns:
        The measures, a row a day, and each day's reference.
    """
    days = np.sort(table["day"].unique())
    order = table.sort_values("day", kind="stable")
    starts = np.searchsorted(order["day"].to_numpy(), days)
    ends, rows, references = np.append(starts[1:], len(order)), {}, {}
    begin = int(np.searchsorted(days, np.datetime64(first))) if first is not None else 14
    known, visits = None, _visits(table)
    for place in progress(range(max(begin, 1), len(days)), "days"):
        since = np.searchsorted(days, days[place] - np.timedelta64(7 * weeks, "D"))
        if known is None or (place - begin) % 7 == 0:
            known = replace(learn(order.iloc[starts[since] : starts[place]]), away=known.away if known else {})
        stores, sold = _shares([counts.iloc[since:place] for counts in visits])
        known = replace(known, stores=stores, sold=sold)
        day, today = pd.Timestamp(days[place]), order.iloc[starts[place] : ends[place]]
        rows[day], references[day] = measure(today, known, day, limits), known
        known = known.after(today, limits, beside(day, named))
    return pd.DataFrame.from_dict(rows, orient="index"), references
