"""A small task and a small sequence model, on which an experiment takes seconds (notebook 07).

The question: which types of product will be in a household's next basket? A household is the sequence of the types that
it bought, basket by basket; the order inside a basket is drawn. The model is notebook 04's causal Transformer with one
addition, `CopyLogits`: a type that was bought before may be bought again.

Letters for shapes: U users, N test cases, B of a batch, L positions, D width, V item types (ids 1..V; 0 is padding).
"""

from __future__ import annotations

import time
import weakref
from dataclasses import dataclass, field, replace

import keras
import numpy as np
import pandas as pd
import scipy.sparse as sp
from keras import layers, ops

from recsys_kit import baselines, evaluation, transformer
from recsys_kit.datasets.items import item_types
from recsys_kit.neural import devices, losses
from recsys_kit.neural.fitting import BestWeights, reset
from recsys_kit.preprocessing import Split, Task

__all__ = [
    "CopyLogits",
    "Moment",
    "NextTypes",
    "Recipe",
    "Result",
    "decayed_types",
    "fit",
    "frequent_types",
    "judge",
    "next_types",
    "part_of",
    "plain_loss",
    "popular_types",
    "score",
    "sequence_model",
]

# What reads a model's states, traced once: `fit` asks it after each epoch.
_encoders: weakref.WeakKeyDictionary[keras.Model, keras.Model] = weakref.WeakKeyDictionary()


@dataclass(frozen=True)
class Moment:
    """One moment at which the task is asked.

    Attributes:
        ids: (U, L) the last types of each user before the moment, padded on the right with 0.
        cases: (N,) the users that are asked.
        answers: (N, V) the types in their next basket.
    """

    ids: np.ndarray = field(repr=False)
    cases: np.ndarray = field(repr=False)
    answers: sp.csr_matrix = field(repr=False)


@dataclass(frozen=True)
class NextTypes:
    """The task: train on what lies before the validation weeks, choose on these, look at the test weeks once.

    Attributes:
        names: (V,) the types.
        users: (U,) user ids.
        train: (U, L + 1) the types of each user before the validation weeks.
        validation: The validation weeks.
        test: The test weeks.
    """

    names: pd.Index
    users: pd.Index
    train: np.ndarray = field(repr=False)
    validation: Moment = field(repr=False)
    test: Moment = field(repr=False)


def next_types(task: Task, items: pd.DataFrame, length: int = 32, most: int = 600, seed: int = 0) -> NextTypes:
    """Makes the task from a shop's splits.

    Args:
        task: The next-basket task.
        items: The shop's items; in a shop without categories each item is a type of its own.
        length: L, how many of the latest purchases are read.
        most: The largest V: rarer types are left out.
        seed: Seed of the order inside a basket, which has none.
    """
    item_type, names = pd.factorize(_labels(items, task.test.items))
    sold = np.bincount(item_type[task.validation.history["item"]], minlength=len(names))
    kept = np.sort(np.argsort(-sold, kind="stable")[:most])
    place = np.full(len(names), -1)
    place[kept] = np.arange(len(kept))
    code, names = place[item_type], pd.Index(names[kept])  # -1: left out
    users = task.test.users.union(task.validation.users)
    rows = {name: _sequences(split, code, users, length + 1, seed) for name, split in _splits(task).items()}
    looks = {name: _look(split, code, len(names), users, rows[name], length) for name, split in _splits(task).items()}
    return NextTypes(names, users, rows["validation"], looks["validation"], looks["test"])


def _labels(items: pd.DataFrame, catalogue: pd.Index) -> pd.Series:
    label = item_types(items, catalogue)
    # Too few types are too coarse to be worth predicting.
    return label if label.nunique() >= 20 else catalogue.to_series().astype("str")


def _splits(task: Task) -> dict[str, Split]:
    return {"validation": task.validation, "test": task.test}


def _sequences(split: Split, code: np.ndarray, users: pd.Index, length: int, seed: int) -> np.ndarray:
    """Returns (U, length) the types of the last purchases, one a basket, padded on the right."""
    history = split.history[code[split.history["item"]] >= 0]
    user = users.get_indexer(split.users)[history["user"]].astype(np.int64)
    own = code[history["item"]] + 1
    pair = pd.factorize(history["basket_id"])[0].astype(np.int64) * (own.max(initial=0) + 1) + own
    chosen = np.unique(pair, return_index=True)[1]  # one purchase of each type a basket
    chance = np.random.default_rng(seed).random(len(chosen))
    order = np.lexsort((chance, history["timestamp"].astype("int64").to_numpy()[chosen], user[chosen]))
    user, own = user[chosen][order], own[chosen][order]
    end = np.searchsorted(user, user, side="right")
    back = end - 1 - np.arange(len(user))  # 0: the newest
    size = np.bincount(user, minlength=len(users))
    recent = back < length
    ids = np.zeros((len(users), length), np.int32)
    ids[user[recent], (np.minimum(size[user], length) - 1 - back)[recent]] = own[recent]
    return ids


def _look(split: Split, code: np.ndarray, size: int, users: pd.Index, ids: np.ndarray, length: int) -> Moment:
    kept = np.flatnonzero(code >= 0)
    group = sp.csr_matrix((np.ones(len(kept), np.float32), (kept, code[kept])), (len(code), size))
    answers = sp.csr_matrix((split.answers.astype(np.float32) @ group) > 0)
    count = (ids > 0).sum(1)
    shift = np.maximum(count - length, 0)[:, None] + np.arange(length)  # the last `length` of `length` + 1
    return Moment(
        np.take_along_axis(ids, np.minimum(shift, length), 1) * (np.arange(length) < count[:, None]),
        users.get_indexer(split.users)[split.test_users],
        answers,
    )


@dataclass(frozen=True)
class Recipe:
    """How the small model is built and trained.

    Attributes:
        width: D.
        blocks: Transformer blocks.
        dropout: Dropout on embeddings and in the blocks.
        noise: Standard deviation of the noise added to the embeddings, which have about length 1 a dimension.
        weight_decay: AdamW's.
        smoothing: Label smoothing: the part of the target that is spread over all types.
        learning_rate: AdamW's.
        epochs: Passes at most.
        patience: Epochs without a better validation before training stops; 0: never, and the last epoch is kept.
        batch_size: B.
        seed: Seed.
    """

    width: int = 48
    blocks: int = 1
    dropout: float = 0.0
    noise: float = 0.0
    weight_decay: float = 0.0
    smoothing: float = 0.0
    learning_rate: float = 3e-3
    epochs: int = 8
    patience: int = 0
    batch_size: int = 32
    seed: int = 0


@dataclass
class Result:
    """A fitted model and what it cost.

    Attributes:
        model: The model.
        curve: One row an epoch: epoch, ndcg (on the validation weeks), and loss and unseen_loss if they were asked for.
        seconds: What the training took.
    """

    model: keras.Model
    curve: pd.DataFrame
    seconds: float


@keras.saving.register_keras_serializable(package="recsys_kit.optimization")
class CopyLogits(layers.Layer):
    """Raises the logits of what was bought before: gain x log(1 + sharpness x how often, up to each position).

    Example:
        >>> layer = CopyLogits()
        >>> layer.build((1, 2), (1, 2, 3))
        >>> _ = layer.gain.assign(0.1), layer.sharpness.assign(0.0)
        >>> ids, logits = np.array([[1, 1]]), np.zeros((1, 2, 3), "float32")
        >>> ops.convert_to_numpy(layer(ids, logits)).round(2).tolist()  # log 2 after one purchase, log 3 after two
        [[[0.0, 0.6899999976158142, 0.0], [0.0, 1.100000023841858, 0.0]]]
    """

    def build(self, ids_shape, logits_shape):
        """Creates the two numbers that are learned."""
        # A tenth of the gain is stored, so that one number keeps pace with the thousands of an embedding.
        self.gain = self.add_weight(shape=(), initializer="zeros", name="gain")
        self.sharpness = self.add_weight(shape=(), initializer=keras.initializers.Constant(0.5), name="sharpness")

    def call(self, ids, logits):
        """Maps ids (B, L) and logits (B, L, V + 1) to logits."""
        one = ops.one_hot(ids, logits.shape[-1], dtype=logits.dtype)  # (B, L, V + 1)
        # A running sum as a product: TensorFlow's own along this axis took half of a training step.
        often = ops.matmul(ops.cast(np.tri(ids.shape[1]), logits.dtype), one)
        return logits + self.bonus(often)

    def bonus(self, often):
        """Returns what counts (..., V + 1) add to the logits."""
        return 10.0 * self.gain * ops.log(1.0 + ops.exp(4.0 * self.sharpness) * often)


def sequence_model(size: int, length: int, recipe: Recipe) -> keras.Model:
    """Builds notebook 04's causal model, plus noise and `CopyLogits`: ids (B, L) -> logits (B, L, V + 1)."""
    ids = keras.Input((length,), dtype="int32", name="ids")
    embedding = transformer.ItemEmbedding([], recipe.width, size=size + 1, name="item")
    x = transformer.encoder(ids, embedding, length, recipe.blocks, dropout=recipe.dropout, noise=recipe.noise)
    logits = transformer.TiedLogits(embedding, name="logits")(x)
    return keras.Model(ids, CopyLogits(name="copy")(ids, logits), name="next_types")


def score(model: keras.Model, look: Moment) -> np.ndarray:
    """Returns (N, V) the logits of all types after each case's history."""
    ids = look.ids[look.cases]
    last = np.maximum((ids > 0).sum(1) - 1, 0)
    if model not in _encoders:
        _encoders[model] = devices.trace_once(keras.Model(model.inputs[0], model.get_layer("norm").output))
    head = model.get_layer("logits")
    states = ops.convert_to_numpy(_encoders[model].predict_on_batch(ids))[np.arange(len(ids)), last]
    table = ops.convert_to_numpy(head.embedding(np.arange(head.embedding.size)))
    logits = states @ table.T + ops.convert_to_numpy(head.bias)
    often = _counts(ids, logits.shape[1])
    return (logits + ops.convert_to_numpy(model.get_layer("copy").bonus(often)))[:, 1:]


def _counts(ids: np.ndarray, size: int) -> np.ndarray:
    """Returns (N, size) how often each id stands in each row."""
    place = np.arange(len(ids))[:, None] * size + ids
    return np.bincount(place.ravel(), minlength=len(ids) * size).reshape(len(ids), size).astype(np.float32)


def judge(scores: np.ndarray, look: Moment) -> pd.DataFrame:
    """Ranks the types; one row a case, as `evaluation.evaluate` gives it.

    Args:
        scores: (N, V) scores.
        look: The moment.
    """
    return evaluation.evaluate(scores, look.answers)


def part_of(look: Moment, cases: np.ndarray) -> Moment:
    """Returns the look at some of the cases; `cases` (N,) says yes or no of each."""
    return replace(look, cases=look.cases[cases], answers=look.answers[cases])


def plain_loss(model: keras.Model, rows: np.ndarray) -> float:
    """Returns the mean cross-entropy of the next type in sequences (n, L + 1), without dropout, noise or smoothing."""
    total, count = 0.0, 0
    devices.trace_once(model)
    for part in np.array_split(rows, max(1, len(rows) // 256)):
        x, y = part[:, :-1] * (part[:, 1:] > 0), part[:, 1:, None]
        loss = ops.convert_to_numpy(losses.smoothed_softmax()(y, model.predict_on_batch(x)))
        total, count = total + float((loss * (y[..., 0] > 0)).sum()), count + int((y > 0).sum())
    return total / max(count, 1)


def popular_types(task: NextTypes) -> np.ndarray:
    """Returns (V,) how often each type is among the users' latest purchases before the validation weeks."""
    return np.bincount(task.train.ravel(), minlength=len(task.names) + 1)[1:].astype(np.float32)


def frequent_types(task: NextTypes, look: Moment) -> np.ndarray:
    """Returns (N, V) how often each case bought each type among what the model reads; ties go to the popular."""
    often = _counts(look.ids[look.cases], len(task.names) + 1)[:, 1:]
    popular = popular_types(task)
    return often + popular / max(popular.sum(), 1)


def decayed_types(types: NextTypes, split: Split, items: pd.DataFrame, decay: float = 120) -> np.ndarray:
    """Returns (N, V) how much each case bought of each type in all of its history, the latest counting most.

    It is what a model that reads the last purchases has to beat: a count that forgets nothing.

    Args:
        types: The task.
        split: The split that its validation or its test comes from.
        items: The shop's items.
        decay: Days after which a purchase weighs 1/e; 0: all weigh the same.
    """
    code = types.names.get_indexer(_labels(items, split.items))
    kept = np.flatnonzero(code >= 0)
    group = sp.csr_matrix((np.ones(len(kept), np.float32), (kept, code[kept])), (len(code), len(types.names)))
    counts = baselines.decayed_counts(split, decay or np.inf)[split.test_users]
    popular = popular_types(types)
    return (counts @ group).toarray() + 1e-3 * popular / max(popular.sum(), 1)


def fit(
    task: NextTypes,
    recipe: Recipe,
    users: np.ndarray | None = None,
    start: list[np.ndarray] | None = None,
    model: keras.Model | None = None,
    watch: np.ndarray | None = None,
    unseen: np.ndarray | None = None,
) -> Result:
    """Trains the small model.

    Args:
        task: The task.
        recipe: Sizes and training parameters.
        users: (n,) the users to learn from; None for all.
        start: Weights to start from; None for fresh ones.
        model: A compiled model of the same recipe to use again: it is started anew, which saves the compilation.
        watch: (N,) booleans: the validation cases to watch; None for all.
        unseen: (n,) users whose sequences are not learned from: their loss is recorded, and that of the learned ones.
    """
    began = time.perf_counter()
    keras.utils.set_random_seed(recipe.seed)
    length = task.train.shape[1] - 1
    rows = task.train if users is None else task.train[users]
    rows = rows[(rows > 0).sum(1) >= 2]
    fresh = sequence_model(len(task.names), length, recipe) if model is None or start is None else None
    if start is None:
        # Biases begin at the log of popularity, so that the model need not learn it.
        counts = np.bincount(rows.ravel(), minlength=len(task.names) + 1) + 0.3
        fresh.get_layer("logits").bias.assign(np.log(counts / counts[1:].sum()) - 20.0 * (np.arange(len(counts)) == 0))
        start = fresh.get_weights()
    if model is None:
        model = fresh
        model.compile(
            keras.optimizers.AdamW(recipe.learning_rate, weight_decay=recipe.weight_decay, clipnorm=1.0),
            losses.smoothed_softmax(recipe.smoothing),
            weighted_metrics=[],
            jit_compile=False,
        )
        model.optimizer.build(model.trainable_variables)
    else:
        reset(model.optimizer)
    model.set_weights(start)
    x, y = rows[:, :-1], rows[:, 1:, None]
    x = x * (y[..., 0] > 0)  # the newest type of a short row has no next one
    weight = (y[..., 0] > 0).astype(np.float32)
    held = task.validation if watch is None else part_of(task.validation, watch)
    curve, best = [], BestWeights(recipe.patience)
    for epoch in range(recipe.epochs):
        order = np.random.default_rng((recipe.seed, epoch)).permutation(len(x))
        whole = np.resize(
            order, (-(-len(x) // recipe.batch_size), recipe.batch_size)
        )  # one shape: the last batch is filled up
        once = (np.arange(whole.size).reshape(whole.shape) < len(x))[..., None]  # what fills it weighs nothing
        for rows_of, real in zip(whole, once, strict=True):
            model.train_on_batch(x[rows_of], y[rows_of], sample_weight=weight[rows_of] * real)
        ndcg = judge(score(model, held), held)["ndcg"].mean()
        curve.append({"epoch": epoch + 1, "ndcg": float(ndcg)})
        if unseen is not None:
            curve[-1] |= {"loss": plain_loss(model, rows), "unseen_loss": plain_loss(model, task.train[unseen])}
        if recipe.patience and best.add(ndcg, model.get_weights):
            break
    if best.weights is not None:
        model.set_weights(best.weights)
    return Result(model, pd.DataFrame(curve), time.perf_counter() - began)
