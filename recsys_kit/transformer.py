"""The sequence model: attention, the block, and the next-item model built from it (notebook 04).

A token is an item (SASRec, BERT4Rec). `basket_transformer` builds the next-basket model from the same block: there a
token is a whole basket.

Letters for shapes: B rows of a batch, L positions, D width, N heads, V items of the catalogue (ids 1..V; 0 is padding).
Masks are True where something is real, or may be looked at: `valid` (B, L), `mask` (B, L, L).
"""

from __future__ import annotations

import keras
import numpy as np
from keras import layers, ops

__all__ = [
    "ItemEmbedding",
    "PositionEmbedding",
    "SelfAttention",
    "TiedLogits",
    "TransformerBlock",
    "attention",
    "attention_mask",
    "encoder",
    "next_item_model",
    "position_encoding",
]

_register = keras.saving.register_keras_serializable(package="recsys_kit.transformer")


def attention(query, key, value, mask=None):
    """Scaled dot-product attention: a weighted mean of the values, weighted by how well each key fits the query.

    Args:
        query: (..., L, D) what each position looks for.
        key: (..., M, D) what each position offers.
        value: (..., M, E) what each position passes on.
        mask: (..., L, M) booleans, True where a query may look; None: everywhere.

    Returns:
        The output (..., L, E) and the weights (..., L, M); each row of weights sums to 1.

    Source: Vaswani et al. (2017), Attention is all you need, section 3.2.1.
    """
    scores = ops.matmul(query, ops.swapaxes(key, -1, -2)) / float(np.sqrt(query.shape[-1]))  # (..., L, M)
    if mask is not None:
        lowest = -6e4 if keras.backend.standardize_dtype(scores.dtype) == "float16" else -1e9
        scores = ops.where(mask, scores, ops.cast(lowest, scores.dtype))
    weights = ops.softmax(scores, axis=-1)
    return ops.matmul(weights, value), weights


def attention_mask(valid, causal: bool = True):
    """Says which position may look at which: never at padding and, if causal, never at a later position.

    Args:
        valid: (B, L) booleans, True on real positions.
        causal: True for GPT-style models, False for BERT-style ones.

    Returns:
        (B, L, L) booleans; a position may always look at itself, so that no row is empty.
    """
    valid = ops.cast(valid, "bool")
    step = ops.cumsum(ops.ones_like(valid, dtype="int32"), axis=1)  # (B, L): 1, 2, 3, …
    query, key = step[:, :, None], step[:, None, :]
    mask = valid[:, None, :]  # (B, 1, L)
    if causal:
        mask = ops.logical_and(mask, query >= key)  # (B, L, L)
    return ops.logical_or(mask, ops.equal(query, key))  # `==` of symbolic tensors is a plain False


def position_encoding(length: int, width: int) -> np.ndarray:
    """Returns the (L, D) sinusoidal position encoding: slow and fast waves that together tell positions apart.

    Source: Vaswani et al. (2017), section 3.5.
    """
    rate = 1 / 10_000 ** (np.arange(0, width, 2) / width)  # (D/2,)
    angle = np.arange(length)[:, None] * rate[None]  # (L, D/2)
    waves = np.stack([np.sin(angle), np.cos(angle)], axis=-1)
    return waves.reshape(length, -1)[:, :width].astype("float32")


@_register
class SelfAttention(layers.Layer):
    """Multi-head self-attention, written out: project, split into heads, attend, join.

    Args:
        heads: How many attention patterns run side by side; must divide the width.
        dropout: Share of attention weights dropped while training.

    Example:
        >>> output, weights = SelfAttention(heads=2)(np.ones((1, 3, 4), "float32"), return_weights=True)
        >>> tuple(output.shape), tuple(weights.shape)
        ((1, 3, 4), (1, 2, 3, 3))
    """

    def __init__(self, heads: int = 2, dropout: float = 0.0, **kwargs):
        super().__init__(**kwargs)
        self.heads, self.dropout = heads, dropout
        self.drop = layers.Dropout(dropout)

    def build(self, shape):
        """Creates the four projections for an input of `shape` (B, L, D)."""
        width = shape[-1]
        if width % self.heads:
            raise ValueError(f"`heads` must divide the width. Received: heads={self.heads}, width={width}.")
        self.project = layers.Dense(3 * width, name="project")
        self.join = layers.Dense(width, name="join")
        self.project.build(shape)
        self.join.build(shape)

    def call(self, x, attention_mask=None, training=None, return_weights=False):
        """Returns the output (B, L, D), with the weights (B, N, L, L) too if asked for."""
        length, width = ops.shape(x)[1], x.shape[-1]
        parts = ops.reshape(self.project(x), (-1, length, 3, self.heads, width // self.heads))
        query, key, value = ops.unstack(ops.transpose(parts, (2, 0, 3, 1, 4)), 3)  # each (B, N, L, D/N)
        mask = None if attention_mask is None else attention_mask[:, None]  # (B, 1, L, L)
        output, weights = attention(query, key, value, mask)
        if training and self.dropout:
            output = ops.matmul(self.drop(weights, training=True), value)
        output = self.join(ops.reshape(ops.transpose(output, (0, 2, 1, 3)), (-1, length, width)))
        return (output, weights) if return_weights else output


@_register
class TransformerBlock(layers.Layer):
    """Attention between positions, then a small network at each position, each added to what came in (pre-norm).

    Args:
        heads: Number of attention heads.
        dropout: Dropout on both branches while training.
        expansion: Width of the small network, in multiples of D.

    Example:
        >>> tuple(TransformerBlock(heads=2)(np.ones((1, 3, 4), "float32")).shape)
        (1, 3, 4)
    """

    def __init__(self, heads: int = 2, dropout: float = 0.0, expansion: int = 2, **kwargs):
        super().__init__(**kwargs)
        self.heads, self.dropout, self.expansion = heads, dropout, expansion
        self.attention = SelfAttention(heads, dropout)
        self.norm_1, self.norm_2 = layers.LayerNormalization(epsilon=1e-6), layers.LayerNormalization(epsilon=1e-6)
        self.drop = layers.Dropout(dropout)

    def build(self, shape):
        """Creates the weights for an input of `shape` (B, L, D)."""
        width = shape[-1]
        self.wide = layers.Dense(self.expansion * width, activation="gelu", name="wide")
        self.narrow = layers.Dense(width, name="narrow")
        for layer in (self.attention, self.norm_1, self.norm_2, self.wide):
            layer.build(shape)
        self.narrow.build((*shape[:-1], self.expansion * width))

    def call(self, x, attention_mask=None, training=None):
        """Maps (B, L, D) to (B, L, D); `attention_mask` (B, L, L) is True where a position may look."""
        x = x + self.drop(
            self.attention(self.norm_1(x), attention_mask=attention_mask, training=training), training=training
        )
        return x + self.drop(self.narrow(self.wide(self.norm_2(x))), training=training)


@_register
class ItemEmbedding(layers.Layer):
    """One vector an item: its own, plus those of the groups that it belongs to (product type, category, …).

    Which group an item belongs to is saved with the weights: in the configuration, which is text, a catalogue would
    make up most of a model's file. So a layer that is made anew by `from_config` alone knows no groups.

    Args:
        groups: For each way to group, V + 1 integers: the group of each item id (id 0 is padding).
        width: D.
        size: V + 1; needed only if there are no groups.

    Example:
        Items 1 and 2 are of one group, item 3 of another:

        >>> layer = ItemEmbedding([[0, 1, 1, 2]], width=2)
        >>> tuple(layer(np.array([[1, 3]])).shape)
        (1, 2, 2)
    """

    def __init__(self, groups: list[list[int]], width: int, size: int | None = None, **kwargs):
        super().__init__(**kwargs)
        self.groups, self.width = [list(map(int, group)) for group in groups], width
        self.size = size or len(self.groups[0])

    def build(self, shape=None):
        """Creates the tables."""
        small = keras.initializers.RandomNormal(stddev=0.02)
        self.own = self.add_weight(shape=(self.size, self.width), initializer=small, name="own")
        self.shared = [
            self.add_weight(shape=(max(group) + 1, self.width), initializer=small, name=f"group_{i}")
            for i, group in enumerate(self.groups)
        ]
        self.lookup = [np.asarray(group, "int32") for group in self.groups]

    def call(self, ids):
        """Maps ids (...) to vectors (..., D)."""
        vectors = ops.take(self.own, ids, axis=0)
        for table, lookup in zip(self.shared, self.lookup, strict=True):
            vectors = vectors + ops.take(table, ops.take(lookup, ids, axis=0), axis=0)
        return vectors

    def get_config(self):
        """Returns the arguments, for saving."""
        return super().get_config() | {
            "group_sizes": [max(group) + 1 for group in self.groups],
            "width": self.width,
            "size": self.size,
        }

    @classmethod
    def from_config(cls, config):
        """Rebuilds the layer; its groups come with its weights."""
        size = config["size"]
        return cls([[rows - 1] * size for rows in config.pop("group_sizes")], **config)

    def save_own_variables(self, store):
        """Saves the groups beside the weights."""
        super().save_own_variables(store)
        for i, lookup in enumerate(self.lookup):
            store[f"group_{i}"] = lookup

    def load_own_variables(self, store):
        """Takes up the groups and the weights."""
        weights = {name: store[name] for name in store.keys() if not name.startswith("group_")}
        super().load_own_variables(weights)
        self.lookup = [np.asarray(store[f"group_{i}"], "int32") for i in range(len(self.lookup))]
        self.groups = [lookup.tolist() for lookup in self.lookup]


@_register
class PositionEmbedding(layers.Layer):
    """Adds a learned vector for each place in the sequence; the first real position has place 0, wherever padding is.

    Args:
        length: The longest sequence, L.

    Example:
        >>> tuple(PositionEmbedding(length=5)(np.ones((1, 3, 4), "float32")).shape)
        (1, 3, 4)
    """

    def __init__(self, length: int, **kwargs):
        super().__init__(**kwargs)
        self.length = length

    def build(self, shape):
        """Creates the table (L, D)."""
        self.table = self.add_weight(shape=(self.length, shape[-1]), initializer="normal", name="table")

    def call(self, x, valid=None):
        """Maps (B, L, D) to (B, L, D); `valid` (B, L) is True on real positions, None: everywhere."""
        if isinstance(x.shape[1], int) and x.shape[1] > self.length:  # JAX traces with symbols
            raise ValueError(f"a sequence must not be longer than `length`={self.length}. Received: {x.shape[1]}.")
        real = ops.ones_like(x[..., 0], dtype="int32") if valid is None else ops.cast(valid, "int32")
        place = ops.maximum(ops.cumsum(real, axis=1) - 1, 0)  # (B, L)
        return x + ops.take(self.table, place, axis=0)

    def compute_output_shape(self, x_shape, valid_shape=None):
        """Returns the shape of the input. PyTorch would find it with a trial run, of a length of its own choice."""
        return x_shape


@_register
class TiedLogits(layers.Layer):
    """Scores every item by the dot product of a state with the item's own embedding, so that one table serves both.

    Args:
        embedding: The `ItemEmbedding` whose table is used.

    Example:
        A score of each of three items, and of the padding:

        >>> logits = TiedLogits(ItemEmbedding([], width=2, size=4))
        >>> tuple(logits(np.ones((1, 5, 2), "float32")).shape)
        (1, 5, 4)
    """

    def __init__(self, embedding: ItemEmbedding, **kwargs):
        super().__init__(**kwargs)
        self.embedding = embedding

    def build(self, shape):
        """Creates one bias an item."""
        self.bias = self.add_weight(shape=(self.embedding.size,), initializer="zeros", name="bias")

    def call(self, states):
        """Maps states (B, L, D) to logits (B, L, V + 1); column 0 is padding."""
        table = self.embedding(np.arange(self.embedding.size, dtype="int32"))  # (V + 1, D)
        return ops.matmul(states, ops.transpose(table)) + self.bias  # (B, L, D) @ (D, V + 1)

    def get_config(self):
        """Returns the arguments, for saving."""
        return super().get_config() | {"embedding": keras.saving.serialize_keras_object(self.embedding)}

    @classmethod
    def from_config(cls, config):
        """Rebuilds the layer from its arguments."""
        return cls(keras.saving.deserialize_keras_object(config.pop("embedding")), **config)


def encoder(
    ids,
    embedding: ItemEmbedding,
    length: int = 0,
    blocks: int = 2,
    heads: int = 2,
    dropout: float = 0.2,
    causal: bool = True,
    noise: float = 0.0,
):
    """Builds the stem that all sequence models share: item vectors, places, blocks and a last norm.

    Args:
        ids: (B, L) the model's input; 0 is padding.
        embedding: The items' vectors.
        length: The longest sequence; 0: the items are a set and have no places.
        blocks: Number of Transformer blocks.
        heads: Attention heads a block.
        dropout: Dropout while training.
        causal: Whether a position sees only what came before it.
        noise: Standard deviation of the noise added to the vectors while training.

    Returns:
        States (B, L, D), the output of the layer "norm".
    """
    valid = ids > 0
    # Vectors of the usual initial size would drown in the places, whose table is larger.
    x = layers.Rescaling(float(embedding.width) ** 0.5, name="scale")(embedding(ids))
    if length:
        x = PositionEmbedding(length, name="position")(x, valid=valid)
    if noise:
        x = layers.GaussianNoise(noise, name="noise")(x)
    x = layers.Dropout(dropout, name="drop")(x)
    mask = attention_mask(valid, causal=causal)
    for i in range(blocks):
        x = TransformerBlock(heads, dropout, name=f"block_{i}")(x, attention_mask=mask)
    return layers.LayerNormalization(epsilon=1e-6, name="norm")(x)


def next_item_model(
    items: int,
    length: int,
    width: int = 64,
    blocks: int = 2,
    heads: int = 2,
    dropout: float = 0.2,
    causal: bool = True,
) -> keras.Model:
    """Builds a sequence model with one item a token: GPT-style (causal) or BERT-style (bidirectional).

    Args:
        items: V; ids are 1..V, 0 is padding. A BERT-style model uses id V + 1 as its mask token.
        length: L, the longest sequence.
        width: D.
        blocks: Number of Transformer blocks.
        heads: Attention heads a block; must divide the width.
        dropout: Dropout while training.
        causal: True: a position sees only what came before it (SASRec). False: it sees both sides (BERT4Rec).

    Returns:
        A model from ids (B, L) to logits (B, L, V + 1), or (B, L, V + 2) with the mask token.

    Source: Kang and McAuley (2018), Self-attentive sequential recommendation; Sun et al. (2019), BERT4Rec.
    """
    ids = keras.Input((None,), dtype="int32", name="ids")
    embedding = ItemEmbedding([], width, size=items + (1 if causal else 2), name="item")
    x = encoder(ids, embedding, length, blocks, heads, dropout, causal)
    return keras.Model(ids, TiedLogits(embedding, name="logits")(x), name="gpt_style" if causal else "bert_style")
