"""A context term for the next basket: what hour, weekday and store add to the household's history (notebook 15).

The model is small on purpose. An item's log-odds of being in the basket are a function of a few facts of the
household's history, plus, for the model with context, a low-rank term: the vector of the item's group times the sum of
the vectors of the hour, the weekday and the store. Its twin is the same without that term. Because the term is
log-odds, it can be added to the scores of another model that speaks in log-odds, such as the next-basket Transformer.

Letters for shapes: R rows (a basket and an item), N cases, V items of the catalogue, K of them listed for a
case, F facts, D width of the term.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import scipy.sparse as sp

from recsys_kit import baselines, evaluation
from recsys_kit.localization import clock
from recsys_kit.preprocessing import Split

__all__ = [
    "FACTORS",
    "HOURS",
    "Settings",
    "Shortlists",
    "context_model",
    "facts",
    "history_scores",
    "row_loss",
    "shortlists",
    "sizes",
    "term",
    "train",
    "training_rows",
    "visit_context",
]


@dataclass(frozen=True)
class Shortlists:
    """The best items of each case, with their scores.

    Attributes:
        columns: (N, K) items.
        scores: (N, K).
        answers: (N, K + M) which of them were bought; the last M columns stand for bought items that are not listed.
    """

    columns: np.ndarray
    scores: np.ndarray
    answers: sp.csr_matrix

    def ndcg(self, added: np.ndarray | float = 0.0, k: int = 10) -> pd.Series:
        """Returns the NDCG@k of each case with something (N, K) added to the scores."""
        never = np.full((len(self.scores), self.answers.shape[1] - self.scores.shape[1]), -np.inf, np.float32)
        return evaluation.evaluate(np.hstack([self.scores + added, never]), self.answers, k)["ndcg"]


FACTORS = ("hour", "weekday", "store")
HOURS = (0, 6, 9, 11, 13, 15, 17, 19, 21)
"""Where the parts of the day begin; night goes to the last one."""

CONTEXT_DECAYS = (30.0, 120.0)


def visit_context(
    users: pd.Series, times: pd.Series, events: pd.DataFrame, timezone: str | float, stores: pd.Index
) -> np.ndarray:
    """Returns (N, 3) whole numbers: part of the day, weekday and store of a visit, in the order of `FACTORS`.

    A server knows them when the household comes in. Stores that `stores` lacks share the number 0.

    Args:
        users: (N,) user ids.
        times: (N,) when each visit began.
        events: Where to look up the store: user_id, timestamp and store_id.
        timezone: The zone of the clock on the wall.
        stores: The stores that are told apart.
    """
    local = clock.clock(pd.Series(np.asarray(times)).dt.tz_convert("UTC"), timezone)
    part = np.searchsorted(HOURS, local.dt.hour, side="right") - 1
    part = np.where(part == 0, len(HOURS) - 1, part) - 1
    key = pd.DataFrame({"user_id": np.asarray(users), "timestamp": pd.DatetimeIndex(times)})
    there = events[["user_id", "timestamp", "store_id"]].drop_duplicates(["user_id", "timestamp"])
    store = key.merge(there, how="left", on=["user_id", "timestamp"])["store_id"]
    return np.stack([part, local.dt.day_of_week, stores.get_indexer(store) + 1], axis=1).astype(np.int32)


def sizes(stores: int) -> tuple[int, int, int]:
    """Returns how many values each part of a context has, in the order of `FACTORS`.

    Args:
        stores: How many stores are told apart, the shared number 0 included.
    """
    return len(HOURS) - 1, 7, stores


def facts(counts: dict[float, sp.csr_matrix], popular: np.ndarray, row: np.ndarray, item: np.ndarray) -> np.ndarray:
    """Returns (R, 4) facts of pairs: log decayed counts for each of `CONTEXT_DECAYS`, log popularity, and how lately.

    Args:
        counts: A (U, V) matrix for each decay.
        popular: (V,) sales as a share of the best seller's.
        row: (R,) rows of the matrices.
        item: (R,) their columns.
    """
    each = [np.asarray(counts[decay][row, item]).ravel() for decay in CONTEXT_DECAYS]
    found = [np.log(value + 0.02) for value in each] + [np.log(popular[item] + 1e-4)]
    found.append(each[0] / np.maximum(each[-1], 1e-6))  # near 1: all of it was bought in the last weeks
    return np.stack(found, axis=1).astype(np.float32)


def _snapshot(split: Split, at: pd.Timestamp) -> tuple[dict[float, sp.csr_matrix], np.ndarray]:
    """Returns what was known at an instant: decayed counts and 60-day popularity."""
    then = replace(split, history=split.history[split.history["timestamp"] < at], cutoff=at)
    return {d: baselines.decayed_counts(then, d) for d in CONTEXT_DECAYS}, baselines.recent_popularity(then)


def training_rows(
    split: Split, timezone: str | float, stores: pd.Index, weeks: int = 12, drawn: int = 30, seed: int = 0
) -> dict[str, np.ndarray]:
    """Makes training rows from the baskets of the last weeks before a split's cutoff.

    A row is a basket and an item that its household had bought before: label 1 if the basket holds it. All of those
    are rows; of the others so many are drawn, and each stands for those not drawn.

    Args:
        split: Gives the history; nothing from its cutoff on is read.
        timezone: The zone of the clock on the wall.
        stores: The stores that are told apart.
        weeks: So many weeks of baskets.
        drawn: Items drawn for each basket.
        seed: Seed of the draw.

    Returns:
        `facts` (R, 4), `context` (R, 3), `item`, `user`, `label` and `weight` (R,).

    Raises:
        ValueError: If no basket of these weeks has an item that was bought before.
    """
    rng = np.random.default_rng(seed)
    history = split.history
    parts = []
    for week in range(weeks, 0, -1):
        begin = split.cutoff - pd.Timedelta(weeks=week)
        inside = history[(history["timestamp"] >= begin) & (history["timestamp"] < begin + pd.Timedelta(weeks=1))]
        counts, popular = _snapshot(split, begin)
        basket = pd.factorize(inside["basket_id"])[0]
        first = np.unique(basket, return_index=True)[1]
        visit = inside.iloc[first]
        user = visit["user"].to_numpy()
        owned = counts[CONTEXT_DECAYS[-1]][user]  # (baskets, V)
        size = np.diff(owned.indptr)
        if not owned.nnz:
            continue
        bought = sp.csr_matrix((np.ones(len(inside), bool), (basket, inside["item"].to_numpy())), owned.shape)
        again = sp.coo_matrix(bought.multiply(owned > 0))
        some = np.flatnonzero(size)
        pick = owned.indptr[some, None] + (rng.random((len(some), drawn)) * size[some, None]).astype(int)
        row, item = np.repeat(some, drawn), owned.indices[pick.ravel()]
        other = ~np.asarray(bought[row, item]).ravel()
        r, i = np.r_[again.row, row[other]], np.r_[again.col, item[other]]
        where = visit_context(visit["user_id"], visit["timestamp"], inside, timezone, stores)
        parts.append(
            {
                "facts": facts(counts, popular, user[r], i),
                "context": where[r],
                "item": i.astype(np.int32),
                "user": user[r],
                "label": (np.arange(len(r)) < again.nnz).astype(np.float32),
                "weight": np.r_[np.ones(again.nnz), size[row[other]] / drawn].astype(np.float32),
            }
        )
    if not parts:
        raise ValueError(f"`weeks` must reach back to baskets with items bought before. Received: weeks={weeks}.")
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def context_model(groups: np.ndarray, stores: int, width: int = 4, with_context: bool = True, usual=None):
    """Builds the model: item, group, context and facts in, log-odds (B, 1) out.

    Args:
        groups: (V,) the group of each item, such as its category, as whole numbers; items of a group share a vector.
        stores: How many stores are told apart, the shared number 0 included.
        width: D.
        with_context: False for the twin without the context term.
        usual: Mean and variance (4,) of the facts.

    Returns:
        A Keras model.
    """
    import keras
    from keras import layers, ops

    items, size = len(groups), int(groups.max(initial=0)) + 1
    item = keras.Input((), dtype="int32", name="item")
    group = keras.Input((), dtype="int32", name="group")
    context = keras.Input((3,), dtype="int32", name="context")
    known = keras.Input((4,), name="facts")
    mean, variance = usual if usual is not None else (np.zeros(4), np.ones(4))
    x = layers.Normalization(mean=np.asarray(mean).tolist(), variance=np.asarray(variance).tolist())(known)
    x = layers.Dense(32, activation="gelu", name="wide")(x)
    rare = keras.initializers.Constant(-4.0)  # most items are not in the next basket
    logit = layers.Dense(1, bias_initializer=rare, name="history")(x) + layers.Embedding(
        items, 1, "zeros", name="bias"
    )(item)  # (B, 1)
    if with_context:
        vector = layers.Embedding(size, width, "zeros", name="group_vector")(group)  # (B, D)
        start = keras.initializers.RandomNormal(stddev=0.3, seed=0)
        each = [
            layers.Embedding(size, width, start, name=name)(context[:, i])
            for i, (name, size) in enumerate(zip(FACTORS, sizes(stores), strict=True))
        ]
        logit = logit + ops.sum(vector * (each[0] + each[1] + each[2]), axis=-1, keepdims=True)
    inputs = {"item": item, "group": group, "context": context, "facts": known}
    return keras.Model(inputs, logit, name="context" if with_context else "no_context")


@dataclass(frozen=True)
class Settings:
    """How the model is built and trained.

    Attributes:
        width: D.
        epochs: Passes over the rows.
        batch_size: Rows a step.
        learning_rate: AdamW's highest rate; it falls along a cosine.
        weight_decay: AdamW's.
        seed: Seed of everything random.
    """

    width: int = 4
    epochs: int = 1
    batch_size: int = 8192
    learning_rate: float = 5e-3
    weight_decay: float = 1e-2
    seed: int = 0


def train(
    rows: dict[str, np.ndarray],
    groups: np.ndarray,
    stores: int,
    with_context: bool = True,
    settings: Settings | None = None,
):
    """Trains the model, or its twin, on rows of `training_rows`.

    Args:
        rows: The rows.
        groups: (V,) the group of each item.
        stores: How many stores are told apart, the shared number 0 included.
        with_context: False for the twin.
        settings: Sizes and training parameters; None: the usual ones.

    Returns:
        The model and the loss of each epoch.
    """
    import keras

    settings = settings or Settings()
    keras.utils.set_random_seed(settings.seed)
    usual = rows["facts"].mean(0), rows["facts"].var(0) + 1e-6
    model = context_model(groups, stores, settings.width, with_context, usual)
    x = {"item": rows["item"], "group": groups[rows["item"]].astype(np.int32)}
    x |= {"context": rows["context"], "facts": rows["facts"]}
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    steps = max(1, -(-len(rows["item"]) // settings.batch_size)) * settings.epochs
    schedule = keras.optimizers.schedules.CosineDecay(settings.learning_rate, steps, alpha=0.05)
    model.compile(keras.optimizers.AdamW(schedule, weight_decay=settings.weight_decay), loss, jit_compile=False)
    model.optimizer.build(model.trainable_variables)  # else its step is traced twice
    history = model.fit(
        x,
        rows["label"][:, None],
        sample_weight=rows["weight"],
        batch_size=settings.batch_size,
        epochs=settings.epochs,
        verbose=0,
    )
    return model, [float(value) for value in history.history["loss"]]


def term(
    model, groups: np.ndarray, context: np.ndarray, columns: np.ndarray, factors: tuple[str, ...] = FACTORS
) -> np.ndarray:
    """Returns (N, K) what the context adds to the log-odds of some items of each case.

    Args:
        model: A trained model with context.
        groups: (V,) the group of each item.
        context: (N, 3).
        columns: (N, K) the items.
        factors: Only these parts of the context; each is measured from its own mean.
    """
    weight = {name: model.get_layer(name).get_weights()[0] for name in ("group_vector", *FACTORS)}
    seen = sum(weight[name][context[:, FACTORS.index(name)]] - weight[name].mean(0) for name in factors)
    by_group = seen @ weight["group_vector"].T  # (N, D) @ (D, groups) -> (N, groups)
    return np.take_along_axis(by_group, groups[columns], axis=1).astype(np.float32)


def shortlists(scorer: evaluation.Scorer, split: Split, size: int = 400, block: int = 256) -> Shortlists:
    """Keeps the best items of each case, so that adding a small term costs next to nothing.

    Args:
        scorer: Scores of all items.
        split: The cases.
        size: K; large enough that no term lifts what stands below into the first ten.
        block: Cases scored at once.
    """
    columns, scores = [], []
    cases = np.arange(len(split.test_users))
    for rows in np.array_split(cases, max(1, len(cases) // block)):
        score = np.asarray(scorer(rows), np.float32)
        best = evaluation.top_k(score, size)
        columns.append(best)
        scores.append(np.take_along_axis(score, best, 1))
    columns, scores = np.concatenate(columns), np.concatenate(scores)
    row = np.repeat(cases, columns.shape[1])
    inside = np.asarray(split.answers[row, columns.ravel()]).reshape(columns.shape).astype(bool)
    missed = np.diff(split.answers.indptr) - inside.sum(1)  # they count, and can't be found
    outside = np.arange(max(1, missed.max(initial=0))) < missed[:, None]
    return Shortlists(columns, scores, sp.csr_matrix(np.hstack([inside, outside])))


def history_scores(model, split: Split, groups: np.ndarray, block: int = 64):
    """Returns the scorer of the model's part that reads the household's history, without the context.

    Args:
        model: A trained model, with or without context.
        split: The split.
        groups: (V,) the group of each item.
        block: Cases at once.
    """
    import keras

    counts = {decay: baselines.decayed_counts(split, decay) for decay in CONTEXT_DECAYS}
    popular = baselines.recent_popularity(split)
    bias = model.get_layer("bias").get_weights()[0][:, 0]
    through = keras.Model(model.input["facts"], model.get_layer("history").output)
    unseen = popular - np.float32(30)  # what was never bought comes after what was

    def score(rows: np.ndarray) -> np.ndarray:
        rows = np.asarray(rows)
        result = np.tile(unseen, (len(rows), 1)).astype(np.float32)
        own = counts[CONTEXT_DECAYS[-1]][split.test_users[rows]].tocoo()
        known = facts(counts, popular, split.test_users[rows][own.row], own.col)
        result[own.row, own.col] = keras.ops.convert_to_numpy(through(known))[:, 0] + bias[own.col]
        return result

    return score


def row_loss(model, rows: dict[str, np.ndarray], groups: np.ndarray) -> pd.Series:
    """Returns the weighted mean log loss of each household's rows, in bits: smaller is better.

    Args:
        model: A trained model, with or without context.
        rows: What `training_rows` returned.
        groups: (V,) the group of each item.
    """
    x = {"item": rows["item"], "group": groups[rows["item"]].astype(np.int32)}
    x |= {"context": rows["context"], "facts": rows["facts"]}
    logit = np.asarray(model.predict(x, batch_size=65_536, verbose=0))[:, 0]
    bits = (np.logaddexp(0, logit) - logit * rows["label"]) / np.log(2) * rows["weight"]
    table = pd.DataFrame({"user": rows["user"], "bits": bits, "weight": rows["weight"]}).groupby("user").sum()
    return table["bits"] / table["weight"]
