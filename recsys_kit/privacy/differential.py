"""Differential privacy of whole households: each one's gradient clipped, noise on the sum, an account of epsilon.

DP-SGD is of Abadi et al. (2016), "Deep Learning with Differential Privacy"; the account is of Mironov, Talwar and Zhang
(2019), "Rényi Differential Privacy of the Sampled Gaussian Mechanism", section 3.3, turned into epsilon as by Canonne,
Kamath and Steinke (2020), "The Discrete Gaussian for Differential Privacy", proposition 12.

Letters for shapes: B households, W windows, H items, F facts, K hidden units.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy.special import gammaln, logsumexp

if TYPE_CHECKING:
    import keras

    from recsys_kit.privacy.small_head import Households

__all__ = ["Settings", "clipped", "clipped_sums", "epsilon", "fit", "gradients", "noise_for"]

ORDERS = tuple(range(2, 257))
"""Rényi orders, of which the one that promises most is taken."""


@dataclass(frozen=True)
class Settings:
    """How a model is trained in private.

    Attributes:
        steps: Noisy steps.
        rate: The chance of each household to be in a step.
        clip: The longest gradient of a household, by its norm.
        learning_rate: At the start; it falls to nothing along a cosine.
        seed: Of draws and noise.
        optimizer: "Adam", or "SGD" for a model of many weights: Adam moves each weight equally far, also those of
            which the gradient says nothing and that see noise alone.
    """

    steps: int = 300
    rate: float = 0.2
    clip: float = 0.1
    learning_rate: float = 0.05
    seed: int = 0
    optimizer: Literal["Adam", "SGD"] = "Adam"


def gradients(weights: list[np.ndarray], data: Households) -> list[np.ndarray]:
    """Returns each household's own gradient of its loss, (B, *shape) for each of the head's weights, by hand.

    With softmax p and the parts t of what was bought, the slope by a score is p - t; the rest is the chain rule.

    Args:
        weights: `get_weights()` of a `small_head`: hidden (F, K) and (K,), wide (F, 1), out (K, 1).
        data: The households.
    """
    kernel, bias, wide, out = weights
    state = np.tanh(data.facts @ kernel + bias)  # (B, W, H, K)
    scores = np.where(data.valid, (data.facts @ wide + state @ out)[..., 0], -1e9)
    chance = np.exp(scores - scores.max(-1, keepdims=True)) * data.valid
    chance /= np.maximum(chance.sum(-1, keepdims=True), 1e-30)
    many = data.bought.sum(-1, keepdims=True)  # (B, W, 1)
    windows = np.maximum((many > 0).sum(1, keepdims=True), 1)
    slope = np.where(many > 0, chance - data.bought / np.maximum(many, 1), 0) / windows  # (B, W, H)
    slope = slope.astype(np.float32)
    back = slope[..., None] * out[:, 0] * (1 - state**2)  # (B, W, H, K)
    rows = (len(slope), slope.shape[1] * slope.shape[2])  # B, W * H
    facts, back = data.facts.reshape(*rows, data.facts.shape[-1]), back.reshape(*rows, len(bias))
    return [
        np.matmul(facts.transpose(0, 2, 1), back),
        back.sum(1),
        np.einsum("bn,bnf->bf", slope.reshape(rows), facts)[..., None],
        np.einsum("bn,bnk->bk", slope.reshape(rows), state.reshape(*rows, len(bias)))[..., None],
    ]


def clipped(each: list[np.ndarray], clip: float) -> tuple[list[np.ndarray], np.ndarray]:
    """Shortens each household's gradient to the norm `clip` where it is longer; returns them, and the norms before."""
    norm = np.sqrt(sum((part**2).sum(tuple(range(1, part.ndim))) for part in each))  # (B,)
    share = np.minimum(1, clip / np.maximum(norm, 1e-12))
    return [part * share.reshape(-1, *[1] * (part.ndim - 1)) for part in each], norm


def clipped_sums(model: keras.Model, data: Households, clip: float, step: int = 0) -> list[np.ndarray]:
    """Returns the sums of a head's clipped `gradients`, one array for each of its weights.

    Args:
        model: The head.
        data: The households.
        clip: See `clipped`.
        step: Number of the step; here all steps learn from the same.
    """
    return [part.sum(0) for part in clipped(gradients(model.get_weights(), data), clip)[0]]


def fit(
    model: keras.Model, data: Any, noise: float, settings: Settings = Settings(), sums: Callable = clipped_sums
) -> keras.Model:
    """Trains a model by DP-SGD, in place.

    Args:
        model: The model, such as `small_head.build` makes it; its start must know nobody.
        data: The households, such as `small_head.Households`; their number counts as known.
        noise: Standard deviation of the noise on a sum of gradients, as a multiple of `clip`; 0: none, and no promise.
        settings: How.
        sums: As `clipped_sums`, for another model than the small head; no household may move them by more than `clip`.
    """
    import keras
    from keras import ops

    rng = np.random.default_rng(settings.seed)
    rate = keras.optimizers.schedules.CosineDecay(settings.learning_rate, settings.steps)
    optimizer = getattr(keras.optimizers, settings.optimizer)(rate)
    for number in range(settings.steps):
        drawn = data[np.flatnonzero(rng.random(len(data)) < settings.rate)]
        found = sums(model, drawn, settings.clip, number)
        noisy = [total + noise * settings.clip * rng.standard_normal(total.shape) for total in found]
        step = [ops.convert_to_tensor((total / (settings.rate * len(data))).astype("float32")) for total in noisy]
        optimizer.apply(step, model.trainable_weights)
    return model


def epsilon(noise: float, rate: float, steps: int, delta: float) -> float:
    """Returns the epsilon that is promised with all but a chance of `delta`.

    One household more or less changes the odds of any result by a factor of exp(epsilon) at most.

    Args:
        noise: Of each step, see `fit`.
        rate: The chance of each household to be in a step.
        steps: How many.
        delta: Chance that the promise does not hold; well below one by the number of households.

    Example:
        >>> round(epsilon(noise=1.1, rate=256 / 60_000, steps=14_062, delta=1e-5), 2)
        2.6
    """
    if noise <= 0:
        return np.inf
    found = []
    for a in ORDERS:
        k = np.arange(a + 1)
        choose = gammaln(a + 1) - gammaln(k + 1) - gammaln(a - k + 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            stays = np.where(k == a, 0.0, (a - k) * np.log1p(-rate) if rate < 1 else -np.inf)
        terms = choose + stays + k * np.log(rate) + (k**2 - k) / (2 * noise**2)
        rdp = steps * logsumexp(terms) / (a - 1)
        found.append(rdp + np.log1p(-1 / a) - np.log(delta * a) / (a - 1))
    return max(0.0, float(np.min(found)))


def noise_for(target: float, rate: float, steps: int, delta: float) -> float:
    """Returns the least noise, to a thousandth, that promises `target`; 0 for an infinite target."""
    if np.isinf(target):
        return 0.0
    low, high = 0.05, 200.0
    while high - low > 1e-3:
        middle = (low + high) / 2
        low, high = (middle, high) if epsilon(middle, rate, steps, delta) > target else (low, middle)
    return high
