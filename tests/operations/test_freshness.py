"""What ages is taken apart, and the cheapest plan is the rarest that is good enough."""

import pandas as pd
import pytest
from busy_shop import busy_shop

from recsys_kit import features, preprocessing
from recsys_kit.operations import freshness

START = pd.Timestamp("2017-10-20", tz="UTC")


@pytest.fixture(scope="module")
def events():
    return preprocessing.clean(busy_shop())[0]


def test_an_aged_split_knows_nothing_later(events):
    split = freshness.week(events, START)
    old = freshness.aged(split, START - pd.Timedelta(days=30))
    assert old.history["timestamp"].max() < START - pd.Timedelta(days=30)
    assert old.items is split.items and old.answers is split.answers


def test_fresh_histories_are_those_of_the_counting_rule(events):
    split = freshness.week(events, START)
    fresh, stale = (freshness.counting(split, START - pd.Timedelta(days=days)) for days in (0, 70))
    assert fresh.index.equals(stale.index)
    assert fresh.mean() > stale.mean()


def test_trees_learn_from_the_weeks_before_alone(events):
    shop = busy_shop()
    one = freshness.trees(events, shop.timezone, START, windows=2)
    other = freshness.trees(events[events["timestamp"] < START], shop.timezone, START, windows=2)
    split = freshness.week(events, START)
    rows = features.ranking_features(split, shop.timezone)
    values = [freshness.tree_values(model, split, rows) for model in (one, other)]
    assert values[0].equals(values[1]) and values[0].mean() > 0.2


def test_a_plan_earns_the_mean_of_its_ages():
    curve = pd.Series([1.0, 0.9, 0.5], index=[0, 10, 30])
    found = freshness.plans(curve, (1, 11))
    assert found[1] == 1 and found[11] == pytest.approx(0.95)


def test_the_cheapest_plan_loses_at_most_its_part():
    found = pd.Series({1: 0.2500, 7: 0.2490, 28: 0.2476, 365: 0.2})
    assert freshness.cheapest(found, 0.01) == 28 and freshness.cheapest(found, 0.001) == 1
