"""What training shares: the learning rate's shape, an optimizer that starts anew, the best epoch."""

import weakref

import keras
import numpy as np
import pytest

from recsys_kit.neural import fitting


def test_the_learning_rate_rises_then_falls():
    rate = fitting.WarmCosine(0.01, steps=100, warm=10)
    rates = [float(rate(step)) for step in range(101)]
    assert max(rates) == pytest.approx(0.01, rel=1e-3) and np.argmax(rates) == 10
    assert rates[0] == pytest.approx(0.001, rel=1e-3) and rates[-1] == pytest.approx(0.0002, rel=1e-2)


def small(seed=0):
    keras.utils.set_random_seed(seed)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.AdamW(0.1), "mse", jit_compile=False)
    model.optimizer.build(model.trainable_variables)
    return model


def test_an_optimizer_that_is_reset_steps_like_a_new_one():
    x, y = np.eye(2, dtype="float32"), np.ones((2, 1), "float32")
    model = small()
    start = model.get_weights()
    model.train_on_batch(x, y)
    once = model.get_weights()
    model.train_on_batch(x, y)
    fitting.reset(model.optimizer)
    model.set_weights(start)
    model.train_on_batch(x, y)
    assert all(np.array_equal(a, b) for a, b in zip(once, model.get_weights(), strict=True))


def test_the_weights_of_the_best_epoch_are_put_back():
    class Bar:
        def update(self):
            pass

        def set_postfix_str(self, text):
            pass

    model, seen, scores = small(), [], iter([0.2, 0.5, 0.4, 0.3, 0.9])

    def validate():
        seen.append(model.get_weights())
        return next(scores)

    watch = fitting.BestInTime(Bar(), float("inf"), validate, patience=2)
    model.fit(np.eye(2, dtype="float32"), np.ones((2, 1), "float32"), epochs=9, verbose=0, callbacks=[watch])
    assert [row["score"] for row in watch.curve] == [0.2, 0.5, 0.4, 0.3]
    assert watch.best.epoch == 2
    assert all(np.array_equal(a, b) for a, b in zip(seen[1], model.get_weights(), strict=True))


def test_what_only_holds_itself_is_given_back():
    class Ring:
        def __init__(self):
            self.itself = self

    ring = weakref.ref(Ring())
    fitting.give_back()
    assert ring() is None
