"""Every household's part is bounded, the noise is as large as it says, and epsilon is what others compute."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_homes import homes

from recsys_kit.privacy import differential, small_head


def trained(seed=0):
    rng, model = np.random.default_rng(seed), small_head.build(4)
    model.set_weights([w + 0.3 * rng.normal(size=w.shape) for w in model.get_weights()])
    return model


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the slopes are compared with TensorFlow's")
def test_gradients_by_hand_are_those_of_the_backend():
    import tensorflow as tf

    data, model = homes(), trained()
    found = differential.gradients(model.get_weights(), data)
    for one in range(len(data)):
        part = data[[one]]
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(small_head.mean_loss(model(part.facts), part.bought, part.valid))
        for mine, theirs in zip(found, tape.gradient(loss, model.trainable_weights), strict=True):
            assert np.allclose(mine[one], theirs, atol=1e-6)


@given(st.floats(0.01, 5), st.integers(0, 20))
def test_no_household_adds_more_than_the_clip(clip, seed):
    rng = np.random.default_rng(seed)
    each = [rng.normal(size=(5, 3, 2)) * 10, rng.normal(size=(5, 4))]
    short, norm = differential.clipped(each, clip)
    after = np.sqrt(sum((part.reshape(5, -1) ** 2).sum(1) for part in short))
    assert (after <= clip * (1 + 1e-6)).all()
    unclipped = norm <= clip
    assert all(np.allclose(new[unclipped], old[unclipped]) for new, old in zip(short, each, strict=True))


def test_one_household_moves_the_sum_by_the_clip_at_most():
    data, model = homes(), trained()
    every, _ = differential.clipped(differential.gradients(model.get_weights(), data), 0.05)
    fewer, _ = differential.clipped(differential.gradients(model.get_weights(), data[1:]), 0.05)
    moved = np.sqrt(sum(((a.sum(0) - b.sum(0)) ** 2).sum() for a, b in zip(every, fewer, strict=True)))
    assert moved <= 0.05 * (1 + 1e-5)


def test_noise_has_the_stated_scale():
    data, noise, clip = homes(), 3.0, 0.2
    data.bought[:] = 0  # no slope: what moves is noise
    steps = []
    settings = {"steps": 1, "rate": 0.5, "clip": clip, "learning_rate": 1.0}

    class Watch(keras.optimizers.Adam):
        def apply(self, grads, variables):
            steps.extend(np.asarray(g).ravel() for g in grads)

    original, keras.optimizers.Adam = keras.optimizers.Adam, Watch
    try:
        for seed in range(20):
            differential.fit(small_head.build(16), data, noise, differential.Settings(seed=seed, **settings))
    finally:
        keras.optimizers.Adam = original
    found = np.concatenate(steps) * 0.5 * len(data)
    assert found.std() == pytest.approx(noise * clip, rel=0.05)
    assert abs(found.mean()) < 0.1 * noise * clip


# From dp-accounting 0.6.0 in an environment of its own. By Rényi divergences: RdpAccountant(range(2, 257)) composes
# SelfComposedDpEvent(PoissonSampledDpEvent(rate, GaussianDpEvent(noise)), steps) and is asked for get_epsilon(delta);
# then the same of PLDAccountant(value_discretization_interval=1e-3), which is tighter. A rate of 1 samples nothing.
PUBLISHED = [
    (1.1, 256 / 60_000, 14_062, 1e-5, 2.596981, 2.390530),
    (1.0, 0.2, 100, 1e-4, 14.471268, 12.667740),
    (2.0, 0.2, 300, 1e-4, 8.984778, 8.183017),
    (4.0, 0.5, 200, 1e-4, 8.526006, 7.781738),
    (6.0, 1.0, 100, 1e-4, 7.817066, 7.065315),
    (10.0, 1.0, 100, 1e-4, 4.177082, 3.804436),
    (1.5, 0.1, 500, 4e-4, 7.393532, 6.618966),
]


@pytest.mark.parametrize("noise, rate, steps, delta, published, tighter", PUBLISHED)
def test_epsilon_is_the_published_one(noise, rate, steps, delta, published, tighter):
    found = differential.epsilon(noise, rate, steps, delta)
    assert found == pytest.approx(published, rel=1e-5)
    assert tighter < found  # what is promised holds with room to spare


def test_epsilon_without_sampling_is_that_of_the_gaussian_mechanism():
    noise, delta, a = 4.0, 1e-5, np.arange(2, 257)
    by_hand = (a / (2 * noise**2) + np.log1p(-1 / a) - np.log(delta * a) / (a - 1)).min()
    assert differential.epsilon(noise, 1.0, 1, delta) == pytest.approx(by_hand, rel=1e-6)


def test_more_noise_fewer_steps_and_smaller_rates_promise_more():
    told = differential.epsilon(2.0, 0.1, 100, 1e-5)
    assert differential.epsilon(3.0, 0.1, 100, 1e-5) < told
    assert differential.epsilon(2.0, 0.1, 50, 1e-5) < told
    assert differential.epsilon(2.0, 0.05, 100, 1e-5) < told


@pytest.mark.parametrize("target", [0.5, 1.0, 8.0])
def test_the_noise_found_keeps_the_promise_and_hardly_less_would(target):
    noise = differential.noise_for(target, 0.2, 300, 1e-4)
    assert differential.epsilon(noise, 0.2, 300, 1e-4) <= target
    assert differential.epsilon(noise - 0.01, 0.2, 300, 1e-4) > target


def test_no_noise_promises_nothing():
    assert differential.epsilon(0.0, 0.2, 300, 1e-4) == np.inf
    assert differential.noise_for(np.inf, 0.2, 300, 1e-4) == 0.0


def test_the_same_seed_trains_the_same_head():
    found = []
    for _ in range(2):
        keras.utils.set_random_seed(0)
        head = differential.fit(small_head.build(4), homes(), 1.0, differential.Settings(steps=3))
        found.append(np.concatenate([w.ravel() for w in head.get_weights()]))
    assert np.array_equal(*found)
