"""Forecasts: no look ahead, quantiles in order, figures as by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_kit.demand import forecasts

ORIGINS = range(16, 20)
SMALL = forecasts.Settings(trees=10, least_rows=5)


def of_nodes(facts, until=99):
    return {origin: found[:, :until] for origin, found in facts.items()}


MAKERS = {
    "moving average": lambda units, facts: forecasts.moving_average(units, ORIGINS, 3),
    "exponential smoothing": lambda units, facts: forecasts.classic(units, ORIGINS, 3, "exponential smoothing"),
    "Croston": lambda units, facts: forecasts.classic(units, ORIGINS, 3, "Croston"),
    "TSB": lambda units, facts: forecasts.classic(units, ORIGINS, 3, "TSB"),
    "plan": lambda units, facts: forecasts.plan_rule(units, ORIGINS, 3, facts),
    "boosting": lambda units, facts: forecasts.boosting(units, ORIGINS, 3, facts, (0.1, 0.5, 0.9), SMALL),
    "boosting, no plan": lambda units, facts: forecasts.boosting(units, ORIGINS, 3, None, (0.5,), SMALL),
}


@pytest.mark.parametrize("name", MAKERS)
def test_what_is_sold_after_the_last_origin_changes_nothing(tree, facts, name):
    gone = tree.units.copy()
    gone[:, 19:] = np.random.default_rng(0).uniform(0, 999, gone[:, 19:].shape)
    np.testing.assert_array_equal(MAKERS[name](tree.units, facts), MAKERS[name](gone, facts))


@pytest.mark.parametrize("name", ["moving average", "plan", "boosting"])
def test_what_is_sold_after_an_origin_does_not_change_its_forecast(tree, facts, name):
    gone = tree.units.copy()
    gone[:, 16:] = 0
    np.testing.assert_array_equal(MAKERS[name](tree.units, facts)[0], MAKERS[name](gone, facts)[0])


def test_boosted_quantiles_do_not_cross(tree, facts):
    found = MAKERS["boosting"](tree.units, facts)
    assert found.shape == (4, len(tree.nodes), 3, 3)
    assert (np.diff(found, axis=-1) >= 0).all() and (found >= 0).all()


def test_the_plan_helps_where_promotions_sell(tree, facts):
    truth = forecasts.targets(tree.units, range(20, 26), 3)
    items = tree.named("type")
    rule = forecasts.plan_rule(tree.units, range(20, 26), 3, facts)
    mean = forecasts.moving_average(tree.units, range(20, 26), 3)
    lost = [forecasts.wape(points[:, items], truth[:, items]).mean() for points in (rule, mean)]
    assert lost[0] < 0.7 * lost[1]


def test_an_unknown_method_is_refused(tree):
    with pytest.raises(ValueError, match="Croston"):
        forecasts.classic(tree.units, ORIGINS, 3, "crystal ball")


def test_wape_and_pinball_match_numbers_worked_by_hand():
    truth, points = np.array([[[10.0], [30.0]]]), np.array([[[12.0], [24.0]]])
    assert forecasts.wape(points, truth).tolist() == [2 / 40 * 2, 6 / 40 * 2]
    assert forecasts.wape(points, truth).mean() == 8 / 40
    assert forecasts.pinball(points, truth, 0.9).tolist() == pytest.approx([0.1 * 2 / 40 * 2, 0.9 * 6 / 40 * 2])


def test_mase_is_one_for_errors_as_large_as_the_naive_ones():
    units = np.array([[1.0, 3.0, 1.0, 3.0]])
    assert forecasts.mase(np.array([[[1.0]]]), np.array([[[3.0]]]), units, 4).tolist() == [1.0]


def test_coverage_counts_ends_and_overlooks_what_is_not_known():
    truth = np.array([[[1.0, 2.0, np.nan]]])
    assert forecasts.coverage(np.full_like(truth, 1), np.full_like(truth, 1.5), truth).tolist() == [0.5]


def test_normal_quantiles_widen_with_the_errors_and_learn_from_known_ones(tree):
    origins = range(8, 26)
    points = forecasts.moving_average(tree.units, origins, 3)
    found = forecasts.normal_quantiles(points, tree.units, origins)
    assert np.isnan(found[:5]).all() and not np.isnan(found[5:]).any()
    assert (np.diff(found[5:], axis=-1) >= 0).all()
    gone = tree.units.copy()
    gone[:, 20:] = 0
    np.testing.assert_array_equal(forecasts.normal_quantiles(points, gone, origins)[12], found[12])


@given(st.integers(0, 1000))
def test_stretching_keeps_the_order_and_the_median(seed):
    random = np.random.default_rng(seed)
    past, made = np.sort(random.gamma(2, 5, (2, 40, 3)), axis=-1)
    found = forecasts.stretched(made, past, random.gamma(2, 5, 40), (0.1, 0.5, 0.9))
    assert (np.diff(found, axis=-1) >= 0).all()
    np.testing.assert_allclose(found[:, 1], made[:, 1])


def test_stretching_makes_quantiles_hold_on_what_is_known():
    random = np.random.default_rng(0)
    truth = random.normal(100, 10, 5000)
    narrow = np.tile([99.0, 100.0, 101.0], (5000, 1))
    found = forecasts.stretched(narrow, narrow, truth, (0.05, 0.5, 0.95))
    assert abs(np.mean((truth >= found[:, 0]) & (truth <= found[:, 2])) - 0.9) < 0.01
