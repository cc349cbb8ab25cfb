"""Orders and shelves: worked by hand, and what must always hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from recsys_kit.demand import inventory

Q = (0.05, 0.25, 0.5, 0.75, 0.95)


def test_three_weeks_of_one_series_worked_by_hand():
    levels, demand = np.array([[10.0], [10.0], [10.0]]), np.array([[4.0], [8.0], [2.0]])
    found = inventory.simulate(levels, demand, lead=1)
    # 10 - 4 = 6 left, 4 ordered; 6 of 8 sold, 0 left, 2 lost; the 4 come, 2 sold, 2 left
    assert found.sold.tolist() == [12.0] and found.demand.tolist() == [14.0]
    assert found.stock.tolist() == [(6 + 0 + 2) / 3]
    assert found.out.tolist() == [1 / 3]


@given(st.integers(0, 500), st.integers(0, 3))
def test_nobody_sells_more_than_is_asked_for_and_stock_is_never_negative(seed, lead):
    random = np.random.default_rng(seed)
    levels, demand = random.uniform(0, 20, (6, 4)), random.poisson(5, (6, 4)).astype(float)
    found = inventory.simulate(levels, demand, lead)
    assert (found.sold <= found.demand).all() and (found.stock >= 0).all()
    assert 0 <= found.fill_rate <= 1


def test_more_safety_never_sells_less():
    random = np.random.default_rng(0)
    demand = random.poisson(20, (10, 50)).astype(float)
    sold = [inventory.simulate(np.full((10, 50), float(level)), demand).sold for level in (20, 40, 60)]
    assert (sold[0] <= sold[1]).all() and (sold[1] <= sold[2]).all()


def test_a_quantile_between_two_lies_on_the_normal_curve():
    curve = 100 + 10 * norm.ppf(Q)
    for wanted in (0.01, 0.1, 0.5, 0.9, 0.99):
        assert inventory.quantile_at(curve, Q, wanted) == pytest.approx(100 + 10 * norm.ppf(wanted))


def test_safety_stocks_of_independent_weeks_add_as_deviations_do():
    forecast = np.broadcast_to(100 + 10 * norm.ppf(Q), (1, 1, 2, 5))
    assert inventory.level(forecast, Q, 0.95, 2)[0, 0] == pytest.approx(200 + 10 * np.sqrt(2) * norm.ppf(0.95))
    assert inventory.level(forecast, Q, 0.2, 2)[0, 0] < 200


def test_the_reorder_point_is_forecast_and_safety_stock():
    table = inventory.reorder_point(np.broadcast_to(100 + 10 * norm.ppf(Q), (3, 2, 5)), Q, 0.95, 1)
    np.testing.assert_allclose(table["forecast"] + table["safety_stock"], table["reorder_point"])


def test_the_newsvendor_orders_the_quantile_that_costs_least():
    demand = np.random.default_rng(0).gamma(4, 5, 20000)
    wanted = np.quantile(demand, inventory.newsvendor(under=4, over=1))

    def cost(order):
        return np.mean(4 * np.maximum(demand - order, 0) + np.maximum(order - demand, 0))

    assert cost(wanted) < min(cost(wanted * 0.9), cost(wanted * 1.1))
    with pytest.raises(ValueError, match="above 0"):
        inventory.newsvendor(0, 1)


def test_levels_and_demand_must_fit():
    with pytest.raises(ValueError, match="one shape"):
        inventory.simulate(np.zeros((2, 3)), np.zeros((3, 3)))


def test_at_the_same_fill_rate_the_better_forecaster_needs_less_stock():
    random = np.random.default_rng(0)
    mean = random.uniform(20, 60, (12, 80))
    demand = random.poisson(mean).astype(float)
    steps = np.linspace(-1, 4, 21)
    good = [inventory.simulate(mean + step * np.sqrt(mean), demand, 0) for step in steps]
    poor = [inventory.simulate(mean.mean(0) + 2 * step * mean.std(0) + 0 * mean, demand, 0) for step in steps]
    table = inventory.at_the_same_fill({"poor": poor, "good": good}, 0.97, "poor", draws=50)
    assert table.loc["good", "low"] > 0.1 and table.loc["poor", "less"] == 0
