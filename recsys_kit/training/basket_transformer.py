"""The next-basket Transformer: a basket is a token, and two heads score what comes again and what is new (notebook 05).

Letters for shapes: B households (batch), L baskets, H distinct items of a household's history, P positions to predict
at, C candidate items, D width, F facts about an item, V items of the catalogue (ids 1..V; 0 is padding).
"""

from __future__ import annotations

import keras
import numpy as np
from keras import layers, ops

from recsys_kit.training.heads import HISTORY, DiscoverHead, RepeatHead
from recsys_kit.transformer import ItemEmbedding, TransformerBlock, attention_mask

__all__ = ["BasketTokens", "basket_model"]

_LOUD = 8.0  # item vectors start small, at 0.02: this lifts a basket's sum well above the norm's epsilon
_register = keras.saving.register_keras_serializable(package="recsys_kit.training")


@_register
class BasketTokens(layers.Layer):
    """One vector a basket: the scaled sum of its items' vectors, plus what its date and size say.

    Args:
        width: D.
        dropout: Dropout on the tokens while training.

    Example:
        Two baskets with three items in all:

        >>> vectors, incidence = np.ones((1, 3, 4)), np.array([[[1, 1, 0], [0, 1, 1]]])
        >>> days = np.array([[0.0, 7.0]])
        >>> arrays = [array.astype("float32") for array in (vectors, incidence, days)]
        >>> tuple(BasketTokens(width=4)(*arrays).shape)
        (1, 2, 4)
    """

    def __init__(self, width: int, dropout: float = 0.0, **kwargs):
        super().__init__(**kwargs)
        self.width, self.dropout = width, dropout
        self.time = layers.Dense(width, name="time")
        self.norm = layers.LayerNormalization(epsilon=1e-6)
        self.drop = layers.Dropout(dropout)

    def build(self, vectors_shape, incidence_shape, days_shape):
        """Creates the projection of the time."""
        self.time.build((None, None, 4))
        self.norm.build((None, None, self.width))

    def call(self, vectors, incidence, days, training=None):
        """Maps item vectors (B, H, D), incidence (B, L, H) and days (B, L) to tokens (B, L, D)."""
        size = ops.sum(incidence, axis=-1, keepdims=True)  # (B, L, 1)
        bag = ops.matmul(incidence, vectors) / ops.sqrt(ops.maximum(size, 1.0))  # (B, L, H) @ (B, H, D) -> (B, L, D)
        gap = ops.concatenate([ops.zeros_like(days[:, :1]), days[:, 1:] - days[:, :-1]], axis=1)
        year = days * (2 * np.pi / 365.25)
        facts = ops.stack([ops.log(1 + ops.relu(gap)), ops.log(1 + size[..., 0]), ops.sin(year), ops.cos(year)], -1)
        return self.drop(self.norm(bag * _LOUD) + self.time(facts), training=training)


def basket_model(
    groups, width=64, blocks=2, heads=2, dropout=0.2, market=2, context=(), name="basket_transformer"
) -> keras.Model:
    """Builds the next-basket Transformer with its two heads.

    Args:
        groups: See `ItemEmbedding`.
        width: D.
        blocks: Number of Transformer blocks.
        heads: Attention heads a block.
        dropout: Dropout on tokens and blocks.
        market: Facts about an item that the shop knows.
        context: For each part of the next basket's context (hour, store, …) how many values it has; empty: the
            model knows only the day. Its vectors start at zero.
        name: Of the model.
    """
    f = "float32"
    inputs = {
        "items": keras.Input((None,), dtype="int32", name="items"),
        "incidence": keras.Input((None, None), dtype=f, name="incidence"),
        "days": keras.Input((None,), dtype=f, name="days"),
        "valid": keras.Input((None,), dtype="bool", name="valid"),
        "position": keras.Input((None,), dtype="int32", name="position"),
        "target_day": keras.Input((None,), dtype=f, name="target_day"),
        "market": keras.Input((None, None, market), dtype=f, name="market"),
        "candidates": keras.Input(batch_shape=(None,), dtype="int32", name="candidates"),
        "candidate_market": keras.Input((None, None, market), dtype=f, name="candidate_market"),
    }
    embed = ItemEmbedding(groups, width, name="item")
    vectors = embed(inputs["items"])  # (B, H, D)
    x = BasketTokens(width, dropout, name="tokens")(vectors, inputs["incidence"], inputs["days"])
    mask = attention_mask(inputs["valid"])
    for i in range(blocks):
        x = TransformerBlock(heads, dropout, name=f"block_{i}")(x, attention_mask=mask)
    x = layers.LayerNormalization(epsilon=1e-6, name="norm")(x)
    states = ops.take_along_axis(x, inputs["position"][:, :, None], axis=1)  # (B, P, D)
    since = inputs["target_day"] - ops.take_along_axis(inputs["days"], inputs["position"], axis=1)  # (B, P)
    week, year = inputs["target_day"] * (2 * np.pi / 7), inputs["target_day"] * (2 * np.pi / 365.25)
    facts = [ops.log(1 + ops.relu(since)), ops.sin(week), ops.cos(week), ops.sin(year), ops.cos(year)]
    states = states + layers.Dense(width, name="when")(ops.stack(facts, axis=-1))
    if context:
        inputs["context"] = keras.Input((None, len(context)), dtype="int32", name="context")
        for i, values in enumerate(context):
            part = layers.Embedding(values, width, "zeros", name=f"context_{i}")
            states = states + part(inputs["context"][..., i])  # (B, P, D)
    states = states + layers.Dense(width, name="mix_out")(layers.Dense(2 * width, "gelu", name="mix")(states))
    history = {name: inputs[name] for name in HISTORY}
    repeat = RepeatHead(groups, name="repeat")(states, vectors, inputs["market"], history)
    discover = DiscoverHead(groups, name="discover")(
        states,
        embed(inputs["candidates"]),
        candidates=inputs["candidates"],
        market=inputs["candidate_market"],
        history=history,
    )
    return keras.Model(inputs, {"repeat": repeat, "discover": discover}, name=name)
