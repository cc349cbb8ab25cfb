"""Training the next-item Transformer for `recsys-kit bench`: averaged weights, early stopping, a deadline.

Letters for shapes: N users, D width, V items.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import keras
import numpy as np
from tqdm import tqdm

from recsys_kit import next_item, transformer
from recsys_kit.neural import devices, losses
from recsys_kit.neural.fitting import BestInTime, reset
from recsys_kit.next_item import leave_one_out, prior
from recsys_kit.next_item.leave_one_out import LeaveOneOut

__all__ = ["OBJECTIVES", "Settings", "Trainer"]

OBJECTIVES = {"causal": next_item.NextItemBatches, "masked": next_item.MaskedItemBatches}
"""What a model is trained to find: the item after each (GPT-style), or those behind a mask (BERT-style)."""


@dataclass(frozen=True)
class Settings:
    """What a next-item model is and how it learns.

    Attributes:
        loss: A name in `losses.LOSSES`.
        objective: A name in `OBJECTIVES`.
        width: D.
        blocks: Transformer blocks; 0: a state is its own position's item alone.
        heads: Attention heads a block; must divide the width.
        dropout: Share dropped while training, 0 to below 1.
        learning_rate: AdamW's at the start.
        halving: Epochs after which the learning rate is half of that, twice as many until it is a third, and so on; 0:
            it stays as it is.
        weight_decay: AdamW's.
        averaging: Momentum of the running average of the weights, 0 to below 1: .95 is about the last 20 steps.
        block_start: What the outputs' weights of each block are multiplied with at the start. Below 1 the vectors that
            counting gives are heard first.
        candidates: C, how many items a batch's next ones are compared with; at least as many as its targets need. Fewer
            are faster, and end a little lower.
    """

    loss: str = "sampled_softmax"
    objective: str = "causal"
    width: int = 64
    blocks: int = 2
    heads: int = 2
    dropout: float = 0.3
    learning_rate: float = 8e-3
    halving: float = 2.0
    weight_decay: float = 0.01
    averaging: float = 0.95
    block_start: float = 0.1
    candidates: int = 2048

    def __post_init__(self):
        """Checks the values."""
        for name, words in (("loss", losses.LOSSES), ("objective", OBJECTIVES)):
            if getattr(self, name) not in words:
                raise ValueError(
                    f"`{name}` must be one of {', '.join(words)}. Received: {name}={getattr(self, name)!r}."
                )
        if self.width < 1 or self.heads < 1 or self.width % self.heads:
            raise ValueError(
                "`width` and `heads` must be at least 1, and `heads` divide the width. "
                f"Received: width={self.width}, heads={self.heads}."
            )
        if self.blocks < 0 or not 0 <= self.dropout < 1:
            raise ValueError(
                "`blocks` must be 0 or more, and `dropout` lie in 0..1, below 1. "
                f"Received: blocks={self.blocks}, dropout={self.dropout}."
            )
        if not 0 <= self.averaging < 1 or not 0 <= self.block_start < np.inf:
            raise ValueError(
                "`averaging` must lie in 0..1, below 1, and `block_start` be 0 or more. "
                f"Received: averaging={self.averaging}, block_start={self.block_start}."
            )
        if self.candidates < 1:
            raise ValueError(f"`candidates` must be at least 1. Received: candidates={self.candidates}.")
        at_least = {"halving": self.halving, "weight_decay": self.weight_decay}
        if not 0 < self.learning_rate < np.inf or not all(0 <= value < np.inf for value in at_least.values()):
            raise ValueError(
                "`learning_rate` must be above 0, and `halving` and `weight_decay` 0 or more. "
                f"Received: learning_rate={self.learning_rate}, halving={self.halving}, "
                f"weight_decay={self.weight_decay}."
            )


class Trainer:
    """A next-item model that can be trained again and again without being traced again.

    Args:
        data: The sequences.
        length: The longest row.
        settings: What the model is and how it learns.
        **compiling: Given to Keras's `compile` as it is, such as `jit_compile=True`.
    """

    def __init__(self, data: LeaveOneOut, length: int, settings: Settings = Settings(), **compiling):
        self.data, self.length, self.settings = data, length, settings
        causal = settings.objective == "causal"
        self.build = partial(
            transformer.next_item_model,
            data.size,
            length if causal else length + 1,  # one for the mask
            settings.width,
            settings.blocks,
            settings.heads,
            settings.dropout,
            causal,
        )
        self.model = self.build()
        self.scores = next_item.NextItemScores(self.model, data, length)
        self.training = next_item.training_model(self.model, settings.loss)
        rate, epoch = settings.learning_rate, len(self.batches(2, 0))
        if settings.halving:
            rate = keras.optimizers.schedules.InverseTimeDecay(rate, settings.halving * epoch, 1.0)
        self.optimizer = keras.optimizers.AdamW(
            rate,
            weight_decay=settings.weight_decay,
            clipnorm=1.0,
            use_ema=True,
            ema_momentum=settings.averaging,
        )
        compiling = {"jit_compile": devices.compiled()} | compiling
        self.training.compile(self.optimizer, loss=losses.mean_loss, **compiling)
        self.optimizer.build(self.training.trainable_variables)

    def batches(self, held_out: int, seed: int) -> next_item.NextItemBatches:
        """Returns what is trained on when the last `held_out` items of each user are hidden."""
        used = self.settings
        batches = OBJECTIVES[used.objective]
        return batches(self.data, held_out, self.length, used.loss, candidates=used.candidates, seed=seed)

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
        for i in range(self.settings.blocks):  # leaves everything as it is where `block_start` is 1
            block = self.model.get_layer(f"block_{i}")
            for layer in (block.attention.join, block.narrow):
                layer.kernel.assign(layer.kernel * self.settings.block_start)
        prior.start_from_counts(self.model, self.data, held_out)
        batches = self.batches(held_out, seed)
        watch = BestInTime(bar, deadline, None if users is None else partial(self.ndcg, held_out, users), "ndcg@10")
        bar.reset(epochs * len(batches))
        averages = keras.callbacks.SwapEMAWeights(swap_on_epoch=True)  # what is validated and kept
        self.training.fit(batches, epochs=epochs, verbose=0, callbacks=[averages, watch])
        watch.positions = batches.positions * watch.batches / len(batches)
        return watch

    def ndcg(self, held_out: int, users: np.ndarray) -> float:
        """Returns the mean NDCG@10 of the first hidden item."""
        return leave_one_out.judge(self.scores.scorer(held_out, users), self.data, held_out, users)["ndcg@10"]
