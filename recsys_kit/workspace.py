"""Artifacts on disk: what a notebook needs is loaded if it was built before, and built if not."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["Workspace", "code_version"]


class Workspace:
    """A folder of artifacts, addressed by what they were built from: data, parameters and code.

    An artifact is written under a temporary name and renamed when it is whole, so an interruption leaves nothing
    half-written; other data, other parameters or changed code have another address, so nothing stale is picked up.

    Example:
        >>> import tempfile
        >>> ws = Workspace(tempfile.mkdtemp())
        >>> ws.get("answer", lambda: {"value": 42}, params={"question": 6})
        {'value': 42}
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)

    def path(
        self, name: str, data: str = "", params: Mapping[str, Any] | None = None, code: ModuleType | None = None
    ) -> Path:
        """Returns the artifact's address without its suffix, whether it exists or not."""
        source = {"data": data, "params": dict(params or {}), "code": code_version(code) if code else ""}
        text = json.dumps(source, sort_keys=True, default=str)
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

        Args:
            name: What the artifact is called.
            build: Makes it: a DataFrame (stored as Parquet), a Keras model (.keras), a dict of arrays (.npz), or
                anything that JSON can hold.
            data: Fingerprint of the data it is built from.
            params: Parameters that it depends on.
            code: Module that builds it; a change in it, or in a kit module that it imports, changes the address.
        """
        base = self.path(name, data, params, code)
        for suffix, (_, read) in _FORMATS.items():
            path = base.with_name(base.name + suffix)
            if path.exists():
                return read(path)
        value = build()
        suffix = _suffix(value)
        path = base.with_name(base.name + suffix)
        folder = Path(tempfile.mkdtemp(prefix=".writing-", dir=self.folder))
        try:
            part = folder / ("part" + suffix)
            _FORMATS[suffix][0](value, part)
            os.replace(part, path)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return _FORMATS[suffix][1](path)


def code_version(module: ModuleType) -> str:
    """Returns a short hash of a module's source and of the kit modules that it imports, directly or not."""
    package = Path(__file__).parent
    seen: dict[str, bytes] = {}
    todo = [Path(module.__file__).stem]
    while todo:
        name = todo.pop()
        path = package / f"{name}.py"
        if name in seen or not path.exists():
            continue
        seen[name] = path.read_bytes()
        for node in ast.walk(ast.parse(seen[name])):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("recsys_kit"):
                todo += [node.module.rpartition(".")[2], *(alias.name for alias in node.names)]
    return hashlib.sha256(b"".join(seen[name] for name in sorted(seen))).hexdigest()[:12]


def _suffix(value: Any) -> str:
    if isinstance(value, pd.DataFrame):
        return ".parquet"
    if hasattr(value, "get_config") and hasattr(value, "save"):
        return ".keras"
    if isinstance(value, dict) and value and all(isinstance(v, np.ndarray) for v in value.values()):
        return ".npz"
    return ".json"


def _read_keras(path: Path) -> Any:
    import keras

    from recsys_kit import transformer  # noqa: F401  (registers the kit's layers)

    return keras.models.load_model(path)


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)


_FORMATS: dict[str, tuple[Callable, Callable]] = {
    ".parquet": (lambda value, path: value.to_parquet(path), pd.read_parquet),
    ".keras": (lambda value, path: value.save(path), _read_keras),
    ".npz": (lambda value, path: np.savez(path, **value), _read_npz),
    ".json": (
        lambda value, path: path.write_text(json.dumps(value), encoding="utf-8"),
        lambda p: json.loads(p.read_text(encoding="utf-8")),
    ),
}
