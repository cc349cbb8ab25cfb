"""Planted effects: the truth is what it says, learners find it, weights make groups alike."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

from recsys_kit import evaluation
from recsys_kit.advertising import uplift

NAMES = ["baskets 30d", "coupon visits 90d", "share of offered categories", "rows a basket 90d (log)"]


@pytest.fixture(scope="module")
def facts():
    index = pd.MultiIndex.from_product([["a", "b"], range(4000)], names=["campaign_id", "user_id"])
    return pd.DataFrame(np.random.default_rng(0).random((8000, 4)), columns=NAMES, index=index)


@pytest.mark.parametrize("size", [0.05, 0.13, 0.25])
def test_the_planted_size_is_the_rate_of_those_with_a_coupon(facts, size):
    planted = uplift.plant(facts, size)
    assert (planted.without + planted.effect).mean() == pytest.approx(size, rel=0.05)
    assert planted.bought[planted.treated].mean() == pytest.approx(size, abs=0.02)
    assert planted.bought[~planted.treated].mean() == pytest.approx(planted.without.mean(), abs=0.02)


def test_chances_are_chances_and_a_coupon_helps_some_and_hurts_some(facts):
    planted = uplift.plant(facts, 0.13)
    assert ((planted.without + planted.effect >= 0) & (planted.without + planted.effect <= 1)).all()
    assert planted.effect.min() < 0 < planted.effect.max()


def test_who_comes_is_not_who_is_changed(facts):
    planted = uplift.plant(facts, 0.13)
    oracle = evaluation.qini(planted.effect, planted.effect)
    assert evaluation.qini(planted.effect, planted.without + planted.effect) < 0.9 * oracle
    assert evaluation.qini(planted.effect, planted.seen) < oracle  # a part of it nobody recorded


@pytest.mark.parametrize("learner", uplift.LEARNERS)
def test_a_learner_finds_the_effect_in_rows_it_has_not_seen(facts, learner):
    planted, rows = uplift.plant(facts, 0.25), np.arange(8000)
    found = uplift.effects(learner, LinearRegression, facts.to_numpy(), planted, (rows < 4000, rows >= 4000))
    truth = planted.effect[4000:]
    assert evaluation.qini(truth, found) > 0.6 * evaluation.qini(truth, truth)


def test_a_learner_reads_nothing_of_the_rows_it_is_asked_for(facts):
    planted, rows = uplift.plant(facts, 0.25), np.arange(8000)
    known = rows < 4000
    blind = uplift.Planted(planted.treated & known, planted.bought * known, *[planted.effect] * 3)
    both = [uplift.effects("X-learner", LinearRegression, facts, some, (known, ~known)) for some in (planted, blind)]
    assert both[0] == pytest.approx(both[1])


def test_an_unknown_learner_is_refused(facts):
    with pytest.raises(ValueError, match="S-learner"):
        uplift.effects("U-learner", LinearRegression, facts, uplift.plant(facts, 0.1), (np.arange(2), np.arange(2)))


def test_weights_undo_a_selection():
    rng = np.random.default_rng(0)
    x = rng.random(20000)
    chance = 0.1 + 0.8 * x
    sent = rng.random(20000) < chance
    y = x + 0.5 * sent
    weights = uplift.propensity_weights(sent, chance)
    plain = y[sent].mean() - y[~sent].mean()
    weighted = np.average(y[sent], weights=weights[sent]) - np.average(y[~sent], weights=weights[~sent])
    assert abs(weighted - 0.5) < 0.03 < abs(plain - 0.5)
