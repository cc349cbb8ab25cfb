import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from recsys_kit import baselines, evaluation, features, preprocessing
from recsys_kit.baselines import boosting
from recsys_kit.datasets import promotions

ITEMS = [f"i{number}" for number in range(12)]


@pytest.fixture(scope="module")
def task():
    """A shop in which even users come for i0 to i5 and odd ones for the rest, each item at a rate of its own."""
    rng, rows = np.random.default_rng(0), []
    for user in range(40):
        for day in np.sort(rng.choice(200, 40, replace=False)):
            items = (user % 2) * 6 + np.flatnonzero(rng.random(6) < np.linspace(0.1, 0.9, 6))
            time = pd.Timestamp("2025-01-01", tz="UTC") + pd.Timedelta(days=int(day), hours=12)
            rows += [(f"u{user:02}", f"i{item}", time, f"u{user}-{day}") for item in items]
    events = pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp", "basket_id"]).sort_values("timestamp")
    events = events.reset_index(drop=True).assign(price=1.0, discount=0.0, quantity=1.0)
    cutoff, end = (pd.Timestamp(f"2025-{day}", tz="UTC") for day in ("06-01", "06-15"))
    valid = preprocessing.split_by_time(events, cutoff, end, min_users=1, min_items=1)
    test = preprocessing.split_by_time(events, end, min_users=1, min_items=1, items=valid.items)
    return preprocessing.Task(events, pd.DataFrame(), valid, test, 1, 1)


def test_windows_go_back_in_time_without_a_gap_and_share_the_catalogue(task):
    windows = list(boosting.earlier_windows(task, 4))
    assert windows[0] is task.validation and len(windows) == 4
    for later, earlier in itertools.pairwise(windows):
        assert earlier.end == later.cutoff and earlier.end - earlier.cutoff == pd.Timedelta(days=14)
        assert list(earlier.items) == list(task.validation.items)


def test_windows_end_where_there_is_no_history_left(task):
    windows = list(boosting.earlier_windows(task, 1000))
    assert 5 < len(windows) < 20 and all(len(split.history) for split in windows)


def test_all_bought_rows_are_kept_and_the_weights_make_up_for_the_others(task):
    table = features.ranking_features(task.validation, "UTC")
    sample = boosting.labelled(task.validation, table, 0.25, np.random.default_rng(0))
    bought = features.labels(task.validation, table)
    assert sample["label"].sum() == bought.sum() > 0
    assert sample.loc[sample["label"], "weight"].eq(1).all() and sample.loc[~sample["label"], "weight"].eq(4).all()
    assert sample["weight"].sum() == pytest.approx(len(table), rel=0.2)


def test_the_trees_beat_popularity_and_do_not_see_the_test_weeks(task):
    rows = np.arange(len(task.test.test_users))
    scores = baselines.boosted_trees(task, "UTC", windows=3)(rows)
    found = {
        "trees": evaluation.evaluate(scores, task.test.answers)["ndcg"].mean(),
        "popularity": evaluation.evaluate(baselines.popularity(task.test), task.test.answers)["ndcg"].mean(),
    }
    assert found["trees"] > found["popularity"] + 0.1
    late = task.events["timestamp"] >= task.test.cutoff
    changed = task.events.assign(item_id=task.events["item_id"].where(~late, ITEMS[0]))
    altered = preprocessing.Task(changed, task.cleaning, task.validation, task.test, 1, 1)
    assert np.array_equal(baselines.boosted_trees(altered, "UTC", windows=3)(rows), scores)


def test_a_column_without_any_value_does_not_stop_the_trees():
    sample = pd.DataFrame({"a": [0.0, 1.0] * 40, "b": np.nan, "label": [False, True] * 40, "weight": 1.0})
    trees = boosting.fit_trees(sample, ["a", "b"])
    chance = boosting.predict(trees, sample[["a", "b"]])
    assert chance[1] > 0.9 > 0.1 > chance[0]


def test_a_window_to_which_only_strangers_come_teaches_nothing_and_stops_nothing(task):
    valid = task.validation
    strangers = replace(
        valid,
        history=valid.history[~valid.history["user"].isin(valid.test_users[:20])],
        test_users=valid.test_users[:20],
        answers=valid.answers[:20],
        answer_times=valid.answer_times[:20],
    )
    table = features.ranking_features(strangers, "UTC")
    assert features.labels(strangers, table).tolist() == []
    scores = boosting.boosted_trees(replace(task, validation=strangers), "UTC", windows=1)(np.arange(3))
    assert scores.shape == (3, len(ITEMS)) and np.isfinite(scores).all()


def with_plan(split, share):
    """Gives a split a plan of weeks, of which `share` (weeks, items, 3) says what is promoted."""
    first = split.history["timestamp"].min().normalize()
    starts = pd.date_range(first, periods=len(share), freq="7D")
    return replace(split, plan=promotions.Plan(starts, np.pad(np.asarray(share, np.float32), ((1, 0), (1, 0), (0, 0)))))


def test_what_the_plan_says_is_of_the_week_of_the_visit_of_those_before_and_of_the_last_purchase(task):
    share = np.zeros((40, len(ITEMS), 3))
    share[::2, 0, 0] = 1  # the first item stands on display every second week
    split = with_plan(task.test, share)
    case, visit = np.arange(4), split.answer_times[:4]
    week = split.plan.week(visit)
    found = boosting.plan_facts(split, case, np.zeros(4, int), np.array([7, 14, 0, np.nan]), split.plan.usual())
    shown = week % 2 == 1  # row 0 of the plan stands for the time before it
    assert list(found) == list(boosting.PLAN) and all(values.dtype == np.float32 for values in found.values())
    assert (found["now_display"] == shown).all() and (found["usual_display"] == 0.5).all()
    assert found["at_last_display"][:3].tolist() == [not shown[0], shown[1], shown[2]]
    assert np.isnan(found["at_last_display"][3])
    assert not found["now_mailer_inside"].any() and not found["now_mailer_prominent"].any()


def test_trees_read_the_plan_if_they_are_told_to(task):
    rng, weeks = np.random.default_rng(0), np.arange(60)
    share = np.repeat((rng.random((60, len(ITEMS))) < 0.5)[:, :, None], 3, axis=2).astype(float)
    day = (task.events["timestamp"] - task.events["timestamp"].min().normalize()) // pd.Timedelta(days=7)
    kept = share[np.minimum(day, weeks[-1]), task.events["item_id"].str[1:].astype(int), 0] > 0
    events = task.events[kept]  # nobody buys what is not promoted
    dates = {"min_users": 1, "min_items": 1}
    valid = preprocessing.split_by_time(events, task.validation.cutoff, task.validation.end, **dates)
    test = preprocessing.split_by_time(events, task.test.cutoff, items=valid.items, **dates)
    order = [int(item[1:]) for item in valid.items]
    valid, test = (with_plan(split, share[:, order]) for split in (valid, test))
    planned = preprocessing.Task(events, pd.DataFrame(), valid, test, 1, 1)
    ndcg = {
        plan: evaluation.evaluate(baselines.boosted_trees(planned, "UTC", 4, plan=plan), test.answers)["ndcg"]
        for plan in (False, True)
    }
    assert ndcg[True].mean() > ndcg[False].mean() + 0.05
    with pytest.raises(ValueError, match="no promotion plan"):
        boosting.facts(task.test, "UTC", plan=True)
