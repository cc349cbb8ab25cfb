"""The holidays of a shop's country, and what day lies beside one (notebook 17)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pandas as pd

__all__ = ["beside", "holidays"]


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


def beside(day: pd.Timestamp, named: Mapping[pd.Timestamp, str] | None) -> str:
    """Returns the name of the holiday that a day is, or "beside" and the name of one next to it; empty if none.

    Args:
        day: The day.
        named: What `holidays` returned; None: no holidays.

    Example:
        >>> beside(pd.Timestamp("2017-11-24"), holidays([2017], "America/New_York"))
        'beside Thanksgiving Day'
    """
    names = [(named or {}).get(day + pd.Timedelta(days=shift), "") for shift in (0, 1, -1)]
    return next((name if not place else f"beside {name}" for place, name in enumerate(names) if name), "")
