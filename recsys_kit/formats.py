"""How an artifact is stored: tables, models, arrays, and anything that JSON can hold."""

from __future__ import annotations

import importlib
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["FORMATS", "Damaged", "plain", "read", "suffix"]

_NOT_THE_FILE = (MemoryError, ImportError, PermissionError)  # what says nothing about what is in the file


class Damaged(OSError):
    """A stored file can't be read: it was cut off, is empty, or holds something else. The message names it."""


def read(path: Path) -> Any:
    """Reads an artifact.

    Raises:
        Damaged: If what is in the file can't be read.
    """
    if path.is_dir():  # pandas would take an empty folder for an empty table
        raise Damaged(f"{path} can't be read (it is a folder)")
    try:
        return FORMATS[path.suffix][1](path)
    except _NOT_THE_FILE:
        raise
    except Exception as error:
        (reason, *_) = str(error).splitlines() or [repr(error)]
        raise Damaged(f"{path} can't be read ({reason})") from error


def suffix(value: Any) -> str:
    """Returns the suffix of the file that a value is stored in."""
    if isinstance(value, pd.DataFrame):
        return ".parquet"
    if hasattr(value, "get_config") and hasattr(value, "save"):
        return ".keras"
    if isinstance(value, dict) and value and all(isinstance(v, np.ndarray) for v in value.values()):
        return ".npz"
    return ".json"


def plain(value: Any) -> Any:
    """Turns what JSON does not know into what it does: NumPy scalars, times and paths."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, pd.Timestamp | Path):
        return str(value)
    raise TypeError(f"JSON can't hold a {type(value).__name__}")


def _read_keras(path: Path) -> Any:
    import keras

    for module in sorted(_modules(path)):
        importlib.import_module(module)  # registers its layers, losses and rates
    return keras.models.load_model(path)


def _modules(path: Path) -> set[str]:
    """Returns the modules of the kit that define parts of a stored model."""
    with zipfile.ZipFile(path) as archive:
        todo: list[Any] = [json.loads(archive.read("config.json"))]
    found: set[str] = set()
    kit = __name__.partition(".")[0]
    while todo:
        value = todo.pop()
        if isinstance(value, dict):
            module = value.get("module")
            if isinstance(module, str) and "class_name" in value and module.partition(".")[0] == kit:
                found.add(module)
            todo += value.values()
        elif isinstance(value, list):
            todo += value
    return found


def _write_npz(value: dict[str, np.ndarray], path: Path) -> None:
    arrays = {name: _without_objects(name, array) for name, array in value.items()}
    np.savez(path, **arrays)


def _without_objects(name: str, array: np.ndarray) -> np.ndarray:
    """Ids come out of pandas as arrays of objects, which could only be pickled: stores them as text."""
    if array.dtype != object:
        return array
    if not all(isinstance(value, str) for value in array.flat):
        raise TypeError(f"The array {name!r} holds objects; only numbers and texts can be stored.")
    return array.astype(np.str_)


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)


FORMATS: dict[str, tuple[Callable, Callable]] = {
    ".parquet": (lambda value, path: value.to_parquet(path), pd.read_parquet),
    ".keras": (lambda value, path: value.save(path), _read_keras),
    ".npz": (_write_npz, _read_npz),
    ".json": (
        lambda value, path: path.write_text(json.dumps(value, default=plain), encoding="utf-8"),
        lambda path: json.loads(path.read_text(encoding="utf-8")),
    ),
}
"""By suffix: what writes a value to a path, and what reads it."""
