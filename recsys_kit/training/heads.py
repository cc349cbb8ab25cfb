"""The two heads of the next-basket model: attention that counts (notebook 05).

Softmax attention is a weighted mean: it can't tell forty purchases from two of the same kind. Here the weights are not
normalised, they are sums (Zhai et al. 2024, HSTU, section 3.3): a household's purchases are added up, each weighted by
a learned kernel of its age.

Letters for shapes: B households (batch), L baskets, H distinct items of a household's history, P positions to predict
at, C candidate items, D width, F facts about an item, K time kernels, N kinds of groups, G groups of a kind.
"""

from __future__ import annotations

import keras
import numpy as np
from keras import layers, ops

from recsys_kit.training import baskets

__all__ = ["HISTORY", "DiscoverHead", "GroupCounts", "PurchaseCounts", "RepeatHead"]

REPEAT_DECAYS = (3.0, 7.0, 14.0, 30.0, 60.0, 120.0, 365.0)  # days; 120 is the decayed-frequency baseline
OTHERS_DECAYS = (7.0, 30.0, 120.0)
DISCOVER_DECAYS = (30.0, 180.0)
_BASELINE = REPEAT_DECAYS.index(120.0)
_LEAST = 0.02  # a count below this is as good as none
_TIES = 0.05  # weight of recent popularity beside the decayed frequency: it only settles ties
_POPULAR, _NEIGHBOURS = 0.2, 1.25  # the same of new items: what similar households bought says more than what all did
# Ranking adds a part of the starting score once more. At these values of it an item stays where it was: that of a
# purchase some 240 days old, and that of the likely new items, the only ones that compete with what is bought again.
_REPEAT_MIDDLE, _DISCOVER_MIDDLE = -2.0, -2.5
_SLOWLY = 0.2  # new items are rare: what is learned of each alone must not run ahead of what is learned of all
HISTORY = ("items", "incidence", "days", "position", "target_day")
"""What both heads read of the model's inputs."""

_register = keras.saving.register_keras_serializable(package="recsys_kit.training")


def _past(history):
    """Returns (B, P, L) with 1 for the baskets up to each position, 0 for later ones."""
    step = ops.cumsum(ops.ones_like(history["days"], dtype="int32"), axis=1) - 1  # (B, L): 0, 1, 2, …
    return ops.cast(step[:, None] <= history["position"][:, :, None], "float32")


@_register
class PurchaseCounts(layers.Layer):
    """Attention from an item to a household's purchases of it, with learned time kernels and without a norm.

    count[k] of item h = sum over the baskets l so far of incidence[l, h] * exp(-age[l] / tau[k]).

    Args:
        decays: The K kernels' tau at the start, in days.

    Example:
        An item in two baskets counts twice (at no age at all), another one once:

        >>> history = {"incidence": [[[1, 1], [1, 0]]], "days": [[0, 0]], "position": [[1]], "target_day": [[0]]}
        >>> history = {name: np.array(values, "float32") for name, values in history.items()}
        >>> history["position"] = history["position"].astype("int32")
        >>> np.asarray(PurchaseCounts([7.0])(history)).tolist()
        [[[[2.0, 1.0]]]]
    """

    def __init__(self, decays, **kwargs):
        super().__init__(**kwargs)
        self.decays = [float(days) for days in decays]

    def build(self, history_shape=None):
        """Creates the logarithms of tau."""
        self.log_tau = self.add_weight(shape=(len(self.decays),), initializer="zeros", name="log_tau")
        self.log_tau.assign(np.log(self.decays).astype("float32"))

    def call(self, history):
        """Returns counts (B, K, P, H); of the inputs it reads `incidence`, `days`, `position` and `target_day`."""
        age = ops.maximum(history["target_day"][:, :, None] - history["days"][:, None], 0.0)  # (B, P, L)
        rate = ops.exp(-self.log_tau)[:, None, None]  # (K, 1, 1)
        kernel = _past(history)[:, None] * ops.exp(-age[:, None] * rate)  # (B, K, P, L)
        b, k, p, n = ops.shape(kernel)
        counts = ops.matmul(ops.reshape(kernel, (b, k * p, n)), history["incidence"])  # (B, K P, L) @ (B, L, H)
        return ops.reshape(counts, (b, k, p, ops.shape(counts)[-1]))

    def get_config(self):
        """Returns the arguments, for saving."""
        return super().get_config() | {"decays": self.decays}


@_register
class GroupCounts(layers.Layer):
    """Adds a household's counts up over groups of items: how much of each product type it has bought, say.

    It is attention from an item to all purchases, whose weight is 1 within the item's group and 0 elsewhere.

    Args:
        groups: For each of the N kinds of groups V + 1 integers: the group of each item id (id 0 is padding).

    Example:
        Items 1 and 2 are of one group, item 3 of another; a household bought item 1 once and item 3 five times:

        >>> layer = GroupCounts([[0, 1, 1, 2]])
        >>> tables = layer(np.array([[[[1.0, 5.0]]]], "float32"), np.array([[1, 3]]))
        >>> np.asarray(layer.of(tables[0], np.array([[1, 2, 3]]), 0)).ravel().tolist()
        [1.0, 1.0, 5.0]
    """

    def __init__(self, groups, **kwargs):
        super().__init__(**kwargs)
        self.lookup = [np.asarray(kind, "int32") for kind in groups]
        self.sizes = [int(kind.max()) + 1 for kind in self.lookup]

    def build(self, counts_shape=None, items_shape=None):
        """Nothing to create: which group an item belongs to is saved in place of weights (see `ItemEmbedding`)."""

    def call(self, counts, items):
        """Maps counts (B, K, P, H) of items (B, H) to a list of N tables (B, G, K, P)."""
        b, k, p, h = ops.shape(counts)
        rows = ops.reshape(ops.transpose(counts, (0, 3, 1, 2)), (b * h, k * p))
        tables = []
        for kind, size in enumerate(self.sizes):
            place = ops.arange(b, dtype="int32")[:, None] * size + ops.take(self.lookup[kind], items)  # (B, H)
            total = ops.segment_sum(rows, ops.reshape(place, (-1,)), num_segments=b * size)  # (B G, K P)
            tables.append(ops.reshape(total, (b, size, k, p)))
        return tables

    def of(self, table, asked, kind: int):
        """Looks up a table (B, G, ...) of a kind for items (C,) or (B, H): (B, C, ...) or (B, H, ...)."""
        b, size = ops.shape(table)[0], self.sizes[kind]
        place = ops.arange(b, dtype="int32")[:, None] * size + ops.take(self.lookup[kind], asked)
        return ops.take(ops.reshape(table, (b * size, *ops.shape(table)[2:])), place, axis=0)

    def get_config(self):
        """Returns the arguments, for saving."""
        return super().get_config() | self.shape()

    def shape(self) -> dict:
        """Returns the groups as a configuration holds them: their numbers, without which item belongs to which."""
        return {"groups": {"kinds": self.sizes, "items": len(self.lookup[0])}}

    @classmethod
    def from_config(cls, config):
        """Rebuilds the layer; its groups come with the saved file."""
        return cls(**_with_groups(config))

    def save_own_variables(self, store):
        """Saves the groups."""
        for kind, lookup in enumerate(self.lookup):
            store[f"group_{kind}"] = lookup

    def load_own_variables(self, store):
        """Takes up the groups."""
        self.lookup = [np.asarray(store[f"group_{kind}"], "int32") for kind in range(len(self.sizes))]


def _with_groups(config: dict) -> dict:
    """Returns a configuration with groups of the right size in place of their numbers."""
    kinds, items = config["groups"]["kinds"], config["groups"]["items"]
    return config | {"groups": [[rows - 1] * items for rows in kinds]}


@_register
class RepeatHead(layers.Layer):
    """Scores the items of a household's own history: will they be bought again in the next basket?

    It reads of each item its decayed counts (`PurchaseCounts`), those of all other items of its groups, which it may
    be replaced by, its recency and rhythm, and lets the Transformer's state shift what they mean.
    At the start it is the decayed-frequency baseline; training can only add to it.

    While training it returns the log-odds of a purchase. Otherwise it returns scores for ranking: part of the
    decayed-frequency score is added again, since the likelihood of single purchases leans on the last days more than
    the order of a whole list should. How large a part is chosen on validation weeks.

    Args:
        groups: See `GroupCounts`.
        hidden: Width of the small network over the features.
        dropout: Dropout on the states and the items' vectors, from which households could be learned by heart.
        anchor: The part of the decayed-frequency score that is added for ranking.

    Example:
        One household with two baskets of three items in all, asked once, a week after the second:

        >>> history = {"items": [[1, 2, 3]], "incidence": [[[1, 1, 0], [0, 1, 1]]], "days": [[0, 7]]}
        >>> history |= {"position": [[1]], "target_day": [[14]]}
        >>> history = {name: np.array(values, "float32") for name, values in history.items()}
        >>> history |= {name: history[name].astype("int32") for name in ("items", "position")}
        >>> states, vectors, market = (np.ones(shape, "float32") for shape in ((1, 1, 4), (1, 3, 4), (1, 1, 3, 2)))
        >>> logits = RepeatHead([[0, 1, 2, 3]])(states, vectors, market, history)
        >>> np.asarray(logits)[0, 0].argsort().tolist()  # bought once, long ago; once; twice
        [0, 2, 1]
    """

    def __init__(self, groups, hidden: int = 64, dropout: float = 0.3, anchor: float = 0.5, **kwargs):
        super().__init__(**kwargs)
        self.hidden, self.dropout, self.anchor = hidden, dropout, anchor
        self.counts = PurchaseCounts(REPEAT_DECAYS, name="counts")
        self.other_counts = PurchaseCounts(OTHERS_DECAYS, name="other_counts")
        self.groups = GroupCounts(groups, name="groups")
        self.wide = layers.Dense(hidden, name="wide")
        self.narrow = layers.Dense(hidden // 2, "relu", name="narrow")
        self.out = layers.Dense(1, kernel_initializer="zeros", name="out")
        self.taste = layers.Dense(16, kernel_initializer="zeros", name="taste")
        self.kind = layers.Dense(16, name="kind")
        self.lift = layers.Dense(hidden, name="lift")
        self.item = layers.Dense(hidden, use_bias=False, name="item")
        self.drop = layers.Dropout(dropout)

    def build(self, states_shape, vectors_shape, market_shape, history_shape):
        """Creates the weights."""
        own = len(REPEAT_DECAYS) + 2 + len(OTHERS_DECAYS) * len(self.groups.sizes)
        features = own + market_shape[-1]
        start = np.zeros(features, "float32")
        start[_BASELINE] = 1.0
        start[own] = _TIES
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
        for layer in (self.kind, self.item):
            layer.build(vectors_shape)
        for layer in (self.counts, self.other_counts):
            layer.build()

    def adapt(self, batches):
        """Learns the mean and spread of the features from some batches, so that the network sees numbers of one size.

        Args:
            batches: Batches as the model reads them.
        """
        known = []
        for x in batches:
            tensors = {name: ops.convert_to_tensor(x[name]) for name in HISTORY}
            features = self.features(tensors, ops.convert_to_tensor(x["market"]))
            known.append(ops.convert_to_numpy(features)[baskets.known(x)])
        known = np.concatenate(known)  # (pairs, F)
        self.mean.assign(known.mean(0))
        self.spread.assign(known.std(0) + 1e-3)

    def features(self, history, market):
        """Returns what is known of each item of the history at each position, (B, P, H, F).

        The days since the household's last basket, and how many baskets it has, are the same for all its items. They
        tell the network what the counts mean.

        Args:
            history: See `call`.
            market: (B, P, H, M) facts of the market.
        """
        days, target_day = history["days"], history["target_day"]
        past = _past(history)  # (B, P, L)
        visits = ops.sum(past, -1, keepdims=True)  # (B, P, 1)
        age = ops.maximum(target_day[:, :, None] - days[:, None], 0.0)
        since = ops.min(ops.where(past > 0, age, 1e4), -1, keepdims=True)  # (B, P, 1)
        logs = ops.log(self.counts(history) + _LEAST)  # (B, K, P, H)
        shape = ops.shape(market)[:-1]
        facts = [ops.broadcast_to(fact, shape) for fact in (ops.log(1 + since), ops.log(visits))]
        parts = [ops.transpose(logs, (0, 2, 3, 1)), ops.stack(facts, axis=-1)]
        mine = self.other_counts(history)
        tables = self.groups(mine, history["items"])
        mine = ops.transpose(mine, (0, 2, 3, 1))  # (B, P, H, K)
        for kind, table in enumerate(tables):
            both = ops.transpose(self.groups.of(table, history["items"], kind), (0, 3, 1, 2))  # from (B, H, K, P)
            parts.append(ops.log(ops.relu(both - mine) + _LEAST))
        return ops.concatenate([*parts, market], axis=-1)

    def call(self, states, vectors, market, history, training=None):
        """Returns logits (B, P, H).

        Args:
            states: (B, P, D) what the Transformer says at each position.
            vectors: (B, H, D) of the history's items.
            market: (B, P, H, M) the model's input of that name.
            history: Of the model's inputs, by their names: `items`, `incidence`, `days`, `position` and `target_day`.
            training: Whether the model is being trained.
        """
        features = self.features(history, market)
        states, vectors = self.drop(states, training=training), self.drop(vectors, training=training)
        weight = self.gate(states) + self.weight  # (B, P, F)
        logits = ops.matmul(features, weight[..., None])[..., 0] + self.bias  # (B, P, H, F) @ (B, P, F, 1)
        logits = logits + ops.matmul(self.taste(states), ops.transpose(self.kind(vectors), (0, 2, 1)))
        hidden = self.wide((features - self.mean) / self.spread)
        hidden = hidden + self.lift(states)[:, :, None] + self.item(vectors)[:, None]
        logits = logits + self.out(self.narrow(ops.relu(hidden)))[..., 0]
        if training:
            return logits
        return logits + self.anchor * (features[..., _BASELINE] + _TIES * market[..., 0] - _REPEAT_MIDDLE)

    def get_config(self):
        """Returns the arguments, for saving."""
        own = {"hidden": self.hidden, "dropout": self.dropout, "anchor": self.anchor}
        return super().get_config() | self.groups.shape() | own

    @classmethod
    def from_config(cls, config):
        """Rebuilds the layer; its groups come with the saved file."""
        return cls(**_with_groups(config))


@_register
class DiscoverHead(layers.Layer):
    """Scores items that a household never bought: what the market says of them, what it buys of their kind, its taste.

    The market's facts are popularity, what similar households bought lately, and promotions; the state shifts what they
    mean. A small network reads how much of each group the household buys (`GroupCounts`). At the start only popularity
    and the neighbours count. They are hard to improve on: as in the repeat head, a part of this starting score is added
    again for ranking.

    Args:
        groups: See `GroupCounts`.
        hidden: Width of the small networks over the groups' counts.
        dropout: Dropout on the state.
        anchor: The part of the starting score that is added for ranking.

    Example:
        One household, one position, three candidates:

        >>> history = {"items": [[1]], "incidence": [[[1]]], "days": [[0]], "position": [[0]], "target_day": [[7]]}
        >>> history = {name: np.array(values, "float32") for name, values in history.items()}
        >>> history |= {name: history[name].astype("int32") for name in ("items", "position")}
        >>> arrays = np.ones((1, 1, 4)), np.ones((3, 4)), np.ones((1, 1, 3, 2))
        >>> states, vectors, market = (array.astype("float32") for array in arrays)
        >>> tuple(DiscoverHead([[0, 1, 1, 2]])(states, vectors, np.arange(1, 4), market, history).shape)
        (1, 1, 3)
    """

    def __init__(self, groups, hidden: int = 8, dropout: float = 0.2, anchor: float = 0.3, **kwargs):
        super().__init__(**kwargs)
        self.hidden, self.dropout, self.anchor = hidden, dropout, anchor
        self.counts = PurchaseCounts(DISCOVER_DECAYS, name="counts")
        self.groups = GroupCounts(groups, name="groups")
        self.drop = layers.Dropout(dropout)

    def build(self, states_shape, candidate_vectors_shape, candidates_shape, market_shape, history_shape):
        """Creates the weights."""
        market = market_shape[-1]
        self.query = layers.Dense(states_shape[-1], kernel_initializer="zeros", name="query")
        self.gate = layers.Dense(market, kernel_initializer="zeros", name="gate")
        self.query.build(states_shape)
        self.gate.build(states_shape)
        self.own = self.add_weight(shape=(len(self.groups.lookup[0]),), initializer="zeros", name="own")
        self.start = np.zeros(market, "float32")
        self.start[:2] = _POPULAR, _NEIGHBOURS
        self.slope = self.add_weight(shape=self.start.shape, initializer="zeros", name="slope")
        self.slope.assign(self.start)
        self.bias = self.add_weight(shape=(), initializer=keras.initializers.Constant(-0.5), name="bias")
        self.wide = [layers.Dense(self.hidden, "relu", name=f"wide_{kind}") for kind in range(len(self.groups.sizes))]
        self.out = [
            layers.Dense(1, kernel_initializer="zeros", use_bias=False, name=f"out_{w.name}") for w in self.wide
        ]
        for wide, out in zip(self.wide, self.out, strict=True):
            wide.build((None, None, None, len(DISCOVER_DECAYS)))
            out.build((None, None, None, self.hidden))
        self.counts.build()

    def call(self, states, candidate_vectors, candidates, market, history, training=None):
        """Returns logits (B, P, C).

        Args:
            states: (B, P, D) what the Transformer says at each position.
            candidate_vectors: (C, D).
            candidates: (C,) item ids.
            market: (B, P, C, F) the model's input `candidate_market`.
            history: As the repeat head's.
            training: Whether the model is being trained.
        """
        states = self.drop(states, training=training)
        weight = self.gate(states) + self.slope  # (B, P, F)
        bias = self.bias
        if not training:
            weight = weight + ops.convert_to_tensor(self.anchor * self.start)
            bias = bias - _DISCOVER_MIDDLE * self.anchor
        taste = ops.matmul(self.query(states), ops.transpose(candidate_vectors))  # (B, P, D) @ (D, C)
        logits = _SLOWLY * (taste + ops.take(self.own, candidates))
        logits = logits + ops.matmul(market, weight[..., None])[..., 0] + bias  # (B, P, C, F) @ (B, P, F, 1)
        tables = self.groups(self.counts(history), history["items"])
        for kind, table in enumerate(tables):  # scored group by group, and then looked up: there are fewer groups
            facts = ops.transpose(ops.log(1 + table / _LEAST), (0, 1, 3, 2))  # (B, G, P, K)
            scores = self.out[kind](self.wide[kind](facts))[..., 0]  # (B, G, P)
            logits = logits + ops.transpose(self.groups.of(scores, candidates, kind), (0, 2, 1))
        return logits

    def get_config(self):
        """Returns the arguments, for saving."""
        own = {"hidden": self.hidden, "dropout": self.dropout, "anchor": self.anchor}
        return super().get_config() | self.groups.shape() | own

    @classmethod
    def from_config(cls, config):
        """Rebuilds the layer; its groups come with the saved file."""
        return cls(**_with_groups(config))
