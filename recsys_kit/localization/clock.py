"""The shop's clock: local hours from UTC, daylight saving, holidays, and what a wrong clock costs (notebook 15).

Letters for shapes: N times, C cells of a profile.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

__all__ = [
    "clock",
    "day_effects",
    "hour_of_week",
    "lift",
    "misplaced",
    "profile",
    "profile_bits",
    "us_holidays",
    "week_starts",
]


def clock(times: pd.Series, timezone: str | float) -> pd.Series:
    """Returns UTC times as a clock on the wall shows them, without a time zone.

    Args:
        times: (N,) times with a time zone.
        timezone: IANA name, such as "America/New_York", or a fixed number of hours from UTC: a clock that ignores
            daylight saving.

    Raises:
        ValueError: If the times have no time zone: nobody could say what they mean.

    Example:
        >>> times = pd.Series(pd.to_datetime(["2017-01-05 04:30", "2017-07-05 04:30"], utc=True))
        >>> clock(times, "America/New_York").dt.hour.tolist(), clock(times, -5).dt.hour.tolist()
        ([23, 0], [23, 23])
    """
    times = pd.Series(times)
    if times.dt.tz is None:
        raise ValueError(f"`times` must have a time zone. Received: {times.dtype}, which could be any clock's.")
    if isinstance(timezone, str):
        return times.dt.tz_convert(timezone).dt.tz_localize(None)
    return times.dt.tz_convert("UTC").dt.tz_localize(None) + pd.Timedelta(hours=timezone)


def hour_of_week(times: pd.Series, timezone: str | float) -> np.ndarray:
    """Returns (N,) hours since Monday midnight on the local clock, 0 to 167."""
    local = clock(times, timezone)
    return (local.dt.day_of_week * 24 + local.dt.hour).to_numpy()


def week_starts(times: pd.Series, weeks: pd.Series) -> pd.DataFrame:
    """Finds the instant at which a retailer's week number flips, from nothing but stamped purchases.

    Args:
        times: (N,) UTC times.
        weeks: (N,) the retailer's own week number of each.

    Returns:
        One row a week: `last_before` (latest purchase of all earlier weeks) and `first` (the earliest of this week);
        the flip lies between.
    """
    table = pd.DataFrame({"time": np.asarray(times), "week": np.asarray(weeks)})
    first, last = table.groupby("week")["time"].min(), table.groupby("week")["time"].max()
    return pd.DataFrame({"last_before": last.cummax().shift(), "first": first}).dropna()


def misplaced(times: pd.Series, timezone: str, wrong: str | float = "UTC") -> dict[str, float]:
    """Returns the part of the times to which a wrong clock gives another hour, another weekday, another date."""
    right, off = clock(times, timezone), clock(times, wrong)
    return {
        "hour": float((right.dt.hour != off.dt.hour).mean()),
        "weekday": float((right.dt.day_of_week != off.dt.day_of_week).mean()),
        "month": float((right.dt.month != off.dt.month).mean()),
    }


def profile(cells: np.ndarray, size: int, smoothing: float = 1.0) -> np.ndarray:
    """Returns the (C,) share of each cell, with a pinch added to each so that none is impossible."""
    count = np.bincount(cells, minlength=size) + smoothing
    return count / count.sum()


def profile_bits(share: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Returns (N,) bits of surprise of a profile at what happened later; smaller is better."""
    return -np.log2(share[cells])


def us_holidays(year: int) -> pd.Series:
    """Returns the names of the US federal holidays of a year, indexed by date, Easter and Christmas Eve added."""
    from dateutil.easter import easter
    from pandas.tseries.holiday import USFederalHolidayCalendar

    found = USFederalHolidayCalendar().holidays(f"{year}-01-01", f"{year}-12-31", return_name=True)
    more = pd.Series({pd.Timestamp(easter(year)): "Easter Sunday", pd.Timestamp(year, 12, 24): "Christmas Eve"})
    return pd.concat([found, more]).sort_index()


def day_effects(days: pd.Series, special: pd.Series) -> pd.DataFrame:
    """Compares special days, and the days before them, with the same weekday in the weeks around.

    Args:
        days: Visits of each local date (index: date).
        special: Names by date.

    Returns:
        One row a special day inside the data: name, `eve` and `day` as multiples of the median of the same weekday one
        to three weeks before and after; NaN where the data has no such day.
    """
    other = days[~days.index.isin(special.index)]
    rows = {}
    for date, name in special.items():
        if not days.index.min() <= date <= days.index.max():
            continue
        row = {"name": name}
        for label, day in (("eve", date - pd.Timedelta(days=1)), ("day", date)):
            near = [day + pd.Timedelta(weeks=w) for w in (-3, -2, -1, 1, 2, 3)]
            usual = other.reindex(near).dropna()
            row[label] = days.get(day, np.nan) / usual.median() if len(usual) else np.nan
        rows[date] = row
    return pd.DataFrame.from_dict(rows, orient="index", columns=["name", "eve", "day"])


def lift(labels: pd.Series, cells: np.ndarray, least: int = 300) -> pd.DataFrame:
    """Returns how much more often each label occurs in each cell than overall (1: as always).

    Args:
        labels: (N,) what was bought.
        cells: (N,) when.
        least: Labels with fewer rows are left out.
    """
    table = pd.crosstab(np.asarray(labels), np.asarray(cells))
    table = table[table.sum(axis=1) >= least]
    return table.div(table.sum(axis=1), axis=0) / (pd.Series(cells).value_counts(normalize=True).sort_index())
