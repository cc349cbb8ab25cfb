"""Contracts on what arrives: is today's file right (notebook 17)?

A day is measured against a reference that past weeks taught, and its measures against those of past days. Rules of the
tables themselves (ids, types, times) are those of entry: `datasets.tables.problems`, by pandera.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from scipy import stats
from scipy.spatial.distance import jensenshannon

from recsys_kit.datasets.tables import Shop
from recsys_kit.report import progress

__all__ = [
    "CHECKS",
    "WEEKS",
    "Check",
    "Limits",
    "Reference",
    "arrivals",
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
        absence: Whether it says itself how unlikely it is: -log10 of a chance; past days are not asked.
    """

    says: str
    floor: float
    sides: int = 1
    calendar: bool = False
    absence: bool = False


CHECKS = {
    "volume": Check("rows, as a logarithm", 0.05, 0, True),
    "buyers": Check("households, as a logarithm", 0.05, 0, True),
    "freshness": Check("hours from the last purchase to midnight", 0.05, 1, True),
    "hours": Check("mean hour of the purchases", 0.1, 0, True),
    "other day": Check("share of rows that are of another day", 0.002),
    "repeated": Check("share of rows that were there already, or whose basket was", 0.002),
    "prices": Check("share of rows at five times, or a fifth, of the item's usual price", 0.002),
    "price level": Check("mean logarithm of price by the item's usual price", 0.01, 0, True),
    "stores": Check("-log10 of the chance that a store so much visited is away so long", 0.5, 1, absence=True),
    "categories": Check("-log10 of the chance that a category so much bought is away so long", 0.5, 1, absence=True),
    "new category": Check("share of rows of categories that were never seen", 0.001),
    "one buyer": Check("baskets of the busiest household", 1.0, 1, True),
    "mix": Check("distance of the shares of categories from the usual ones", 0.01, 1, True),
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
    """

    false_alarms: float = 0.25
    absences: float = 0.25
    tail: float = 6.0
    holiday: float = 2.0
    clumping: float = 1.3

    @property
    def absence(self) -> float:
        """Chance of a false alarm of a day that a check of an absence may have."""
        return self.absences / 30 / 2


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


def holidays(years: Iterable[int], timezone: str) -> dict[pd.Timestamp, str]:
    """Returns the holidays of a shop's country by day, as pandas knows them; empty where it knows none.

    Args:
        years: Years to name.
        timezone: Zone of the shop; American ones have American holidays. Others bring their own calendar.
    """
    from pandas.tseries import holiday

    if not timezone.startswith(("America/New_York", "America/Chicago", "America/Denver", "America/Los", "US/")):
        return {}
    own = [
        holiday.Holiday("Christmas Eve", month=12, day=24),
        holiday.Holiday("New Year's Eve", month=12, day=31),
        holiday.Holiday("Easter Sunday", month=1, day=1, offset=[holiday.Easter()]),
    ]
    calendar = holiday.AbstractHolidayCalendar("shop", [*holiday.USFederalHolidayCalendar.rules, *own])
    found = {}
    for year in years:
        named = calendar.holidays(f"{year}-01-01", f"{year}-12-31", return_name=True)
        found |= {day: name for day, name in named.items() if "Observed" not in str(name)}
    return found


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
        away: By column, for how many files in a row each store and each category is away; far below 0 if it has rung.
    """

    prices: pd.Series
    stores: pd.Series
    sold: pd.Series
    categories: pd.Series
    baskets: pd.Index
    away: Mapping[str, pd.Series] = field(default_factory=dict)

    def after(self, today: pd.DataFrame, limits: Limits = Limits()) -> Reference:
        """Returns the same after one more file: who is away for how long, and who has rung. The rest stays."""
        away = dict(self.away)
        for column in _ABSENT:
            run, rings = _absences(self, today, column, limits)
            away[column] = run.mask(run.index.isin(rings), _RUNG)
        return replace(self, away=away)


def learn(past: pd.DataFrame) -> Reference:
    """Learns what is usual.

    Args:
        past: Rows of `arrivals` of the past weeks.
    """
    priced = past[past["price"] > 0]
    baskets = past.drop_duplicates("basket")
    recent, days = past["day"] > past["day"].max() - pd.Timedelta(days=7), past["day"].nunique()
    a_day = len(baskets) / days

    def share(column: str) -> pd.Series:
        once = past.drop_duplicates(["basket", column])
        late = once[recent.loc[once.index].to_numpy()]
        part = once[column].value_counts() / len(baskets)
        part = np.minimum(part, late[column].value_counts().reindex(part.index) / max(late["basket"].nunique(), 1))
        # who was without a basket on n of these days is so again with a chance of about n / days, not exp(-baskets)
        without = days - once.drop_duplicates(["day", column])[column].value_counts().reindex(part.index)
        part = np.minimum(part, -np.log(np.maximum(without, 1e-9) / days) / a_day)
        return part.set_axis(part.index.astype(str))

    return Reference(
        np.log(priced["price"]).groupby(priced["item"]).median(),
        share("store"),
        share("category"),
        past["category"].astype(str).value_counts(normalize=True),
        pd.Index(baskets["basket"]),
    )


def watched(share: pd.Series, baskets: float, limits: Limits = Limits(), longest: int = _LONGEST) -> pd.Series:
    """Returns after how many days without a basket each store (or category) rings; 0: it is too rare to be watched.

    A store that is expected to have m baskets has none in r days with a chance of about exp(-r m). Half of the false
    alarms of the check are for the first day, a quarter for the second, and so on. So a store that is too small to be
    missed on one day is missed after two or three, and each absence rings once.

    Args:
        share: Share of the baskets.
        baskets: How many baskets there are in a day.
        limits: The limits.
        longest: The longest absence that is looked at.

    Example:
        >>> watched(pd.Series({"large": 0.02, "middle": 0.01, "small": 0.001}), baskets=500).to_dict()
        {'large': 1, 'middle': 2, 'small': 0}
    """
    more, runs = limits.clumping, np.arange(1, longest + 1)[:, None]
    pace = share.to_numpy() * baskets * (np.log(more) / (more - 1) if more > 1 else 1.0)
    order = np.argsort(-pace)
    any_away = np.exp(-runs * pace[order]).cumsum(1)  # that one of those who are so large is away so long
    rings = any_away < limits.absence / 2.0**runs
    days = np.zeros(len(share), int)
    days[order] = np.where(rings.any(0), rings.argmax(0) + 1, 0)
    return pd.Series(days, index=share.index)


def _absences(known: Reference, today: pd.DataFrame, column: str, limits: Limits) -> tuple[pd.Series, pd.Index]:
    """Returns for how many files each store (or category) is away, and those that ring today."""
    share = getattr(known, _ABSENT[column])
    before = known.away.get(column, pd.Series(dtype=int)).reindex(share.index, fill_value=0)
    run = (before + 1).where(~share.index.isin(today[column].unique()), 0)
    due = watched(share, today["basket"].nunique(), limits)
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
    both = known.categories.index.union(counts.index)
    again = today.duplicated(["user", "item", "basket", "day", "hour"]) | today["basket"].isin(known.baskets)
    return pd.Series(
        {
            "volume": np.log(len(today)),
            "buyers": np.log(today["user"].nunique()),
            "freshness": max(0.0, 24 - hour.max()),
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
        named: Holidays. On them and the days beside them what goes with the calendar has wider limits; when the last
            purchase comes on the holiday itself is not judged at all.
        limits: How far off is too far.

    Returns:
        One row a check: `value`, `usual`, `spreads` (how many spreads it is away, on the side that counts; of a
        absence the value itself), `chance` of so much on a usual day, `alarm`, and `holiday` (its name, where the
        limits were wider).
    """
    others = sum(not check.absence for check in CHECKS.values())
    names = [(named or {}).get(day + pd.Timedelta(days=shift), "") for shift in (0, 1, -1)]
    near = next((name if not place else f"beside {name}" for place, name in enumerate(names) if name), "")
    weekday = usual.index.day_of_week == day.day_of_week
    rows = {}
    for name, check in CHECKS.items():
        past = usual[name]
        middle, rest = past.median(), past - past.median()
        if check.calendar and weekday.sum() >= 4:
            middle = past[weekday].median()
            rest = past - past.groupby(usual.index.day_of_week).transform("median")
        spread = max(1.4826 * rest.abs().median() * np.sqrt(1 + 1 / max(weekday.sum(), 1)), check.floor)
        wide = bool(near) and check.calendar
        away = (today[name] - middle) / spread / (limits.holiday if wide else 1)
        away = abs(away) if check.sides == 0 else away * check.sides
        chance = stats.t.sf(away, limits.tail) * (2 if check.sides == 0 else 1)
        if name == "freshness" and day in (named or {}):
            away, chance = 0.0, 1.0  # shops close early on a holiday; how early, eight weeks can't tell
        limit = limits.false_alarms / 30 / others
        if check.absence:
            away, chance, limit = today[name], 10.0 ** -today[name], limits.absence
        rows[name] = {"value": today[name], "usual": middle, "spreads": away, "chance": chance}
        rows[name] |= {"alarm": bool(chance < limit), "holiday": near if wide else ""}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("check")


def replay(
    table: pd.DataFrame, weeks: int = WEEKS, first: pd.Timestamp | None = None, limits: Limits = Limits()
) -> tuple[pd.DataFrame, dict[pd.Timestamp, Reference]]:
    """Measures day after day as they arrive; each against the weeks before it, learned anew every seven days.

    Args:
        table: What `arrivals` returned.
        weeks: How many weeks teach.
        first: The first day to measure; None: as early as a fortnight has taught.
        limits: What is usual enough to be missed.

    Returns:
        The measures, a row a day, and each day's reference.
    """
    days = np.sort(table["day"].unique())
    order = table.sort_values("day", kind="stable")
    starts = np.searchsorted(order["day"].to_numpy(), days)
    ends, rows, references = np.append(starts[1:], len(order)), {}, {}
    begin = int(np.searchsorted(days, np.datetime64(first))) if first is not None else 14
    known = None
    for place in progress(range(max(begin, 1), len(days)), "days"):
        if known is None or (place - begin) % 7 == 0:
            since = np.searchsorted(days, days[place] - np.timedelta64(7 * weeks, "D"))
            known = replace(learn(order.iloc[starts[since] : starts[place]]), away=known.away if known else {})
        day, today = pd.Timestamp(days[place]), order.iloc[starts[place] : ends[place]]
        rows[day], references[day] = measure(today, known, day, limits), known
        known = known.after(today, limits)
    return pd.DataFrame.from_dict(rows, orient="index"), references
