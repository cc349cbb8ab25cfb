"""Artifacts on disk: what a notebook needs is loaded if it was built before, and built if not."""

from __future__ import annotations

import ast
import contextlib
import hashlib
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import filelock
import numpy as np
import pandas as pd

__all__ = ["Workspace", "code_version"]

_WRITING, _BUILDING = ".writing-", ".building-"
_ABANDONED = 3600  # seconds without a change after which a writer must have died
_PATIENCE = 5.0  # seconds of waiting for another process, after which it is said


class Workspace:
    """A folder of artifacts, addressed by what they were built from: data, parameters and code.

    An artifact is written under a temporary name and renamed when it is whole, so an interruption leaves nothing
    half-written; other data, other parameters or changed code have another address, so nothing stale is picked up.
    Several processes may share a folder: if two need the same artifact, one builds it and the other waits.

    Args:
        folder: Where the artifacts are kept; created if it is missing.

    Example:
        >>> import tempfile
        >>> ws = Workspace(tempfile.mkdtemp())
        >>> ws.get("answer", lambda: {"value": 42}, params={"question": 6})
        {'value': 42}
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder).expanduser()
        if self.folder.exists() and not self.folder.is_dir():
            raise ValueError(f"`folder` must be a folder, or not exist yet. Received a file: {self.folder}.")
        self.folder.mkdir(parents=True, exist_ok=True)
        self._remove_abandoned()

    def path(
        self, name: str, data: str = "", params: Mapping[str, Any] | None = None, code: ModuleType | None = None
    ) -> Path:
        """Returns the artifact's address without its suffix, whether it exists or not.

        Raises:
            ValueError: If the name is more than letters, digits, `_`, `-` and `.`.
            TypeError: If a parameter is not something that JSON can hold.
        """
        if not re.fullmatch(r"\w[\w.-]*", name):
            raise ValueError(f"`name` must consist of letters, digits, `_`, `-` and `.`. Received: {name!r}.")
        source = {"data": data, "params": dict(params or {}), "code": code_version(code) if code else ""}
        try:
            text = json.dumps(source, sort_keys=True, default=_plain)
        except TypeError as error:
            kinds = ", ".join(f"{key}: {type(value).__name__}" for key, value in source["params"].items())
            message = f"`params` must hold numbers, texts, lists and dictionaries ({error}). Received: {kinds}."
            raise TypeError(message) from None
        return self.folder / f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"

    def get(
        self,
        name: str,
        build: Callable[[], Any],
        *,
        data: str = "",
        params: Mapping[str, Any] | None = None,
        code: ModuleType | None = None,
    ) -> Any:
        """Returns the artifact, building and storing it first if it is missing.

        What was just built is read back from the disk, so the first call and a later one return the same thing: in
        JSON, for one, tuples become lists and keys become texts.

        Args:
            name: What the artifact is called.
            build: Makes it: a DataFrame (stored as Parquet), a Keras model (.keras), a dict of arrays (.npz), or
                anything that JSON can hold.
            data: Fingerprint of the data it is built from.
            params: Parameters that it depends on.
            code: Module that builds it; a change in it, or in a kit module that it imports, changes the address.

        Raises:
            TypeError: If the artifact or a parameter is of a kind that can't be stored.
            OSError: If a stored artifact can't be read; the message names the file to delete.
        """
        base = self.path(name, data, params, code)
        path = _there(base)
        if path is None:
            with self._alone(base.name):
                path = _there(base) or self._built(base, build)
        return _read(path)

    @contextlib.contextmanager
    def _alone(self, name: str) -> Iterator[None]:
        """Lets one process at a time build an artifact; the lock of a process that dies opens by itself."""
        path = self.folder / f"{_BUILDING}{name}"
        lock = filelock.FileLock(path)
        try:
            lock.acquire(timeout=_PATIENCE)
        except filelock.Timeout:
            print(f"waiting: another process is building {name}")
            lock.acquire()
        try:
            yield
        finally:
            with contextlib.suppress(OSError):  # Windows keeps an open file
                path.unlink()  # who waits makes a new one, and finds the artifact
            lock.release()

    def _built(self, base: Path, build: Callable[[], Any]) -> Path:
        """Builds and stores an artifact."""
        value = build()
        suffix = _suffix(value)
        path = base.with_name(base.name + suffix)
        folder = Path(tempfile.mkdtemp(prefix=_WRITING, dir=self.folder))
        try:
            part = folder / ("part" + suffix)
            _FORMATS[suffix][0](value, part)
            with part.open("rb+") as handle:
                os.fsync(handle.fileno())  # whole on the disk before it gets its name, even if the power fails
            os.replace(part, path)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return path

    def _remove_abandoned(self) -> None:
        """Removes what killed writers left behind: temporary folders that nobody has touched for an hour."""
        for folder in self.folder.glob(_WRITING + "*"):
            try:
                changed = max(path.stat().st_mtime for path in [folder, *folder.rglob("*")])
            except OSError:  # its writer has just finished
                continue
            if time.time() - changed > _ABANDONED:
                shutil.rmtree(folder, ignore_errors=True)


def code_version(module: ModuleType) -> str:
    """Returns a short hash of a module's source and of the kit modules that it imports, directly or not.

    Args:
        module: A module with a source file, of the kit or your own.
    """
    if not getattr(module, "__file__", None):
        raise TypeError(f"`code` must be a module with a source file. Received: {module!r}.")
    package = Path(__file__).parent
    seen: dict[Path, bytes] = {}
    todo = [Path(module.__file__)]
    while todo:
        path = todo.pop()
        if path in seen or not path.exists():
            continue
        seen[path] = path.read_bytes()
        todo += [package / f"{name}.py" for name in _kit_imports(seen[path], inside=path.parent == package)]
    return hashlib.sha256(b"\0".join(seen[path] for path in sorted(seen))).hexdigest()[:12]


def _kit_imports(source: bytes, inside: bool) -> list[str]:
    """Returns the names in a source's imports that may be kit modules."""
    names: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [
                alias.name.removeprefix("recsys_kit.") for alias in node.names if alias.name.startswith("recsys_kit.")
            ]
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if module == "recsys_kit" or (inside and node.level and not module):
                names += [alias.name for alias in node.names]
            elif module.startswith("recsys_kit.") or (inside and node.level):
                names.append(module.removeprefix("recsys_kit."))
    return names


def _there(base: Path) -> Path | None:
    """Returns the file of an artifact that was built before."""
    paths = (base.with_name(base.name + suffix) for suffix in _FORMATS)
    return next((path for path in paths if path.exists()), None)


def _suffix(value: Any) -> str:
    if isinstance(value, pd.DataFrame):
        return ".parquet"
    if hasattr(value, "get_config") and hasattr(value, "save"):
        return ".keras"
    if isinstance(value, dict) and value and all(isinstance(v, np.ndarray) for v in value.values()):
        return ".npz"
    return ".json"


def _plain(value: Any) -> Any:
    """Turns what JSON does not know into what it does: NumPy scalars, times and paths."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, pd.Timestamp | Path):
        return str(value)
    raise TypeError(f"JSON can't hold a {type(value).__name__}")


def _read(path: Path) -> Any:
    try:
        return _FORMATS[path.suffix][1](path)
    except Exception as error:
        raise OSError(f"{path} can't be read ({error}). Delete it, and it is built again.") from error


def _read_keras(path: Path) -> Any:
    import keras

    from recsys_kit import transformer  # noqa: F401  (registers the kit's layers)

    return keras.models.load_model(path)


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


_FORMATS: dict[str, tuple[Callable, Callable]] = {
    ".parquet": (lambda value, path: value.to_parquet(path), pd.read_parquet),
    ".keras": (lambda value, path: value.save(path), _read_keras),
    ".npz": (_write_npz, _read_npz),
    ".json": (
        lambda value, path: path.write_text(json.dumps(value, default=_plain), encoding="utf-8"),
        lambda path: json.loads(path.read_text(encoding="utf-8")),
    ),
}
