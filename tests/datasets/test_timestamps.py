"""Times in forms that `shop.json` names become UTC, on both sides of the change to summer time."""

import pandas as pd
import pytest

from recsys_kit.datasets.timestamps import Clock, zoneless


def utc(clock, *values):
    return [None if pd.isna(time) else time.isoformat() for time in clock.read(pd.Series(list(values)))]


@pytest.mark.parametrize(
    ("unit", "value"),
    [("s", "1719824400"), ("ms", "1719824400000"), ("us", "1719824400000000"), ("ns", "1719824400000000000")],
)
def test_digits_count_from_1970_in_the_unit_that_is_named(unit, value):
    assert utc(Clock(unit=unit), value, "soon") == ["2024-07-01T09:00:00+00:00", None]
    assert utc(Clock(unit=unit), int(value)) == ["2024-07-01T09:00:00+00:00"]


def test_microseconds_keep_all_their_digits():
    assert utc(Clock(unit="us"), "1719824400123457") == ["2024-07-01T09:00:00.123457+00:00"]


def test_days_of_a_spreadsheet_and_numbers_that_are_no_time():
    assert utc(Clock(unit="days"), "45474.375", "9e99") == ["2024-07-01T09:00:00+00:00", None]


def test_a_zone_holds_for_times_that_name_none():
    clock = Clock(timezone="Europe/London")
    assert utc(clock, "2024-07-01 10:00", "2024-07-01T10:00+02:00", "2024-12-01", None, "x") == [
        "2024-07-01T09:00:00+00:00",
        "2024-07-01T08:00:00+00:00",
        "2024-12-01T00:00:00+00:00",
        None,
        None,
    ]
    naive = clock.read(pd.Series(pd.to_datetime(["2024-07-01 10:00"])))
    assert naive.iloc[0] == pd.Timestamp("2024-07-01 09:00", tz="UTC")


def test_an_hour_that_comes_twice_is_the_first_and_one_that_is_left_out_is_moved():
    clock = Clock("%d/%m/%Y %H:%M", timezone="Europe/Zurich")
    assert utc(clock, "27/10/2024 02:30", "31/03/2024 02:30") == [
        "2024-10-27T00:30:00+00:00",
        "2024-03-31T01:00:00+00:00",
    ]


def test_a_format_with_an_offset_needs_no_zone():
    clock = Clock("%Y-%m-%d %H:%M:%S %z", timezone="Asia/Tokyo")
    assert utc(clock, "2024-07-01 10:00:00 -0500", "2024-07-01") == ["2024-07-01T15:00:00+00:00", None]


def test_the_rule_says_what_is_expected():
    assert "in the form '%d/%m/%Y'" in Clock("%d/%m/%Y").rule
    assert "a number of ms since 1970" in Clock(unit="ms").rule
    assert "a number of days of a spreadsheet" in Clock(unit="days").rule


def test_times_without_a_zone_are_counted():
    assert zoneless(pd.Series(["2024-07-01 10:00", "2024-07-01T10:00Z", None])) == 1
