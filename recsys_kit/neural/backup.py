"""What a training keeps on disk, so that one that was interrupted goes on where it stopped.

Whatever happens to the machine, a later run finds each file whole or not at all: it is written under a temporary name,
and its checksums say whether it is still what was written. Keras's own `BackupAndRestore` overwrites two files in
place; after a kill or on a full disk in that moment neither this run nor a later one can read them.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from recsys_kit.formats import Damaged, read
from recsys_kit.workspace import atomic

__all__ = ["Backup", "Resumed", "assign", "read_record", "resume", "save", "values"]

_KEPT = 2  # backups: the last one, and the one before if that can't be read


class Resumed(NamedTuple):
    """What an interrupted training left.

    Attributes:
        epochs: How many epochs are done; 0: the training starts from the beginning.
        record: One row for each epoch that was scored.
        best: The `values` of the best of these; None without any.
    """

    epochs: int
    record: list[dict]
    best: list[np.ndarray] | None


class Backup(keras.callbacks.Callback):
    """Writes weights and optimizer after each epoch, and removes them when the training has come to its end.

    Args:
        folder: The folder of the training.
    """

    def __init__(self, folder: Path):
        super().__init__()
        self.folder = folder / "backup"

    def on_epoch_end(self, epoch, logs=None):
        """Writes the backup of an epoch, then removes older ones."""
        save(self.folder / f"epoch-{epoch + 1:04d}.npz", values(self.model))
        for path in _backups(self.folder)[_KEPT:]:
            path.unlink(missing_ok=True)

    def on_train_end(self, logs=None):
        """Removes the backups: the best weights and the record stay."""
        shutil.rmtree(self.folder, ignore_errors=True)


def values(model: keras.Model) -> list[np.ndarray]:
    """Returns all that a training changes: weights, the optimizer's memory, the seeds of dropout."""
    return [np.array(ops.convert_to_numpy(variable)) for variable in _variables(model)]


def assign(model: keras.Model, found: Sequence[np.ndarray]) -> None:
    """Puts `values` back."""
    for variable, value in zip(_variables(model), found, strict=True):
        variable.assign(value)


def save(path: Path, found: Sequence[np.ndarray]) -> None:
    """Writes `values`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic(path) as part:
        np.savez(part, **{str(i): value for i, value in enumerate(found)})


def read_record(path: Path) -> list[dict]:
    """Returns the rows that `KeepBest` wrote, one an epoch.

    Raises:
        Damaged: If the file is empty or cut off, or holds something else.
    """
    record = read(path)
    rows = record if isinstance(record, list) else [None]
    if not all(isinstance(row, dict) and row.get("epoch") == i for i, row in enumerate(rows, 1)):
        raise Damaged(f"{path} can't be read (it holds no list of epochs)")
    return rows


def resume(folder: Path, model: keras.Model) -> Resumed:
    """Takes up an interrupted training: loads its last backup into the model and the model's optimizer.

    If the last backup can't be read, the one before is taken. If that, the best weights or the record can't be read
    either, the folder is removed, and the training starts afresh; the file is named in a line.

    Args:
        folder: The folder of the training; need not exist.
        model: The model, compiled and as new; left as it is if the training starts from the beginning.
    """
    try:
        return _resumed(folder, model)
    except Damaged as error:
        print(f"{error}: the training starts afresh")
        _remove(folder)
        return Resumed(0, [], None)


def _resumed(folder: Path, model: keras.Model) -> Resumed:
    for path in (folder, folder / "backup"):
        if path.exists() and not path.is_dir():
            raise Damaged(f"{path} can't be read (it is a file, not a folder)")
    for part in (*folder.glob(".*-record.json"), *folder.glob(".*.npz"), *folder.glob("backup/.*.npz")):
        part.unlink(missing_ok=True)  # half of a file, of a writer that was killed
    if not (folder / "record.json").exists():
        return Resumed(0, [], None)  # no epoch came to its end
    record = read_record(folder / "record.json")
    best = _read(folder / "best.npz", model)
    damage = None
    for path in _backups(folder / "backup"):
        epochs = int(path.stem.removeprefix("epoch-"))
        if not 0 < epochs <= len(record):
            continue
        try:
            found = _read(path, model)
        except Damaged as error:
            damage = error
            continue
        if damage:
            print(f"{damage}: the training goes on after epoch {epochs}")
        assign(model, found)
        return Resumed(epochs, record, best)
    if damage:
        raise damage
    return Resumed(0, record, best)


def _variables(model: keras.Model) -> list[keras.Variable]:
    seeds = [variable for variable in model.non_trainable_variables if "seed_generator" in variable.path]
    return [*model.weights, *seeds, *model.optimizer.variables]


def _backups(folder: Path) -> list[Path]:
    """Returns the backups, the latest first."""
    return sorted(folder.glob("epoch-[0-9][0-9][0-9][0-9].npz"), reverse=True)


def _read(path: Path, model: keras.Model) -> list[np.ndarray]:
    """Reads what `save` wrote, and checks that it fits the model."""
    stored: dict[str, np.ndarray] = read(path)
    found = [stored.get(str(i), np.zeros(0)) for i in range(len(stored))]
    if [value.shape for value in found] != [tuple(variable.shape) for variable in _variables(model)]:
        raise Damaged(f"{path} can't be read (it holds the weights of another model)")
    return found


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
