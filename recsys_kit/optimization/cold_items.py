"""Scoring items that were never sold: embeddings tied to a pretrained text encoder (notebook 07).

Some items are held out of training entirely, as if they arrived tomorrow. All that is known of them is their text.

Letters for shapes: U users, N test cases, B of a batch, V items, C candidate items, W distinct texts, T width of their
vectors, D width of the embeddings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import keras
import numpy as np
import pandas as pd
import scipy.sparse as sp
from keras import ops
from sklearn.preprocessing import normalize

from recsys_kit import baselines, evaluation
from recsys_kit.datasets.items import look_up
from recsys_kit.neural import losses, sampling
from recsys_kit.neural.batches import EpochBatches
from recsys_kit.neural.fitting import Fitted, loss_curve
from recsys_kit.preprocessing import Split

__all__ = [
    "Arrivals",
    "FortnightBatches",
    "Settings",
    "TextTied",
    "arrivals",
    "category_popularity",
    "item_text",
    "model_scorer",
    "own_types",
    "random_scores",
    "text_neighbours",
    "train",
    "untrained_attention",
]

_register = keras.saving.register_keras_serializable(package="recsys_kit.optimization")


@dataclass(frozen=True)
class Arrivals:
    """A split in which some items have never been sold.

    Attributes:
        split: The split without any purchase of the new items; answers hold the new items only.
        new: (V,) booleans: which items are new.
        warm: (N, V) booleans: the answers among the old items, for comparison.
    """

    split: Split
    new: np.ndarray = field(repr=False)
    warm: sp.csr_matrix = field(repr=False)


def item_text(items: pd.DataFrame, catalogue: pd.Index) -> list[str]:
    """Returns what a shop can say of each item (V) before it is sold: title, category and brand."""
    table = look_up(items, catalogue)
    parts = [table[name].astype("str").fillna("") for name in ("title", "category", "brand") if name in table]
    parts = [part.where(part != "unknown", "") for part in parts]
    return [". ".join(word.strip().lower() for word in row if word.strip()) for row in zip(*parts, strict=True)]


def arrivals(split: Split, new: np.ndarray) -> Arrivals:
    """Takes every purchase of the new items, (V,) booleans, out of a split's history."""
    if new.shape != (len(split.items),):
        raise ValueError(
            f"`new` must say yes or no of each item. Received: shape {new.shape}, {len(split.items)} items."
        )
    history = split.history[~new[split.history["item"].to_numpy()]].reset_index(drop=True)
    answers = [sp.csr_matrix(split.answers.multiply(part)).astype(bool) for part in (new, ~new)]
    for matrix in answers:
        matrix.eliminate_zeros()
    return Arrivals(replace(split, history=history, answers=answers[0]), new, answers[1])


def random_scores(case: Arrivals, seed: int = 0) -> evaluation.Scorer:
    """Returns a scorer that knows nothing."""
    table = np.random.default_rng(seed).random((len(case.split.test_users), len(case.new)), np.float32)
    return lambda rows: table[rows]


def category_popularity(case: Arrivals, category: np.ndarray) -> evaluation.Scorer:
    """Scores an item by what an old item of its `category` (V codes) sells on average: one list for all."""
    sales = baselines.recent_popularity(case.split)
    total = np.bincount(category, sales, category.max() + 1)
    count = np.bincount(category[~case.new], minlength=category.max() + 1)
    scores = (total / np.maximum(count, 1))[category].astype(np.float32)
    return lambda rows: np.tile(scores, (len(rows), 1))


def text_neighbours(case: Arrivals, text: np.ndarray, decay: float = 120) -> evaluation.Scorer:
    """Scores an item by the cosine of its text vector with the mean text vector of the user's history."""
    profile = normalize(_log_counts(case.split, decay)[case.split.test_users] @ text)
    return lambda rows: profile[rows] @ text.T


def untrained_attention(
    case: Arrivals, vectors: np.ndarray, code: np.ndarray, sharp: float = 16.0, decay: float = 120
) -> evaluation.Scorer:
    """Scores an item by attention over the history, with the text vectors as they are: `TextTied` without an adapter.

    Args:
        case: The arrivals.
        vectors: (W, T) vectors of the distinct texts.
        code: (V,) which text each item has.
        sharp: How fast a purchase counts less as its text is less alike.
        decay: Days after which a purchase weighs 1/e.
    """
    counts = _log_counts(case.split, decay)[case.split.test_users] @ _group(code)
    unit, chosen = normalize(vectors), np.flatnonzero(case.new)
    near = np.exp(sharp * (unit[: counts.shape[1]] @ unit[code[chosen]].T - 1)).astype(np.float32)  # (W, C)

    def score(rows: Sequence[int]) -> np.ndarray:
        scores = np.full((len(rows), len(case.new)), -np.inf, np.float32)
        scores[:, chosen] = counts[rows] @ near
        return scores

    return score


def own_types(case: Arrivals, item_type: np.ndarray, category: np.ndarray, decay: float = 120) -> evaluation.Scorer:
    """Scores an item by what the user bought of its type, then of its category, then by the type's popularity."""
    counts = baselines.decayed_counts(case.split, decay)[case.split.test_users]
    sales = np.bincount(item_type, baselines.recent_popularity(case.split), item_type.max() + 1)
    sold = sales / np.maximum(np.bincount(item_type[~case.new], minlength=len(sales)), 1)
    tie = (1e-3 * sold / max(sold.max(), 1e-9))[item_type].astype(np.float32)

    def score(rows):
        total = np.log1p(_grouped(counts[rows], item_type)) + 0.1 * np.log1p(_grouped(counts[rows], category))
        return total.astype(np.float32) + tie

    return score


def _grouped(counts: sp.csr_matrix, code: np.ndarray) -> np.ndarray:
    """Sums counts (B, V) by group and gives each item its group's sum."""
    return (counts @ _group(code)).toarray()[:, code]


def _group(code: np.ndarray) -> sp.csr_matrix:
    """Returns the (V, groups) matrix that adds up the items of each group."""
    return sp.csr_matrix((np.ones(len(code), np.float32), (np.arange(len(code)), code)))


def _log_counts(split: Split, decay: float = 120) -> sp.csr_matrix:
    return baselines.decayed_counts(split, decay).log1p()


@_register
class TextTied(keras.layers.Layer):
    """Scores items by attention from the candidate to the history, over embeddings that are a function of the text.

    An item's embedding is an adapter's view of its text vector. A user's score of a candidate adds up three things:
    the log of the history's weight near the candidate, a match with the mean of the history, and how well such texts
    sell in general. Nothing in it is one item's own, so a new item gets a score like any other.

    Args:
        texts: (W, T): how many distinct texts there are, and the width of their vectors.
        width: D.
        fine_tune: Whether the text vectors may move while training; else only the adapter learns.

    Example:
        Two users, three texts, two candidates:

        >>> layer = TextTied((3, 4), width=2)
        >>> counts, own, candidates = np.ones((2, 3), "float32"), np.zeros((2, 2), "float32"), np.array([0, 2])
        >>> tuple(layer(counts, own, candidates).shape)
        (2, 2)
    """

    def __init__(self, texts: tuple[int, int], width: int = 48, fine_tune: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.texts, self.width, self.fine_tune = tuple(texts), width, fine_tune

    def build(self, *shapes):
        """Creates the text table, the adapter and the weights of the three parts."""
        self.table = self.add_weight(shape=self.texts, initializer="zeros", trainable=self.fine_tune, name="text")
        constant = keras.initializers.Constant
        self.adapter = self.add_weight(shape=(self.texts[1], self.width), initializer="glorot_uniform", name="adapter")
        self.sharp = self.add_weight(shape=(), initializer=constant(8.0), name="sharp")
        self.gain = self.add_weight(shape=(), initializer="ones", name="gain")
        self.match = self.add_weight(shape=(self.width, self.width), initializer="zeros", name="match")
        self.sells = self.add_weight(shape=(self.width, 1), initializer="zeros", name="sells")

    def embed(self, texts=None):
        """Returns the embeddings (R, D), of length 1, of some texts (R,); None: of all W."""
        # A product, so that the gradient of the table is one array: Adam would square parts of a text's one by one.
        table = self.table * 1.0 if self.fine_tune else self.table
        vectors = ops.matmul(table if texts is None else ops.take(table, texts, axis=0), self.adapter)
        return vectors / ops.sqrt(ops.sum(vectors**2, axis=-1, keepdims=True) + 1e-9)

    def near(self, candidates, texts=None):
        """Returns (R, C) how near each text is to each candidate's: 1 for the same text, less for others."""
        return self._near(self.embed(texts), self.embed(candidates))

    def _near(self, vectors, chosen):
        return ops.exp(self.sharp * (ops.matmul(vectors, ops.transpose(chosen)) - 1.0))

    def call(self, counts, own, candidates, near=None, texts=None):
        """Scores candidates; a candidate's own count is taken out: training treats every item as if it were new.

        Args:
            counts: (B, R) what was bought of each of the `texts`.
            own: (B, C) what was bought of each candidate.
            candidates: (C,) the candidates' texts.
            near: (R, C) what `near` returns, if it is at hand.
            texts: (R,) the texts that anybody here bought; None: all W. What nobody bought adds nothing to a score.

        Returns:
            (B, C) scores.
        """
        vectors, chosen = self.embed(texts), self.embed(candidates)  # (R, D), (C, D)
        near = self._near(vectors, chosen) if near is None else near
        weight = ops.maximum(ops.matmul(counts, near) - own, 0.0)  # (B, R) @ (R, C); an item is nearest to itself
        mean = ops.matmul(counts, vectors) / (ops.sum(counts, axis=1, keepdims=True) + 1e-6)  # (B, D)
        match = ops.matmul(ops.matmul(mean, self.match), ops.transpose(chosen))
        return self.gain * ops.log(weight + 0.01) + match + ops.transpose(ops.matmul(chosen, self.sells))


class FortnightBatches(EpochBatches):
    """Batches of (counts before a moment, items bought in the two weeks after it), all items old.

    Args:
        case: The arrivals.
        code: (V,) which text each item has.
        windows: How many fortnights before the cutoff are learned from.
        batch_size: B.
        drawn: Items drawn a batch beside those that were bought.
        seed: Seed.
        **kwargs: Of `keras.utils.PyDataset`.
    """

    def __init__(
        self, case: Arrivals, code: np.ndarray, windows: int, batch_size: int, drawn: int, seed: int, **kwargs
    ):
        super().__init__(seed, **kwargs)
        split, days = case.split, 14
        self.code, self.group = code, _group(code)
        history = split.history
        age = ((split.cutoff - history["timestamp"]) / pd.Timedelta(days=1)).to_numpy()
        user, item = history["user"].to_numpy(), history["item"].to_numpy()
        shape = (len(split.users), len(split.items))
        self.pairs, self.batch_size, self.drawn = [], batch_size, drawn
        for window in range(windows):
            end = days * window
            past, after = age >= end + days, (age < end + days) & (age >= end)
            weight = np.exp(-(age[past] - end - days) / 120).astype(np.float32)
            counts = sp.coo_matrix((weight, (user[past], item[past])), shape).tocsr()
            bought = sp.coo_matrix((np.ones(after.sum(), np.float32), (user[after], item[after])), shape).tocsr()
            bought.data[:] = 1
            both = (np.diff(counts.indptr) > 0) & (np.diff(bought.indptr) > 0)
            self.pairs.append((counts[both].log1p(), bought[both]))
        self.sizes = np.array([pair[0].shape[0] // batch_size for pair in self.pairs])
        if not self.sizes.sum():
            raise ValueError(f"the history is too short to learn from: no {batch_size} users in {windows} windows.")
        self.share = sampling.popularity_share(np.bincount(item, minlength=shape[1]), ~case.new)
        self.slots = min(int((self.share > 0).sum()), drawn + 16 * batch_size)
        self.start_epoch(1)

    def __len__(self):
        return int(self.sizes.sum())

    def plan(self):
        """Draws which users stand together in a batch, and the order of the batches."""
        rng = self.rng()
        self.parts = [
            (window, part)
            for window, (counts, _) in enumerate(self.pairs)
            for part in rng.permutation(counts.shape[0])[: self.sizes[window] * self.batch_size].reshape(
                -1, self.batch_size
            )
        ]
        rng.shuffle(self.parts)

    def __getitem__(self, index):
        window, part = self.parts[index]
        rng = self.rng(index)
        counts, bought = (matrix[part] for matrix in self.pairs[window])
        chosen, answers = sampling.draw(self.share, self.drawn, np.unique(bought.indices), self.slots, rng)
        if len(chosen) < self.slots:
            rest = np.setdiff1d(np.flatnonzero(self.share), chosen)
            chosen = np.r_[chosen, rng.choice(rest, self.slots - len(chosen), replace=False)]
        chance = sampling.chance(self.share[chosen], self.drawn)
        chance[:answers] = 1
        by_text = counts @ self.group
        texts = np.unique(by_text.indices)
        # One text that nobody bought, where needed: the first batch is even, the others odd, since Keras reads off the
        # first two which axes vary.
        by_text = by_text[:, texts].toarray()
        if len(texts) % 2 != (index > 0):
            texts, by_text = np.r_[texts, 0], np.pad(by_text, ((0, 0), (0, 1)))
        x = {
            "counts": by_text,
            "texts": texts.astype(np.int32),
            "own": counts[:, chosen].toarray(),
            "candidates": self.code[chosen].astype(np.int32),
            "log_chance": np.log(np.maximum(chance, 1e-6)).astype(np.float32),
        }
        return x, bought[:, chosen].toarray()


@dataclass(frozen=True)
class Settings:
    """How `TextTied` is built and trained.

    Attributes:
        width: D.
        epochs: Passes.
        windows: How many fortnights before the cutoff are learned from.
        batch_size: B.
        drawn: Items drawn a batch beside those that were bought.
        learning_rate: Adam's highest rate; it falls along a cosine.
        seed: Seed.
    """

    width: int = 48
    epochs: int = 1
    windows: int = 3
    batch_size: int = 32
    drawn: int = 400
    learning_rate: float = 3e-3
    seed: int = 0


def train(
    case: Arrivals,
    vectors: np.ndarray,
    code: np.ndarray,
    fine_tune: bool = False,
    settings: Settings | None = None,
) -> Fitted:
    """Trains `TextTied` on the old items: from what was bought before a moment to what was bought in two weeks after.

    Args:
        case: The arrivals.
        vectors: (W, T) vectors of the distinct texts.
        code: (V,) which text each item has.
        fine_tune: Whether the vectors move, too.
        settings: Sizes and training parameters; None: the usual ones.

    Returns:
        The model, and its loss epoch by epoch.
    """
    settings = settings or Settings()
    keras.utils.set_random_seed(settings.seed)
    data = FortnightBatches(case, code, settings.windows, settings.batch_size, settings.drawn, settings.seed)
    inputs = {
        "counts": keras.Input((None,), name="counts"),
        "texts": keras.Input(batch_shape=(None,), dtype="int32", name="texts"),
        "own": keras.Input((None,), name="own"),
        "candidates": keras.Input(batch_shape=(None,), dtype="int32", name="candidates"),
        "log_chance": keras.Input(batch_shape=(None,), name="log_chance"),
    }
    layer = TextTied(vectors.shape, settings.width, fine_tune, name="tied")
    scores = layer(inputs["counts"], inputs["own"], inputs["candidates"], texts=inputs["texts"])
    model = keras.Model(inputs, scores - ops.expand_dims(inputs["log_chance"], 0), name="text_tied")
    layer.table.assign(vectors)
    schedule = keras.optimizers.schedules.CosineDecay(settings.learning_rate, len(data) * settings.epochs)
    model.compile(keras.optimizers.Adam(schedule), losses.softmax_loss, jit_compile=False)
    model.optimizer.build(model.trainable_variables)  # else the first step is traced twice
    run = model.fit(data, epochs=settings.epochs, verbose=0, shuffle=False)
    return Fitted(model, loss_curve(run))


def model_scorer(model: keras.Model, case: Arrivals, code: np.ndarray, decay: float = 120) -> evaluation.Scorer:
    """Returns the function from rows (B,) to scores (B, V) of the new items; the old ones get -inf.

    Args:
        model: What `train` returned.
        case: The arrivals.
        code: (V,) which text each item has.
        decay: Days after which a purchase weighs 1/e.
    """
    counts = _log_counts(case.split, decay)[case.split.test_users] @ _group(code)
    layer, chosen = model.get_layer("tied"), np.flatnonzero(case.new)
    bought = np.unique(counts.indices).astype(np.int32)
    counts = counts[:, bought]
    asked, place = np.unique(code[chosen].astype(np.int32), return_inverse=True)  # equal texts, equal scores
    near = layer.near(asked, bought)

    def score(rows: Sequence[int]) -> np.ndarray:
        scores = np.full((len(rows), len(case.new)), -np.inf, np.float32)
        own = np.zeros((len(rows), len(asked)), np.float32)
        found = ops.convert_to_numpy(layer(counts[rows].toarray(), own, asked, near, bought))
        scores[:, chosen] = found[:, place]
        return scores

    return score
