"""Learning how to start: a scoring layer whose weights adapt to a household within its first baskets (notebook 07).

`Adapt` takes a step of gradient descent on a newcomer's lessons inside the forward pass, so that ordinary training
learns the start and the step sizes.

Letters for shapes: N newcomers, B of a batch, P lessons, C candidate items, F facts, D width, V items of the catalogue.

Source: Finn, Abbeel and Levine (2017), Model-agnostic meta-learning; Li et al. (2017), Meta-SGD.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import keras
import numpy as np
import pandas as pd
from keras import ops

from recsys_kit import baselines, evaluation
from recsys_kit.neural import losses
from recsys_kit.neural.batches import EpochBatches
from recsys_kit.neural.fitting import Fitted, loss_curve
from recsys_kit.optimization import newcomer_facts, newcomers
from recsys_kit.optimization.newcomer_facts import NEWCOMER_FACTS
from recsys_kit.optimization.newcomers import Episode
from recsys_kit.preprocessing import Split

__all__ = ["Adapt", "Lessons", "compare", "fine_tuning", "meta_model", "scores", "train", "training_episodes"]

_register = keras.saving.register_keras_serializable(package="recsys_kit.optimization")


class Lessons(EpochBatches):
    """Batches of newcomers with their lessons, made once and kept: an epoch then costs little.

    Args:
        episodes: The episodes.
        length: P.
        batch_size: B, or as many as there are.
        drawn: Items drawn a batch beside those that its baskets hold.
        seed: Seed of what is drawn and of the order.
        plain: The next-basket Transformer, whose logits are two of the facts.
    """

    def __init__(
        self,
        episodes: Sequence[Episode],
        length: int = 5,
        batch_size: int = 12,
        drawn: int = 400,
        seed: int = 0,
        plain: keras.Model | None = None,
        **kwargs,
    ):
        super().__init__(seed, **kwargs)
        self.batches = []
        rng = np.random.default_rng(seed)
        size = min([batch_size, *(len(ep.cases) for ep in episodes)])
        for ep in episodes:
            order = rng.permutation(len(ep.cases))[: len(ep.cases) // size * size]  # one size, one trace
            self.batches += [
                newcomer_facts.batch(ep, ep.cases[part], length, drawn, rng, plain) for part in order.reshape(-1, size)
            ]
        if not self.batches:
            raise ValueError("no household has a history that is long enough to forget some of it.")
        self.start_epoch(1)

    def __len__(self):
        """How many batches an epoch has."""
        return len(self.batches)

    def plan(self):
        """Changes the order."""
        self.order = self.rng().permutation(len(self.batches))

    def __getitem__(self, index):
        """Returns a batch."""
        return self.batches[self.order[index]]


@_register
class Adapt(keras.layers.Layer):
    """Starts from learned weights and takes gradient steps on a newcomer's lessons.

    Args:
        steps: Gradient steps; 0: the start is used as it is.
        first_order: Treats the steps' gradients as constants (FOMAML).
        listwise: Steps down the gradient of a softmax over the candidates; else of one yes-or-no question an item.

    Example:
        A newcomer bought the first of two items, so its fact counts from now on:

        >>> x = {"lessons": [[[[1, 0], [0, 1]]]], "bought": [[[1, 0]]], "valid": [[1]], "weight": [1, 1]}
        >>> x["vectors"] = [[1, 0, 0], [0, 1, 0]]
        >>> x = {name: np.array(values, "float32") for name, values in x.items()}
        >>> weights, taste, bias = Adapt()(x)
        >>> [tuple(part.shape) for part in (weights, taste, bias)]
        [(1, 2), (1, 3), (1,)]
        >>> bool(weights[0, 0] > 0 > weights[0, 1])
        True
    """

    def __init__(self, steps: int = 1, first_order: bool = False, listwise: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.steps, self.first_order, self.listwise = steps, first_order, listwise

    def build(self, shape):
        """Creates the start, its bias, and a step size for each weight; `shape` holds those of the inputs."""
        f, d = shape["lessons"][-1], shape["vectors"][-1]
        self.start = self.add_weight(shape=(f,), initializer="zeros", name="start")
        self.bias = self.add_weight(shape=(), initializer=keras.initializers.Constant(-4.0), name="bias")
        small = keras.initializers.Constant(-5.0)
        learned = self.steps > 0  # without a step there is nothing that would tell how large it should be
        self.rate = self.add_weight(shape=(f,), initializer=small, trainable=learned, name="rate")
        wide = keras.initializers.Constant(-3.0)
        self.taste_rate = self.add_weight(shape=(d,), initializer=wide, trainable=learned, name="taste_rate")

    def call(self, x):
        """Maps lessons to each newcomer's weights (B, F), direction of taste (B, D) and bias (B,).

        Args:
            x: `lessons` (B, P, C, F), `bought` (B, P, C), `valid` (B, P), `weight` (C,) and `vectors` (C, D), as
                `newcomer_facts.batch` makes them.
        """
        lessons, bought, valid = x["lessons"], x["bought"], x["valid"]
        weights = ops.zeros_like(lessons[:, 0, 0]) + self.start  # (B, F)
        taste = ops.zeros_like(weights[:, :1]) * x["vectors"][:1]  # (B, D)
        importance = ops.maximum(bought, x["weight"]) * valid[..., None]  # (B, P, C)
        # One lesson more than there are: the fewer baskets are known, the less the start is left.
        count = 1.0 + ops.sum(valid, axis=1)[:, None, None]
        for _ in range(self.steps):
            logits = ops.einsum("bpcf,bf->bpc", lessons, weights) + self.bias
            logits = logits + ops.matmul(taste, ops.transpose(x["vectors"]))[:, None]
            if self.listwise:
                share = ops.softmax(logits + ops.log(importance + 1e-9), axis=-1)
                error = valid[..., None] * (ops.sum(bought, axis=-1, keepdims=True) * share - bought)
            else:
                error = importance * (ops.sigmoid(logits) - bought)
            error = error / (losses.BASKET_SIZE * count)
            if self.first_order:
                error = ops.stop_gradient(error)
            weights = weights - ops.softplus(self.rate) * ops.einsum("bpc,bpcf->bf", error, lessons)
            taste = taste - ops.softplus(self.taste_rate) * ops.einsum("bpc,cd->bd", error, x["vectors"])
        return weights, taste, self.bias + ops.zeros_like(weights[:, 0])


def meta_model(
    facts: int, width: int, length: int = 5, steps: int = 1, first_order: bool = False, listwise: bool = False
) -> keras.Model:
    """Builds a scoring layer that adapts first: the inputs of `newcomer_facts.batch` -> logits (B, C).

    Args:
        facts: F.
        width: D.
        length: P.
        steps: Gradient steps.
        first_order: See `Adapt`.
        listwise: See `Adapt`.
    """
    f = "float32"
    x = {
        "lessons": keras.Input((length, None, facts), dtype=f, name="lessons"),
        "bought": keras.Input((length, None), dtype=f, name="bought"),
        "valid": keras.Input((length,), dtype=f, name="valid"),
        "weight": keras.Input(batch_shape=(None,), dtype=f, name="weight"),
        "vectors": keras.Input(batch_shape=(None, width), dtype=f, name="vectors"),
    }
    query = keras.Input((None, facts), dtype=f, name="query")
    weights, taste, bias = Adapt(steps, first_order, listwise, name="adapt")(x)
    logits = ops.einsum("bcf,bf->bc", query, weights) + ops.matmul(taste, ops.transpose(x["vectors"])) + bias[:, None]
    return keras.Model(x | {"query": query}, logits, name="meta")


def train(
    data: Lessons,
    epochs: int = 3,
    steps: int = 1,
    learning_rate: float = 2e-2,
    listwise: bool = False,
    trust: float = 0.0,
    start: keras.Model | None = None,
    seed: int = 0,
) -> Fitted:
    """Trains a start, so that the next basket is ranked well after `steps` gradient steps on the lessons.

    Args:
        data: The newcomers.
        epochs: Passes over them.
        steps: Gradient steps; 0 trains a start that is used as it is.
        learning_rate: Highest one of the training itself.
        listwise: Learns by `losses.weighted_softmax`; else by `losses.inclusion_bce`.
        trust: Weight of the next-basket Transformer's logits before training; all others begin at 0.
        start: A model whose start to begin from.
        seed: Seed.

    Returns:
        The model, and its loss epoch by epoch.
    """
    keras.utils.set_random_seed(seed)
    x = data[0][0]
    model = meta_model(x["query"].shape[-1], x["vectors"].shape[-1], x["bought"].shape[1], steps, listwise=listwise)
    weights = np.zeros(x["query"].shape[-1], np.float32)
    weights[[NEWCOMER_FACTS.index("Transformer, known"), NEWCOMER_FACTS.index("Transformer, new")]] = trust
    model.get_layer("adapt").start.assign(weights)
    if start is not None:
        layer, old = model.get_layer("adapt"), start.get_layer("adapt")
        layer.start.assign(old.start)
        layer.bias.assign(old.bias)
    loss = losses.weighted_softmax if listwise else losses.inclusion_bce
    schedule = keras.optimizers.schedules.CosineDecay(learning_rate, len(data) * epochs)
    model.compile(keras.optimizers.Adam(schedule, clipnorm=1.0), loss, jit_compile=False)
    model.optimizer.build(model.trainable_variables)  # else the first step is traced twice
    run = model.fit(data, epochs=epochs, verbose=0, shuffle=False)
    return Fitted(model, loss_curve(run))


def fine_tuning(start: keras.Model, learning_rate: float, steps: int = 3) -> keras.Model:
    """Returns a model that fine-tunes a start on each newcomer: gradient steps, one learning rate for all weights.

    Args:
        start: A model that `train` returned.
        learning_rate: The step size of all weights.
        steps: Gradient steps.
    """
    layer = start.get_layer("adapt")
    shapes = {x.name: x.shape for x in start.inputs}
    model = meta_model(shapes["query"][-1], shapes["vectors"][-1], shapes["bought"][1], steps, listwise=layer.listwise)
    tuned = model.get_layer("adapt")
    tuned.start.assign(layer.start)
    tuned.bias.assign(layer.bias)
    for weight in (tuned.rate, tuned.taste_rate):
        weight.assign(np.full(weight.shape, np.log(np.expm1(learning_rate)), np.float32))
    return model


def scores(
    ep: Episode,
    models: Mapping[str, keras.Model],
    transformers: Mapping[str, keras.Model] | None = None,
    length: int = 5,
    drawn: int = 400,
    seed: int = 0,
) -> dict[str, np.ndarray]:
    """Scores the catalogue for the newcomers of an episode, for several models in one pass over the facts.

    Args:
        ep: The episode.
        models: What `train` or `fine_tuning` returned, by name.
        transformers: Next-basket Transformers by name. The logits of the first are facts that `models` read; the own
            scores of all of them are returned as well.
        length: P.
        drawn: Items drawn for the lessons.
        seed: Seed of these.

    Returns:
        For each model (N, V) scores.
    """
    table, found, transformers = newcomer_facts.vectors(ep), {}, dict(transformers or {})
    read = next(iter(transformers.values()), None)
    for part in np.array_split(ep.cases, max(1, len(ep.cases) // 24)):
        total = newcomer_facts.own_scores(transformers, ep, part, length)
        logits = next(iter(total.values()), None)
        if models:
            x, _ = newcomer_facts.batch(ep, part, length, drawn, np.random.default_rng(seed), read, with_answers=False)
            known = newcomer_facts.query(ep, part, length, logits)
            adapted = {name: [ops.convert_to_numpy(v) for v in m.get_layer("adapt")(x)] for name, m in models.items()}
            ours = {name: taste @ table.T for name, (_, taste, _) in adapted.items()}  # (B, D) @ (D, V)
            for place, fact in enumerate(known):
                for name, (weights, _, _) in adapted.items():
                    ours[name] += weights[:, place, None] * fact
            total |= ours
        for name, values in total.items():
            found.setdefault(name, []).append(values)
    return {name: np.concatenate(parts) for name, parts in found.items()}


def training_episodes(
    split: Split,
    items: pd.DataFrame,
    cases: np.ndarray,
    sizes: Sequence[int] = (1, 2, 3, 5),
    rounds: int = 1,
    parts: int = 2,
    seed: int = 0,
) -> list[Episode]:
    """Makes newcomers to learn from out of households that are none.

    The households are cut into parts. While those of one part forget all but a few baskets, those of the others keep
    everything, as the rest of a shop does when somebody new comes in.

    Args:
        split: A split whose answers may be learned from; lean.
        items: The shop's items.
        cases: (N,) the test cases of the split to use.
        sizes: How many baskets a newcomer may have.
        rounds: How often each household is a newcomer, each time with another number of baskets, perhaps.
        parts: Into how many parts the households are cut.
        seed: Seed of parts and sizes.
    """
    rng = np.random.default_rng(seed)
    episodes = []
    for part in np.array_split(rng.permutation(cases), min(parts, max(1, len(cases)))):
        ep = None
        for _ in range(rounds if len(part) else 0):
            ep = newcomers.episode(split, items, part, rng.choice(sizes, len(part)), like=ep)
            episodes.append(ep)
    return episodes


def compare(
    split: Split,
    items: pd.DataFrame,
    cases: np.ndarray,
    sizes: Sequence[int],
    models: Mapping[str, keras.Model],
    transformers: Mapping[str, keras.Model] | None = None,
    parts: int = 2,
) -> dict[int, dict[str, pd.DataFrame]]:
    """Lets households forget all but their last baskets, part by part, and ranks their next basket.

    Args:
        split: The split; lean.
        items: The shop's items.
        cases: (N,) the test cases that become newcomers.
        sizes: How many baskets they keep; each is tried.
        models: What `train` or `fine_tuning` returned, by name.
        transformers: Next-basket Transformers, which are compared as well; the first is the one that `models` read.
        parts: Into how many parts the cases are cut: while one forgets, the others are the shop.

    Returns:
        For each size and method one row a case, as `evaluation.evaluate` gives it.
    """
    found: dict[int, dict[str, list[pd.DataFrame]]] = {last: {} for last in sizes}
    for part in (cases[start::parts] for start in range(min(parts, len(cases)))):
        ep = None
        for last in sizes:
            ep = newcomers.episode(split, items, part, last, like=ep)
            simple = {
                "popularity": baselines.popularity(ep.split),
                "decayed frequency": baselines.personal_frequency(ep.split, decay=120),
                "decayed + 0.3 popularity": baselines.personal_frequency(ep.split, decay=120, popularity_weight=0.3),
            }
            tables = {name: scorer(part) for name, scorer in simple.items()}
            tables |= scores(ep, models, transformers, length=last)
            for name, table in tables.items():
                result = evaluation.evaluate(table, ep.split.answers[part])
                found[last].setdefault(name, []).append(result.set_index(pd.Index(part[result.index], name="case")))
    return {last: {name: pd.concat(parts) for name, parts in methods.items()} for last, methods in found.items()}
