"""Training the next-basket Transformer: loss, learning rate, callbacks, and the trained model (notebook 05).

Letters for shapes: B users of a batch, P positions to predict at.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from keras import ops

from recsys_kit import evaluation, report
from recsys_kit.datasets.shops import Shop
from recsys_kit.neural import losses
from recsys_kit.preprocessing import Split, Task
from recsys_kit.training import basket_transformer, baskets
from recsys_kit.training.basket_batches import BasketBatches, Settings, scorer
from recsys_kit.workspace import Workspace

__all__ = [
    "BasketBatches",
    "KeepBest",
    "Settings",
    "WarmCosine",
    "build",
    "history",
    "run_folder",
    "scorer",
    "train",
    "trained",
]


@keras.saving.register_keras_serializable(package="recsys_kit")
class WarmCosine(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that rises from a tenth of its peak, then falls along a cosine to a fiftieth.

    Keras's own `CosineDecay` branches on the step, once a variable, which doubles the time that the first step takes
    to be traced. This one has no branch.

    Args:
        peak: The highest rate.
        steps: Training steps in all.
        warm: Steps until the peak.
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


class KeepBest(keras.callbacks.Callback):
    """Scores the validation split after each epoch, keeps the best weights, stops when it no longer improves.

    Its record survives an interruption, so a resumed run ends like one that was never interrupted.

    Args:
        data: The batches, told which epoch it is.
        validation: The split to score.
        seq: Its sequences.
        patience: Epochs without improvement before training stops.
        seed: Seed of dropout; set anew each epoch, so that a resumed epoch drops the same.
        folder: Where the record and the best weights are kept.
    """

    def __init__(self, data: BasketBatches, validation: Split, seq, patience: int, seed: int, folder: Path):
        super().__init__()
        self.data, self.validation, self.seq = data, validation, seq
        self.patience, self.seed, self.folder = patience, seed, folder
        self.record: list[dict] = []

    def on_train_begin(self, logs=None):
        """Takes up the record of an interrupted run."""
        path = self.folder / "record.json"
        self.record = json.loads(path.read_text()) if path.exists() else []
        self.bar = None

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
        """Scores the validation split."""
        seconds = time.perf_counter() - self.began
        self.bar.close()
        scores = scorer(self.model, self.validation, self.seq)
        cases = np.arange(len(self.validation.test_users))
        scores = np.concatenate([scores(part) for part in np.array_split(cases, max(1, len(cases) // 512))])
        everything = evaluation.evaluate(scores, self.validation.answers)["ndcg"].mean()
        explore = evaluation.evaluate(scores, self.validation.answers, exclude=self.validation.seen())["ndcg"].mean()
        row = {"epoch": epoch + 1, "loss": float(logs["loss"]), "ndcg": float(everything), "explore": float(explore)}
        row["seconds"] = round(seconds, 2)
        logs.update(val_ndcg=row["ndcg"], val_explore=row["explore"])  # for the callbacks that follow
        best = max((r["ndcg"] for r in self.record), default=-1.0)
        self.record.append(row)
        if row["ndcg"] > best:
            self.model.save_weights(self.folder / "best.weights.h5")
        (self.folder / "record.json").write_text(json.dumps(self.record))
        print(
            f"epoch {epoch + 1:2d}  loss {row['loss']:.4f}  validation NDCG@10 {everything:.4f}, explore {explore:.4f}"
        )
        ndcg = [r["ndcg"] for r in self.record]
        if len(ndcg) - 1 - int(np.argmax(ndcg)) >= self.patience:
            self.model.stop_training = True

    def on_train_end(self, logs=None):
        """Puts the best weights back."""
        self.model.load_weights(self.folder / "best.weights.h5")


def train(
    shop: Shop,
    task: Task,
    settings: Settings,
    folder: str | Path,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> tuple[keras.Model, pd.DataFrame]:
    """Trains the next-basket Transformer on what lies before the validation weeks and keeps its best epoch.

    Every epoch is backed up in `folder`: calling again after an interruption goes on where it stopped, and ends with
    the same weights.

    Args:
        shop: The shop, for its items' groups.
        task: The task; its test answers are not looked at.
        settings: Sizes and training parameters.
        folder: Where backups and the best weights are kept; delete it to start afresh.
        callbacks: Further Keras callbacks, such as TensorBoard.

    Returns:
        The model with its best weights, and one row an epoch: epoch, loss, ndcg, explore (on the
        validation split) and the seconds of training.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(settings.seed)
    seq = baskets.sequences(task.validation)
    data = BasketBatches(seq, settings, task.min_items)
    model = build(shop, task.test, settings, steps=len(data) * settings.epochs)
    model.get_layer("repeat").adapt([data[i][0] for i in range(0, len(data), max(1, len(data) // 8))])
    keep = KeepBest(data, task.validation, seq, settings.patience, settings.seed, folder)
    backup = keras.callbacks.BackupAndRestore(folder / "backup", double_checkpoint=True)
    # No shuffling by Keras, whose order a resumed run would not repeat: the batches have a random order of their own.
    model.fit(data, epochs=settings.epochs, verbose=0, shuffle=False, callbacks=[keep, *callbacks, backup])
    return model, pd.DataFrame(keep.record)


def build(
    shop: Shop, split: Split, settings: Settings, steps: int = 1000, situation: Sequence[int] = ()
) -> keras.Model:
    """Builds and compiles the untrained model.

    Args:
        shop: The shop, for its items' groups.
        split: Gives the catalogue.
        settings: Sizes and training parameters.
        steps: Batches that the training will take; the learning rate falls over them.
        situation: See `basket_transformer.basket_model`.
    """
    model = basket_transformer.basket_model(
        baskets.item_groups(shop.items, split.items),
        width=settings.width,
        blocks=settings.blocks,
        heads=settings.heads,
        dropout=settings.dropout,
        market=2 if split.plan is None else 2 + 2 * split.plan.share.shape[-1],
        situation=tuple(situation),
    )
    rate = WarmCosine(settings.learning_rate, steps, warm=max(1, steps // (2 * settings.epochs)))
    optimizer = keras.optimizers.AdamW(rate, weight_decay=settings.weight_decay, clipnorm=1.0)
    optimizer.build(model.trainable_variables)  # or else TensorFlow traces the first step twice
    # No XLA: batches differ in shape, and each new shape would be compiled anew (on a GPU Keras would choose XLA).
    model.compile(optimizer, loss={"repeat": losses.inclusion_bce, "discover": losses.inclusion_bce}, jit_compile=False)
    nothing = {name: np.zeros((1, 1, 1), np.float32) for name in model.output_names}
    model.compute_loss(y={k: np.zeros((1, 1, 1, 2), np.float32) for k in nothing}, y_pred=nothing)  # the same reason
    return model


def trained(
    workspace: Workspace,
    shop: Shop,
    task: Task,
    settings: Settings,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    fresh: bool = False,
) -> keras.Model:
    """Returns the trained model from the workspace, training it first if it is missing.

    Args:
        workspace: Where the model is kept, and while it trains its backups.
        shop: The shop.
        task: The task.
        settings: Sizes and training parameters.
        callbacks: Further Keras callbacks; they see nothing if the model is there already.
        fresh: Trains again even if the model is there.
    """
    address = _address(shop, task, settings)
    folder = run_folder(workspace, shop, task, settings)
    if fresh:
        workspace.path("basket_transformer", **address).with_suffix(".keras").unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
    return workspace.get("basket_transformer", lambda: train(shop, task, settings, folder, callbacks)[0], **address)


def run_folder(workspace: Workspace, shop: Shop, task: Task, settings: Settings) -> Path:
    """Returns where the training of `trained` keeps its record, backups and best weights."""
    return workspace.path("training", **_address(shop, task, settings))


def history(workspace: Workspace, shop: Shop, task: Task, settings: Settings) -> pd.DataFrame:
    """Returns what the training of `trained` recorded: one row an epoch, as `train` returns it.

    Raises:
        FileNotFoundError: If there is no such training.
    """
    path = run_folder(workspace, shop, task, settings) / "record.json"
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing: call `trained` with the same settings first (or with fresh=True).")
    return pd.DataFrame(json.loads(path.read_text()))


def _address(shop: Shop, task: Task, settings: Settings) -> dict:
    """Returns what a trained model depends on, as `Workspace.get` wants it."""
    import recsys_kit.training.fit as code

    plan = task.test.plan
    params = asdict(settings) | {"cutoff": str(task.test.cutoff), "promotions": plan.fingerprint() if plan else ""}
    return {"data": shop.fingerprint, "params": params, "code": code}
