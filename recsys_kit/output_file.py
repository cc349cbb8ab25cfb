"""Files that a command is asked to write: checked before the work begins, then written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from recsys_kit.workspace import atomic

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TABLES", "check", "check_folder", "without_formulas", "write", "write_table"]

TABLES = (".parquet", ".csv")
"""How the name of a table's file may end."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""How a formula starts for a spreadsheet; the last four are the wide forms of the first four."""


def check(path: str | Path, suffixes: Sequence[str] = ()) -> Path:
    """Returns the path of a file that can be written, `~` spelt out; complains before anything is computed.

    Args:
        path: The file.
        suffixes: How its name may end; empty: as it likes.

    Raises:
        ValueError: If it has another ending, is a folder, or its folder is missing or can't be written to.
    """
    path = Path(path).expanduser()
    if suffixes and path.suffix not in suffixes:
        raise ValueError(f"the file must end in {' or '.join(suffixes)}. Received: {path.name}")
    if path.is_dir():
        raise ValueError(f"{path} is a folder: name a file in it")
    if not path.resolve().parent.is_dir():
        raise ValueError(f"the folder of {path} does not exist")
    if path.exists() and not os.access(path, os.W_OK):
        raise ValueError(f"{path} can't be written to: it is read-only")
    if not _is_device(path):
        _try_folder(path.resolve().parent)  # what the rights say is not enough: the disk may be read-only
    return path


def check_folder(path: str | Path) -> Path:
    """Returns a folder that can be written to or made, `~` spelt out; complains before anything is computed."""
    path = Path(path).expanduser()
    there = next(part for part in (path.absolute(), *path.absolute().parents) if part.exists())
    if not there.is_dir():
        raise ValueError(f"{path} can't be a folder: {there} is a file")
    _try_folder(there)
    return path


def write(path: str | Path, fill: Callable[[Path], object]) -> Path:
    """Writes a file whole or not at all, as `workspace.atomic` does; a device is written through.

    Args:
        path: The file; its folder must exist.
        fill: Writes the content to the path that it is given.
    """
    path = Path(path)
    if _is_device(path):
        fill(path)
        return path
    with atomic(path) as part:
        fill(part)
    return path


def write_table(path: str | Path, table: pd.DataFrame, texts: Sequence[str] = ()) -> Path:
    """Writes a table as Parquet or CSV, by the file's ending (`TABLES`), whole or not at all.

    Args:
        path: The file; its folder must exist.
        table: The table; its index is not written.
        texts: Columns in which, in CSV, no text may be a formula; see `without_formulas`.
    """
    if Path(path).suffix == ".parquet":
        return write(path, lambda part: table.to_parquet(part, index=False))
    safe = without_formulas(table, texts)
    return write(path, lambda part: safe.to_csv(part, index=False, encoding="utf-8"))


def without_formulas(table: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Returns a table for CSV in which no text of these columns is a formula to a spreadsheet: `'` stands before it.

    Ids are none of these columns: whatever they look like, they must stay what they are.

    Args:
        table: The table.
        columns: Columns of text to read.

    Example:
        >>> import pandas as pd
        >>> without_formulas(pd.DataFrame({"title": ["=1+1", "Tea"]}), ["title"])["title"].tolist()
        ["'=1+1", 'Tea']
    """
    safe = {
        name: [f"'{text}" if isinstance(text, str) and text.startswith(_FORMULA) else text for text in table[name]]
        for name in columns
    }
    return table.assign(**safe)


def _is_device(path: Path) -> bool:
    """Whether a path leads to something that must be written through, such as `/dev/stdout` (a link)."""
    return path.exists() and (path.is_symlink() or not path.is_file())


def _try_folder(folder: Path) -> None:
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ValueError(f"nothing can be written to the folder {folder}: {error.strerror}") from None
