"""The next-basket Transformer: a basket is a token, and two heads score what comes again and what is new (notebook 05).

Letters for shapes: B households (batch), L baskets, H distinct items of a household's history, P positions to predict
at, C candidate items, D width, F facts about an item, V items of the catalogue (ids 1..V; 0 is padding).
"""

from __future__ import annotations

import keras
import numpy as np
from keras import layers, ops

from recsys_kit.training import baskets
from recsys_kit.transformer import ItemEmbedding, TransformerBlock, attention_mask

__all__ = ["BASKET_DECAYS", "BasketTokens", "DiscoverHead", "RepeatHead", "basket_model"]

BASKET_DECAYS = (3.0, 7.0, 14.0, 30.0, 60.0, 120.0, 365.0)  # days; 120 is the decayed-frequency baseline
_BASELINE = BASKET_DECAYS.index(120.0)
_OWN = len(BASKET_DECAYS) + 8  # facts of a household's own history; those of the market follow
_HISTORY = ("incidence", "days", "position", "target_day", "last", "first", "market")  # what the repeat head reads
_LOUD = 8.0  # item vectors start small, at 0.02: this lifts a basket's sum well above the norm's epsilon
_TIES = 0.05  # weight of recent popularity beside the decayed frequency: it only settles ties
_POPULAR, _NEIGHBOURS = 0.2, 1.25  # the same of new items: what similar households bought says more than what all did
# Ranking adds a part of the starting score once more. At these values of it an item stays where it was: that of a
# purchase some 240 days old, and that of the likely new items, the only ones that compete with what is bought again.
_REPEAT_MIDDLE, _DISCOVER_MIDDLE = -2.0, -2.5
_SLOWLY = 0.2  # new items are rare: what is learned of each alone must not run ahead of what is learned of all
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


@_register
class RepeatHead(layers.Layer):
    """Scores the items of a household's own history: will they be bought again in the next basket?

    It looks back over the baskets with fixed time decays (attention whose weights are known: exp(-age / decay)), reads
    the resulting counts, recency and rhythm of each item, and lets the Transformer's state shift what they mean.
    At the start it is the decayed-frequency baseline; training can only add to it.

    While training it returns the log-odds of a purchase. Otherwise it returns scores for ranking: part of the
    decayed-frequency score is added again, since the likelihood of single purchases leans on the last days more than
    the order of a whole list should. How large a part is chosen on validation weeks.

    Args:
        hidden: Width of the small network over the features.
        dropout: Dropout on what the state says about the features.
        anchor: The part of the decayed-frequency score that is added for ranking.

    Example:
        One household with two baskets of three items in all, asked once, a week after the second:

        >>> history = {"incidence": [[[1, 1, 0], [0, 1, 1]]], "days": [[0, 7]], "position": [[1]], "target_day": [[14]]}
        >>> history |= {"last": [[[0, 7, 7]]], "first": [[0, 0, 7]], "market": np.zeros((1, 1, 3, 2))}
        >>> history = {name: np.array(values, "float32") for name, values in history.items()}
        >>> history["position"] = history["position"].astype("int32")
        >>> logits = RepeatHead()(np.ones((1, 1, 4), "float32"), np.ones((1, 3, 4), "float32"), history)
        >>> np.asarray(logits)[0, 0].argsort().tolist()  # bought once, long ago; once; twice
        [0, 2, 1]
    """

    def __init__(self, hidden: int = 64, dropout: float = 0.1, anchor: float = 0.5, **kwargs):
        super().__init__(**kwargs)
        self.anchor = anchor
        self.hidden, self.dropout = hidden, dropout
        self.wide = layers.Dense(hidden, name="wide")
        self.narrow = layers.Dense(hidden // 2, "relu", name="narrow")
        self.out = layers.Dense(1, kernel_initializer="zeros", name="out")
        self.taste = layers.Dense(16, kernel_initializer="zeros", name="taste")
        self.kind = layers.Dense(16, name="kind")
        self.lift = layers.Dense(hidden, name="lift")
        self.item = layers.Dense(hidden, use_bias=False, name="item")
        self.drop = layers.Dropout(dropout)

    def build(self, states_shape, vectors_shape, history_shape):
        """Creates the weights."""
        features = _OWN + history_shape["market"][-1]
        start = np.zeros(features, "float32")
        start[_BASELINE] = 1.0
        start[_OWN] = _TIES
        self.gate = layers.Dense(features, kernel_initializer="zeros", name="gate")
        self.weight = self.add_weight(shape=(features,), initializer="zeros", name="weight")
        self.weight.assign(start)
        self.bias = self.add_weight(shape=(), initializer=keras.initializers.Constant(-2.0), name="bias")
        self.wide.build((None, None, None, features))
        self.narrow.build((None, None, None, self.hidden))
        self.out.build((None, None, None, self.hidden // 2))
        self.mean = self.add_weight(shape=(features,), initializer="zeros", trainable=False, name="mean")
        self.spread = self.add_weight(shape=(features,), initializer="ones", trainable=False, name="spread")
        for layer in (self.gate, self.taste, self.lift):
            layer.build(states_shape)
        self.kind.build(vectors_shape)
        self.item.build(vectors_shape)

    def adapt(self, batches):
        """Learns the mean and spread of the features from some batches, so that the network sees numbers of one size.

        Args:
            batches: Batches as the model reads them.
        """
        known = []
        for x in batches:
            tensors = {name: ops.convert_to_tensor(x[name]) for name in _HISTORY}
            known.append(ops.convert_to_numpy(self.features(tensors))[baskets.known(x["last"])])
        known = np.concatenate(known)  # (pairs, F)
        self.mean.assign(known.mean(0))
        self.spread.assign(known.std(0) + 1e-3)

    def features(self, history):
        """Returns what is known of each item of the history at each position, (B, P, H, F).

        The last two of a household's own facts are the same for all its items: the days since its last basket, and how
        many baskets it has. They tell the network what the counts mean.

        Args:
            history: See `call`.
        """
        incidence, days, position, target_day, last, first, market = (history[name] for name in _HISTORY)
        age = target_day[:, :, None] - days[:, None, :]  # (B, P, L)
        step = ops.cumsum(ops.ones_like(days, dtype="int32"), axis=1) - 1  # (B, L): 0, 1, 2, …
        past = ops.cast(step[:, None] <= position[:, :, None], "float32")  # (B, P, L)
        age = ops.maximum(age, 0.0)
        counts = [
            ops.matmul(past * ops.exp(-age / decay), incidence) for decay in BASKET_DECAYS
        ]  # (B, P, L) @ (B, L, H)
        total = ops.matmul(past, incidence)
        visits = ops.sum(past, -1, keepdims=True)
        recency = ops.maximum(target_day[:, :, None] - last, 0.05)
        rhythm = ops.maximum(last - first[:, None], 0.5) / ops.maximum(total - 1, 0.5)
        # Beyond e^3 rhythms an item has been given up, however long ago: the feature would only grow.
        overdue = ops.clip(ops.log(recency / rhythm), -3.0, 3.0)
        since = ops.min(ops.where(past > 0, age, 1e4), -1, keepdims=True)  # (B, P, 1)
        lastone = ops.cast(last >= ops.max(days[:, None] * past, -1, keepdims=True), "float32")
        facts = ops.stack(
            [ops.log(c + 0.02) for c in counts]
            + [
                ops.log(total + 1),
                ops.log(recency),
                ops.log(rhythm),
                overdue,
                ops.log((total + 0.1) / (visits + 1)),
                lastone,
                ops.broadcast_to(ops.log(1 + ops.relu(since)), ops.shape(total)),
                ops.broadcast_to(ops.log(visits), ops.shape(total)),
            ],
            axis=-1,
        )
        return ops.concatenate([facts, market], axis=-1)

    def call(self, states, vectors, history, training=None):
        """Returns logits (B, P, H).

        Args:
            states: (B, P, D) what the Transformer says at each position.
            vectors: (B, H, D) of the history's items.
            history: Of the model's inputs, by their names: `incidence`, `days`, `position`, `target_day`, `last`,
                `first` and `market`.
            training: Whether the model is being trained.
        """
        features = self.features(history)
        weight = self.drop(self.gate(states), training=training) + self.weight  # (B, P, F)
        logits = ops.matmul(features, weight[..., None])[..., 0] + self.bias  # (B, P, H, F) @ (B, P, F, 1)
        logits = logits + ops.matmul(self.taste(states), ops.transpose(self.kind(vectors), (0, 2, 1)))
        hidden = self.wide((features - self.mean) / self.spread)
        hidden = hidden + self.lift(states)[:, :, None] + self.item(vectors)[:, None]
        logits = logits + self.out(self.narrow(ops.relu(hidden)))[..., 0]
        if training:
            return logits
        return logits + self.anchor * (features[..., _BASELINE] + _TIES * history["market"][..., 0] - _REPEAT_MIDDLE)


@_register
class DiscoverHead(layers.Layer):
    """Scores items that a household never bought: what the market says of them, their own bias, and the state's taste.

    The market's facts are popularity, what similar households bought lately, and promotions; the state shifts what they
    mean. At the start only the first two count. They are hard to improve on: as in the repeat head, a part of this
    starting score is added again for ranking.

    Args:
        size: V + 1.
        dropout: Dropout on the state.
        anchor: The part of the starting score that is added for ranking.

    Example:
        One household, one position, three candidates:

        >>> states, vectors, market = np.ones((1, 1, 4)), np.ones((3, 4)), np.ones((1, 1, 3, 2))
        >>> states, vectors, market = (array.astype("float32") for array in (states, vectors, market))
        >>> tuple(DiscoverHead(size=4)(states, vectors, np.arange(1, 4), market).shape)
        (1, 1, 3)
    """

    def __init__(self, size: int, dropout: float = 0.2, anchor: float = 0.3, **kwargs):
        super().__init__(**kwargs)
        self.size, self.dropout, self.anchor = size, dropout, anchor
        self.drop = layers.Dropout(dropout)

    def build(self, states_shape, market_shape, **shapes):
        """Creates the weights."""
        self.query = layers.Dense(states_shape[-1], kernel_initializer="zeros", name="query")
        self.gate = layers.Dense(market_shape[-1], kernel_initializer="zeros", name="gate")
        self.query.build(states_shape)
        self.gate.build(states_shape)
        self.own = self.add_weight(shape=(self.size,), initializer="zeros", name="own")
        self.start = np.zeros(market_shape[-1], "float32")
        self.start[:2] = _POPULAR, _NEIGHBOURS
        self.slope = self.add_weight(shape=self.start.shape, initializer="zeros", name="slope")
        self.slope.assign(self.start)
        self.bias = self.add_weight(shape=(), initializer=keras.initializers.Constant(-0.5), name="bias")

    def call(self, states, candidate_vectors, candidates, market, training=None):
        """Returns logits (B, P, C)."""
        states = self.drop(states, training=training)
        weight = self.gate(states) + self.slope  # (B, P, F)
        bias = self.bias
        if not training:
            weight = weight + ops.convert_to_tensor(self.anchor * self.start)
            bias = bias - _DISCOVER_MIDDLE * self.anchor
        taste = ops.matmul(self.query(states), ops.transpose(candidate_vectors))  # (B, P, D) @ (D, C)
        taste = _SLOWLY * (taste + ops.take(self.own, candidates))
        facts = ops.matmul(market, weight[..., None])[..., 0]  # (B, P, C, F) @ (B, P, F, 1)
        return taste + facts + bias


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
    size = len(groups[0])
    f = "float32"
    inputs = {
        "items": keras.Input((None,), dtype="int32", name="items"),
        "incidence": keras.Input((None, None), dtype=f, name="incidence"),
        "days": keras.Input((None,), dtype=f, name="days"),
        "valid": keras.Input((None,), dtype="bool", name="valid"),
        "position": keras.Input((None,), dtype="int32", name="position"),
        "target_day": keras.Input((None,), dtype=f, name="target_day"),
        "last": keras.Input((None, None), dtype=f, name="last"),
        "first": keras.Input((None,), dtype=f, name="first"),
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
    repeat = RepeatHead(name="repeat")(states, vectors, {name: inputs[name] for name in _HISTORY})
    discover = DiscoverHead(size, name="discover")(
        states, embed(inputs["candidates"]), inputs["candidates"], inputs["candidate_market"]
    )
    return keras.Model(inputs, {"repeat": repeat, "discover": discover}, name=name)
