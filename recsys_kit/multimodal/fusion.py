"""One vector of an item from several kinds of facts, some of which may be missing: four ways (notebook 23).

A *modality* is a kind of facts: the item's text, its picture, what people bought together with it. A new item has no
behaviour yet, many have no picture. The task and the way of scoring are those of `optimization.cold_items`.

Letters for shapes: V items, M modalities, W width of a modality's vectors, D width of the embeddings, K vectors of an
item (M if modalities are fused late, else 1), B users of a batch, I items that these bought, C candidates, N cases.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import keras
import numpy as np
import pandas as pd
import scipy.sparse as sp
from keras import layers, ops

from recsys_kit import baselines, evaluation
from recsys_kit.neural import losses
from recsys_kit.neural.fitting import Fitted, loss_curve
from recsys_kit.optimization import cold_items
from recsys_kit.optimization.cold_items import Arrivals

__all__ = ["WAYS", "FusedItems", "HistoryScore", "Settings", "ranked", "train"]

WAYS = ("early", "late", "gated", "attention")
_register = keras.saving.register_keras_serializable(package="recsys_kit.multimodal")


@_register
class FusedItems(keras.layers.Layer):
    """Embeds items from their modalities. A vector of zeros says that an item lacks that modality.

    Args:
        widths: M widths W.
        items: V.
        width: D.
        way: One of `WAYS`. "early": all vectors side by side, one matrix. "late": an embedding for each modality, whose
            scores are added up. "gated": a weighted mean of these embeddings, weights told from all of them.
            "attention": a query of its own looks at the embeddings of all modalities that are there.
        dropout: Chance that a modality of an item is hidden while training, one for all or one each; one always stays.

    Example:
        Two modalities of three items, the last of which has no picture:

        >>> layer = FusedItems((4, 2), items=3, width=8)
        >>> layer.build()
        >>> layer.assign([np.ones((3, 4)), np.array([[1.0, 0], [0, 1], [0, 0]])])
        >>> [tuple(part.shape) for part in layer(np.array([0, 2]))]
        [(2, 1, 8), (2, 1)]
    """

    def __init__(self, widths: Sequence[int], items: int, width: int = 48, way="early", dropout=0.0, **kwargs):
        super().__init__(**kwargs)
        if way not in WAYS:
            raise ValueError(f"`way` must be one of {', '.join(WAYS)}. Received: way={way!r}.")
        self.widths, self.items, self.width, self.way = tuple(widths), items, width, way
        self.dropout = [float(chance) for chance in np.broadcast_to(dropout, len(self.widths))]
        self.seed = keras.random.SeedGenerator(0)
        self.views = [layers.Dense(width, name=f"view_{m}") for m in range(len(self.widths))]
        self.mix = {
            "early": lambda: layers.Dense(width),
            "gated": lambda: layers.Dense(len(self.widths)),
            "attention": lambda: layers.MultiHeadAttention(2, width // 2),
        }.get(way, lambda: None)()

    def build(self, shape=None):
        """Creates the tables of the modalities, which don't learn, and what fuses them."""
        size = len(self.widths)
        self.tables = [
            self.add_weight(shape=(self.items, wide), initializer="zeros", trainable=False, name=f"table_{m}")
            for m, wide in enumerate(self.widths)
        ]
        self.there = self.add_weight(shape=(self.items, size), initializer="zeros", trainable=False, name="there")
        if self.way == "early":
            self.mix.build((None, sum(self.widths) + size))
        else:
            for view, wide in zip(self.views, self.widths, strict=True):
                view.build((None, wide))
        if self.way == "gated":
            self.mix.build((None, size * self.width + size))
        if self.way == "attention":
            self.query = self.add_weight(shape=(1, 1, self.width), initializer="glorot_uniform", name="query")
            self.kind = self.add_weight(shape=(1, size, self.width), initializer="glorot_uniform", name="kind")
            self.mix.build((None, 1, self.width), (None, size, self.width))

    def assign(self, values: Sequence[np.ndarray]) -> None:
        """Sets the tables to M arrays (V, W)."""
        for table, array in zip(self.tables, values, strict=True):
            table.assign(array)
        self.there.assign(np.stack([np.any(array != 0, axis=1) for array in values], axis=1).astype(np.float32))

    def call(self, items, training=False):
        """Maps items (I,) to embeddings (I, K, D) of length 1, and to which of them are there (I, K)."""
        there = ops.convert_to_tensor(self.there)  # (V, M)
        if training and any(self.dropout):
            chance = np.array([self.dropout], np.float32)  # (1, M)
            kept = there * ops.cast(keras.random.uniform(ops.shape(there), seed=self.seed) >= chance, "float32")
            there = ops.where(ops.max(kept, axis=1, keepdims=True) > 0, kept, there)
        there = ops.take(there, items, axis=0)  # (I, M)
        parts = [ops.take(table, items, axis=0) * there[:, m, None] for m, table in enumerate(self.tables)]
        if self.way == "early":
            vectors = self.mix(ops.concatenate([*parts, there], axis=1))[:, None]
        else:
            views = [view(part) for view, part in zip(self.views, parts, strict=True)]
            vectors = ops.stack(views, axis=1) * there[..., None]  # (I, M, D)
        if self.way == "gated":
            flat = ops.reshape(vectors, (-1, len(parts) * self.width))
            gates = ops.softmax(self.mix(ops.concatenate([flat, there], axis=1)) - 1e9 * (1 - there))  # (I, M)
            vectors = ops.sum(gates[..., None] * vectors, axis=1, keepdims=True)
        if self.way == "attention":
            query = self.query + ops.zeros_like(vectors[:, :1])  # (I, 1, D)
            seen = ops.cast(there, "bool")[:, None]  # (I, 1, M)
            vectors = query + self.mix(query, vectors + self.kind, attention_mask=seen)
        found = vectors / ops.sqrt(ops.sum(vectors**2, axis=-1, keepdims=True) + 1e-9)
        return found, there if self.way == "late" else ops.ones_like(there[:, :1])

    def get_config(self):
        """Returns the arguments, for saving."""
        own = {"widths": self.widths, "items": self.items, "width": self.width, "way": self.way}
        return super().get_config() | own | {"dropout": self.dropout}


@_register
class HistoryScore(keras.layers.Layer):
    """Scores candidates for users: `cold_items.TextTied`'s three terms, for each of the K vectors, added up.

    Args:
        fused: Embeds the items.

    Example:
        Two users, who bought of items 0 and 2; item 1 is the candidate:

        >>> layer = HistoryScore(FusedItems((4,), items=3, width=2))
        >>> tuple(layer(np.ones((2, 2), "float32"), np.array([0, 2]), np.array([1])).shape)
        (2, 1)
    """

    def __init__(self, fused: FusedItems, **kwargs):
        super().__init__(**kwargs)
        self.fused, self.vectors = fused, len(fused.widths) if fused.way == "late" else 1

    def build(self, *shapes):
        """Creates the weights of the three terms."""
        constant, width = keras.initializers.Constant, self.fused.width
        if not self.fused.built:
            self.fused.build()
        self.sharp = self.add_weight(shape=(self.vectors,), initializer=constant(8.0), name="sharp")
        self.gain = self.add_weight(shape=(self.vectors,), initializer="ones", name="gain")
        self.match = self.add_weight(shape=(self.vectors, width, width), initializer="zeros", name="match")
        self.sells = self.add_weight(shape=(self.vectors, width, 1), initializer="zeros", name="sells")

    def call(self, counts, items, candidates, own=None, training=False):
        """Returns (B, C) scores.

        Args:
            counts: (B, I) what was bought of each item.
            items: (I,) these items.
            candidates: (C,) the candidates.
            own: (B, C) what was bought of the candidate itself, taken out; None: nothing.
            training: Whether modalities are hidden.
        """
        # Both in one call: what is hidden of an item is hidden in the history and among the candidates alike.
        both = ops.concatenate([ops.cast(items, "int32"), ops.cast(candidates, "int32")], axis=0)
        vectors, there = self.fused(both, training=training)
        size = ops.shape(items)[0]
        total = 0.0
        for k in range(self.vectors):
            left, right = vectors[:size, k], vectors[size:, k]  # (I, D), (C, D)
            known = counts * there[:size, k]  # (B, I)
            weight = ops.matmul(known, self.near(k, left, right)) - (0.0 if own is None else own * there[size:, k])
            mean = ops.matmul(known, left) / (ops.sum(known, axis=1, keepdims=True) + 1e-6)  # (B, D)
            total = total + self.score(k, weight, mean, right) * there[size:, k]
        return total

    def near(self, k: int, left, right):
        """Returns how near vectors (I, D) are to others (C, D): (I, C), 1 for the same vector, less for others."""
        return ops.exp(self.sharp[k] * (ops.matmul(left, ops.transpose(right)) - 1.0))

    def score(self, k: int, weight, mean, right):
        """Adds up the terms: the history's weight nearby (B, C), its mean (B, D), the candidates' vectors (C, D)."""
        match = ops.matmul(ops.matmul(mean, self.match[k]), ops.transpose(right))
        sells = ops.transpose(ops.matmul(right, self.sells[k]))
        return self.gain[k] * ops.log(ops.maximum(weight, 0.0) + 0.01) + match + sells

    def get_config(self):
        """Returns the arguments, for saving."""
        return super().get_config() | {"fused": keras.saving.serialize_keras_object(self.fused)}

    @classmethod
    def from_config(cls, config):
        """Rebuilds the layer from its arguments."""
        return cls(keras.saving.deserialize_keras_object(config.pop("fused")), **config)


class _Batches(cold_items.FortnightBatches):
    """Those of `cold_items`, with the columns that nobody of a batch bought left out.

    All batches have the same width, as Keras reads off the first two which axes vary; the first epoch's largest batch
    and a tenth more. Where a later batch has more items, those that were bought least are left out.
    """

    wide = 0

    def plan(self):
        super().plan()
        if not self.wide:
            sizes = [len(np.unique(self.pairs[window][0][part].indices)) for window, part in self.parts]
            self.wide = min(len(self.code), int(1.1 * max(sizes)) + 1)

    def __getitem__(self, index):
        x, bought = super().__getitem__(index)
        items, counts = x.pop("texts"), x["counts"]  # a text is an item here
        most = np.argsort(-counts.sum(0), kind="stable")[: self.wide]
        most = most[counts[:, most].any(0)]
        rest = np.setdiff1d(np.arange(len(self.code)), items[most])[: self.wide - len(most)]
        items = np.r_[items[most], rest].astype(np.int32)
        counts = np.pad(counts[:, most], ((0, 0), (0, len(rest))))
        order = np.argsort(items)
        return x | {"counts": counts[:, order], "items": items[order]}, bought


@dataclass(frozen=True)
class Settings(cold_items.Settings):
    """How modalities are fused; the rest of how it is learned is told by `cold_items.Settings`.

    Attributes:
        windows: How many fortnights before the cutoff are learned from: one, as behaviour is known up to the last.
        way: One of `WAYS`.
        dropout: Chance that a modality of an item is hidden while training, one for all or one each.
    """

    windows: int = 1
    way: str = "early"
    dropout: float | Sequence[float] = 0.3


def train(case: Arrivals, modalities: Mapping[str, np.ndarray], settings: Settings | None = None) -> Fitted:
    """Learns from old items how to fuse: from what was bought before a moment to what was bought in two weeks after.

    Args:
        case: The arrivals.
        modalities: Name and (V, W) vectors of each; zeros where an item lacks it.
        settings: Way, sizes and training parameters; None: the usual ones.

    Returns:
        The model, and its loss epoch by epoch.
    """
    settings = settings or Settings()
    keras.utils.set_random_seed(settings.seed)
    code = np.arange(len(case.new))
    data = _Batches(case, code, settings.windows, settings.batch_size, settings.drawn, settings.seed)
    widths = [values.shape[1] for values in modalities.values()]
    fused = FusedItems(widths, len(code), settings.width, settings.way, settings.dropout, name="fused")
    scored = HistoryScore(fused, name="scored")
    inputs = {
        "counts": keras.Input((None,), name="counts"),
        "items": keras.Input(batch_shape=(None,), dtype="int32", name="items"),
        "own": keras.Input((None,), name="own"),
        "candidates": keras.Input(batch_shape=(None,), dtype="int32", name="candidates"),
        "log_chance": keras.Input(batch_shape=(None,), name="log_chance"),
    }
    scores = scored(inputs["counts"], inputs["items"], inputs["candidates"], inputs["own"])
    model = keras.Model(inputs, scores - ops.expand_dims(inputs["log_chance"], 0), name="fusion")
    fused.assign(list(modalities.values()))
    schedule = keras.optimizers.schedules.CosineDecay(settings.learning_rate, len(data) * settings.epochs)
    model.compile(keras.optimizers.Adam(schedule), losses.softmax_loss, jit_compile=False)
    model.optimizer.build(model.trainable_variables)  # else its step is traced twice
    run = model.fit(data, epochs=settings.epochs, verbose=0, shuffle=False)
    return Fitted(model, loss_curve(run))


def ranked(
    model: keras.Model,
    case: Arrivals,
    modalities: Mapping[str, np.ndarray],
    cases: np.ndarray | None = None,
    warm: bool = False,
    seed: int = 0,
    block: int = 256,
) -> pd.DataFrame:
    """Ranks the new items (or, `warm`, old ones that a user has not bought yet) for test cases, and judges the lists.

    Args:
        model: What `train` returned.
        case: The arrivals.
        modalities: The vectors that are there at serving time; zeros hide a modality. In the order of training.
        cases: Rows of the test cases; None: all.
        warm: Rank the old items.
        seed: Seed of the order of equal scores.
        block: Candidates at once; bounds the memory, and small arrays are sooner had than large ones.

    Returns:
        What `evaluation.evaluate` returns; its index numbers the given cases.
    """
    split = case.split
    cases = np.arange(len(split.test_users)) if cases is None else cases
    scored = model.get_layer("scored")
    fused = scored.fused
    fused.assign(list(modalities.values()))
    vectors, there = (ops.convert_to_numpy(part) for part in fused(np.arange(len(case.new), dtype=np.int32)))
    counts = baselines.decayed_counts(split, 120)[split.test_users[cases]].log1p().tocsr()
    chosen = np.flatnonzero(~case.new if warm else case.new)
    scores = np.full((len(cases), len(case.new)), -np.inf, np.float32)
    scores[:, chosen] = _scores(scored, counts, vectors, there, chosen, block)
    answers = (case.warm if warm else split.answers)[cases]
    exclude = counts > 0 if warm else None
    return evaluation.evaluate(scores, answers, exclude=exclude, ties="shuffled", seed=seed)


def _scores(
    scored: HistoryScore, counts: sp.csr_matrix, vectors: np.ndarray, there: np.ndarray, chosen: np.ndarray, block: int
) -> np.ndarray:
    """Returns (N, C) what `HistoryScore` gives, with counts (N, V) that may stay sparse: many times sooner."""
    bought = np.unique(counts.indices)
    total = np.zeros((counts.shape[0], len(chosen)), np.float32)
    for k in range(scored.vectors):
        known, left = counts[:, bought].multiply(there[bought, k][None]).tocsr(), vectors[bought, k]
        mean = (known @ left) / (np.asarray(known.sum(1)) + 1e-6)
        for start in range(0, len(chosen), block):
            some = chosen[start : start + block]
            right = vectors[some, k]
            weight = known @ ops.convert_to_numpy(scored.near(k, left, right))
            found = ops.convert_to_numpy(scored.score(k, weight, mean, right))
            total[:, start : start + block] += found * there[some, k]
    return total
