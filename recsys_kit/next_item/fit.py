"""Training the next-item Transformer for `recsys-kit bench`: averaged weights, early stopping, a deadline.

Letters for shapes: N users, D width, V items.
"""

from __future__ import annotations

from functools import partial

import keras
import numpy as np
from keras import ops
from tqdm import tqdm

from recsys_kit import next_item, transformer
from recsys_kit.neural import devices, losses
from recsys_kit.neural.fitting import BestInTime, reset
from recsys_kit.next_item import leave_one_out, prior
from recsys_kit.next_item.leave_one_out import LeaveOneOut

__all__ = ["OBJECTIVES", "Trainer"]

OBJECTIVES = {"causal": next_item.NextItemBatches, "masked": next_item.MaskedItemBatches}
"""What a model is trained to find: the item after each (GPT-style), or those behind a mask (BERT-style)."""

_MOMENTUM = 0.98  # of the running average of the weights: about the last 50 steps


class Trainer:
    """A next-item model that can be trained again and again without being traced again.

    Args:
        data: The sequences.
        length: The longest row.
        loss: A name in `losses.LOSSES`.
        objective: A name in `OBJECTIVES`.
        width: D.
        blocks: Transformer blocks.
        dropout: Dropout.
        learning_rate: AdamW's.
    """

    def __init__(
        self,
        data: LeaveOneOut,
        length: int,
        loss: str = "sampled_softmax",
        objective: str = "causal",
        width: int = 64,
        blocks: int = 2,
        dropout: float = 0.3,
        learning_rate: float = 4e-3,
    ):
        if objective not in OBJECTIVES:
            raise ValueError(f"`objective` must be one of {', '.join(OBJECTIVES)}. Received: objective={objective!r}.")
        self.data, self.length, self.loss, self.objective, self.width = data, length, loss, objective, width
        causal = objective == "causal"
        places = length if causal else length + 1  # one for the mask
        self.build = partial(
            transformer.next_item_model, data.size, places, width, blocks, dropout=dropout, causal=causal
        )
        self.model = self.build()
        self.scores = next_item.NextItemScores(self.model, data, length)
        self.training = next_item.training_model(self.model, loss)
        self.optimizer = keras.optimizers.AdamW(
            learning_rate, weight_decay=0.01, clipnorm=1.0, use_ema=True, ema_momentum=_MOMENTUM
        )
        self.training.compile(self.optimizer, loss=losses.mean_loss, jit_compile=devices.compiled())
        self.optimizer.build(self.training.trainable_variables)

    def fit(
        self, held_out: int, epochs: int, seed: int, bar: tqdm, deadline: float, users: np.ndarray | None = None
    ) -> BestInTime:
        """Trains from scratch, that is from vectors that counting gives, and keeps the best epoch's averaged weights.

        Args:
            held_out: The last items of each user that are not trained on.
            epochs: Most passes over the data.
            seed: Seed of everything random.
            bar: Progress bar.
            deadline: See `BestInTime`.
            users: (N,) users to validate on, with the first hidden item; None: no validation.

        Returns:
            The record of the training.
        """
        keras.utils.set_random_seed(seed)
        for variable, new in zip(self.model.variables, self.build().variables, strict=True):
            variable.assign(new)
        reset(self.optimizer)
        table = self.model.get_layer("item").own
        start = ops.convert_to_numpy(table).copy()
        start[1 : self.data.size + 1] += prior.cooccurrence_vectors(self.data, held_out, self.width)
        table.assign(start)
        batches = OBJECTIVES[self.objective](self.data, held_out, self.length, self.loss, seed=seed)
        watch = BestInTime(bar, deadline, None if users is None else partial(self.ndcg, held_out, users), "ndcg@10")
        bar.reset(epochs * len(batches))
        averages = keras.callbacks.SwapEMAWeights(swap_on_epoch=True)  # what is validated and kept
        self.training.fit(batches, epochs=epochs, verbose=0, callbacks=[averages, watch])
        watch.positions = batches.positions * watch.batches / len(batches)
        return watch

    def ndcg(self, held_out: int, users: np.ndarray) -> float:
        """Returns the mean NDCG@10 of the first hidden item."""
        return leave_one_out.judge(self.scores.scorer(held_out, users), self.data, held_out, users)["ndcg@10"]
