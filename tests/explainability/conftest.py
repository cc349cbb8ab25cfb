"""A small shop's model that is not trained but says something, and a question to it; a question worked by hand."""

import keras
import numpy as np
import pytest
from unseen_shop import write_unseen_shop

from recsys_kit import datasets, preprocessing, training
from recsys_kit.explainability import attribution
from recsys_kit.training import baskets


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    shop = datasets.load(str(write_unseen_shop(tmp_path_factory.mktemp("shop"))))
    return shop, preprocessing.task(shop)


@pytest.fixture(scope="module")
def model(task):
    shop, splits = task
    keras.utils.set_random_seed(0)
    model = training.build(shop, splits.test, training.Settings(width=8, blocks=2))
    rng = np.random.default_rng(0)  # heads start at zero: moved a little, the state and the vectors have a say
    for weight in model.trainable_variables:
        weight.assign(weight + rng.normal(0, 0.05, weight.shape))
    return model


@pytest.fixture(scope="module")
def seq(task):
    return baskets.sequences(task[1].test)


@pytest.fixture(scope="module")
def question(task, model, seq):
    return attribution.Question(model, task[1].test, 3, seq)


class ByHand:
    """Five items of history; what each adds to the score of item 7 of eight is known, all other scores are fixed."""

    owned = np.array([1, 2, 3, 4, 5])
    times = np.array([1.0, 9.0, 2.0, 3.0, 1.0])
    last = np.array([5.0, 1.0, 2.0, 3.0, 4.0])
    adds = np.array([0.0, 1.0, 4.0, 2.0, -1.0])

    def scores(self, keep, asked=None):
        keep = np.atleast_2d(keep)
        everything = np.tile([3.5, 2.5, 1.5, 0.5, 0.2, 0.1, 0.0, -9.0], (len(keep), 1))
        everything[:, 6] = keep @ self.adds
        return everything if asked is None else everything[:, np.asarray(asked) - 1]


@pytest.fixture
def by_hand():
    return ByHand()
