"""The gate lets good models through and stops those that are worse by more than its margins."""

import numpy as np
import pandas as pd
import pytest
from busy_shop import busy_shop

from recsys_kit import preprocessing
from recsys_kit.operations import gate

MODEL = {"decay": 120.0, "popularity_weight": 0.1}


@pytest.fixture(scope="module")
def week():
    events = preprocessing.clean(busy_shop())[0]
    return preprocessing.split_by_time(events, pd.Timestamp("2017-10-20", tz="UTC"), min_users=2, min_items=1)


def decided(model, week):
    live = gate.value(MODEL, week)
    return gate.decide(gate.value(model, week), live, live)


def test_the_same_model_passes(week):
    assert decided(MODEL, week)["passes"]


def test_permuted_ids_do_not_pass(week):
    found = decided(gate.spoil(MODEL, permuted=True), week)
    assert not found["passes"] and "worse than the live model" in found["why"]


def test_a_model_that_lost_histories_does_not_pass(week):
    assert not decided(gate.spoil(MODEL, lost=0.5), week)["passes"]


def test_stale_features_look_at_the_past_alone(week):
    stale = gate.value(gate.spoil(MODEL, stale_days=60), week)
    assert stale.mean() < gate.value(MODEL, week).mean()


def test_small_losses_add_up_against_the_reference():
    rng = np.random.default_rng(0)
    reference = pd.Series(rng.random(4000))
    live, new = reference * 0.975, reference * 0.965
    assert gate.decide(new, live, live)["passes"]
    found = gate.decide(new, live, reference)
    assert not found["passes"] and "reference" in found["why"]


def test_only_a_model_that_is_shown_to_be_better_becomes_the_reference():
    rng = np.random.default_rng(0)
    live = pd.Series(rng.random(2000))
    assert gate.decide(live + 0.05 + rng.normal(0, 0.1, 2000), live, live)["raises"]
    assert not gate.decide(live, live, live)["raises"]
    assert not gate.decide(live * 0.99, live, live)["raises"]


def test_each_night_of_a_year_is_a_try_against_the_reference():
    rules = gate.Rules(yearly=0.05)
    assert 1 - rules.strict**365 == pytest.approx(0.05, rel=0.03)


def test_training_chooses_the_best_settings(week):
    best = gate.train(week)
    assert best in gate.GRID
    assert gate.value(best, week).mean() == max(gate.value(model, week).mean() for model in gate.GRID)


def test_the_power_grows_with_the_loss_and_the_week():
    rng = np.random.default_rng(0)
    live = pd.Series(rng.random(3000))
    noise = rng.normal(0, 0.05, 3000)
    noise -= noise.mean()
    stopped = [gate.rejected(live * (1 - loss) + noise, live)["stopped"] for loss in (0.0, 0.02, 0.05)]
    assert stopped[0] < 0.05 < 0.8 < stopped[1] <= stopped[2]
    assert gate.rejected(live + noise, live, cases=60)["stopped"] > stopped[0]
