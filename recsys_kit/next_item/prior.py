"""What counting pairs of items says of the next item: a start for a model's vectors, and a prior beside its scores.

Letters for shapes: U users, B users of a block, E events, D width, V items (0..V - 1 as columns).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from recsys_kit import baselines, evaluation
from recsys_kit.neural import start_vectors
from recsys_kit.next_item.leave_one_out import LeaveOneOut

if TYPE_CHECKING:
    import keras

__all__ = ["ItemPrior", "cooccurrence_vectors", "popularity", "start_from_counts"]


def cooccurrence_vectors(data: LeaveOneOut, held_out: int, width: int, size: float = 0.1) -> np.ndarray:
    """Returns (V, D) vectors in which items of the same sequences are close; a better start than random ones.

    Items are counted together if they are at most 10 steps apart, weighted by 1 / steps. The counts, as positive
    pointwise mutual information, are factorised: `start_vectors.from_pairs`.

    Args:
        data: The sequences.
        held_out: The last items of each user that are not counted.
        width: D; if there are fewer items, the last columns are zeros.
        size: Root mean square of the vectors' entries.
    """
    both_ways = baselines.PairWeights(backward=1, from_power=0, to_power=0)
    pairs = baselines.cooccurrence_table(*data.events(held_out), data.size, weights=both_ways)
    counts = sp.coo_matrix(pairs)
    return start_vectors.from_pairs(counts, np.asarray(counts.sum(axis=1)).ravel(), width, size)


def start_from_counts(model: keras.Model, data: LeaveOneOut, held_out: int) -> None:
    """Adds `cooccurrence_vectors` to the random vectors that a next-item model starts with.

    Args:
        model: A model with an `ItemEmbedding` of the name "item".
        data: The sequences.
        held_out: The last items of each user that are not counted.
    """
    from keras import ops

    table = model.get_layer("item").own
    start = ops.convert_to_numpy(table).copy()
    start[1 : data.size + 1] += cooccurrence_vectors(data, held_out, start.shape[1])
    table.assign(start)


class ItemPrior:
    """What counting alone says of the next item: the co-occurrence table, as log chances to add to a model's logits.

    Args:
        data: The sequences.
        held_out: The last items of each user that the table doesn't count.
    """

    def __init__(self, data: LeaveOneOut, held_out: int):
        self.data = data
        self.table = baselines.cooccurrence_table(*data.events(held_out), data.size)
        self.popular = popularity(data, held_out)

    def scorer(self, held_out: int) -> evaluation.Scorer:
        """Returns users (B,) -> log chances (B, V), where the last `held_out` items of each user are hidden."""
        recent = baselines.recent_items(*self.data.events(held_out), len(self.data.start) - 1, self.data.size)

        def score(users: np.ndarray) -> np.ndarray:
            counted = (recent[users] @ self.table).toarray()  # (B, V)
            counted /= np.maximum(counted.sum(axis=1, keepdims=True), 1e-9)
            return np.log(0.99 * counted + 0.01 * self.popular)

        return score


def popularity(data: LeaveOneOut, held_out: int) -> np.ndarray:
    """Returns (V,) shares of the events; an item without one counts half an event."""
    counts = np.maximum(np.bincount(data.events(held_out)[2], minlength=data.size), 0.5)
    return (counts / counts.sum()).astype(np.float32)
