"""Response models: taste from the past alone, calibration that keeps the ranking."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_kit.advertising import response


def test_the_model_finds_who_redeems(shop_and_campaigns):
    shop, found = shop_and_campaigns
    start = found.plan.loc["autumn", "start"]
    model = response.fit(shop, found, ["spring", "may", "summer"], start)
    users = pd.Index(sorted(shop.events["user_id"].unique()))
    chance = model.chances(shop, found, "autumn", users)
    assert chance.iloc[:20].mean() > 1.4 * chance.iloc[20:].mean()
    assert chance.between(0, 1).all()


def test_a_campaign_that_still_runs_is_not_learned_from(shop_and_campaigns):
    shop, found = shop_and_campaigns
    with pytest.raises(ValueError, match="summer"):
        response.fit(shop, found, ["spring", "summer"], found.plan.loc["summer", "start"])


def test_the_chances_do_not_look_past_the_start(shop_and_campaigns):
    shop, found = shop_and_campaigns
    start = found.plan.loc["summer", "start"]
    users = pd.Index(["u01", "u30", "u50"])
    past = replace(shop, events=shop.events[shop.events["timestamp"] < start])
    gone = replace(found, redemptions=found.redemptions[found.redemptions["timestamp"] < start])
    chances = [
        response.fit(a, b, ["spring", "may"], start).chances(a, b, "summer", users)
        for a, b in ((shop, found), (past, gone))
    ]
    assert chances[0].to_numpy() == pytest.approx(chances[1].to_numpy(), abs=1e-6)


def test_taste_has_length_1_or_nothing_was_bought(shop_and_campaigns):
    shop, found = shop_and_campaigns
    start = found.plan.loc["may", "start"]
    rows = pd.MultiIndex.from_product([["may"], ["u01", "u02"]], names=["campaign_id", "user_id"])
    vectors = response.item_vectors(shop, start, width=8)
    found = response.taste(shop, found, rows, vectors)
    assert np.linalg.norm(found, axis=1) == pytest.approx([1, 1])


@given(st.integers(0, 1000), st.sampled_from(["platt", "isotonic"]))
def test_calibration_keeps_the_ranking(seed, way):
    rng = np.random.default_rng(seed)
    truth, said = rng.random(200), rng.random(300)
    happened = rng.random(200) < truth**2
    right = response.Calibrator(way).fit(truth, happened)(said)
    order = np.argsort(said)
    assert (np.diff(right[order]) >= -1e-12).all()
    assert ((right >= 0) & (right <= 1)).all()


def test_forecasts_that_say_nothing_become_the_mean():
    rng = np.random.default_rng(0)
    said, happened = rng.random(400), rng.random(400) < 0.3
    turned = happened & (said < 0.4)  # the higher the forecast, the rarer
    right = response.Calibrator().fit(said, turned)(said)
    assert np.ptp(right) < 0.01
    assert right.mean() == pytest.approx(turned.mean(), abs=0.005)


def test_an_unknown_way_is_refused():
    with pytest.raises(ValueError, match="platt"):
        response.Calibrator("hope")


def test_a_fact_that_was_nearly_always_0_does_not_decide_alone():
    rng = np.random.default_rng(0)
    x = np.c_[rng.normal(size=4000), np.arange(4000) < 8]
    y = rng.random(4000) < 1 / (1 + np.exp(2 - x[:, 0]))
    y[:8] = True
    model = response.logistic().fit(x, y)
    rare = model.predict_proba(np.array([[0.0, 1.0]]))[0, 1]
    assert rare < 0.5 and rare == model.predict_proba(np.array([[0.0, 50.0]]))[0, 1]
