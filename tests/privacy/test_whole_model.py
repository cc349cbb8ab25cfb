"""The whole model in private: each household's gradient is its own, bounded, and nothing knows another household."""

from __future__ import annotations

import dataclasses

import keras
import numpy as np
import pytest
from light_shop import shop, task

from recsys_kit.privacy import differential, federated, whole_model
from recsys_kit.training import inclusion_bce

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the gradients are TensorFlow's")


@pytest.fixture(scope="module")
def data():
    return whole_model.Histories.of(whole_model.sequences(task().validation), seed=1)[np.arange(6)]


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return whole_model.build(shop(), task().test, width=8, blocks=1)


def flat(arrays):
    return np.concatenate([np.ravel(array) for array in arrays])


def one_by_one(model, data, step=0):
    import tensorflow as tf

    for one in range(len(data)):
        ((x, y),) = whole_model._batches(data[[one]], step)
        with tf.GradientTape() as tape:
            found = model({name: array[0] for name, array in x.items()}, training=True)
            loss = sum(tf.reduce_mean(inclusion_bce(y[name][0], found[name])) for name in found)
        yield flat(tape.gradient(loss, [weight.value for weight in model.trainable_weights]))


@pytest.mark.parametrize("clip", [0.5, 1e6])
def test_sums_are_those_of_gradients_taken_one_by_one(model, data, clip):
    each = list(one_by_one(model, data))
    assert np.std([np.linalg.norm(one) for one in each]) > 0
    expected = sum(one * min(1, clip / np.linalg.norm(one)) for one in each)
    found = flat(whole_model.clipped_sums(model, data, clip))
    assert np.allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def test_one_household_moves_the_sum_by_the_clip_at_most(model, data):
    every, fewer = (flat(whole_model.clipped_sums(model, part, 0.3)) for part in (data, data[np.arange(1, 6)]))
    assert 0.29 < np.linalg.norm(every - fewer) <= 0.3 * (1 + 1e-3)  # beside it, everybody is asked the same


def test_what_a_household_is_asked_does_not_hang_on_others():
    split = task().validation
    seq = whole_model.sequences(split)
    whom = int(whole_model.Histories.of(seq).users[3])
    fewer = split.history[split.history["user"].isin([whom, 0, 1])]
    alone = whole_model.sequences(dataclasses.replace(split, history=fewer))
    origin = seq.day([alone.origin])[0]
    found, expected = (
        next(whole_model._batches(whole_model.Histories(one, np.array([whom])), 0)) for one in (alone, seq)
    )
    for mine, theirs in zip(found, expected, strict=True):
        for name in mine:
            shift = origin if name in ("days", "target_day") else 0.0
            there = theirs[name] if name != "days" else np.where(theirs["valid"], theirs[name] - shift, 0)
            assert np.allclose(mine[name], there - (shift if name == "target_day" else 0.0), atol=1e-4), name


def test_steps_ask_for_other_baskets(data):
    (first, again, other) = (next(whole_model._batches(data, step))[0]["candidates"] for step in (0, 0, 1))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_item_vectors_stay_at_their_start_and_the_rest_is_trained(data):
    keras.utils.set_random_seed(0)
    model = whole_model.build(shop(), task().test, width=8, blocks=1)
    before = {weight.path: np.array(weight) for weight in model.weights}
    settings = differential.Settings(steps=2, rate=1.0, clip=1.0, learning_rate=0.01)
    differential.fit(model, data, 0.1, settings, whole_model.clipped_sums)
    moved = {path for path, old in before.items() if not np.array_equal(old, model_weight(model, path))}
    assert moved == {weight.path for weight in model.trainable_weights}
    assert not any(path.startswith("item/") or path == "discover/own" for path in moved)


def model_weight(model, path):
    return np.array(next(weight for weight in model.weights if weight.path == path))


def test_a_round_of_federated_averaging_with_one_pass_at_home_is_a_step_without_noise(model, data):
    clip, rate = 0.3, 0.05
    steps = [-rate * one * min(1, clip / np.linalg.norm(one)) for one in one_by_one(model, data)]
    (mean,) = federated.average([[step] for step in steps], np.ones(len(steps)))
    found = -rate * flat(whole_model.clipped_sums(model, data, clip)) / len(data)
    assert np.allclose(found, mean, atol=1e-4 * np.abs(mean).max())
