"""What the plan says: by the past alone, and true where promotions really sell."""

from __future__ import annotations

import numpy as np

from recsys_kit.demand import plan


def test_the_plan_of_coming_weeks_is_known_and_their_sales_are_not(tree, promotions):
    share = plan.shares(promotions, tree, "UTC", 4)
    whole = plan.facts(tree, share, [15])[15]
    blind = plan.facts(tree.until(15), share, [15])[15]
    np.testing.assert_array_equal(whole, blind)


def test_shares_stand_in_their_week(tree, promotions):
    share = plan.shares(promotions, tree, "UTC", 4)
    assert share.shape == (20, 34, 3)
    for item in ("0", "3", "11"):
        shown = share[tree.items.get_loc(item), :, 2] > 0
        assert np.flatnonzero(shown).tolist() == [week for week in range(34) if (int(item) * 7 + week * 3) % 5 == 0]


def test_without_a_plan_an_item_is_expected_to_sell_as_usual(tree):
    share = plan.shares(None, tree, "UTC", 4)
    assert not share.any()
    found = plan.expected(tree.item_units, plan.states(share), 20)
    assert np.ptp(found, axis=1).max() == 0


def test_states_need_more_than_a_few_stores():
    share = np.zeros((1, 6, 3))
    share[0, 1, 0], share[0, 2, 0], share[0, 3, 1], share[0, 4, 2], share[0, 5] = 0.01, 0.5, 1, 1, 1
    assert plan.states(share).tolist() == [[0, 0, 3, 1, 2, 4]]


def test_a_promoted_week_is_expected_to_sell_about_three_times_as_much(tree, promotions):
    share = plan.shares(promotions, tree, "UTC", 4)
    state = plan.states(share)
    found = plan.expected(tree.item_units, state, 25)
    lift = found[:, 26:][state[:, 26:] == 2].mean() / found[:, 26:][state[:, 26:] == 0].mean()
    assert 2 < lift < 3.3


def test_a_category_is_expected_to_sell_what_its_items_are(tree, facts):
    categories = np.flatnonzero(tree.nodes["level"] == "category")
    np.testing.assert_allclose(facts[20][categories, :, 0].sum(axis=0), facts[20][0, :, 0], rtol=1e-4)


def test_a_category_in_a_store_has_the_plan_of_its_category(tree, facts):
    store = np.flatnonzero(tree.nodes["level"] == "store")[0]
    np.testing.assert_array_equal(facts[20][store], facts[20][tree.nodes["category"][store]])
