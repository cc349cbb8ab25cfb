"""One small Transformer over all series: it reads the last weeks and the plan; its quantiles can't cross.

A *token is a week*: L known ones, with what was sold, and H coming ones, with what the plan says. The coming weeks look
at all others, so that one that is on promotion can look at the last one that was.

Letters for shapes: R rows (a series at an origin), L known weeks, H weeks ahead, P and C facts of a known and a coming
week, D width, Q quantiles.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import keras
import numpy as np

from recsys_kit.demand.forecasts import QUANTILES, facts_of_series, targets
from recsys_kit.neural.fitting import Fitted, loss_curve

__all__ = ["IncreasingQuantiles", "Settings", "forecast", "pinball_loss", "quantile_transformer", "train", "windows"]

_SHORTEST = 8


@dataclass(frozen=True)
class Settings:
    """How the model looks and learns; chosen on origins before the test.

    Attributes:
        blocks: Transformer blocks; 0: no attention, every coming week by itself.
        width: D.
        heads: Attention heads.
        window: L.
        epochs: Passes over all series and origins.
        batch_size: R of a step.
        learning_rate: Of Adam, at its start; it falls to 0.
        seed: Of initial weights and the order of rows.
    """

    blocks: int = 1
    width: int = 32
    heads: int = 4
    window: int = 12
    epochs: int = 4
    batch_size: int = 128
    learning_rate: float = 2e-3
    seed: int = 0


@keras.saving.register_keras_serializable("recsys_kit.demand")
class IncreasingQuantiles(keras.layers.Layer):
    """Turns any Q numbers into quantiles: the first is positive, each other one a positive step above the one before.

    Example:
        >>> layer = IncreasingQuantiles()
        >>> found = layer(np.array([[0.0, -5.0, 3.0]]))
        >>> bool((found[:, 1:] >= found[:, :-1]).numpy().all())
        True
    """

    def call(self, inputs):
        """Returns (..., Q) ascending quantiles."""
        return keras.ops.cumsum(keras.ops.softplus(inputs), axis=-1)

    def compute_output_shape(self, input_shape):
        """Returns the shape of the input."""
        return input_shape


def pinball_loss(quantiles: Sequence[float] = QUANTILES):
    """Returns a Keras loss: too low costs q a unit, too high 1 - q, and the quantiles' losses are averaged."""
    q = np.array(quantiles, "float32")

    def pinball(truth, forecast):  # (R, H, 1), (R, H, Q) -> (R, H)
        short = truth - forecast
        return keras.ops.mean(keras.ops.maximum(q * short, (q - 1) * short), axis=-1)

    return pinball


def quantile_transformer(
    known: int, told: int, ahead: int, settings: Settings | None = None, quantiles: Sequence[float] = QUANTILES
) -> keras.Model:
    """Returns the model: (R, L, P) known weeks and (R, H, C) coming ones -> (R, H, Q) quantiles, as parts of the base.

    Args:
        known: P.
        told: C.
        ahead: H.
        settings: Blocks, width, heads and window.
        quantiles: (Q,) of the forecasts.
    """
    settings, layers = settings or Settings(), keras.layers
    past, coming = keras.Input((settings.window, known), name="known"), keras.Input((ahead, told), name="coming")
    plan = layers.Normalization(name="normal")(coming)
    tokens = [  # each week has a bias of its own: its place
        layers.EinsumDense("rlp,pd->rld", (weeks, settings.width), bias_axes="ld")(x)
        for x, weeks in ((past, settings.window), (plan, ahead))
    ]
    x = layers.Concatenate(axis=1)(tokens)  # (R, L + H, D)
    for _ in range(settings.blocks):
        seen = layers.LayerNormalization()(x)
        x = x + layers.MultiHeadAttention(settings.heads, settings.width // settings.heads)(seen, seen)
        inner = layers.Dense(2 * settings.width, "gelu")(layers.LayerNormalization()(x))
        x = x + layers.Dense(settings.width)(inner)
    x = layers.Concatenate()([layers.LayerNormalization()(x[:, settings.window :]), plan])
    x = layers.Dense(2 * settings.width, "gelu")(x)
    start = np.log(np.expm1(np.diff([0.0, *np.linspace(0.5, 1.6, len(quantiles))])))  # about the base, at first
    out = layers.Dense(len(quantiles), kernel_initializer="zeros", bias_initializer=keras.initializers.Constant(start))
    return keras.Model([past, coming], IncreasingQuantiles()(out(x)))


def windows(
    units: np.ndarray, origin: int, ahead: int, window: int, facts: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns (N, L, P) the known weeks of all series at an origin, (N, H, C) the coming ones, (N, H) the base.

    Args:
        units: (N, T) what was sold; only the first `origin` weeks are read.
        origin: How many weeks are known.
        ahead: H.
        window: L; weeks before the first one are zeros.
        facts: (N, W, 1 + K) see `recsys_kit.demand.plan.facts`; None: no plan.
    """
    told, base = facts_of_series(units, origin, ahead, facts)
    level = units[:, max(origin - 8, 0) : origin].mean(axis=1)[:, None] + 0.1
    past = [(units[:, :origin] / level)[..., None]]
    if facts is not None:
        expected = facts[:, :origin, :1]
        past += [expected / (facts[:, max(origin - 8, 0) : origin, :1].mean(axis=1, keepdims=True) + 0.1)]
        past += [facts[:, :origin, 1:]]
    past = np.concatenate(past, axis=2)[:, -window:]
    past = np.pad(past, ((0, 0), (window - past.shape[1], 0), (0, 0)))
    return np.clip(past, 0, 10).astype(np.float32), np.clip(told, -10, 10), base


def train(
    units: np.ndarray,
    until: int,
    ahead: int,
    facts: Mapping[int, np.ndarray] | None = None,
    settings: Settings | None = None,
    quantiles: Sequence[float] = QUANTILES,
) -> Fitted:
    """Trains the model on all series and all origins whose target weeks are among the first `until`.

    Args:
        units: (N, T) what was sold; only the first `until` weeks are read.
        until: How many weeks are known.
        ahead: H.
        facts: Of each origin from the eighth (N, W, 1 + K), see `recsys_kit.demand.plan.facts`; None: no plan.
        settings: How it looks and learns.
        quantiles: (Q,) of the forecasts.
    """
    settings = settings or Settings()
    origins = range(_SHORTEST, until - ahead + 1)
    parts = [windows(units, o, ahead, settings.window, None if facts is None else facts[o]) for o in origins]
    past, coming, base = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    truth = targets(units[:, :until], origins, ahead).reshape(base.shape)
    keras.utils.set_random_seed(settings.seed)
    model = quantile_transformer(past.shape[2], coming.shape[2], ahead, settings, quantiles)
    model.get_layer("normal").adapt(coming)
    steps = settings.epochs * -(-len(base) // settings.batch_size)
    rate = keras.optimizers.schedules.CosineDecay(settings.learning_rate, steps)
    model.compile(keras.optimizers.Adam(rate, global_clipnorm=1.0), pinball_loss(quantiles))
    model.optimizer.build(model.trainable_variables)  # else its step is traced twice
    weight = (base / base.mean()).astype(np.float32)  # so that the loss is in units, as the judges'
    goal = np.minimum(truth / base, 20).astype(np.float32)[..., None]
    run = model.fit([past, coming], goal, settings.batch_size, settings.epochs, sample_weight=weight, verbose=0)
    return Fitted(model, loss_curve(run))


def forecast(
    model: keras.Model,
    units: np.ndarray,
    origins: Sequence[int],
    ahead: int,
    facts: Mapping[int, np.ndarray] | None = None,
) -> np.ndarray:
    """Returns (O, N, H, Q) quantiles in units.

    Args:
        model: As `train` returns it.
        units: (N, T) what was sold; of each origin only the weeks before it are read.
        origins: How many weeks are known at each.
        ahead: H.
        facts: As in `train`.
    """
    found = []
    for origin in origins:
        window = model.inputs[0].shape[1]
        past, coming, base = windows(units, origin, ahead, window, None if facts is None else facts[origin])
        found.append(model.predict([past, coming], 1024, verbose=0) * base[..., None])
    return np.stack(found)
