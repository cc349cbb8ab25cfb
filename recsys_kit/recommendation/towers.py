"""Two retrievers that turn a household into vectors and look for the items nearest to them (notebook 08).

- The *average tower* (YouTube-DNN style): the mean of the last items' vectors, then a small network. One vector.
- The *multi-interest tower* (ComiRec style): attention gathers the last items into Q groups. Q vectors; an item's score
  is that of the vector which likes it best, so that nappies and wine need not share one mean.

Letters for shapes: U users, N examples, B of a batch, L last items, Q interests, D width, C candidates, V items of the
catalogue (ids 1..V; 0 is padding).
"""

from __future__ import annotations

from dataclasses import dataclass

import keras
import numpy as np
import pandas as pd
from keras import layers, ops

from recsys_kit import baselines, evaluation, report
from recsys_kit.neural import losses, sampling, start_vectors
from recsys_kit.neural.fitting import Fitted, loss_curve
from recsys_kit.preprocessing import Split
from recsys_kit.training import baskets
from recsys_kit.transformer import ItemEmbedding

__all__ = [
    "Interests",
    "RetrievalLoss",
    "Settings",
    "examples",
    "item_vectors",
    "recent",
    "tower",
    "train",
    "user_vectors",
    "vector_scorer",
]

_register = keras.saving.register_keras_serializable(package="recsys_kit.recommendation")


@_register
class Interests(layers.Layer):
    """Maps the vectors of the last items (B, L, D) to Q vectors of the household (B, Q, D).

    Args:
        interests: Q; 1 is the plain average, more are groups that attention finds.
        hidden: Width of the network after it.
        dropout: Dropout on the items' vectors.

    Example:
        >>> vectors, valid = np.ones((1, 5, 4), "float32"), np.ones((1, 5), bool)
        >>> tuple(Interests(interests=3)(vectors, valid).shape)
        (1, 3, 4)
    """

    def __init__(self, interests: int = 1, hidden: int = 128, dropout: float = 0.2, **kwargs):
        super().__init__(**kwargs)
        self.interests, self.hidden, self.dropout = interests, hidden, dropout
        self.look = layers.Dense(hidden // 4, "tanh", use_bias=False, name="look")
        self.share = layers.Dense(interests, use_bias=False, name="share")
        self.wide = layers.Dense(hidden, "relu", name="wide")
        self.drop = layers.Dropout(dropout)

    def build(self, vectors_shape, valid_shape=None):
        """Creates the weights."""
        width = vectors_shape[-1]
        if self.interests > 1:
            self.look.build((None, None, width))
            self.share.build((None, None, self.hidden // 4))
        self.wide.build((None, None, width))
        self.out = layers.Dense(width, name="out")
        self.out.build((None, None, self.hidden))

    def call(self, vectors, valid, training=None):
        """Returns (B, Q, D)."""
        vectors = self.drop(vectors, training=training)
        mask = ops.cast(valid, vectors.dtype)[:, :, None]  # (B, L, 1)
        if self.interests == 1:
            weight = mask / ops.maximum(ops.sum(mask, axis=1, keepdims=True), 1.0)
        else:
            weight = ops.softmax(self.share(self.look(vectors)) - 1e9 * (1.0 - mask), axis=1) * mask  # (B, L, Q)
        pooled = ops.matmul(ops.transpose(weight, (0, 2, 1)), vectors)  # (B, Q, L) @ (B, L, D)
        return pooled + self.out(self.wide(pooled))


@_register
class RetrievalLoss(layers.Layer):
    """The end of a tower in training: sampled softmax of the interest that likes the bought item best.

    Example:
        Both interests like the two candidates alike, so the chance of the right one is a half:

        >>> states, items = np.zeros((1, 2, 3), "float32"), np.zeros((2, 3), "float32")
        >>> loss = RetrievalLoss()(states, items, np.array([[1]]), np.zeros(2, "float32"))
        >>> round(float(loss[0]), 3)
        0.693
    """

    def call(self, states, vectors, column, log_chance):
        """Maps states (B, Q, D), candidates (C, D), the bought items' columns (B, 1) and log chances to losses (B,)."""
        logits = ops.matmul(states, ops.transpose(vectors))  # (B, Q, C)
        own = ops.take_along_axis(logits, ops.repeat(column[:, None], logits.shape[1], axis=1), axis=2)  # (B, Q, 1)
        best = ops.one_hot(ops.argmax(own[..., 0], axis=1), logits.shape[1], dtype=logits.dtype)  # (B, Q)
        logits = ops.sum(logits * best[:, :, None], axis=1)  # (B, C)
        return losses.sampled_softmax(logits, column, log_chance)


def tower(groups: list[list[int]], interests: int = 1, width: int = 64) -> keras.Model:
    """Builds a tower, untrained.

    Args:
        groups: `baskets.item_groups` of the catalogue.
        interests: Q; 1 is the average tower.
        width: Of the vectors; one more number holds an item's bias.

    Returns:
        A model from `items` (B, L) and `candidates` (C,) to the users' vectors (B, Q, D) and the items' (C, D).
    """
    embed, bias = ItemEmbedding(groups, width, name="item"), ItemEmbedding([], 1, size=len(groups[0]), name="bias")
    items = keras.Input((None,), dtype="int32", name="items")
    candidates = keras.Input(batch_shape=(None,), dtype="int32", name="candidates")
    states = Interests(interests, name="interests")(embed(items), ops.not_equal(items, 0))
    states = ops.concatenate([states, ops.ones_like(states[..., :1])], axis=-1)  # meets the bias
    vectors = ops.concatenate([embed(candidates), bias(candidates)], axis=-1)
    return keras.Model([items, candidates], [states, vectors], name=f"tower_{interests}")


def recent(seq: baskets.Sequences, users: np.ndarray, end: np.ndarray, length: int = 48) -> np.ndarray:
    """Returns (N, L) the last items of each user before a basket, newest first; 0 is padding.

    Args:
        seq: The sequences.
        users: (N,) users.
        end: (N,) one past the last basket that may be seen, as positions in `seq.days`.
        length: L.
    """
    stop = seq.row_start[end]
    first = seq.row_start[seq.basket_start[users]]
    flat = stop[:, None] - 1 - np.arange(length)  # (N, L)
    seen = flat >= first[:, None]
    flat = np.maximum(flat, 0)
    if not len(seq.row_item):
        return np.zeros(flat.shape, np.int32)
    ids = seq.items[np.minimum(seq.item_start[users][:, None] + seq.row_item[flat], len(seq.items) - 1)]
    return np.where(seen, ids, 0).astype(np.int32)


def examples(
    seq: baskets.Sequences, days: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draws one item from every recent basket that has one before it: the item to be found.

    Items that the user buys for the first time come first: what is repeated needs no retriever to be found.

    Args:
        seq: The sequences.
        days: How long before the cutoff a basket may lie.
        rng: Random numbers.

    Returns:
        (N,) users, (N,) baskets (positions in `seq.days`) and (N,) items.
    """
    user = np.repeat(np.arange(len(seq.basket_start) - 1), np.diff(seq.basket_start))
    basket = np.repeat(np.arange(len(seq.days)), np.diff(seq.row_start))  # (rows,)
    owner = user[basket]
    item = seq.items[seq.item_start[owner] + seq.row_item]
    pair = pd.Series(owner.astype(np.int64) * seq.trend.shape[1] + item)
    new = ~pair.duplicated().to_numpy()
    later = (basket > seq.basket_start[owner]) & (seq.days[basket] >= seq.last - days)
    order = np.lexsort((rng.random(len(item)), ~new, basket))
    order = order[later[order]]
    first = order[np.unique(basket[order], return_index=True)[1]]
    return owner[first], basket[first], item[first]


@dataclass(frozen=True)
class Settings:
    """How a tower is built and trained.

    Attributes:
        interests: Q; 1 is the average tower.
        width: D.
        epochs: Passes over the baskets.
        days: How long before the cutoff a basket may lie to be learned from.
        length: L, how many last items a household is known by.
        negatives: Items drawn a batch in proportion to popularity^0.75, shared by its examples.
        batch_size: B.
        learning_rate: Adam's highest rate; it falls along a cosine.
        seed: Seed of everything random.
    """

    interests: int = 1
    width: int = 64
    epochs: int = 2
    days: float = 60
    length: int = 48
    negatives: int = 1000
    batch_size: int = 512
    learning_rate: float = 3e-3
    seed: int = 0


def train(
    groups: list[list[int]],
    split: Split,
    settings: Settings | None = None,
    seq: baskets.Sequences | None = None,
) -> Fitted:
    """Trains a tower to find the items that a household buys for the first time.

    Args:
        groups: `baskets.item_groups` of the catalogue.
        split: Its history is learned from.
        settings: Sizes and training parameters; None: the usual ones.
        seq: The split's sequences, if they are at hand.

    Returns:
        The model, as `tower` builds it, and its loss epoch by epoch.
    """
    settings = settings or Settings()
    interests, width, epochs = settings.interests, settings.width, settings.epochs
    negatives, rows = settings.negatives, settings.batch_size
    keras.utils.set_random_seed(settings.seed)
    seq = seq or baskets.sequences(split)
    size = len(groups[0])
    rng = np.random.default_rng(settings.seed)
    model = tower(groups, interests, width)
    bought = baselines.decayed_counts(split, 180).log1p()
    model.get_layer("item").own.assign(start_vectors.from_users(bought, width))
    column = keras.Input((1,), dtype="int32", name="column")
    chance = keras.Input(batch_shape=(None,), dtype="float32", name="log_chance")
    loss = RetrievalLoss(name="loss")(*model.outputs, column, chance)
    trainer = keras.Model([*model.inputs, column, chance], loss)
    share = sampling.popularity_share(np.bincount(seq.items, minlength=size))  # padding is no item: 0
    model.get_layer("bias").own.assign((np.log(share + 1e-6) - np.log(share + 1e-6).mean())[:, None])
    slots = min(size - 1, rows + negatives)
    log_chance = np.log(np.maximum(sampling.chance(share, slots), 1e-6)).astype(np.float32)
    user, basket, item = examples(seq, settings.days, rng)
    batches = max(1, len(user) // rows)
    rate = keras.optimizers.schedules.CosineDecay(settings.learning_rate, batches * epochs, alpha=0.02)
    few = batches * epochs < 20  # steps: not worth the seconds that a trace takes
    mean = lambda y, value: ops.mean(value)  # noqa: E731
    trainer.compile(keras.optimizers.Adam(rate), loss=mean, jit_compile=False, run_eagerly=few)
    trainer.optimizer.build(trainer.trainable_variables)  # else its step is traced twice
    bar = report.progress(label=f"{interests} vectors", total=batches * epochs)
    curve = []
    for _ in range(epochs):
        user, basket, item = examples(seq, settings.days, rng)
        order = rng.permutation(len(user))[: batches * rows]  # batches of one size, or TensorFlow traces another step
        for part in np.array_split(order, batches):
            chosen, _ = sampling.draw(share, negatives, np.unique(item[part]), slots, rng)
            chosen = np.pad(chosen, (0, slots - len(chosen))).astype(np.int32)
            place = np.zeros(size, np.int32)
            place[chosen[::-1]] = np.arange(slots)[::-1]
            log = np.where(chosen > 0, log_chance[chosen], np.float32(1e9))  # padding is no candidate
            x = [recent(seq, user[part], basket[part], settings.length), chosen, place[item[part]][:, None], log]
            loss = trainer.train_on_batch(x, np.zeros(len(part), np.float32))
            bar.update()
        curve.append(float(loss))  # the mean of the epoch's batches
        trainer.reset_metrics()
    bar.close()
    return Fitted(model, loss_curve(curve))


def item_vectors(model: keras.Model) -> np.ndarray:
    """Returns (V, D) the items' vectors."""
    everything = np.arange(1, model.get_layer("item").size, dtype=np.int32)
    return ops.convert_to_numpy(model([np.zeros((1, 2), np.int32), everything])[1])


def user_vectors(model: keras.Model, seq: baskets.Sequences, users: np.ndarray, length: int = 48) -> np.ndarray:
    """Returns (N, Q, D) the vectors of users (N,) at the end of their history."""
    items = recent(seq, users, seq.basket_start[users + 1], length)
    none = np.zeros(1, np.int32)
    parts = [model([items[i : i + 512], none])[0] for i in range(0, len(items), 512)]  # a few calls: not worth a trace
    return np.concatenate([ops.convert_to_numpy(part) for part in parts])


def vector_scorer(vectors: np.ndarray, items: np.ndarray) -> evaluation.Scorer:
    """Returns the function from rows (B,) to scores (B, V): of a user's vectors, the one that likes an item best.

    Args:
        vectors: (N, Q, D) of the users.
        items: (V, D).
    """
    flat = np.ascontiguousarray(items.T)

    def score(rows: np.ndarray) -> np.ndarray:
        best = vectors[rows, 0] @ flat
        for q in range(1, vectors.shape[1]):
            np.maximum(best, vectors[rows, q] @ flat, out=best)
        return best

    return score
