"""A model trained by several processes: each has its rows of a batch, and one adds up and steps (notebook 24).

A step's gradient is a sum over its rows. So each worker returns the sum over its part, and the sum of these is what one
process would have computed. A part that is computed twice, because a worker died and another did its work, counts once.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from recsys_kit.workspace import atomic

__all__ = ["Settings", "State", "gradients", "train"]


@dataclass(frozen=True)
class Settings:
    """How a model is trained by several workers.

    Attributes:
        batch_size: Rows of a step, over all workers.
        epochs: Passes over the rows.
        parts: Into how many parts a batch is dealt.
        save_every: A checkpoint after so many steps, and after the last one.
        seed: Of the order of the rows.
        loss: Name of the loss, such as "binary_crossentropy".
    """

    batch_size: int = 4096
    epochs: int = 1
    parts: int = 2
    save_every: int = 10
    seed: int = 0
    loss: str = "binary_crossentropy"


@dataclass
class State:
    """Where a training stands; a checkpoint holds this, the weights and the optimizer's memory.

    Attributes:
        step: How many steps were taken.
        losses: Mean loss of each step's rows, before the step.
        seen: (R,) how often each row was learned from.
    """

    step: int = 0
    losses: list[float] = field(default_factory=list)
    seen: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int32))


def gradients(
    model: str, loss: str, values: list[np.ndarray], x: np.ndarray, y: np.ndarray
) -> tuple[float, list[np.ndarray]]:
    """Returns the loss and the gradients of a model, summed over the rows; a worker calls it.

    Args:
        model: The model's configuration (`model.to_json()`): without weights, and the same at every step.
        loss: See `Settings`.
        values: Of the weights, in the model's order.
        x: (R, F) inputs.
        y: (R, 1) what should come out.
    """
    import tensorflow as tf  # gradients are the backend's own

    built = _built(model)
    for variable, value in zip(built.trainable_variables, values, strict=True):
        variable.assign(value)
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(keras.losses.get(loss)(tf.constant(y), built(x, training=True)))
    found = tape.gradient(total, [variable.value for variable in built.trainable_variables])
    return float(total), [tf.convert_to_tensor(one).numpy() for one in found]


def train(
    model: keras.Model,
    x: np.ndarray,
    y: np.ndarray,
    settings: Settings,
    folder: str | Path,
    *,
    client: Any = None,
    after: Callable[[State], None] = lambda state: None,
    compute: Callable = gradients,
) -> State:
    """Trains a compiled model to the end of its epochs, from the checkpoint in a folder if there is one.

    Args:
        model: Compiled with an optimizer; trained in place. Nothing in it may draw or remember (dropout, batch
            normalisation): then a part would not be the same on another worker.
        x: (R, F) inputs.
        y: (R, 1) what should come out.
        settings: The settings.
        folder: Of the checkpoint.
        client: Of `cluster.workers`; None: everything in this process, a batch at once.
        after: Called after each step, before the checkpoint; what it raises ends the training, as a crash would.
        compute: What a worker computes; see `gradients`.

    Raises:
        ValueError: If the model has weights that are not trained.
    """
    if model.non_trainable_variables:
        names = ", ".join(variable.path for variable in model.non_trainable_variables)
        raise ValueError(f"`model` must have no weights beside those that are trained. Received: {names}.")
    model.optimizer.build(model.trainable_variables)
    path = Path(folder, "checkpoint.npz")
    state = _load(path, model) if path.exists() else State(seen=np.zeros(len(x), np.int32))
    text, per_epoch = model.to_json(), -(-len(x) // settings.batch_size)
    for step in range(state.step, settings.epochs * per_epoch):
        epoch, place = divmod(step, per_epoch)
        order = np.random.default_rng([settings.seed, epoch]).permutation(len(x))
        rows = order[place * settings.batch_size : (place + 1) * settings.batch_size]
        values = [variable.numpy() for variable in model.trainable_variables]
        if client is None:
            sums = [compute(text, settings.loss, values, x[rows], y[rows])]
        else:
            parts = np.array_split(rows, settings.parts)
            tasks = [
                client.submit(compute, text, settings.loss, values, x[part], y[part], pure=False) for part in parts
            ]
            sums = client.gather(tasks)
        mean = [np.sum(found, axis=0) / len(rows) for found in zip(*(found for _, found in sums), strict=True)]
        model.optimizer.apply(mean, model.trainable_variables)
        state.losses.append(sum(loss for loss, _ in sums) / len(rows))
        state.seen[rows] += 1
        state.step = step + 1
        after(state)
        if state.step % settings.save_every == 0 or state.step == settings.epochs * per_epoch:
            _save(path, model, state)
    return state


@functools.lru_cache(maxsize=2)
def _built(text: str) -> keras.Model:
    return keras.models.model_from_json(text)


def _save(path: Path, model: keras.Model, state: State) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    variables = [*model.trainable_variables, *model.optimizer.variables]
    values = {f"value_{place:04d}": variable.numpy() for place, variable in enumerate(variables)}
    with atomic(path) as part, open(part, "wb") as file:
        np.savez(file, step=state.step, losses=state.losses, seen=state.seen, **values)


def _load(path: Path, model: keras.Model) -> State:
    with np.load(path) as found:
        variables = [*model.trainable_variables, *model.optimizer.variables]
        for place, variable in enumerate(variables):
            variable.assign(found[f"value_{place:04d}"])
        return State(int(found["step"]), found["losses"].tolist(), found["seen"])
