"""Holidays have names, and so have the days beside them."""

import pandas as pd

from recsys_kit.operations import holidays


def test_american_shops_have_american_holidays_and_others_none():
    named = holidays.holidays([2017], "America/New_York")
    assert named[pd.Timestamp("2017-11-23")] == "Thanksgiving Day"
    assert named[pd.Timestamp("2017-12-25")] == "Christmas Day"
    assert named[pd.Timestamp("2017-04-16")] == "Easter Sunday"
    assert holidays.holidays([2017], "Europe/Zurich") == {}


def test_a_day_beside_a_holiday_says_so_and_one_that_is_a_holiday_has_its_own_name():
    named = holidays.holidays([2017], "US/Eastern")
    said = [holidays.beside(pd.Timestamp(f"2017-12-{day}"), named) for day in (22, 23, 24, 25, 26, 27)]
    assert said == ["", "beside Christmas Eve", "Christmas Eve", "Christmas Day", "beside Christmas Day", ""]
    assert holidays.beside(pd.Timestamp("2017-12-25"), None) == ""
