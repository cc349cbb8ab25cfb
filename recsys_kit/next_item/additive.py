"""The sequence model's twin without attention, and one training for both (notebook 06).

An ablation needs a twin that reads as much. `next_item_model` with `blocks=0` reads the last item alone; the twin here
reads the whole history, as means of its vectors. What it can't do is put two items together.

Letters for shapes: B rows of a batch, L positions, D width, K means, V items (ids 1..V; 0 is padding).
"""

from __future__ import annotations

from dataclasses import dataclass

import keras
import numpy as np
from keras import layers, ops

from recsys_kit import transformer
from recsys_kit.neural import devices, fitting, losses
from recsys_kit.next_item import laboratory, prior
from recsys_kit.next_item.batches import NextItemBatches, NextItemScores, training_model
from recsys_kit.next_item.leave_one_out import LeaveOneOut

__all__ = ["HistoryMeans", "Settings", "fit", "mean_model"]


@dataclass(frozen=True)
class Settings:
    """How a model is trained here.

    Attributes:
        epochs: Most passes over the data.
        learning_rate: AdamW's.
        patience: Epochs without a better validation before training stops. None: it goes to the end, for what pairs of
            items say is learned late and suddenly.
        repeats: See `laboratory.judge`.
        counted: Whether vectors start where counting pairs puts them, as in `fit.Trainer`.
        loss: A name in `losses.LOSSES`.
        tokens: Real positions of a batch; None: as `NextItemBatches` has it.
        seed: Seed of batches and dropout.
    """

    epochs: int = 8
    learning_rate: float = 5e-3
    patience: int | None = None
    repeats: bool = True
    counted: bool = False
    loss: str = "softmax"
    tokens: int | None = 256
    seed: int = 0


@keras.saving.register_keras_serializable(package="recsys_kit.next_item")
class HistoryMeans(layers.Layer):
    """Weighted means of the vectors up to each position, with older ones counting less; how much less is learned.

    Args:
        decays: What a vector counts at first, relative to the next newer one, one number for each of K means: 0 is the
            last vector alone, 1 the plain mean.

    Example:
        The last vector, and the plain mean of 1 and 3:

        >>> vectors = np.array([[[1.0], [3.0]]], "float32")  # (1, 2, 1)
        >>> np.asarray(HistoryMeans((0.0, 1.0))(vectors)).round(2).tolist()
        [[[1.0, 1.0], [3.0, 2.0]]]
    """

    def __init__(self, decays: tuple[float, ...] = (0.0, 0.5, 0.8, 0.95, 1.0), **kwargs):
        super().__init__(**kwargs)
        self.decays = tuple(decays)

    def build(self, shape):
        """Creates one number a mean: the logit of its decay."""
        start = np.clip(np.array(self.decays), 1e-4, 1 - 1e-4)
        start = keras.initializers.Constant(np.log(start / (1 - start)))
        self.logit = self.add_weight(shape=(len(self.decays),), initializer=start, name="logit")

    def call(self, x):
        """Maps (B, L, D) to (B, L, K * D); padding stands on the right, where no position looks."""
        length = ops.shape(x)[1]
        place = ops.cast(ops.arange(length), "float32")
        age = place[:, None] - place[None, :]  # (L, L)
        weight = ops.exp(ops.maximum(age, 0.0) * ops.log(ops.sigmoid(self.logit))[:, None, None])  # (K, L, L)
        weight = ops.where(age >= 0, weight, 0.0)
        weight = weight / ops.sum(weight, axis=-1, keepdims=True)
        means = ops.einsum("klm,bmd->blkd", weight, x)
        return ops.reshape(means, (-1, length, len(self.decays) * x.shape[-1]))

    def compute_output_shape(self, shape):
        """Returns (B, L, K * D)."""
        return (*shape[:-1], len(self.decays) * shape[-1])

    def get_config(self):
        """Returns the arguments, for saving."""
        return super().get_config() | {"decays": self.decays}


def mean_model(items: int, width: int = 64, dropout: float = 0.2) -> keras.Model:
    """Builds the twin: an item's score is a sum over the items of the history, each for itself.

    There is no norm at its end. It would let pairs in by the back door: how long a sum of two vectors is, is a fact
    about both.

    Args:
        items: V.
        width: D.
        dropout: Dropout while training.

    Returns:
        A model from ids (B, L) to logits (B, L, V + 1), with the layers of `transformer.next_item_model` by name.
    """
    ids = keras.Input((None,), dtype="int32", name="ids")
    embedding = transformer.ItemEmbedding([], width, size=items + 1, name="item")
    x = layers.Rescaling(float(width) ** 0.5, name="scale")(embedding(ids))
    x = layers.Dropout(dropout, name="drop")(x)
    x = layers.Dense(width, name="norm")(HistoryMeans(name="means")(x))  # (B, L, D), the state that scores are asked of
    return keras.Model(ids, transformer.TiedLogits(embedding, name="logits")(x), name="means")


def fit(
    model: keras.Model, data: LeaveOneOut, length: int, settings: Settings = Settings()
) -> tuple[NextItemScores, list[float]]:
    """Trains a next-item model on all but everybody's last two items, and keeps the epoch that is best on the first.

    As in `fit.Trainer`, the weights that are kept are averages of the last steps; unlike there, an item may be bought
    again.

    Args:
        model: `transformer.next_item_model` or `mean_model`.
        data: The sequences.
        length: The longest row. Where all histories are of one length, it must be shorter: a place that no training row
            reaches has a random vector.
        settings: How.

    Returns:
        What to ask for scores, and the validation NDCG@10 epoch by epoch.
    """
    keras.utils.set_random_seed(settings.seed)
    if settings.counted:
        prior.start_from_counts(model, data, 2)
    feed = NextItemBatches(data, 2, length, loss=settings.loss, tokens=settings.tokens, seed=settings.seed)
    training = training_model(model, settings.loss)
    averages = {"use_ema": True, "ema_momentum": 0.98}  # of about the last 50 steps
    optimizer = keras.optimizers.AdamW(settings.learning_rate, weight_decay=0.01, clipnorm=1.0, **averages)
    steps = devices.at_once(8)  # they are small: Python would cost more
    training.compile(optimizer, loss=losses.mean_loss, steps_per_execution=steps)
    training.optimizer.build(training.trainable_variables)  # else its step is traced twice
    scores, curve = NextItemScores(model, data, length), []
    best = fitting.BestWeights(settings.patience or settings.epochs)

    def look(epoch, logs):
        curve.append(float(laboratory.judge(scores.scorer(2), data, 2, repeats=settings.repeats).mean()))
        training.stop_training = best.add(curve[-1], model.get_weights)

    after = [keras.callbacks.SwapEMAWeights(swap_on_epoch=True), keras.callbacks.LambdaCallback(on_epoch_end=look)]
    training.fit(feed, epochs=settings.epochs, verbose=0, shuffle=False, callbacks=after)
    model.set_weights(best.weights)
    return scores, curve
