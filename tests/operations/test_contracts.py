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
    named, eve = {DAY: "Founders' Day"}, {DAY + pd.Timedelta(days=1): "Founders' Day"}
    half = faults.plant("truncated file", file_of(), np.random.default_rng(0), 0.6)
    plain, wide, beside = judged(half), judged(half, named=named), judged(half, named=eve)
    for table, check in ((wide, "volume"), (beside, "volume"), (beside, "hours"), (beside, "freshness")):
        narrow = plain.loc[check, "spreads"] / contracts.Limits().holiday
        assert table.loc[check, "spreads"] == pytest.approx(narrow), check
    assert wide.loc["hours", "holiday"] == "Founders' Day" and wide.loc["repeated", "holiday"] == ""
    twice = faults.plant("load twice", file_of(), np.random.default_rng(0))
    assert judged(twice, named=named).loc["repeated", "alarm"]


def test_a_feast_that_no_past_week_had_does_not_ring_if_it_has_a_name():
    """Everything is bought before five, and mostly of three categories: a usual number of rows, on an unusual day."""
    today, rng = file_of(), np.random.default_rng(0)
    feast = today["category"].isin(["C0", "C1", "C2"]).to_numpy()
    early = today.iloc[rng.choice(len(today), len(today), p=np.where(feast, 3, 1) / np.where(feast, 3, 1).sum())]
    early = early.assign(hour=7 + 0.6 * (early["hour"] - 7) + rng.uniform(0, 1e-3, len(early)))
    plain, named = judged(early), judged(early, named={DAY: "Founders' Day"})
    assert plain.loc[["freshness", "hours", "mix"], "alarm"].all()
    assert not named["alarm"].any() and named.loc["mix", "holiday"] == "Founders' Day"


@pytest.mark.parametrize("fault", ["load twice", "cents for dollars", "time-zone shift", "renamed category", "bot"])
def test_faults_ring_on_a_holiday_as_well(fault):
    bad = faults.plant(fault, file_of(), np.random.default_rng(0))
    assert judged(bad, named={DAY: "Founders' Day"})["alarm"].any()


def test_an_empty_store_rings_on_a_usual_day_and_on_a_holiday_only_if_it_stays_away():
    def rang(days_away, named):
        away, found = measured()[1][DAY].away, []
        for number, day in enumerate(pd.date_range(DAY, periods=5)):
            today, known = file_of(day), replace(measured()[1][day], away=away)
            today = today[today["store"] != "s1"] if number < days_away else today
            past = measured()[0][measured()[0].index < day].tail(56)
            found.append(contracts.judge(contracts.measure(today, known, day), past, day, named).loc["stores", "alarm"])
            away = known.after(today, near=contracts.beside(day, named)).away
        return np.flatnonzero(found).tolist()

    assert rang(1, {}) == [0]
    assert rang(1, {DAY: "Founders' Day"}) == []
    assert rang(5, {DAY: "Founders' Day"}) == [2]


def test_the_days_beside_a_holiday_say_so():
    named = {DAY + pd.Timedelta(days=1): "Founders' Day"}
    assert judged(file_of(), named=named).loc["volume", "holiday"] == "beside Founders' Day"


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
    assert run.any(1).mean() < limits.absence("stores")


def test_who_closes_now_and_then_is_not_missed_on_the_first_day_however_large_it_is():
    share, limits = pd.Series({"large": 0.2}), contracts.Limits(closed=(0.1, 0.0))
    assert contracts.watched(share, 400, limits)["large"] == 2
    assert contracts.watched(share, 400, limits, closes=False)["large"] == 1


def test_the_chance_of_the_last_purchase_is_how_often_it_happens():
    rng, day = np.random.default_rng(0), pd.Timestamp("2017-01-01")

    def nights(count, first):
        at = np.repeat(np.arange(count), rng.poisson(60, count))
        table = pd.DataFrame({"user": 0, "item": 0, "basket": np.arange(len(at)), "price": 1.0})
        table[["store", "category"]] = "one"
        return table.assign(day=first + pd.to_timedelta(at, unit="D"), hour=rng.uniform(8, 24, len(at)))

    known, later, limits = contracts.learn(nights(56, day)), nights(300, DAY), contracts.Limits(clumping=1.0)
    said = [contracts.measure(today, known, one, limits)["freshness"] for one, today in later.groupby("day")]
    for chance in (0.5, 0.2, 0.1):
        assert np.mean(10.0 ** -np.array(said) < chance) == pytest.approx(chance, abs=0.06)


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
    names, limits = ("false_alarms", "tail", "absences"), contracts.Limits()
    rows = [row for row in made["rows"] if row["kind"] == "choice"]
    rows = [row | dict(zip(names, map(float, row["name"].split(", ")), strict=True)) for row in rows]
    month = [row for row in rows if row["false_alarms"] + row["absences"] <= 1 and row["a_month"] <= 1]
    chosen = min(month, key=lambda row: (-row["found"], row["rung"], row["tail"]))
    widths = {row["number"]: row for row in made["rows"] if row["kind"] == "holiday"}
    width = min(number for number, row in widths.items() if number >= row["bound"])
    width = max(number for number, row in widths.items() if number <= width and row["found"] >= 0.95)
    closed = [row["part"] for row in made["rows"] if row["kind"] == "closing"]
    assert {name: getattr(limits, name) for name in names} == {name: chosen[name] for name in names}
    assert limits.holiday == width and list(limits.closed) == closed


def test_the_second_half_of_the_year_keeps_what_the_first_half_aimed_at():
    made = json.loads((Path(__file__).parents[2] / "benchmarks/results/operations.json").read_text(encoding="utf-8"))
    bells = {row["name"]: row for row in made["rows"] if row["kind"] == "bells"}
    usual = [row for row in made["rows"] if row["kind"] == "fault" and row["number"] == 0]
    assert bells["second"]["a_month"] <= 1 and "11-2" not in bells["second"]["when"]
    assert all(row["found"] >= 0.95 * row["days"] for row in usual)
