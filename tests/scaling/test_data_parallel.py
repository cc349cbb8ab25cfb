"""Two workers train what one process trains, a worker or the whole training may die, and every row counts once."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import keras
import numpy as np
import pytest

from recsys_kit.scaling import cluster, data_parallel

SETTINGS = data_parallel.Settings(batch_size=64, epochs=2, save_every=3, seed=1)


def model():
    keras.utils.set_random_seed(0)
    layers = [keras.Input((5,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(1, "sigmoid")]
    built = keras.Sequential(layers)
    built.compile(keras.optimizers.Adam(0.05))
    return built


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 5)).astype("float32")
    return x, (x.sum(1, keepdims=True) + rng.normal(size=(300, 1)) > 0).astype("float32")


@pytest.fixture(scope="module")
def alone(rows, tmp_path_factory):
    """The losses of one process."""
    return data_parallel.train(model(), *rows, SETTINGS, tmp_path_factory.mktemp("alone")).losses


class Dying:
    """Computes the gradients; the first worker that is asked dies in the middle of it."""

    def __init__(self, flag: Path):
        self.flag = flag

    def __call__(self, *values):
        found = data_parallel.gradients(*values)
        try:
            self.flag.touch(exist_ok=False)
        except FileExistsError:
            return found
        os.kill(os.getpid(), signal.SIGKILL)


def test_one_process_steps_as_keras_does(rows, alone):
    x, y = rows
    built = model()
    built.compile(keras.optimizers.Adam(0.05), loss="binary_crossentropy")
    order = np.random.default_rng([SETTINGS.seed, 0]).permutation(len(x))
    losses = [float(built.train_on_batch(x[part], y[part])) for part in np.split(order, [64, 128, 192, 256])]
    np.testing.assert_allclose(losses, alone[:5], rtol=1e-5)


def test_an_interrupted_training_goes_on_where_its_checkpoint_is(rows, alone, tmp_path):
    def crash(state):
        if state.step == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        data_parallel.train(model(), *rows, SETTINGS, tmp_path, after=crash)
    steps = []
    state = data_parallel.train(model(), *rows, SETTINGS, tmp_path, after=lambda state: steps.append(state.step))
    assert steps == list(range(4, 11))  # from the checkpoint after step 3
    np.testing.assert_allclose(state.losses, alone, atol=1e-6)
    assert (state.seen == SETTINGS.epochs).all()
    again = data_parallel.train(model(), *rows, SETTINGS, tmp_path)  # it is done: nothing is trained
    assert again.losses == state.losses


def test_a_model_that_remembers_is_refused(rows, tmp_path):
    built = keras.Sequential([keras.Input((5,)), keras.layers.BatchNormalization(), keras.layers.Dense(1)])
    with pytest.raises(ValueError, match="no weights beside those that are trained"):
        data_parallel.train(built, *rows, SETTINGS, tmp_path)


@pytest.mark.slow
def test_two_workers_train_what_one_process_trains_though_one_of_them_is_killed(rows, alone, tmp_path):
    dying = Dying(tmp_path / "died")
    with cluster.workers(count=2, memory_gb=2) as client:
        state = data_parallel.train(model(), *rows, SETTINGS, tmp_path, client=client, compute=dying)
    assert dying.flag.exists()
    np.testing.assert_allclose(state.losses, alone, atol=1e-5)
    assert (state.seen == SETTINGS.epochs).all()
