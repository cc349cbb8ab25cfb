"""Training the next-basket Transformer: loss, learning rate, callbacks, and the trained model (notebook 05).

Letters for shapes: B users of a batch, P positions to predict at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from recsys_kit import evaluation
from recsys_kit.datasets.shops import Shop
from recsys_kit.formats import Damaged
from recsys_kit.neural import devices, fitting
from recsys_kit.neural.backup import Backup, read_record
from recsys_kit.neural.fitting import Fitted
from recsys_kit.neural.losses import inclusion_bce
from recsys_kit.preprocessing import Split, Task
from recsys_kit.training import basket_transformer, baskets
from recsys_kit.training.basket_batches import BasketBatches, Settings
from recsys_kit.training.scores import scorer
from recsys_kit.workspace import Workspace

__all__ = ["build", "history", "is_trained", "run_folder", "train", "trained"]


def train(
    shop: Shop,
    task: Task,
    settings: Settings,
    folder: str | Path,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> Fitted:
    """Trains the next-basket Transformer on what lies before the validation weeks and keeps its best epoch.

    Every epoch is backed up in `folder`: calling again after an interruption goes on where it stopped, and ends with
    the same weights. If what it left can't be read, the training starts afresh, and says so.

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
    keras.utils.set_random_seed(settings.seed)
    seq = baskets.sequences(task.validation)
    data = BasketBatches(seq, settings, task.min_items)
    model = build(shop, task.test, settings, steps=len(data) * settings.epochs)
    model.get_layer("repeat").adapt([data[i][0] for i in range(0, len(data), max(1, len(data) // 8))])
    score = partial(_validation, split=task.validation, seq=seq)
    keep = fitting.KeepBest(data, score, settings.patience, settings.seed, folder, _line)
    done = keep.resume(model, settings.epochs)
    folder.mkdir(parents=True, exist_ok=True)
    every = [keep, *callbacks, Backup(folder)]
    # No shuffling by Keras, whose order a resumed run would not repeat: the batches have a random order of their own.
    with devices.one_blas_thread():  # for the batches: the other cores are the step's
        model.fit(data, initial_epoch=done, epochs=settings.epochs, verbose=0, shuffle=False, callbacks=every)
    return Fitted(model, pd.DataFrame(keep.record))


def _validation(model: keras.Model, split: Split, seq: baskets.Sequences) -> dict[str, float]:
    """Returns the validation NDCG over everything, and over what each household never bought."""
    found = evaluation.evaluate_halves(scorer(model, split, seq), split.answers, split.seen())
    return {"ndcg": float(found["all"]["ndcg"].mean()), "explore": float(found["explore"]["ndcg"].mean())}


def _line(row: dict) -> str:
    return (
        f"epoch {row['epoch']:2d}  loss {row['loss']:.4f}  validation NDCG@10 {row['ndcg']:.4f}, "
        f"explore {row['explore']:.4f}"
    )


def build(shop: Shop, split: Split, settings: Settings, steps: int = 1000, context: Sequence[int] = ()) -> keras.Model:
    """Builds and compiles the untrained model.

    Args:
        shop: The shop, for its items' groups.
        split: Gives the catalogue.
        settings: Sizes and training parameters.
        steps: Batches that the training will take; the learning rate falls over them.
        context: See `basket_transformer.basket_model`.
    """
    model = basket_transformer.basket_model(
        baskets.item_groups(shop.items, split.items),
        width=settings.width,
        blocks=settings.blocks,
        heads=settings.heads,
        dropout=settings.dropout,
        market=2 if split.plan is None else 2 + 2 * split.plan.share.shape[-1],
        context=tuple(context),
    )
    rate = fitting.WarmCosine(settings.learning_rate, steps, warm=max(1, steps // (2 * settings.epochs)))
    optimizer = keras.optimizers.AdamW(rate, weight_decay=settings.weight_decay, clipnorm=1.0)
    optimizer.build(model.trainable_variables)  # or else TensorFlow traces the first step twice
    # XLA with JAX alone: batches differ in shape, and each is compiled anew (on a GPU Keras would choose XLA).
    jit_compile = devices.compiled()
    model.compile(optimizer, loss={"repeat": inclusion_bce, "discover": inclusion_bce}, jit_compile=jit_compile)
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
    if fresh or _is_damaged(folder / "record.json"):
        workspace.forget("basket_transformer", _model, **address)
        workspace.forget("training", _model, **address)
    build = partial(_model, shop, task, settings, folder, callbacks)
    model = workspace.get("basket_transformer", build, **address)
    fitting.give_back()  # where this model was read back, also the trained one: a reference cycle
    return model


def is_trained(workspace: Workspace, shop: Shop, task: Task, settings: Settings) -> bool:
    """Returns whether `trained` would find the model in the workspace."""
    return workspace.file("basket_transformer", _model, **_address(shop, task, settings)) is not None


def run_folder(workspace: Workspace, shop: Shop, task: Task, settings: Settings) -> Path:
    """Returns where the training of `trained` keeps its record, backups and best weights."""
    return workspace.path("training", _model, **_address(shop, task, settings))


def history(workspace: Workspace, shop: Shop, task: Task, settings: Settings) -> pd.DataFrame:
    """Returns what the training of `trained` recorded: one row an epoch, as `train` returns it.

    Raises:
        FileNotFoundError: If there is no such training.
        OSError: If its record can't be read.
    """
    path = run_folder(workspace, shop, task, settings) / "record.json"
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing: call `trained` with the same settings first (or with fresh=True).")
    return pd.DataFrame(read_record(path))


def _is_damaged(record: Path) -> bool:
    """Says whether a record can't be read: then the model has no history, and must be trained again."""
    try:
        if record.exists():
            read_record(record)
    except Damaged as error:
        print(f"{error}: the training starts afresh")
        return True
    return False


def _model(shop: Shop, task: Task, settings: Settings, folder: Path, callbacks: Sequence) -> keras.Model:
    """Trains the model of `trained`; its code is part of the model's address, and of its folder's."""
    return train(shop, task, settings, folder, callbacks)[0]


def _address(shop: Shop, task: Task, settings: Settings) -> dict:
    """Returns what a trained model depends on besides its code, as `Workspace.get` wants it."""
    plan = task.test.plan
    params = asdict(settings) | {"cutoff": str(task.test.cutoff), "promotions": plan.fingerprint() if plan else ""}
    return {"data": shop.fingerprint, "params": params}
