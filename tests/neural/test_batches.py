"""Batches depend on the seed and the epoch alone; the first two show Keras which axes vary."""

import numpy as np
import pytest

from recsys_kit.neural.batches import EpochBatches, first_and_last_first


class Draws(EpochBatches):
    def __len__(self):
        return 4

    def plan(self):
        self.order = self.rng().permutation(4)

    def __getitem__(self, index):
        return self.order[index], self.rng(index).random()


def everything(batches):
    return [batches[index] for index in range(len(batches))]


def test_an_epoch_is_the_same_whenever_it_comes_and_another_one_differs():
    batches = Draws(seed=3)
    batches.start_epoch(1)
    first = everything(batches)
    batches.on_epoch_end()
    assert batches.epoch == 2 and everything(batches) != first
    batches.start_epoch(1)
    assert everything(batches) == first
    other = Draws(seed=4)
    other.start_epoch(1)
    assert everything(other) != first


@pytest.mark.parametrize("count", [0, 1, 2, 3, 9])
def test_every_batch_comes_once_and_the_shortest_and_the_longest_come_first(count):
    order = first_and_last_first(count, np.random.default_rng(0))
    assert sorted(order) == list(range(count))
    if count > 1:
        assert list(order[:2]) == [0, count - 1]
