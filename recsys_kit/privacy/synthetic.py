"""Made-up baskets: four ways to make them, what a model learns from them, and what they give away.

A basket is a set of product types. The samplers learn from real baskets and know nothing else:

- `marginal`: each type with its own frequency, whatever else is in the basket;
- `markov`: a walk from type to type, each step as often as the two are bought together (the rival of what is learned);
- `chain`: all types in turn, each a logistic regression on those before it (Frey 1998, "Graphical Models for Machine
  Learning and Digital Communication"; the autoregressive one);
- `gan`: a generator and a critic that tells real from made-up (Goodfellow et al. 2014; the loss of pairs is that of
  Jolicoeur-Martineau 2019, "The Relativistic Discriminator", the mean of the batch that of Choi et al. 2017, "medGAN").

Letters for shapes: N baskets, M made-up baskets, B baskets of a batch, T types, Z numbers of noise.
"""

from __future__ import annotations

import keras
import numpy as np
import pandas as pd
from keras import layers, ops

from recsys_kit.preprocessing import Split

__all__ = ["Earlier", "baskets", "chain", "copies", "gan", "hits", "marginal", "markov", "nearest", "sample"]

_BLOCK = 1024  # rows compared at once

_register = keras.saving.register_keras_serializable(package="recsys_kit.privacy")


def baskets(split: Split, types: pd.Series, most: int = 300, least: int = 3) -> tuple[np.ndarray, np.ndarray, pd.Index]:
    """Returns real baskets (N, T) of zeros and ones, whose they are (N,), and the types (T,), the frequent ones first.

    Args:
        split: Its history holds the baskets.
        types: (V,) the type of each item of the catalogue.
        most: T at most.
        least: Baskets with fewer types are left out.
    """
    rows = split.history[["user", "basket_id"]].assign(type=types.to_numpy()[split.history["item"]])
    rows = rows.drop_duplicates(["user", "basket_id", "type"])
    names = rows["type"].value_counts().index[:most]
    rows = rows[rows["type"].isin(names)]
    basket = rows.groupby(["user", "basket_id"], observed=True, sort=False).ngroup().to_numpy()
    found = np.zeros((basket.max(initial=-1) + 1, len(names)), np.float32)
    found[basket, names.get_indexer(rows["type"])] = 1
    user = np.zeros(len(found), int)
    user[basket] = rows["user"]
    large = found.sum(1) >= least
    return found[large], user[large], names


def marginal(real: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Makes baskets (M, T), each type independently as often as it is real."""
    return (rng.random((count, real.shape[1])) < real.mean(0)).astype(np.float32)


def markov(real: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Makes baskets (M, T) as walks: sizes as the real ones, each step by how often two types are bought together."""
    pairs = real.T @ real  # (T, T)
    first = real.sum(0)
    np.fill_diagonal(pairs, 0)
    size = rng.choice(real.sum(1).astype(int), count)
    made = np.zeros((count, real.shape[1]), np.float32)
    row = np.arange(count)
    chance = np.broadcast_to(first, made.shape)
    for step in range(size.max()):
        free = (chance + 1e-6) * (made == 0)  # the little bit: who knows no other neighbour takes any type
        total = np.cumsum(free, axis=1)
        drawn = (rng.random(count)[:, None] * total[:, -1:] >= total).sum(1).clip(max=real.shape[1] - 1)
        going = step < size
        made[row[going], drawn[going]] = 1
        chance = pairs[drawn]
    return made


def copies(real: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Makes baskets (M, T) that are real ones with one type exchanged: what no sampler should be, to test attacks."""
    made = real[rng.integers(0, len(real), count)].copy()
    row = np.arange(count)
    out = (rng.random(made.shape) * made).argmax(1)
    into = (rng.random(made.shape) * (1 - made)).argmax(1)
    made[row, out], made[row, into] = 0, 1
    return made


@_register
class Earlier(keras.constraints.Constraint):
    """Keeps a kernel (T, T) to what comes earlier: type j may lean on type i only if i < j."""

    def __call__(self, w):
        """Returns the kernel with zeros on and below the diagonal."""
        return ops.triu(w, 1)


def chain(frequency: np.ndarray, learning_rate: float = 3e-3) -> keras.Model:
    """Builds the autoregressive sampler: baskets (B, T) to log-odds (B, T), each from the types before it alone.

    `fit(real, real)` trains it, `sample` draws from it.

    Args:
        frequency: (T,) how often each type is real: the sampler begins there.
        learning_rate: Adam's.
    """
    basket = keras.Input((len(frequency),))
    dense = layers.Dense(
        len(frequency),
        kernel_initializer="zeros",
        kernel_constraint=Earlier(),
        bias_initializer=keras.initializers.Constant(_log_odds(frequency)),
        name="earlier",
    )
    model = keras.Model(basket, dense(basket))
    model.compile(keras.optimizers.Adam(learning_rate), keras.losses.BinaryCrossentropy(from_logits=True))
    model.optimizer.build(model.trainable_variables)  # else its step is traced twice
    return model


def sample(model: keras.Model, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draws baskets (M, T) from a trained `chain`, type by type."""
    kernel, bias = model.get_layer("earlier").get_weights()
    made = np.zeros((count, len(bias)), np.float32)
    for t in range(len(bias)):
        logit = made[:, :t] @ kernel[:t, t] + bias[t]  # (M, t) @ (t,)
        made[:, t] = rng.random(count) < 1 / (1 + np.exp(-logit))
    return made


@_register
class _Reversed(layers.Layer):
    """Gives on what it gets, and turns the gradient round: what helps the critic is what the generator avoids.

    Example:
        >>> np.asarray(_Reversed()(np.array([1.0, 2.0], "float32"))).tolist()
        [1.0, 2.0]
    """

    def call(self, x):
        """Returns `x`; its gradient is minus one."""
        return 2 * ops.stop_gradient(x) - x


@_register
class _Drawn(layers.Layer):
    """Draws zeros and ones from log-odds; gradients pass as if the chances had been given on.

    Example:
        >>> np.asarray(_Drawn()(np.array([[-99.0, 99.0]], "float32"))).tolist()
        [[0.0, 1.0]]
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.seeds = keras.random.SeedGenerator()

    def call(self, logits):
        """Returns zeros and ones (B, T)."""
        noise = keras.random.uniform(ops.shape(logits), 1e-6, 1 - 1e-6, seed=self.seeds)
        soft = ops.sigmoid(logits + ops.log(noise) - ops.log(1 - noise))
        return soft + ops.stop_gradient(ops.cast(soft > 0.5, "float32") - soft)


@_register
class _WithMean(layers.Layer):
    """Puts the batch's mean beside each basket, so that the critic sees a lack of variety.

    Example:
        >>> np.asarray(_WithMean()(np.array([[0.0], [1.0]], "float32"))).tolist()
        [[0.0, 0.5], [1.0, 0.5]]
    """

    def call(self, x):
        """Returns (B, 2 T)."""
        return ops.concatenate([x, ops.broadcast_to(ops.mean(x, axis=0, keepdims=True), ops.shape(x))], axis=-1)


def gan(
    frequency: np.ndarray, noise: int = 32, width: int = 128, learning_rate: float = 1e-3
) -> tuple[keras.Model, keras.Model]:
    """Builds a generator and the model that trains it together with its critic.

    Args:
        frequency: (T,) how often each type is real: the generator begins there.
        noise: Z.
        width: Of the hidden layers.
        learning_rate: Adam's, of both.

    Returns:
        The generator, noise (B, Z) to baskets (B, T); and the model of noise and real baskets, whose loss is the
        critic's: `fit([noise, real], zeros)` lowers it for the critic and raises it for the generator.
    """
    size, odds = len(frequency), _log_odds(frequency)
    start = keras.Input((noise,), name="noise")
    hidden = layers.Dense(width, "relu")(layers.Dense(width, "relu")(start))
    logits = layers.Dense(size, bias_initializer=keras.initializers.Constant(odds))(hidden)
    generator = keras.Model(start, _Drawn()(logits), name="generator")
    basket = keras.Input((size,))
    hidden = layers.Dense(width, "leaky_relu")(layers.Dense(width, "leaky_relu")(_WithMean()(basket)))
    critic = keras.Model(basket, layers.Dense(1)(hidden), name="critic")
    real = keras.Input((size,), name="real")
    gap = critic(_Reversed()(generator(start))) - critic(real)  # (B, 1), to be lowered by the critic
    model = keras.Model([start, real], gap)
    model.compile(keras.optimizers.Adam(learning_rate, beta_1=0.5), loss=lambda _, gap: ops.mean(ops.softplus(gap)))
    model.optimizer.build(model.trainable_variables)  # else its step is traced twice
    return generator, model


def hits(training: np.ndarray, test: np.ndarray, k: int = 10, penalty: float = 200.0, seed: int = 0) -> np.ndarray:
    """Says of each real basket whether a model that knows `training` alone finds the type that was taken out of it.

    The model is EASE, a linear one with a closed form (Steck 2019): which types go with which.

    Args:
        training: (M, T) baskets, real or made up.
        test: (N, T) real ones.
        k: Length of the list.
        penalty: EASE's.
        seed: Of the draw which type is taken out.

    Returns:
        (N,) 1 where it is on the list.
    """
    inverse = np.linalg.inv(training.T @ training + penalty * np.eye(training.shape[1]))
    weights = np.eye(len(inverse)) - inverse / np.diag(inverse)  # (T, T), zeros on the diagonal
    rng = np.random.default_rng(seed)
    hidden = (rng.random(test.shape) * test).argmax(1)
    rest = test.copy()
    rest[np.arange(len(test)), hidden] = 0
    popular = 1e-3 * training.mean(0)
    scores = np.where(rest > 0, -np.inf, rest @ weights + popular)
    own = scores[np.arange(len(test)), hidden]
    return ((scores > own[:, None]).sum(1) < k).astype(float)


def nearest(these: np.ndarray, among: np.ndarray) -> np.ndarray:
    """Returns (M,) how similar each basket is to the most similar one `among` (N, T): types of both / types of any.

    Example:
        >>> nearest(np.array([[1.0, 1, 0]]), np.array([[1.0, 1, 1], [0, 0, 1]])).round(2).tolist()
        [0.67]
    """
    found, sizes = np.empty(len(these)), among.sum(1)
    for i in range(0, len(these), _BLOCK):
        part = these[i : i + _BLOCK]
        both = part @ among.T  # (block, N)
        found[i : i + _BLOCK] = (both / np.maximum(part.sum(1)[:, None] + sizes - both, 1)).max(1)
    return found


def _log_odds(frequency: np.ndarray) -> np.ndarray:
    chance = np.clip(frequency, 1e-4, 1 - 1e-4)
    return np.log(chance / (1 - chance))
