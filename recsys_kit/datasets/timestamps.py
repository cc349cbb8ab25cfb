"""Times of a shop's files in UTC: ISO 8601 as it is; other forms as `shop.json` says, and never by guessing."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from recsys_kit.datasets.tables import TIMESTAMP

__all__ = ["UNITS", "Clock", "hint", "zoneless"]

UNITS = ("s", "ms", "us", "ns", "days")
"""What a time in digits may count since 1970, and the days of a spreadsheet since 1899-12-30."""

_PARTIAL = r"\d{4}(?:[-/. ]\d{1,2}|\d{2})?"  # a year, or a year and a month
_UNIX = ((1e8, "s"), (1e11, "ms"), (1e14, "us"), (1e17, "ns"), (1e20, ""))  # from 1973 on, and up to the next unit
_NUMBER = r"-?\d+(?:\.\d*)?(?:[eE]\+\d+)?"


@dataclass(frozen=True)
class Clock:
    """How the times of a file are written.

    Args:
        format: As in `strftime`, such as "%d/%m/%Y %H:%M"; empty: ISO 8601.
        unit: What times in digits count, one of `UNITS`; empty: there are none.
        timezone: IANA name of the zone of times that name none.
    """

    format: str = ""
    unit: str = ""
    timezone: str = "UTC"

    @property
    def rule(self) -> str:
        """What a value must be, for a message."""
        if self.format:
            return f"must be a date and time in the form {self.format!r} that shop.json names"
        if self.unit:
            since = "of a spreadsheet" if self.unit == "days" else "since 1970"
            return f"must be a number of {self.unit} {since}, the unit that shop.json names"
        return "must be a date and time such as 2024-05-31 17:05:00"

    def read(self, values: pd.Series) -> pd.Series:
        """Returns the times in UTC; empty where a value is none.

        A local time that occurs twice, when the clocks go back, is the first of the two; one that is left out, when
        they go forward, is the moment at which they did.

        Args:
            values: The column as it was read.

        Example:
            >>> Clock("%d/%m/%Y %H:%M", timezone="Europe/London").read(pd.Series(["01/07/2024 09:30"])).iloc[0]
            Timestamp('2024-07-01 08:30:00+0000', tz='UTC')
        """
        if self.unit:
            return _counted(values, self.unit)
        if self.format:
            text = values.astype("str").str.strip()
            zoned = "%z" in self.format or "%Z" in self.format
            times = pd.to_datetime(text, format=self.format, errors="coerce", utc=zoned)
            return times.astype(TIMESTAMP) if zoned else self._localised(times)
        if self.timezone == "UTC" or isinstance(values.dtype, pd.DatetimeTZDtype):
            return _iso(values)
        if pd.api.types.is_string_dtype(values):
            return self._mixed(values)
        if pd.api.types.is_numeric_dtype(values):
            return _iso(values)
        return self._localised(pd.to_datetime(values, errors="coerce"))

    def _mixed(self, values: pd.Series) -> pd.Series:
        """Returns ISO times of which some name their zone."""
        times, naive = _iso(values), _naive(values)
        if naive.any():
            local = self._localised(times[naive].dt.tz_localize(None))
            times = times.where(~naive, local.reindex(times.index))
        return times

    def _localised(self, times: pd.Series) -> pd.Series:
        first = np.ones(len(times), bool)
        local = times.astype("datetime64[us]").dt.tz_localize(
            self.timezone, ambiguous=first, nonexistent="shift_forward"
        )
        return local.dt.tz_convert("UTC").astype(TIMESTAMP)


def zoneless(timestamps: pd.Series) -> int:
    """Counts the timestamps, as read from a file, that carry no time zone.

    Args:
        timestamps: The column.
    """
    if isinstance(timestamps.dtype, pd.DatetimeTZDtype):
        return 0
    if not pd.api.types.is_string_dtype(timestamps):
        return int(timestamps.notna().sum())
    return int(_naive(timestamps).sum())


def hint(bad: pd.Series) -> str:
    """Returns what values that are no times may be, if all of them are of one kind.

    Args:
        bad: The values.
    """
    text = bad.astype("str").str.strip()
    if text.str.fullmatch(_PARTIAL).all():
        return ", not a year or month alone"
    if not text.str.fullmatch(r"\d+(?:\.\d*)?(?:[eE]\+\d+)?").all():
        return ""
    size = text.astype("float64").median()
    if text.str.fullmatch(r"(?:19|20)\d{6}(?:\.0)?").all():
        return _say("dates in digits? convert them", 'format="%Y%m%d"', '"format": "%Y%m%d"')
    if 20_000 <= size < 80_000:
        return _say("days of a spreadsheet? convert them", 'unit="D", origin="1899-12-30"', '"unit": "days"')
    for (least, unit), (most, _) in pairwise(_UNIX):
        if least <= size < most:
            return _say("Unix time? convert it", f'unit="{unit}"', f'"unit": "{unit}"')
    return ""


def _say(what: str, code: str, setting: str) -> str:
    return f' ({what} first: pd.to_datetime(column, {code}), or say {{"timestamp": {{{setting}}}}} in shop.json)'


def _naive(timestamps: pd.Series) -> pd.Series:
    text = timestamps.astype("str")
    zoned = text.str.contains(r":\d{2}.*(?:[Zz]|UTC|GMT|[+-]\d{2}(?::?\d{2})?)\s*$").fillna(False).astype(bool)
    return ~zoned & timestamps.notna()


def _iso(values: pd.Series) -> pd.Series:
    if pd.api.types.is_numeric_dtype(values):
        return pd.Series(pd.NaT, values.index, dtype=TIMESTAMP)
    if pd.api.types.is_string_dtype(values):
        values = values.astype("str").str.strip()
        named = values.str.endswith(("UTC", "GMT")).fillna(False).astype(bool)
        if named.any():
            values = values.mask(named, values.str.slice(stop=-3).str.rstrip() + "Z")
        short = (values.str.len() <= 7).fillna(False).astype(bool)
        if short.any():  # "2024-05" would become the first of the month
            values = values.mask(short)
        return pd.to_datetime(values, format="ISO8601", utc=True, errors="coerce").astype(TIMESTAMP)
    return pd.to_datetime(values, utc=True, errors="coerce").astype(TIMESTAMP)


def _counted(values: pd.Series, unit: str) -> pd.Series:
    """Returns times that are numbers: whole ones stay whole, for a float has no room for microseconds of today."""
    if pd.api.types.is_string_dtype(values):
        text = values.astype("str").str.strip()
        values = text.where(text.str.fullmatch(_NUMBER).fillna(False).astype(bool))
        whole = values.dropna().str.fullmatch(r"-?\d{1,18}").all()
        values = values.astype("Int64") if whole else values.astype("float64")
    if not pd.api.types.is_numeric_dtype(values):
        return pd.Series(pd.NaT, values.index, dtype=TIMESTAMP)
    start = {"origin": "1899-12-30"} if unit == "days" else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        times = pd.to_datetime(values, unit="D" if unit == "days" else unit, utc=True, errors="coerce", **start)
    return times.dt.floor("us").astype(TIMESTAMP)
