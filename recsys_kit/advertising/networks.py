"""Three networks for the response to a campaign, small enough for some thousand rows (notebook 12).

Letters for shapes: B rows (batch), F facts, D width of the vectors, W width inside, L visits, Q groups of offers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import pandas as pd
import scipy.sparse as sp
from keras import layers, ops

from recsys_kit import transformer
from recsys_kit.advertising.campaigns import Campaigns
from recsys_kit.datasets import Shop
from recsys_kit.neural import devices

__all__ = [
    "CHOSEN",
    "Pairs",
    "Settings",
    "cross_network",
    "factorisation_machine",
    "interest_network",
    "offers",
    "train",
    "visits",
]

CHOSEN = {"factorisation machine": (24, 3.0), "cross network": (4, 3.0), "interest network": (16, 3.0)}
"""Epochs and weight decay of each network, chosen on campaigns 10 to 13 of The Complete Journey."""


@dataclass(frozen=True)
class Settings:
    """How a network is trained.

    Attributes:
        epochs: Passes over the rows.
        learning_rate: AdamW's.
        weight_decay: AdamW's.
        batch_size: B.
        seed: Of the first weights and the order of the rows.
    """

    epochs: int = 10
    learning_rate: float = 1e-3
    weight_decay: float = 0.1
    batch_size: int = 64
    seed: int = 0


@keras.saving.register_keras_serializable(package="recsys_kit.advertising")
class Pairs(layers.Layer):
    """What all pairs of facts say: each fact has a vector, each pair counts with the dot product of its two.

    All F (F - 1) / 2 pairs take F W steps: half of (the squared sum of the vectors - the sum of their squares).

    Args:
        width: W.

    Example:
        >>> layer = Pairs(width=1)
        >>> layer.build((None, 2))
        >>> layer.set_weights([np.array([[2.0], [5.0]])])
        >>> float(layer(np.array([[1.0, 3.0]]))[0, 0])  # 1 times 3 times (2 times 5)
        30.0
    """

    def __init__(self, width: int, **kwargs):
        super().__init__(**kwargs)
        self.width = width

    def build(self, shape):
        """Makes the vectors (F, W)."""
        start = keras.initializers.RandomNormal(0.01, seed=0)
        self.vectors = self.add_weight((shape[-1], self.width), start, name="vectors")

    def call(self, x):
        """Facts (B, F) -> (B, 1)."""
        total = ops.matmul(x, self.vectors) ** 2  # (B, F) @ (F, W) -> (B, W)
        return ops.sum(total - ops.matmul(x**2, self.vectors**2), axis=-1, keepdims=True) / 2

    def compute_output_shape(self, shape):
        """(B, F) -> (B, 1)."""
        return (shape[0], 1)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        return super().get_config() | {"width": self.width}


def factorisation_machine(facts: int, width: int = 4, pairs: bool = True) -> keras.Model:
    """Returns a factorisation machine; without its pairs, the ablation, a logistic regression is left.

    Source: Rendle (2010), Factorization Machines.
    """
    x = keras.Input((facts,), name="facts")
    logit = _linear()(x)
    if pairs:
        logit = layers.Add()([logit, Pairs(width)(x)])
    return keras.Model(x, layers.Activation("sigmoid")(logit), name="factorisation_machine")


def cross_network(facts: int, crosses: int = 2, deep: int = 16, dropout: float = 0.3) -> keras.Model:
    """Returns DCN-v2: layers that multiply the facts with what came so far, beside a small deep network.

    Args:
        facts: F.
        crosses: Cross layers; 0, the ablation, leaves the deep network.
        deep: Width of the deep network; 0: none.
        dropout: Share of its numbers that are dropped while training.

    Source: Wang et al. (2021), DCN V2.
    """
    first = x = keras.Input((facts,), name="facts")
    small = keras.regularizers.L2(1e-3)
    for _ in range(crosses):
        crossed = layers.Multiply()(
            [first, layers.Dense(facts, kernel_initializer="zeros", kernel_regularizer=small)(x)]
        )
        x = layers.Add()([crossed, x])  # (B, F): one more factor in each term
    parts = [x]
    if deep:
        parts.append(layers.Dropout(dropout)(layers.Dense(deep, "relu")(first)))
    joined = layers.Concatenate()(parts) if deep else x
    return keras.Model(first, layers.Activation("sigmoid")(_linear()(joined)), name="cross_network")


def interest_network(
    facts: int, shape: tuple[int, int, int], width: int = 16, blocks: int = 0, attends: bool = True
) -> keras.Model:
    """Returns DIN: what a campaign offers looks at a household's visits; with blocks, these look at each other first.

    Args:
        facts: F.
        shape: L visits, Q offers, D their width.
        width: W.
        blocks: Transformer blocks over the visits, as in BST.
        attends: False, the ablation, takes the mean of the visits, whatever is offered.

    Source: Zhou et al. (2018), Deep Interest Network; Chen et al. (2019), Behavior Sequence Transformer.
    """
    length, offered, size = shape
    x = keras.Input((facts,), name="facts")
    visits = keras.Input((length, size), name="visits")
    offers = keras.Input((offered, size), name="offers")
    valid = ops.any(ops.not_equal(visits, 0), axis=-1)  # (B, L)
    key, query = layers.Dense(width)(visits), layers.Dense(width)(offers)  # (B, L, W), (B, Q, W)
    for _ in range(blocks):
        key = transformer.TransformerBlock(2, 0.2)(key, attention_mask=transformer.attention_mask(valid, causal=False))
    weight = ops.cast(valid, "float32")[:, None]  # (B, 1, L)
    if attends:
        weight = weight * ops.sigmoid(ops.matmul(query, ops.transpose(key, (0, 2, 1))) / width**0.5)  # (B, Q, L)
    interest = ops.mean(ops.matmul(weight, key), axis=1) / 10  # (B, Q, L) @ (B, L, W) -> (B, W): a sum counts visits
    parts = layers.Concatenate()([interest, interest * ops.mean(query, axis=1), x])
    hidden = layers.Dropout(0.3)(layers.Dense(width, "relu")(parts))
    logit = layers.Add()([_linear()(x), layers.Dense(1, use_bias=False)(hidden)])
    return keras.Model([x, visits, offers], layers.Activation("sigmoid")(logit), name="interest_network")


def _linear() -> layers.Dense:
    """A linear part that says one household in eight at first: few epochs are for the facts, not for the mean."""
    return layers.Dense(1, kernel_initializer="zeros", bias_initializer=keras.initializers.Constant(-2.0))


def visits(
    shop: Shop, campaigns: Campaigns, rows: pd.MultiIndex, vectors: pd.DataFrame, length: int = 20
) -> np.ndarray:
    """Returns (R, L, D) a household's last visits before the campaign's start, the latest last, zeros in front.

    Args:
        shop: The shop.
        campaigns: Its campaigns.
        rows: (R,) pairs of campaign_id and user_id.
        vectors: (V, D) vectors of items; a visit is the mean of its items'.
        length: L.
    """
    place = vectors.index.get_indexer(shop.events["item_id"])
    events = shop.events.assign(place=place)[place >= 0].sort_values("timestamp", kind="stable")
    basket, names = pd.factorize(events["basket_id"])
    counts = sp.csr_matrix((np.ones(len(events)), (basket, events["place"])), (len(names), len(vectors)))
    means = counts @ vectors.to_numpy() / np.asarray(counts.sum(1))
    means /= np.linalg.norm(means, axis=1, keepdims=True) + 1e-9
    heads = events.drop_duplicates("basket_id")
    own = {user: np.asarray(found) for user, found in heads.reset_index().groupby("user_id").groups.items()}
    when = heads["timestamp"].to_numpy("datetime64[us]")
    found = np.zeros((len(rows), length, vectors.shape[1]), np.float32)
    starts = {name: start.tz_localize(None).to_datetime64() for name, start in campaigns.plan["start"].items()}
    for row, (campaign, user) in enumerate(rows):
        mine = own.get(user, np.zeros(0, int))
        last = mine[: np.searchsorted(when[mine], starts[campaign])][-length:]
        if len(last):
            found[row, -len(last) :] = means[last]
    return found


def offers(shop: Shop, campaigns: Campaigns, rows: pd.MultiIndex, vectors: pd.DataFrame, groups: int = 6) -> np.ndarray:
    """Returns (R, Q, D) the directions of what a campaign offers: its categories with most items, zeros if fewer.

    Args:
        shop: The shop.
        campaigns: Its campaigns.
        rows: (R,) pairs of campaign_id and user_id.
        vectors: (V, D) vectors of items.
        groups: Q.
    """
    category = shop.items.drop_duplicates("item_id").set_index("item_id")["category"]
    names = rows.get_level_values("campaign_id")
    known = campaigns.coupons[campaigns.coupons["campaign_id"].isin(names.unique())]
    known = known.assign(place=vectors.index.get_indexer(known["item_id"])).query("place >= 0")
    known = known.assign(category=category.reindex(known["item_id"]).to_numpy())
    found = {}
    for name, part in known.groupby("campaign_id"):
        found[name] = np.zeros((groups, vectors.shape[1]), np.float32)
        for place, label in enumerate(part["category"].value_counts().index[:groups]):
            mean = vectors.to_numpy()[part.loc[part["category"] == label, "place"]].mean(0)
            found[name][place] = mean / (np.linalg.norm(mean) + 1e-9)
    none = np.zeros((groups, vectors.shape[1]), np.float32)
    return np.stack([found.get(name, none) for name in names])


def train(model: keras.Model, x: Any, y: np.ndarray, settings: Settings) -> list[float]:
    """Trains a network by binary cross-entropy; returns the loss of each epoch.

    Args:
        model: Made after `keras.utils.set_random_seed`.
        x: What it reads, standardised.
        y: (R,) 0 or 1.
        settings: How.
    """
    keras.utils.set_random_seed(settings.seed)  # the order of the rows
    optimizer = keras.optimizers.AdamW(settings.learning_rate, weight_decay=settings.weight_decay)
    optimizer.exclude_from_weight_decay(var_names=["bias"])  # or the mean forecast drifts to one half
    steps = devices.at_once(8)  # they are small: Python would cost more
    model.compile(optimizer, "binary_crossentropy", steps_per_execution=steps)
    model.optimizer.build(model.trainable_variables)  # else its step is traced twice
    run = model.fit(x, y, settings.batch_size, settings.epochs, verbose=0)
    return run.history["loss"]
