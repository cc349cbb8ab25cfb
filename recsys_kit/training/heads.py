"""The two heads of the next-basket model: attention that counts (notebook 05).

Letters for shapes: B households (batch), L baskets, H distinct items of a household's history, P positions to predict
at, C candidate items, D width, F facts about an item, K time kernels, G groups of a kind, V items of the catalogue.
"""

from __future__ import annotations

import json
import os

import keras
import numpy as np
from keras import layers, ops

__all__ = ["DiscoverHead", "GroupCounts", "PurchaseCounts", "RepeatHead"]

OPT = {"hand": 1, "rep_twins": 1, "dis_groups": 1, "mix": 0, "linear": 1, "mlp": 0, "learn": 1, "own": 0, "hour": 0, "ranchor": 0.5, "danchor": 0.3, "dslow": 0.2, "rdrop": 0.1, "cross": 0}
OPT |= json.loads(os.environ.get("COUNTS_OPT", "{}"))

REPEAT_DECAYS = (3.0, 7.0, 14.0, 30.0, 60.0, 120.0, 365.0)  # days; 120 is the decayed-frequency baseline
TWIN_DECAYS = (7.0, 30.0, 120.0)
DISCOVER_DECAYS = (30.0, 180.0)
_EPS = 0.02
_TIES = 0.05
_POPULAR, _NEIGHBOURS = 0.2, 1.25
_REPEAT_MIDDLE, _DISCOVER_MIDDLE = -2.0, -2.5
_register = keras.saving.register_keras_serializable(package="recsys_kit.training")


def past_of(days, position):
    """Returns (B, P, L): 1 for the baskets up to each position, 0 for later ones."""
    step = ops.cumsum(ops.ones_like(days, dtype="int32"), axis=1) - 1  # (B, L): 0, 1, 2, …
    return ops.cast(step[:, None] <= position[:, :, None], "float32")


@_register
class PurchaseCounts(layers.Layer):
    """Target attention from each item to its own purchases."""

    def __init__(self, decays, learn=True, **kwargs):
        super().__init__(**kwargs)
        self.decays, self.learn = tuple(decays), learn

    def build(self, history_shape):
        self.log_tau = self.add_weight(
            shape=(len(self.decays),), initializer="zeros", name="log_tau", trainable=self.learn
        )
        self.log_tau.assign(np.log(self.decays).astype("float32"))

    def call(self, history):
        """Returns (B, K, P, H)."""
        days, position = history["days"], history["position"]
        age = ops.maximum(history["target_day"][:, :, None] - days[:, None], 0.0)  # (B, P, L)
        rate = ops.exp(-self.log_tau)[:, None, None]  # (K, 1, 1)
        kernel = past_of(days, position)[:, None] * ops.exp(-age[:, None] * rate)  # (B, K, P, L)
        b, k, p, l = ops.shape(kernel)
        counts = ops.matmul(ops.reshape(kernel, (b, k * p, l)), history["incidence"])  # (B, K P, L) @ (B, L, H)
        return ops.reshape(counts, (b, k, p, ops.shape(counts)[-1]))


@_register
class GroupCounts(layers.Layer):
    """Sums counts over groups."""

    def __init__(self, groups, **kwargs):
        super().__init__(**kwargs)
        self.groups = [list(map(int, g)) for g in groups]

    def build(self, counts_shape, items_shape, **kwargs):
        self.lookup = self.add_weight(
            shape=(len(self.groups), len(self.groups[0])), dtype="int32", trainable=False, initializer="zeros", name="lookup"
        )
        self.lookup.assign(np.array(self.groups, "int32"))
        self.sizes = [max(g) + 1 for g in self.groups]

    def call(self, counts, items, asked):
        """Returns (B, P, asked, groups * K); asked is (B, H) or (C,)."""
        b, k, p, h = ops.shape(counts)
        rows = ops.reshape(ops.transpose(counts, (0, 3, 1, 2)), (b * h, k * p))
        found = []
        household = ops.arange(b)[:, None]
        for i, size in enumerate(self.sizes):
            place = household * size + ops.take(self.lookup[i], items)  # (B, H)
            totals = ops.segment_sum(rows, ops.reshape(place, (-1,)), num_segments=b * size)  # (B G, K P)
            there = household * size + ops.take(self.lookup[i], asked)  # (B, C)
            c = ops.shape(there)[1]
            found.append(ops.reshape(ops.take(totals, there, axis=0), (b, c, k, p)))
        return ops.transpose(ops.concatenate(found, 2), (0, 3, 1, 2))  # (B, P, C, groups K)


@_register
class RepeatHead(layers.Layer):
    def __init__(self, groups, hidden: int = 64, dropout: float = 0.1, anchor: float = 0.5, **kwargs):
        super().__init__(**kwargs)
        self.anchor = OPT["ranchor"]
        dropout = OPT["rdrop"]
        self.hidden, self.dropout = hidden, dropout
        self.counts = PurchaseCounts(REPEAT_DECAYS, bool(OPT["learn"]))
        self.twin_counts = PurchaseCounts(TWIN_DECAYS, bool(OPT["learn"]))
        self.groups = GroupCounts(groups)
        self.wide = layers.Dense(hidden, name="wide")
        self.narrow = layers.Dense(hidden // 2, "relu", name="narrow")
        self.out = layers.Dense(1, kernel_initializer="zeros", name="out")
        self.taste = layers.Dense(16, kernel_initializer="zeros", name="taste")
        self.kind = layers.Dense(16, name="kind")
        self.lift = layers.Dense(hidden, name="lift")
        self.item = layers.Dense(hidden, use_bias=False, name="item")
        self.drop = layers.Dropout(dropout)

    def build(self, states_shape, vectors_shape, history_shape):
        n = len(REPEAT_DECAYS)
        facts = n + 2 + (6 if OPT["hand"] else 0) + (len(TWIN_DECAYS) * len(self.groups.groups) if OPT["rep_twins"] else 0)
        facts += OPT["mix"] + 2 * OPT["cross"]
        self.own_facts = facts
        features = facts + history_shape["market"][-1]
        start = np.zeros(features, "float32")
        start[REPEAT_DECAYS.index(120.0)] = 1.0
        start[facts] = _TIES
        self.gate = layers.Dense(features, kernel_initializer="zeros", name="gate")
        self.weight = self.add_weight(shape=(features,), initializer="zeros", name="weight")
        self.weight.assign(start)
        self.bias = self.add_weight(shape=(), initializer=keras.initializers.Constant(-2.0), name="bias")
        if OPT["mix"]:
            self.mixer = layers.Dense(OPT["mix"] * n, name="mixer")
            self.mixer.build(vectors_shape)
        if OPT["cross"]:
            self.query = layers.Dense(32, name="query"); self.query.build(vectors_shape)
            self.key = layers.Dense(32, name="key"); self.key.build(vectors_shape)
        self.wide.build((None, None, None, features))
        self.narrow.build((None, None, None, self.hidden))
        self.out.build((None, None, None, self.hidden // 2))
        self.mean = self.add_weight(shape=(features,), initializer="zeros", trainable=False, name="mean")
        self.spread = self.add_weight(shape=(features,), initializer="ones", trainable=False, name="spread")
        for layer in (self.gate, self.taste, self.lift):
            layer.build(states_shape)
        self.kind.build(vectors_shape)
        self.item.build(vectors_shape)
        self.counts.build(history_shape)
        self.twin_counts.build(history_shape)
        self.groups.build(None, None)

    def features(self, history, vectors):
        days, position, target_day = history["days"], history["position"], history["target_day"]
        c = self.counts(history)  # (B, K, P, H)
        logs = ops.log(c + _EPS)
        past = past_of(days, position)
        total = ops.matmul(past, history["incidence"])  # (B, P, H)
        visits = ops.sum(past, -1, keepdims=True)
        age = target_day[:, :, None] - days[:, None]
        since = ops.min(ops.where(past > 0, ops.maximum(age, 0.0), 1e4), -1, keepdims=True)
        parts = [ops.transpose(logs, (0, 2, 3, 1))]
        last, first = history["last"], history["first"]
        facts = [
            ops.broadcast_to(ops.log(1 + ops.relu(since)), ops.shape(total)),
            ops.broadcast_to(ops.log(visits), ops.shape(total)),
        ]
        if OPT["hand"]:
            recency = ops.maximum(target_day[:, :, None] - last, 0.05)
            rhythm = ops.maximum(last - first[:, None], 0.5) / ops.maximum(total - 1, 0.5)
            overdue = ops.clip(ops.log(recency / rhythm), -3.0, 3.0)
            lastone = ops.cast(last >= ops.max(days[:, None] * past, -1, keepdims=True), "float32")
            facts += [ops.log(total + 1), ops.log(recency), ops.log(rhythm), overdue, ops.log((total + 0.1) / (visits + 1)), lastone]
        parts.append(ops.stack(facts, -1))
        if OPT["mix"]:
            b, h = ops.shape(vectors)[0], ops.shape(vectors)[1]
            w = ops.softmax(ops.reshape(self.mixer(vectors), (b, h, OPT["mix"], len(REPEAT_DECAYS))), -1)
            parts.append(ops.log(ops.einsum("bkph,bhmk->bphm", c, w) + _EPS))
        if OPT["rep_twins"] or OPT["cross"]:
            t = self.twin_counts(history)
        if OPT["rep_twins"]:
            mine = ops.transpose(t, (0, 2, 3, 1))
            mine = ops.concatenate([mine] * len(self.groups.groups), -1)
            twins = self.groups(t, history["items"], history["items"]) - mine
            parts.append(ops.log(ops.relu(twins) + _EPS))
        if OPT["cross"]:
            a = ops.matmul(self.query(vectors), ops.transpose(self.key(vectors), (0, 2, 1))) / 32**0.5
            a = ops.silu(a)  # (B, H, H)
            b, k, p, h = ops.shape(t)
            r = ops.matmul(ops.reshape(t[:, :2], (b, 2 * p, h)), ops.transpose(a, (0, 2, 1)))
            r = ops.reshape(r, (b, 2, p, h))
            parts.append(ops.transpose(ops.sign(r) * ops.log(1 + ops.abs(r)), (0, 2, 3, 1)))
        return ops.concatenate([*parts, history["market"]], axis=-1)

    def adapt(self, batches, vectors_of):
        from recsys_kit.training import baskets

        known = [ops.convert_to_numpy(self.features(x, vectors_of(x["items"])))[baskets.known(x["last"])] for x in batches]
        known = np.concatenate(known)
        self.mean.assign(known.mean(0))
        self.spread.assign(known.std(0) + 1e-3)

    def call(self, states, vectors, history, training=None):
        features = self.features(history, vectors)
        weight = self.drop(self.gate(states), training=training) + self.weight  # (B, P, F)
        logits = ops.matmul(features, weight[..., None])[..., 0] + self.bias
        logits = logits + ops.matmul(self.taste(states), ops.transpose(self.kind(vectors), (0, 2, 1)))
        hidden = self.wide((features - self.mean) / self.spread)
        hidden = hidden + self.lift(states)[:, :, None] + self.item(vectors)[:, None]
        logits = logits + self.out(self.narrow(ops.relu(hidden)))[..., 0]
        if training:
            return logits
        n = REPEAT_DECAYS.index(120.0)
        return logits + self.anchor * (features[..., n] + _TIES * history["market"][..., 0] - _REPEAT_MIDDLE)


@_register
class DiscoverHead(layers.Layer):
    def __init__(self, groups, size: int, dropout: float = 0.2, anchor: float = 0.3, **kwargs):
        super().__init__(**kwargs)
        self.size, self.dropout, self.anchor = size, dropout, OPT["danchor"]
        self.counts = PurchaseCounts(DISCOVER_DECAYS, bool(OPT["learn"]))
        self.groups = GroupCounts(groups)
        self.drop = layers.Dropout(dropout)

    def build(self, states_shape, vectors_shape, candidate_vectors_shape, candidates_shape, market_shape, history_shape):
        k = len(DISCOVER_DECAYS)
        market = market_shape[-1]
        features = market + (k * len(self.groups.groups) if OPT["dis_groups"] else 0)
        self.query = layers.Dense(states_shape[-1], kernel_initializer="zeros", name="query")
        self.gate = layers.Dense(features, kernel_initializer="zeros", name="gate")
        self.query.build(states_shape)
        self.gate.build(states_shape)
        if OPT["linear"]:
            self.key = layers.Dense(32, use_bias=False, name="key")
            self.key.build(vectors_shape)
            self.value = layers.Dense(states_shape[-1], kernel_initializer="zeros", name="value")
            self.value.build((None, None, 32 * k))
        self.own = self.add_weight(shape=(self.size,), initializer="zeros", name="own")
        self.start = np.zeros(features, "float32")
        self.start[:2] = _POPULAR, _NEIGHBOURS
        self.slope = self.add_weight(shape=self.start.shape, initializer="zeros", name="slope")
        self.slope.assign(self.start)
        self.bias = self.add_weight(shape=(), initializer=keras.initializers.Constant(-0.5), name="bias")
        if OPT["mlp"]:
            self.wide = layers.Dense(OPT["mlp"], "relu", name="wide")
            self.wide.build((None, None, None, features))
            self.out = layers.Dense(1, kernel_initializer="zeros", name="out")
            self.out.build((None, None, None, OPT["mlp"]))
        self.counts.build(history_shape)
        self.groups.build(None, None)

    def call(self, states, vectors, candidate_vectors, candidates, market, history, training=None):
        states = self.drop(states, training=training)
        weight = self.gate(states) + self.slope  # (B, P, F)
        bias = self.bias
        facts = market
        c = self.counts(history)
        if OPT["dis_groups"]:
            found = ops.log(self.groups(c, history["items"], candidates) + _EPS) - float(np.log(_EPS))
            facts = ops.concatenate([market, found], -1)
        if not training:
            weight = weight + ops.convert_to_tensor(self.anchor * self.start)
            bias = bias - _DISCOVER_MIDDLE * self.anchor
        look = self.query(states)
        if OPT["linear"]:
            b, k, p, h = ops.shape(c)
            m = ops.matmul(ops.reshape(ops.log(1 + c), (b, k * p, h)), self.key(vectors))  # (B, K P, 32)
            m = ops.reshape(ops.transpose(ops.reshape(m, (b, k, p, 32)), (0, 2, 1, 3)), (b, p, k * 32))
            look = look + self.value(self.drop(m, training=training))
        taste = ops.matmul(look, ops.transpose(candidate_vectors))  # (B, P, D) @ (D, C)
        taste = OPT["dslow"] * (taste + ops.take(self.own, candidates))
        logits = taste + ops.matmul(facts, weight[..., None])[..., 0] + bias
        if OPT["mlp"]:
            logits = logits + self.out(self.wide(facts))[..., 0]
        return logits
