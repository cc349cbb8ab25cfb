"""Contracts ring for faults on their day, hardly ever without one, and name the holidays."""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from busy_shop import DAYS, busy_shop

from recsys_kit.operations import contracts, faults

DAY = pd.Timestamp("2017-10-18")


@cache
def table():
    return contracts.arrivals(busy_shop())


@cache
def measured():
    return contracts.replay(table())


def judged(today, day=DAY, named=None):
    usual, known = measured()
    past = usual[(usual.index < day) & (usual.index >= day - pd.Timedelta(weeks=8))]
    return contracts.judge(contracts.measure(today, known[day], day), past, day, named)


def file_of(day=DAY):
    return table()[table()["day"] == day]


def test_days_are_days_of_the_shop_s_clock():
    assert table()["day"].nunique() == DAYS
    assert table()["hour"].between(0, 24).all()


@pytest.mark.parametrize("fault", faults.FAULTS)
def test_a_fault_of_each_kind_rings_on_its_day(fault):
    bad = faults.plant(fault, file_of(), np.random.default_rng(0))
    assert judged(bad)["alarm"].any()


def test_usual_days_do_not_ring():
    usual, _ = measured()
    rung = [judged(file_of(day), day)["alarm"].any() for day in usual.index[-40:]]
    assert sum(rung) <= 2


def test_the_check_that_rings_says_what_is_wrong():
    rng = np.random.default_rng(0)
    for fault, check in [
        ("load twice", "repeated"),
        ("cents for dollars", "prices"),
        ("renamed category", "new category"),
        ("bot", "one buyer"),
        ("truncated file", "freshness"),
        ("time-zone shift", "hours"),
    ]:
        assert judged(faults.plant(fault, file_of(), rng)).loc[check, "alarm"], fault


def test_a_holiday_has_wider_limits_but_only_for_what_goes_with_the_calendar():
    named = {DAY: "Founders' Day"}
    half = faults.plant("truncated file", file_of(), np.random.default_rng(0), 0.6)
    plain, wide = judged(half), judged(half, named=named)
    assert wide.loc["hours", "spreads"] == pytest.approx(plain.loc["hours", "spreads"] / contracts.Limits().holiday)
    assert wide.loc["hours", "holiday"] == "Founders' Day" and wide.loc["repeated", "holiday"] == ""
    twice = faults.plant("load twice", file_of(), np.random.default_rng(0))
    assert judged(twice, named=named).loc["repeated", "alarm"]


def test_the_days_beside_a_holiday_say_so():
    named = {DAY + pd.Timedelta(days=1): "Founders' Day"}
    assert judged(file_of(), named=named).loc["volume", "holiday"] == "beside Founders' Day"


def test_american_shops_have_american_holidays_and_others_none():
    named = contracts.holidays([2017], "America/New_York")
    assert named[pd.Timestamp("2017-11-23")] == "Thanksgiving Day"
    assert named[pd.Timestamp("2017-12-25")] == "Christmas Day"
    assert named[pd.Timestamp("2017-04-16")] == "Easter Sunday"
    assert contracts.holidays([2017], "Europe/Zurich") == {}


def test_a_day_is_measured_against_the_past_alone():
    usual, _ = contracts.replay(table()[table()["day"] <= DAY], first=DAY)
    later = contracts.replay(table(), first=DAY)[0]
    pd.testing.assert_frame_equal(usual, later.loc[[DAY]])


def test_a_large_store_rings_on_the_first_day_and_once():
    at, away, rang = pd.date_range(DAY, periods=5), measured()[1][DAY].away, []
    for day in at:
        today = file_of(day)
        known = replace(measured()[1][day], away=away)
        today = today[today["store"] != "s1"]
        rang.append(contracts.measure(today, known, day)["stores"] > 0)
        away = known.after(today).away
    assert rang == [True, False, False, False, False]


def test_a_store_that_is_too_small_for_one_day_is_due_after_more_and_the_smallest_never():
    share = pd.Series({"large": 0.03, "small": 0.01, "kiosk": 0.0001})
    due = contracts.watched(share, 400)
    assert due["large"] == 1 < due["small"] <= 7 and due["kiosk"] == 0


def test_false_alarms_of_absences_stay_within_what_is_aimed_at():
    rng, limits = np.random.default_rng(0), contracts.Limits(clumping=1.0)
    pace = np.full(40, 5.0)
    due = contracts.watched(pd.Series(pace / 400), 400, limits).iloc[0]
    away = rng.poisson(pace, (20_000, 40)) == 0
    run = np.lib.stride_tricks.sliding_window_view(away, due, axis=0).all(-1)
    assert run.any(1).mean() < limits.absence


def test_a_store_that_was_away_lately_is_no_surprise_again():
    past = table()[table()["day"] < DAY]
    gaps = pd.date_range(DAY - pd.Timedelta(days=30), periods=4, freq="6D")
    holes = past[~((past["store"] == "s1") & past["day"].isin(gaps))]
    assert contracts.learn(holes).stores["s1"] < contracts.learn(past).stores["s1"] / 3


def test_a_shop_without_prices_and_stores_has_checks_that_find_nothing():
    plain = table().assign(price=np.nan, store=pd.Categorical([""] * len(table())))
    known = contracts.learn(plain[plain["day"] < DAY])
    found = contracts.measure(plain[plain["day"] == DAY], known, DAY)
    assert found["prices"] == 0 and found["stores"] == 0 and found.notna().all()


def test_the_limits_are_those_that_the_first_half_of_the_year_chose():
    made = json.loads((Path(__file__).parents[2] / "benchmarks/results/operations.json").read_text(encoding="utf-8"))
    names = ("false_alarms", "tail", "absences")
    rows = [row for row in made["rows"] if row["kind"] == "choice"]
    rows = [row | dict(zip(names, map(float, row["name"].split(", ")), strict=True)) for row in rows]
    month = [row for row in rows if row["absences"] == 0.25 and row["others"] / row["days"] * 30.4 <= 0.5]
    chosen = min(month, key=lambda row: (-row["found"], row["rung"], row["tail"]))
    widths = {row["number"]: row for row in made["rows"] if row["kind"] == "holiday"}
    width = min(number for number, row in widths.items() if number >= row["bound"])
    width = max(number for number, row in widths.items() if number <= width and row["found"] >= 0.95)
    limits = contracts.Limits()
    assert {name: getattr(limits, name) for name in names} == {name: chosen[name] for name in names}
    assert limits.holiday == width
