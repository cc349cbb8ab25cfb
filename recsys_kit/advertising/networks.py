"""Three networks for the response to a campaign, small enough for some thousand rows (notebook 12).

Letters for shapes: B rows (batch), F facts, D width, L visits of a household, Q groups of a campaign's items.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import pandas as pd
import scipy.sparse as sp
from keras import ops

from recsys_kit.advertising.campaigns import Campaigns
from recsys_kit.datasets import Shop
from recsys_kit.neural.fitting import loss_curve

__all__ = ["Settings", "cross_network", "factorisation_machine", "interest_network", "offers", "train", "visits"]


@dataclass(frozen=True)
class Settings:
    """How a network is trained.

    Attributes:
        epochs: Passes over the rows.
        learning_rate: AdamW's, falling to 0 along a cosine.
        weight_decay: AdamW's.
        batch_size: B.
        seed: Of the first weights and the order of the rows.
    """

    epochs: int = 15
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    batch_size: int = 128
    seed: int = 0


def factorisation_machine(facts: int, width: int = 4, pairs: bool = True) -> keras.Model:
    """Returns a factorisation machine: a logistic regression, and a vector a fact whose dot products weigh all pairs.

    Args:
        facts: F.
        width: D.
        pairs: False leaves a logistic regression, the ablation.

    Source: Rendle (2010), Factorization Machines.
    """
    x = keras.Input((facts,), name="facts")
    logit = keras.layers.Dense(1, name="linear")(x)
    if pairs:
        vectors = keras.layers.Dense(width, use_bias=False, kernel_initializer=_small(), name="vectors")
        squares = keras.layers.Lambda(_squares, output_shape=(1,), name="squares")
        total = vectors(x)  # (B, F) @ (F, D) -> (B, D): the sum of the facts' vectors
        logit = logit + 0.5 * (ops.sum(total**2, axis=-1, keepdims=True) - squares([x, vectors.kernel]))
    return keras.Model(x, keras.layers.Activation("sigmoid")(logit))
