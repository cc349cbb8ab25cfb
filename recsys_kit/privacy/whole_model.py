"""DP-SGD of the whole next-basket model: what it knows of other households is taken out, its item vectors are frozen.

The next-basket model reads three things that other households' purchases are made into: what sells, what neighbours
buy, and how large its features usually are. Here the first two are empty and the third is fixed. Its item vectors stay
at their random start, and so does what it learns of each item alone. What is left is trained: the attention blocks and
both heads, some 100,000 weights. The items that a household is asked about are its own and a draw that nobody
influences, so that no household is in another one's gradient.

Letters for shapes: U users, B households, L baskets, H distinct items of a household's history, P positions to predict
at, C candidate items, V items of the catalogue (ids 1..V; 0 is padding).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from functools import lru_cache

import keras
import numpy as np

from recsys_kit.datasets.shops import Shop
from recsys_kit.neural.losses import inclusion_bce
from recsys_kit.preprocessing import Split
from recsys_kit.training import baskets, fit
from recsys_kit.training.basket_batches import Settings

__all__ = ["Histories", "build", "clipped_sums", "sequences"]

POSITIONS, CANDIDATES, OWN, WINDOW = 4, 384, 64, 128
"""P; items drawn from the catalogue, and new items of its own that a household is asked about; baskets that it reads"""

_TOGETHER = 32  # households whose gradients are taken at once
_MIDDLE, _SPREAD = -1.0, 2.0  # of the repeat head's features, which are logarithms, without a look at the data


@dataclasses.dataclass(frozen=True)
class Histories:
    """Households that can teach: those with three baskets.

    Attributes:
        seq: Everybody's sequences, see `sequences`.
        users: (B,) places of households in them.
        seed: Of the baskets and items that each household is asked about.
    """

    seq: baskets.Sequences
    users: np.ndarray
    seed: int = 0

    @classmethod
    def of(cls, seq: baskets.Sequences, seed: int = 0) -> Histories:
        """Returns all that have two baskets to look back on and one to predict."""
        return cls(seq, np.flatnonzero(seq.baskets() >= 3), seed)

    def __len__(self) -> int:
        """B."""
        return len(self.users)

    def __getitem__(self, rows) -> Histories:
        """Returns some of the households."""
        return dataclasses.replace(self, users=self.users[rows])


def sequences(split: Split) -> baskets.Sequences:
    """Returns everybody's baskets, without what the shop as a whole sells and what neighbours buy.

    Args:
        split: Only its history is used.
    """
    seq = baskets.sequences(split)
    empty = {name: np.zeros_like(getattr(seq, name)) for name in ("trend", "basis", "lately")}
    return dataclasses.replace(seq, **empty)


def build(shop: Shop, split: Split, width: int = 64, blocks: int = 2) -> keras.Model:
    """Builds the untrained model, which ranks by decayed counts; nothing in it is made of purchases.

    Args:
        shop: For its items' groups.
        split: Gives the catalogue.
        width: D.
        blocks: Number of Transformer blocks.
    """
    model = fit.build(shop, split, Settings(width=width, blocks=blocks, dropout=0.0))
    model.get_layer("item").trainable = False
    model.get_layer("discover").own.trainable = False
    repeat = model.get_layer("repeat")
    repeat.mean.assign(np.full(repeat.mean.shape, _MIDDLE, "float32"))
    repeat.spread.assign(np.full(repeat.spread.shape, _SPREAD, "float32"))
    for head in ("repeat", "discover"):
        model.get_layer(head).drop.rate = 0.0  # the noise is enough
    return model


def clipped_sums(model: keras.Model, data: Histories, clip: float, step: int = 0) -> list[np.ndarray]:
    """Returns the sum of the households' own gradients, each shortened to the norm `clip` where it is longer.

    TensorFlow computes many households' gradients at once (`tf.vectorized_map`); the sum is that of one by one.

    Args:
        model: As `build` makes it.
        data: The households.
        clip: The longest gradient of a household, by its norm.
        step: Number of the step; in each a household is asked about other baskets.
    """
    total = [np.zeros(weight.shape, np.float32) for weight in model.trainable_weights]
    for x, y in _batches(data, step):
        for sum_, part in zip(total, _vectorized(model)(x, y, np.float32(clip)), strict=True):
            sum_ += part.numpy()
    return total


@lru_cache(1)  # a model's steps follow each other, and no model is held for good
def _vectorized(model: keras.Model):
    """Returns the compiled function from households' arrays (B, 1, ...) to sums of clipped gradients."""
    import tensorflow as tf

    weights = [weight.value for weight in model.trainable_weights]

    def own(pair):
        x, y = pair
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(weights)
            found = model(x, training=True)
            loss = sum(tf.reduce_mean(inclusion_bce(y[name], found[name])) for name in found)
        return [tf.convert_to_tensor(slope) for slope in tape.gradient(loss, weights)]

    @tf.function(reduce_retracing=True)
    def sums(x, y, clip):
        each = tf.vectorized_map(own, (x, y))
        norm = tf.sqrt(sum(tf.reduce_sum(tf.reshape(part, (tf.shape(part)[0], -1)) ** 2, -1) for part in each))  # (B,)
        share = tf.minimum(1.0, clip / tf.maximum(norm, 1e-12))
        return [tf.tensordot(share, part, 1) for part in each]

    return sums


def _batches(data: Histories, step: int) -> Iterator[tuple[dict, dict]]:
    """Yields households of similar size, as the model reads them but each a batch of its own: (B, 1, ...)."""
    # A generator for each: nobody's presence moves what another one is asked.
    made = [_asked(data.seq, user, np.random.default_rng([data.seed, step, user])) for user in data.users]
    order = sorted(range(len(made)), key=lambda one: made[one][0]["incidence"].shape[1:])
    for start in range(0, len(made), _TOGETHER):
        part = [made[one] for one in order[start : start + _TOGETHER]]
        yield tuple({name: _padded([one[side][name] for one in part]) for name in part[0][side]} for side in (0, 1))


def _padded(arrays: list[np.ndarray]) -> np.ndarray:
    """Stacks arrays, each padded at its ends to the size of the largest."""
    size = np.max([array.shape for array in arrays], axis=0)
    padded = np.zeros((len(arrays), *size), arrays[0].dtype)
    for into, array in zip(padded, arrays, strict=True):
        into[tuple(slice(n) for n in array.shape)] = array
    return padded


def _asked(seq: baskets.Sequences, user: int, rng: np.random.Generator) -> tuple[dict, dict]:
    """Returns what a household is asked, and labels and weights, as `BasketBatches` has them for a batch of one."""
    end = seq.basket_start[user + 1]
    low = max(seq.basket_start[user], end - WINDOW)
    x = baskets.history_arrays(seq, np.array([user]), np.array([low]), np.array([end]))
    position = np.resize(rng.permutation(np.arange(1, end - low - 1))[:POSITIONS], (1, POSITIONS))
    target = x["incidence"][0, position + 1]  # (1, P, H)
    x |= baskets.position_arrays(position, x["days"][0, position + 1])
    known = baskets.known(x)
    new = (target > 0) & ~known
    own = rng.permutation(np.unique(x["items"][0, new.any((0, 1))]))[:OWN]
    size = seq.trend.shape[1]
    drawn = 1 + rng.choice(size - 1, min(CANDIDATES, size - 1), replace=False)
    stands_for = np.where(np.isin(drawn, own), 0, (size - 1) / len(drawn))  # each for so many items of the catalogue
    candidates = np.zeros(OWN + len(drawn), np.int32)
    candidates[: len(own)], candidates[OWN:] = own, drawn
    weights = np.tile(np.r_[np.ones(len(own)), np.zeros(OWN - len(own)), stands_for], (1, POSITIONS, 1))
    column = np.full(size, -1)
    column[candidates[weights[0, 0] > 0]] = np.flatnonzero(weights[0, 0] > 0)
    labels, column = np.zeros_like(weights), column[x["items"][0]]  # (H,) where an item of the history is asked about
    for is_it, into, value in ((known, weights, 0.0), (new, labels, 1.0)):
        _, at, item = np.nonzero(is_it & (column >= 0))
        into[0, at, column[item]] = value
    x |= baskets.market_arrays(seq, x, candidates)
    y = {"repeat": [target, known], "discover": [labels, weights]}
    return x, {name: np.stack(pair, axis=-1).astype(np.float32) for name, pair in y.items()}
