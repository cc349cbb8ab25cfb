"""Promises of `meta_learning`: one step is one gradient step, and nothing is learned where there is no lesson."""

import numpy as np
import pytest

from recsys_kit.optimization import meta_learning, newcomers


def lesson(facts, bought, valid=1.0):
    facts, bought = np.asarray(facts, np.float32), np.asarray(bought, np.float32)
    return {
        "lessons": facts[None, None],
        "bought": bought[None, None],
        "valid": np.full((1, 1), valid, np.float32),
        "weight": np.ones(len(bought), np.float32),
        "vectors": np.eye(len(bought), 2, dtype=np.float32),
    }


def layer(x, start, rate, **settings):
    adapt = meta_learning.Adapt(**settings)
    adapt.build({name: value.shape for name, value in x.items()})
    adapt.start.assign(start)
    adapt.bias.assign(0.0)
    inverse = np.log(np.expm1(rate))
    adapt.rate.assign(np.full(len(start), inverse))
    adapt.taste_rate.assign(np.full(2, inverse))
    return adapt


FACTS, BOUGHT = [[1.0, 0.2], [0.0, 1.5], [0.0, 0.3]], [1.0, 0.0, 0.0]


def test_one_step_is_one_step_of_gradient_descent():
    x = lesson(FACTS, BOUGHT)
    weights, taste, _ = layer(x, [1.0, 1.0], 2.0)(x)
    error = 1 / (1 + np.exp(-np.array(FACTS).sum(1))) - BOUGHT
    assert np.allclose(weights[0], 1 - 2.0 * (error @ np.array(FACTS)) / 20, atol=1e-5)
    assert np.allclose(taste[0], -2.0 * error[:2] / 20, atol=1e-5)


def test_a_listwise_step_is_one_step_down_the_softmax():
    x = lesson(FACTS, BOUGHT)
    weights, _, _ = layer(x, [1.0, 1.0], 2.0, listwise=True)(x)
    chance = np.exp(np.array(FACTS).sum(1))
    error = chance / chance.sum() - BOUGHT
    assert np.allclose(weights[0], 1 - 2.0 * (error @ np.array(FACTS)) / 20, atol=1e-5)


@pytest.mark.parametrize("settings", [{"steps": 0}, {"steps": 3}])
def test_without_steps_or_without_lessons_the_start_stays(settings):
    x = lesson(FACTS, BOUGHT, valid=float(settings["steps"] == 0))
    weights, taste, _ = layer(x, [1.0, -2.0], 2.0, **settings)(x)
    assert np.allclose(weights, [[1.0, -2.0]]) and np.allclose(taste, 0)


def test_more_steps_fit_the_lesson_better():
    x = lesson(FACTS, BOUGHT)

    def loss(steps):
        weights, taste, bias = layer(x, [0.0, 0.0], 5.0, steps=steps)(x)
        logits = np.array(FACTS) @ np.asarray(weights[0]) + np.asarray(taste[0]) @ x["vectors"].T + float(bias[0])
        return np.mean(np.log1p(np.exp(-logits * (2 * np.array(BOUGHT) - 1))))

    assert loss(0) > loss(1) > loss(4)


def test_the_first_order_step_is_the_same_step():
    x = lesson(FACTS, BOUGHT)
    first, second = (layer(x, [1.0, 1.0], 2.0, first_order=order)(x)[0] for order in (True, False))
    assert np.allclose(first, second)


def test_the_layer_survives_a_save():
    config = meta_learning.Adapt(2, True, True).get_config()
    assert (config["steps"], config["first_order"], config["listwise"]) == (2, True, True)
    assert meta_learning.Adapt.from_config(config).get_config() == config


@pytest.fixture(scope="module")
def episodes(shop, splits):
    split = newcomers.lean(splits.validation)
    cases = np.flatnonzero(newcomers.basket_counts(split) > 5)
    return meta_learning.training_episodes(split, shop.items, cases)


@pytest.fixture(scope="module")
def lessons(episodes):
    return meta_learning.Lessons(episodes, drawn=200)


@pytest.fixture(scope="module")
def start(lessons):
    return meta_learning.train(lessons, epochs=3, steps=0).model


def test_every_household_is_a_newcomer_once_a_round_and_the_test_weeks_are_not_touched(episodes, splits):
    cases = np.concatenate([episode.cases for episode in episodes])
    assert len(set(cases)) == len(cases) > 50
    for episode in episodes:
        assert episode.split.end <= splits.test.cutoff
        kept = newcomers.basket_counts(episode.split)[episode.cases]
        assert set(kept) <= {1, 2, 3, 5}


def test_training_lowers_the_loss_and_meta_learning_begins_at_the_start(lessons, start):
    before = start.get_layer("adapt").start.numpy()
    model, curve = meta_learning.train(lessons, epochs=2, start=start, learning_rate=1e-3)
    assert np.isfinite(curve["loss"]).all() and curve["loss"].iloc[-1] < curve["loss"].iloc[0] + 0.1
    assert np.abs(model.get_layer("adapt").start.numpy() - before).max() < 0.2


def test_a_learned_start_beats_popularity_for_newcomers(shop, splits, start):
    split = newcomers.lean(splits.test)
    cases = np.flatnonzero(newcomers.basket_counts(split) >= 20)
    found = meta_learning.compare(split, shop.items, cases, (1, 3), {"start": start})[3]
    assert sorted(found["start"].index) == sorted(cases)
    assert found["start"]["ndcg"].mean() > found["popularity"]["ndcg"].mean()


def test_fine_tuning_with_a_tiny_rate_is_the_start(shop, splits, start):
    split = newcomers.lean(splits.test)
    cases = np.flatnonzero(newcomers.basket_counts(split) >= 20)[:10]
    episode = newcomers.episode(split, shop.items, cases, 2)
    models = {"start": start, "tuned": meta_learning.fine_tuning(start, 1e-6)}
    scores = meta_learning.scores(episode, models)
    assert np.allclose(scores["start"], scores["tuned"], atol=1e-3)


def test_households_too_short_to_forget_anything_are_an_error():
    with pytest.raises(ValueError, match="no household has a history that is long enough"):
        meta_learning.Lessons([])
