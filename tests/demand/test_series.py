"""Weekly series: whole weeks, a hierarchy that adds up, forecasts that are made to."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from recsys_kit.datasets.tables import NotForThisShop
from recsys_kit.demand import series


def test_every_parent_is_the_sum_of_its_children(tree):
    assert np.abs(tree.constraints @ tree.units).max() < 1e-9
    assert {"category", "type", "store"} <= set(tree.nodes["level"])


def test_nothing_that_was_sold_is_lost(shop, tree):
    sold = len(shop.events)
    for level in ("total", "category", "type", "store"):
        assert tree.units[tree.nodes["level"] == level].sum() == sold
    assert tree.item_units.sum() == sold


def test_the_largest_are_those_of_the_known_weeks(shop, tree):
    rows = series.sales(shop, tree.starts)
    later = rows[(rows["week"] >= 20) & (rows["category"] == "C0")]
    more = pd.concat([rows, *[later] * 50])
    names = [series.hierarchy(some, tree.starts, 20, (3, 4, 4)).nodes["name"].tolist() for some in (rows, more)]
    assert names[0] == names[1]


def test_weeks_are_whole_and_begin_with_the_plan(shop, promotions):
    late = replace(shop, events=shop.events[shop.events["timestamp"] < pd.Timestamp("2024-07-20", tz="UTC")])
    starts = series.week_starts(late, promotions)
    assert (starts.day_of_week == 0).all()
    assert starts[-1] == pd.Timestamp("2024-07-08")  # the week from the 15th ends on the 21st
    assert series.week_starts(late)[-1] == pd.Timestamp("2024-07-13")  # no plan: the last seven days


def test_a_shop_of_few_weeks_is_told_so(shop):
    few = replace(shop, events=shop.events[shop.events["timestamp"] < pd.Timestamp("2024-03-01", tz="UTC")])
    with pytest.raises(NotForThisShop, match="12 whole weeks"):
        series.week_starts(few)


def test_a_missing_category_is_named(shop, tree):
    with pytest.raises(NotForThisShop, match="`category`"):
        series.sales(replace(shop, items=shop.items.drop(columns="category")), tree.starts)


def test_without_stores_types_or_quantities_there_is_still_a_hierarchy(shop, tree):
    poor = replace(
        shop,
        events=shop.events.drop(columns=["store_id", "quantity", "price"]),
        items=shop.items.drop(columns="product_type"),
    )
    small = series.hierarchy(series.sales(poor, tree.starts), tree.starts, 20, (3, 4, 4))
    assert set(small.nodes["level"]) == {"total", "category"}
    assert np.abs(small.constraints @ small.units).max() == 0


def test_absurd_quantities_and_returns_do_not_count(shop, tree):
    events = shop.events.copy()
    events.loc[0, "quantity"], events.loc[1, "quantity"] = 9000.0, -1.0
    rows = series.sales(replace(shop, events=events), tree.starts)
    assert rows["units"].max() == series.MOST_UNITS
    assert len(rows) == len(events) - 1


def test_reconciled_forecasts_add_up_and_coherent_ones_stay(tree):
    random = np.random.default_rng(0)
    variance = random.uniform(0.5, 2, len(tree.nodes))
    wild = tree.units[:, :4] + random.normal(size=(len(tree.nodes), 4))
    moved = series.reconcile(wild, tree.constraints, variance)
    assert np.abs(tree.constraints @ moved).max() < 1e-6
    same = series.reconcile(tree.units[:, :4], tree.constraints, variance)
    np.testing.assert_allclose(same, tree.units[:, :4], atol=1e-8)


def test_reconciling_on_a_tree_is_what_the_library_does():
    methods = pytest.importorskip("hierarchicalforecast.methods")
    summing = np.array([[1, 1, 1], [1, 1, 0], [0, 0, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1]], float)
    constraints = np.array([[1, -1, -1, 0, 0, 0], [0, 1, 0, -1, -1, 0], [0, 0, 1, 0, 0, -1]], float)
    random = np.random.default_rng(0)
    fitted, seen, made = random.normal(size=(6, 40)), random.normal(size=(6, 40)), random.normal(10, 2, (6, 3))
    theirs = methods.MinTrace("wls_var").fit_predict(summing, made, y_insample=seen, y_hat_insample=fitted)["mean"]
    variance = ((seen - fitted) ** 2).mean(axis=1)
    np.testing.assert_allclose(series.reconcile(made, constraints, variance), theirs, rtol=1e-4)


def test_known_weeks_are_all_that_until_leaves(tree):
    assert tree.until(9).units.shape[1] == tree.until(9).item_units.shape[1] == len(tree.until(9).starts) == 9
