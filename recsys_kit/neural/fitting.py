"""What training a model takes beside Keras: a learning rate, the best epoch, progress, a deadline (notebooks 05 to 11).

Nothing here knows a shop or a split: what a model is to be judged by is handed in as a function.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import pandas as pd
from keras import ops

from recsys_kit import report
from recsys_kit.neural import (
    backup,
    losses,  # noqa: F401  (a stored model names its rate's module, but not its loss's)
)
from recsys_kit.neural.batches import EpochBatches
from recsys_kit.workspace import atomic

__all__ = [
    "BestInTime",
    "BestWeights",
    "Fitted",
    "KeepBest",
    "Progress",
    "WarmCosine",
    "give_back",
    "loss_curve",
    "reset",
]

if sys.platform == "linux":
    # From the first `fit` on, TensorFlow has the allocator hand freed memory back to the system at once
    # (M_TRIM_THRESHOLD), and every step asks for it anew, page by page. So much is kept all the same.
    with contextlib.suppress(AttributeError):  # a C library that is not glibc
        _tune = ctypes.CDLL(None).mallopt
        _tune(-2, 64 << 20)  # M_TOP_PAD, bytes that stay at the top of each heap


class Fitted(NamedTuple):
    """A trained model and how its training went.

    Attributes:
        model: The model.
        curve: One row an epoch: `epoch`, `loss`, and what else was measured.
    """

    model: Any
    curve: pd.DataFrame


def loss_curve(run: keras.callbacks.History | Sequence[float]) -> pd.DataFrame:
    """Returns the losses, or those that `fit` recorded, as one row an epoch: `epoch` and `loss`.

    Example:
        >>> loss_curve([0.5, 0.25]).to_dict("list")
        {'epoch': [1, 2], 'loss': [0.5, 0.25]}
    """
    # Without an epoch there is no loss.
    values = run.history.get("loss", []) if isinstance(run, keras.callbacks.History) else run
    values = np.array(values, float)
    return pd.DataFrame({"epoch": np.arange(1, len(values) + 1), "loss": values})


@keras.saving.register_keras_serializable(package="recsys_kit.neural")
class WarmCosine(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that rises from a tenth of its peak, then falls along a cosine to a fiftieth.

    Keras's own `CosineDecay` branches on the step, once a variable, which doubles the time that the first step takes
    to be traced. This one has no branch.

    Args:
        peak: The highest rate.
        steps: Training steps in all.
        warm: Steps until the peak.

    Example:
        >>> rate = WarmCosine(1.0, steps=100, warm=10)
        >>> [round(float(rate(step)), 2) for step in (0, 10, 100)]
        [0.1, 1.0, 0.02]
    """

    def __init__(self, peak: float, steps: int, warm: int):
        self.peak, self.steps, self.warm = peak, steps, warm

    def __call__(self, step):
        """Returns the rate at a step (0 is the first)."""
        step = ops.cast(step, "float32")
        part = ops.clip((step - self.warm) / max(1, self.steps - self.warm), 0.0, 1.0)
        return self.peak * ops.minimum(0.1 + 0.9 * step / self.warm, 0.51 + 0.49 * ops.cos(np.pi * part))

    def get_config(self):
        """Returns the arguments, for saving."""
        return {"peak": self.peak, "steps": self.steps, "warm": self.warm}


def reset(optimizer: keras.optimizers.Optimizer) -> None:
    """Makes an optimizer forget all steps, as if it were new: that saves tracing a model's step again."""
    for variable in optimizer.variables:
        if "learning_rate" not in variable.path:
            variable.assign(np.zeros(variable.shape, variable.dtype))


def give_back() -> None:
    """Collects garbage and, with glibc, hands what its allocator keeps for later back to the system.

    After a training that is its compiled step and its batches, some hundred megabytes.
    """
    gc.collect()
    if sys.platform == "linux":
        with contextlib.suppress(AttributeError):  # a C library that is not glibc
            ctypes.CDLL(None).malloc_trim(0)


class Progress(keras.callbacks.Callback):
    """Moves a progress bar of its own, one step a batch.

    Args:
        label: What stands before the bar.
        steps: Batches of all epochs.
    """

    def __init__(self, label: str, steps: int):
        super().__init__()
        self.bar = report.progress(label=label, total=steps)

    def on_train_batch_end(self, batch, logs=None):
        """Moves the bar."""
        self.bar.update()

    def on_train_end(self, logs=None):
        """Closes the bar."""
        self.bar.close()


class BestWeights:
    """Keeps the weights with the highest score; Keras's `EarlyStopping` for loops that don't go through `fit`.

    Args:
        patience: Epochs without a better score until it is time to stop.

    Example:
        >>> best = BestWeights(patience=2)
        >>> [best.add(score, weights) for score, weights in ((0.1, "a"), (0.3, "b"), (0.2, "c"), (0.3, "d"))]
        [False, False, False, True]
        >>> best.epoch, best.weights
        (2, 'b')
    """

    def __init__(self, patience: int):
        self.patience, self.score, self.epoch, self.epochs, self.weights = patience, -1.0, 0, 0, None

    def add(self, score: float, weights) -> bool:
        """Takes note of an epoch's score and weights; returns whether it is time to stop.

        Args:
            score: The higher, the better; above -1.
            weights: The weights, or a function that returns them: asked only if the epoch is the best.
        """
        self.epochs += 1
        if score > self.score:
            self.score, self.epoch, self.weights = score, self.epochs, weights() if callable(weights) else weights
        return self.epochs - self.epoch >= self.patience


class BestInTime(keras.callbacks.Callback):
    """Moves a progress bar, validates after each epoch, keeps the best weights, and stops in time.

    Args:
        bar: The bar, one step a batch.
        deadline: `time.perf_counter()` at which training stops, within an epoch if need be.
        validate: Called after each epoch, returns the score to maximise; None: no validation, the last weights stay.
        name: Of the score in the curve.
        patience: Epochs without a better score before training stops.
    """

    def __init__(
        self, bar, deadline: float, validate: Callable[[], float] | None = None, name: str = "score", patience: int = 3
    ):
        super().__init__()
        self.bar, self.deadline, self.validate, self.name = bar, deadline, validate, name
        self.best, self.curve = BestWeights(patience), []
        self.batches, self.seconds, self.began = 0, 0.0, time.perf_counter()
        self.first_seconds = 0.0  # until the first batch is done: the step is traced

    def on_epoch_begin(self, epoch, logs=None):
        """Starts the epoch's clock."""
        self.epoch_began = time.perf_counter()
        self.bar.set_postfix_str(f"epoch {epoch + 1}")

    def on_train_batch_end(self, batch, logs=None):
        """Moves the bar and looks at the clock."""
        self.bar.update()
        self.batches += 1
        if self.batches == 1:
            self.first_seconds = time.perf_counter() - self.epoch_began
        if time.perf_counter() > self.deadline:
            self.model.stop_training = True

    def on_epoch_end(self, epoch, logs=None):
        """Validates; stops after some epochs without a better score."""
        self.seconds += time.perf_counter() - self.epoch_began
        if self.validate is None:
            # Kept by ourselves: of averaged weights, Keras takes others if training stops early.
            self.best.weights = self.model.get_weights()
            return
        self.bar.set_postfix_str(f"epoch {epoch + 1}, validating")
        score = self.validate()
        self.curve.append({"seconds": round(time.perf_counter() - self.began, 1), self.name: round(score, 5)})
        if self.best.add(score, self.model.get_weights):
            self.model.stop_training = True

    def on_train_end(self, logs=None):
        """Goes back to the best weights."""
        if self.best.weights is not None:
            self.model.set_weights(self.best.weights)


class KeepBest(keras.callbacks.Callback):
    """Scores after each epoch, keeps the best weights, stops when they no longer improve.

    Its record and the best weights survive an interruption, so a resumed run ends like one that was never interrupted.

    Args:
        data: The batches, told which epoch it is.
        score: Returns what is measured after an epoch; the first number is maximised.
        patience: Epochs without improvement before training stops.
        seed: Seed of dropout; set anew each epoch, so that a resumed epoch drops the same.
        folder: Where the record and the best weights are kept.
        line: Returns what is printed of an epoch's row.
    """

    def __init__(
        self,
        data: EpochBatches,
        score: Callable[[keras.Model], dict[str, float]],
        patience: int,
        seed: int,
        folder: Path,
        line: Callable[[dict], str] = str,
    ):
        super().__init__()
        self.data, self.score, self.line = data, score, line
        self.patience, self.seed, self.folder = patience, seed, folder
        self.record: list[dict] = []
        self.best: list[np.ndarray] | None = None

    def resume(self, model: keras.Model, epochs: int) -> int:
        """Takes up what an interrupted training left in the folder, and loads its last backup into the model.

        Args:
            model: The model, compiled and as new.
            epochs: How many epochs the training takes.

        Returns:
            How many of them are done: all, if it was stopped after its end.
        """
        done, self.record, self.best = backup.resume(self.folder, model)
        return epochs if self._is_over() or len(self.record) >= epochs else done

    def on_epoch_begin(self, epoch, logs=None):
        """Sets what is random in this epoch from its number."""
        self.record = self.record[:epoch]
        self.data.start_epoch(epoch)
        for i, variable in enumerate(self.model.non_trainable_variables):
            if "seed_generator" in variable.path:
                variable.assign(np.array([self.seed * 1000 + epoch, i], "uint32"))
        self.bar = report.progress(label=f"epoch {epoch + 1}", total=len(self.data))
        self.began = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        """Moves the progress bar."""
        self.bar.update()

    def on_epoch_end(self, epoch, logs=None):
        """Scores the model, and saves its weights if they are the best."""
        seconds = time.perf_counter() - self.began
        self.bar.close()
        found = self.score(self.model)
        name = next(iter(found))
        logs.update({f"val_{key}": value for key, value in found.items()})  # for the callbacks that follow
        best = max((row[name] for row in self.record), default=-1.0)
        self.record.append({"epoch": epoch + 1, "loss": float(logs["loss"]), **found, "seconds": round(seconds, 2)})
        if found[name] > best:
            self.best = backup.values(self.model)
            backup.save(self.folder / "best.npz", self.best)
        with atomic(self.folder / "record.json") as part:
            part.write_text(json.dumps(self.record))
        print(self.line(self.record[-1]))
        if self._is_over():
            self.model.stop_training = True

    def on_train_end(self, logs=None):
        """Puts the best weights back."""
        if self.best is not None:
            backup.assign(self.model, self.best)

    def _is_over(self) -> bool:
        """Says whether enough epochs in a row brought nothing."""
        if not self.record:
            return False
        name = next(key for key in self.record[0] if key not in ("epoch", "loss"))
        scores = [row[name] for row in self.record]
        return len(scores) - 1 - int(np.argmax(scores)) >= self.patience
