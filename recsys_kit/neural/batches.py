"""What every class of batches has: an epoch, a seed, and random numbers that depend on nothing else."""

from __future__ import annotations

import keras
import numpy as np

__all__ = ["EpochBatches", "first_and_last_first"]


class EpochBatches(keras.utils.PyDataset):
    """Batches whose order and draws depend on the seed and the epoch alone, so that a run can be resumed or repeated.

    A subclass calls `start_epoch` at the end of its own `__init__`, and fills in `plan`, `__len__` and `__getitem__`.

    Args:
        seed: Seed of everything random.
        **kwargs: Of `keras.utils.PyDataset`.

    Example:
        >>> class Letters(EpochBatches):
        ...     def __len__(self):
        ...         return 3
        ...     def plan(self):
        ...         self.order = self.rng().permutation(3)
        ...     def __getitem__(self, index):
        ...         return "abc"[self.order[index]]
        >>> letters = Letters(seed=0)
        >>> letters.start_epoch(0)
        >>> sorted(letters[i] for i in range(3))
        ['a', 'b', 'c']
    """

    def __init__(self, seed: int = 0, **kwargs):
        # 2 threads: with 1 TensorFlow tunes a pipeline, and waits for it. Few batches wait in memory, some are large.
        super().__init__(**{"workers": 2, "max_queue_size": 4} | kwargs)
        self.seed, self.epoch = seed, 0

    def rng(self, *more: int) -> np.random.Generator:
        """Returns the random numbers of this epoch, or with a batch's number those of the batch."""
        return np.random.default_rng((self.seed, self.epoch, *more))

    def plan(self) -> None:
        """Puts the epoch in order; called whenever one begins."""

    def start_epoch(self, epoch: int) -> None:
        """Goes to an epoch; 0 is the first."""
        self.epoch = epoch
        self.plan()

    def on_epoch_end(self) -> None:
        """Moves on to the next epoch."""
        self.start_epoch(self.epoch + 1)


def first_and_last_first(count: int, rng: np.random.Generator) -> np.ndarray:
    """Returns a random order of batches sorted by length: the shortest and the longest come first.

    Keras reads off the first two batches which axes vary.
    """
    return np.r_[0, count - 1, 1 + rng.permutation(count - 2)] if count > 2 else np.arange(count)
