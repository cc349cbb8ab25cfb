"""Facts are from before the start: delete the future and nothing changes."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from recsys_kit.advertising import facts


def test_without_the_future_the_facts_are_the_same(shop_and_campaigns):
    shop, found = shop_and_campaigns
    start = found.plan.loc["summer", "start"]
    whole = facts.facts(shop, found, ["summer"])
    past = replace(shop, events=shop.events[shop.events["timestamp"] < start])
    gone = replace(
        found,
        redemptions=found.redemptions[found.redemptions["timestamp"] < start],
        uses=found.uses[found.uses["timestamp"] < start],
        targets=found.targets[found.targets["campaign_id"] != "autumn"],
    )
    users = whole.index.get_level_values("user_id")
    pd.testing.assert_frame_equal(whole, facts.facts(past, gone, ["summer"], users))


def test_a_fact_worked_by_hand(shop_and_campaigns):
    shop, found = shop_and_campaigns
    start = found.plan.loc["may", "start"]
    row = facts.facts(shop, found, ["may"], pd.Index(["u03"])).iloc[0]
    own = shop.events.query("user_id == 'u03'")
    own = own[(own["timestamp"] < start) & (own["timestamp"] >= start - pd.Timedelta(days=30))]
    assert row["baskets 30d"] == pytest.approx(own["basket_id"].nunique() / 30)
    assert row["spend 30d (log)"] == pytest.approx(np.log1p((own["price"] * own["quantity"]).sum() / 30))


def test_every_fact_is_a_number(shop_and_campaigns):
    shop, found = shop_and_campaigns
    table = facts.facts(shop, found, list(found.plan.index))
    assert np.isfinite(table.to_numpy()).all()
    assert list(table.columns[-len(facts.RUNNING) :]) == list(facts.RUNNING)


def test_running_totals_grow_with_the_calendar_and_rates_do_not_leave_0_to_1(shop_and_campaigns):
    shop, found = shop_and_campaigns
    table = facts.facts(shop, found, ["spring", "autumn"], pd.Index(["u03", "u40"]))
    assert (table.loc["autumn", "baskets so far"] > table.loc["spring", "baskets so far"]).all()
    assert table["redeems"].between(0, 1).all()


def test_kinds_are_columns_of_0_and_1(shop_and_campaigns):
    shop, found = shop_and_campaigns
    found = replace(found, plan=found.plan.assign(kind=["A", "B", "A", "B"]))
    table = facts.with_kinds(facts.facts(shop, found, ["may", "summer"]), found)
    assert table.loc["may", "B"].eq(1).all() and table.loc["summer", "B"].eq(0).all()
    assert table[["A", "B"]].sum(axis=1).eq(1).all()


def test_a_household_that_is_not_there_is_named(shop_and_campaigns):
    with pytest.raises(ValueError, match="'nobody'"):
        facts.facts(*shop_and_campaigns, ["may"], pd.Index(["nobody"]))
