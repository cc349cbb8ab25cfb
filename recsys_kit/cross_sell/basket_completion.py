"""Basket completion: one item of a basket is hidden, and has to be found in the catalogue (notebook 11).

A basket is a set: no positions. A mask token stands for what is hidden; it looks at all items of the basket, and they
at each other (BERT-style). Beside it stands what counting says, the co-occurrence of the items, as log chances: the
Transformer starts there and learns the rest.

Letters for shapes: T baskets, B baskets of a batch, L tokens, P hidden items of a batch, C candidates, D width,
V items (columns 0..V - 1; as tokens 1..V, 0 is padding, V + 1 the mask).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import keras
import numpy as np
import pandas as pd
import scipy.sparse as sp
from keras import ops

from recsys_kit import baselines, evaluation, transformer
from recsys_kit.cross_sell.association import BasketTable, starting_vectors, together
from recsys_kit.datasets.tables import NotForThisShop
from recsys_kit.neural import devices, fitting, losses, sampling
from recsys_kit.neural.batches import EpochBatches, first_and_last_first
from recsys_kit.neural.fitting import Fitted, loss_curve
from recsys_kit.neural.ranges import ragged

__all__ = [
    "Cases",
    "Counted",
    "MaskedBaskets",
    "Settings",
    "cases",
    "completion_model",
    "household_means",
    "scorer",
    "train",
]

_BACKGROUND = 0.05  # share of popularity in the counted chances


@dataclass(frozen=True)
class Settings:
    """How the completion model is built and trained.

    Attributes:
        width: D.
        blocks: Transformer blocks; 0: the twin without attention, the mean of the basket's vectors.
        dropout: Dropout.
        learning_rate: AdamW's highest.
        epochs: Passes over the baskets.
        tokens: Tokens of a batch.
        candidates: C, at least.
        longest: Items of a basket that are read, at most (a random choice).
        hidden: Largest share of a basket that is hidden in training.
        seed: Seed of everything random.
    """

    width: int = 64
    blocks: int = 2
    dropout: float = 0.2
    learning_rate: float = 3e-3
    epochs: int = 1
    tokens: int = 4096
    candidates: int = 1024
    longest: int = 48
    hidden: float = 0.5
    seed: int = 0


@dataclass(frozen=True)
class Cases:
    """Baskets with one item hidden.

    Attributes:
        rest: (N, V) float32, what is left of each basket.
        answers: (N, V) boolean, the hidden item.
        user_ids: (N,) whose basket it is.
        time: (N,) when it began.
    """

    rest: sp.csr_matrix = field(repr=False)
    answers: sp.csr_matrix = field(repr=False)
    user_ids: np.ndarray = field(repr=False)
    time: pd.DatetimeIndex = field(repr=False)

    def __len__(self) -> int:
        """How many cases there are."""
        return self.rest.shape[0]

    def sample(self, count: int, seed: int = 0) -> Cases:
        """Returns a random part of the cases, in their order."""
        if count >= len(self):
            return self
        kept = np.sort(np.random.default_rng(seed).permutation(len(self))[:count])
        return Cases(self.rest[kept], self.answers[kept], self.user_ids[kept], self.time[kept])


def cases(table: BasketTable, min_items: int = 3, seed: int = 0) -> Cases:
    """Hides one item of each basket, chosen at random.

    Args:
        table: The baskets.
        min_items: Least number of items of a basket, the hidden one included; at least 2.
        seed: Seed of the choice.

    Raises:
        NotForThisShop: If no basket is large enough.
    """
    if min_items < 2:
        raise ValueError(f"`min_items` must be at least 2: something has to be left. Received: min_items={min_items}.")
    table = table.rows(np.flatnonzero(table.sizes() >= min_items))
    if not len(table.user):
        raise NotForThisShop(f"no basket holds `min_items`={min_items} items of the catalogue. Bring more data.")
    size, start = table.sizes(), table.matrix.indptr[:-1]
    place = start + (np.random.default_rng(seed).random(len(size)) * size).astype(int)
    rest = table.matrix.copy()
    hidden = rest.indices[place].copy()
    rest.data[place] = 0
    rest.eliminate_zeros()
    answers = sp.csr_matrix((np.ones(len(size), bool), hidden, np.arange(len(size) + 1)), rest.shape)
    return Cases(rest, answers, table.users[table.user].to_numpy(), table.time)


def household_means(result: pd.DataFrame, cases: Cases, metric: str) -> pd.Series:
    """Returns the mean of a metric for each household: its baskets are not independent, households are."""
    return result[metric].groupby(cases.user_ids[result.index]).mean()


class Counted:
    """What counting says of the hidden item: the sum of what each other item of the basket was bought with.

    Each pair of a basket with s items counts 1 / (s - 1), so that a large basket does not say more than a small one;
    the sums are divided by frequency(from)^from_power * frequency(to)^to_power.

    Args:
        table: The baskets that are counted.
        from_power: Discount for a frequent item in the basket.
        to_power: Discount for a frequent item as an answer.
        neighbours: Entries kept of each item, the largest; None keeps all.
    """

    def __init__(
        self, table: BasketTable, from_power: float = 0.5, to_power: float = 0.25, neighbours: int | None = 400
    ):
        often = np.asarray(table.matrix.sum(axis=0)).ravel()
        self.popular = np.maximum(often, 0.5) / np.maximum(often, 0.5).sum()
        self.from_weight = np.maximum(often, 1) ** -from_power
        self.to_weight = np.maximum(often, 1) ** -to_power
        self.pair_weight = 1 / np.maximum(table.sizes() - 1, 1)
        counts = together(table.matrix, self.pair_weight)
        counts = sp.diags(self.from_weight) @ counts @ sp.diags(self.to_weight)
        counts = sp.csr_matrix(counts, dtype=np.float32)
        self.table = counts if neighbours is None else baselines.largest_entries(counts, neighbours)
        self.mass = np.asarray(self.table.sum(axis=1)).ravel()

    @cached_property
    def columns(self) -> sp.csc_matrix:
        """The table by columns, as large again: only training asks for a part of them."""
        return self.table.tocsc()

    def scorer(self, rest: sp.csr_matrix) -> evaluation.Scorer:
        """Returns rows (B,) of `rest` (N, V) -> log chances (B, V)."""
        every = np.arange(self.table.shape[0])
        return lambda rows: self.log_chances(rest[rows], every)

    def log_chances(self, rest: sp.csr_matrix, candidates: np.ndarray, own: tuple | None = None) -> np.ndarray:
        """Returns the log chances (B, C) of candidates, up to a constant in each row.

        Args:
            rest: (B, V) what is left of each basket.
            candidates: (C,) columns.
            own: If the baskets are among those that were counted: (P,) rows, (P,) places among the candidates and
                (B,) pair weights of the hidden items. Their own basket's share is taken out of the counts, or the
                table would know the answer.
        """
        if len(candidates) == self.table.shape[0]:
            scores = (rest @ self.table).toarray()  # (B, C)
        else:  # from the other side: a part of the columns need not be turned into rows first
            scores = (self.columns[:, candidates].T @ rest.T.tocsr()).toarray(order="F").T
        if own is not None:
            row, place, weight = own
            share = (rest @ self.from_weight) * weight  # (B,)
            scores[row, place] -= share[row] * self.to_weight[candidates[place]]
            np.maximum(scores, 0, out=scores)
        total = np.maximum(rest @ self.mass, 1e-9)[:, None]
        chance = (1 - _BACKGROUND) * scores / total + _BACKGROUND * self.popular[candidates]
        return np.log(chance).astype(np.float32)


def completion_model(items: int, settings: Settings = Settings(), groups: list | None = None) -> keras.Model:
    """Builds the model: sets of tokens (B, L), the mask token first, to logits (B, L, V + 2).

    It is the BERT-style model of notebook 04 without positions. The last norm starts at a twentieth of its usual size,
    so that an untrained model hardly moves the counted chances that it is added to.

    Args:
        items: V.
        settings: Width, blocks and dropout are used.
        groups: Groups whose vectors are added to the items' own, see `baskets.item_groups`: V + 1 integers each.
    """
    ids = keras.Input((None,), dtype="int32", name="ids")
    groups = [[*group, 0] for group in groups or []]  # the mask token has no group
    embedding = transformer.ItemEmbedding(groups, settings.width, size=items + 2, name="item")
    if settings.blocks:
        x = transformer.encoder(ids, embedding, 0, settings.blocks, dropout=settings.dropout, causal=False)
    else:  # the mask token alone would know nothing of the basket
        shown = ops.cast((ids > 0) & (ids <= items), embedding.compute_dtype)[:, :, None]  # (B, L, 1)
        vectors = keras.layers.Rescaling(float(settings.width) ** 0.5, name="scale")(embedding(ids))
        mean = ops.sum(shown * vectors, axis=1, keepdims=True) / ops.maximum(ops.sum(shown, axis=1, keepdims=True), 1)
        mean = keras.layers.Dropout(settings.dropout, name="drop")(mean + 0 * vectors)  # the same at each token
        x = keras.layers.LayerNormalization(epsilon=1e-6, name="norm")(mean)
    model = keras.Model(ids, transformer.TiedLogits(embedding, name="logits")(x), name="completion")
    gamma = model.get_layer("norm").gamma
    gamma.assign(0.05 * ops.ones_like(gamma))
    return model


class MaskedBaskets(EpochBatches):
    """Batches of baskets with a part hidden: another part each epoch, baskets of similar length together.

    All hidden items of a basket are predicted from its one mask token: without positions, they can't be told apart.
    The candidates of a batch are its hidden items and others, drawn by their frequency to the power 3/4.

    Args:
        table: The baskets to learn from; those with a single item are left out.
        counted: Counts of the same baskets.
        settings: Sizes and seed.
    """

    def __init__(self, table: BasketTable, counted: Counted, settings: Settings = Settings(), **kwargs):
        super().__init__(settings.seed, **kwargs)
        self.baskets = np.flatnonzero(table.sizes() >= 2)
        if not len(self.baskets):
            raise ValueError("`table` must hold baskets with 2 items or more. Received: none.")
        self.matrix, self.counted, self.settings = table.matrix[self.baskets], counted, settings
        self.items = self.matrix.shape[1]
        self.draw = counted.popular**sampling.POWER
        _ = counted.columns  # made here, and not by two threads at once
        self.start_epoch(0)

    def plan(self) -> None:
        """Shuffles each basket, says how much of it is hidden, and groups baskets of similar length."""
        settings, size = self.settings, np.diff(self.matrix.indptr)
        rng = self.rng()
        owner = np.repeat(np.arange(len(size)), size)
        self.tokens = self.matrix.indices[np.lexsort((rng.random(len(owner)), owner))]
        self.start, read = self.matrix.indptr[:-1], np.minimum(size, settings.longest)
        hidden = np.round(read * rng.uniform(0, settings.hidden, len(size))).astype(int)
        self.hidden = np.clip(hidden, 1, read - 1)
        self.kept = read - self.hidden
        self.rows = np.lexsort((rng.random(len(size)), self.kept))
        self.edges = [0]
        while self.edges[-1] < len(size):
            ahead = self.kept[self.rows[self.edges[-1] :][: settings.tokens]] + 1
            fits = np.searchsorted(ahead * np.arange(1, len(ahead) + 1), settings.tokens, side="right")
            self.edges.append(self.edges[-1] + max(1, int(fits)))
        self.order = first_and_last_first(len(self), rng)

    def __len__(self) -> int:
        """How many batches an epoch has."""
        return len(self.edges) - 1

    def __getitem__(self, index: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Returns ids (B, L), place (P,), candidates (C,), columns (P, 1), log_chance (C,), prior (P, C); weights."""
        rng = self.rng(index)
        batch = self.order[index]
        rows = self.rows[self.edges[batch] : self.edges[batch + 1]]
        middle = self.start[rows] + self.kept[rows]
        flat, owner, place = ragged(self.start[rows], middle)
        shown = self.tokens[flat]
        ids = np.zeros((len(rows), 1 + int(self.kept[rows].max())), np.int32)
        ids[:, 0], ids[owner, place + 1] = self.items + 1, shown + 1
        flat, row, _ = ragged(middle, middle + self.hidden[rows])
        target = self.tokens[flat]
        count = max(self.settings.candidates, len(np.unique(target)) + 256)
        candidates, _, log_chance = sampling.draw_by_keys(self.draw, self.counted.popular, count, target, rng)
        column = np.searchsorted(candidates, target)
        rest = sp.csr_matrix((np.ones(len(shown), np.float32), (owner, shown)), (len(rows), self.items))
        own = (row, column, self.counted.pair_weight[self.baskets[rows]])
        inputs = {
            "ids": ids,
            "place": (row * ids.shape[1]).astype(np.int32),
            "candidates": (candidates + 1).astype(np.int32),
            "columns": column.astype(np.int32)[:, None],
            "log_chance": log_chance,
            "prior": self.counted.log_chances(rest, candidates, own)[row],
        }
        return inputs, np.ones(len(target), np.float32)


def train(
    table: BasketTable, counted: Counted, settings: Settings = Settings(), groups: list | None = None, callbacks=()
) -> Fitted:
    """Trains the completion model on baskets, beside the counts of the same baskets.

    Args:
        table: The baskets.
        counted: Counts of the same baskets.
        settings: How.
        groups: See `completion_model`.
        callbacks: Keras callbacks.

    Returns:
        The model, and its loss epoch by epoch.
    """
    keras.utils.set_random_seed(settings.seed)
    batches = MaskedBaskets(table, counted, settings)
    model = completion_model(batches.items, settings, groups)
    own = model.get_layer("item").own
    start = ops.convert_to_numpy(own).copy()
    start[1 : batches.items + 1] += starting_vectors(table, settings.width)
    own.assign(start)
    steps = settings.epochs * len(batches)
    rate = fitting.WarmCosine(settings.learning_rate, steps, max(1, steps // 20))
    optimizer = keras.optimizers.AdamW(rate, weight_decay=0.01, clipnorm=1.0)
    training = _with_loss(model, batches.items)
    training.compile(optimizer, loss=losses.mean_loss, jit_compile=False)
    training.optimizer.build(training.trainable_variables)  # else its step is traced twice
    bar = fitting.Progress("training", steps)
    run = training.fit(batches, epochs=settings.epochs, verbose=0, shuffle=False, callbacks=[bar, *callbacks])
    return Fitted(model, loss_curve(run))


def _with_loss(model: keras.Model, items: int) -> keras.Model:
    """Puts the loss on the end of the model; both share their weights."""
    names = {"place": "int32", "candidates": "int32", "log_chance": "float32"}
    inputs = {name: keras.Input(batch_shape=(None,), dtype=dtype, name=name) for name, dtype in names.items()}
    inputs["columns"] = keras.Input((1,), dtype="int32", name="columns")
    inputs["prior"] = keras.Input((None,), dtype="float32", name="prior")
    layer = losses.CandidateLoss(model.get_layer("logits"), "sampled_softmax", items, name="loss")
    return keras.Model({"ids": model.inputs[0], **inputs}, layer(model.get_layer("norm").output, **inputs))


def scorer(
    model: keras.Model, rest: sp.csr_matrix, prior: evaluation.Scorer | None = None, weight: float = 1.0
) -> evaluation.Scorer:
    """Asks a completion model for the hidden item of each basket.

    Args:
        model: What `train` returned.
        rest: (N, V) what is left of each basket.
        prior: Counted log chances to add, such as `Counted.scorer(rest)`; None: the model alone.
        weight: Weight of the prior.

    Returns:
        Rows (B,) of `rest` -> scores (B, V).
    """
    encoder = devices.trace_once(keras.Model({"ids": model.inputs[0]}, model.get_layer("norm").output))
    head, items = model.get_layer("logits"), rest.shape[1]
    vectors = ops.convert_to_numpy(head.embedding(np.arange(1, items + 1)))  # (V, D)
    bias = ops.convert_to_numpy(head.bias)[1 : items + 1]
    size = np.diff(rest.indptr)
    order = np.argsort(size, kind="stable")
    states = np.zeros((rest.shape[0], vectors.shape[1]), np.float32)
    for part in np.array_split(order, max(1, int((size + 1).sum() // 4096))):
        if not len(part):
            continue
        ids = np.zeros((len(part), 1 + int(size[part].max())), np.int32)
        flat, owner, place = ragged(rest.indptr[part], rest.indptr[part + 1])
        ids[:, 0], ids[owner, place + 1] = items + 1, rest.indices[flat] + 1
        states[part] = ops.convert_to_numpy(encoder.predict_on_batch({"ids": ids}))[:, 0]

    def score(rows: np.ndarray) -> np.ndarray:
        scores = states[rows] @ vectors.T + bias  # (B, D) @ (D, V) -> (B, V)
        return scores if prior is None else scores + weight * prior(rows)

    return score
