"""Where foreign tables come from: a file, a folder or a zip archive of files. All values come as text."""

from __future__ import annotations

import bz2
import csv
import fnmatch
import gzip
import io
import json
import lzma
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from recsys_kit.datasets import files as table_files
from recsys_kit.datasets import packed
from recsys_kit.datasets.layout import Layout
from recsys_kit.datasets.tables import DataError

__all__ = ["Files", "as_text", "is_json", "opened"]

_LINES = (".json", ".jsonl", ".ndjson")
_OTHERS = (".dat", *_LINES)
_OPENERS = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
_START = 1 << 20  # bytes of a file that are looked at for its columns
_SEPARATORS = (",", ";", "\t", "|", "::")


class Files:
    """The files of a folder and the folders in it, each under its name.

    Args:
        folder: The folder, or one file.
    """

    def __init__(self, folder: Path):
        endings = (*table_files.ENDINGS, *_OTHERS)
        paths = [folder] if folder.is_file() else sorted(folder.rglob("*"))
        paths = [path for path in paths if path.is_file() and packed.bare(path).suffix.lower() in endings]
        paths = [path for path in paths if not any(part[0] in "._" for part in path.relative_to(folder.parent).parts)]
        self.paths: dict[str, Path] = {}
        for path in paths:
            name = path.name if path == folder else path.relative_to(folder).as_posix()
            self.paths[name] = path

    def names(self) -> list[str]:
        """Returns the names of all tables."""
        return list(self.paths)

    def as_part(self, name: str) -> dict[str, str]:
        """Returns how a plan names a table."""
        return {"file": name}

    def matching(self, pattern: str | list[str]) -> list[str]:
        """Returns the names that fit a pattern, whatever folder they lie in and whatever packs them.

        Args:
            pattern: As a shell understands it, such as "orders*.csv"; or a name, or a list of names.
        """
        exact = [pattern] if isinstance(pattern, str) else list(pattern)
        if all(name in self.paths for name in exact):
            return exact
        if not isinstance(pattern, str):
            return []
        found = []
        for name in self.paths:
            last = name.rpartition("/")[2].lower()
            if any(
                fnmatch.fnmatch(text, pattern.lower()) for text in (name.lower(), last, packed.bare(Path(last)).name)
            ):
                found.append(name)
        return found

    def columns(self, name: str, layout: Layout | None = None) -> list[str]:
        """Returns the names of a table's columns, or of its first line's values where a layout names them.

        Args:
            name: The table.
            layout: What is special about it.
        """
        path, layout = self.paths[name], layout or Layout()
        kind = packed.bare(path).suffix.lower()
        if kind == ".parquet":
            from pyarrow import parquet

            return [str(column) for column in parquet.read_schema(path).names]
        if kind in table_files.ENDINGS[-1:]:
            return list(table_files.read_file(path, layout))
        lines = _first_lines(path, layout.encoding)
        if kind in _LINES:
            return _keys(lines)
        first = lines[0] if lines else ""
        separator = layout.separator or max(_SEPARATORS, key=first.count)
        if len(separator) > 1 or not first:
            return first.split(separator) if first else []
        return [cell.strip() for cell in next(csv.reader(io.StringIO(first), delimiter=separator))]

    def read(self, name: str, layout: Layout | None = None, notes: list[str] | None = None) -> pd.DataFrame:
        """Reads a table; all single values are text.

        Args:
            name: The table.
            layout: What is special about it.
            notes: What was assumed is appended here.

        Raises:
            DataError: If it can't be read.
        """
        path = self.paths[name]
        if is_json(name):
            with packed.unpacked(path) as plain:
                return as_text(_json_lines(plain, name))
        return as_text(table_files.read_file(path, layout, notes)).reset_index(drop=True)


@contextmanager
def opened(source: str) -> Iterator[Files]:
    """Gives the files of a source while the block lasts; a zip archive of several is unpacked beside the work.

    Args:
        source: A file, a folder or a zip archive.

    Raises:
        DataError: If there is none, or no file in it that could be a table.
    """
    path = Path(source).expanduser()
    if not path.exists():
        raise DataError(f"{path}: does not exist.")
    if path.suffix.lower() == ".zip" and packed.bare(path).suffix.lower() not in (*table_files.ENDINGS, *_OTHERS):
        with tempfile.TemporaryDirectory(prefix="recsys_kit_") as folder:
            try:
                with zipfile.ZipFile(path) as archive:
                    archive.extractall(folder)
            except (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
                raise DataError(f"{path.name}: is no readable zip file: {error}.") from None
            yield _some(Files(Path(folder)), path)
    else:
        yield _some(Files(path), path)


def is_json(name: str) -> bool:
    """Whether a file holds JSON objects, one a line; its ending tells."""
    return packed.bare(Path(name)).suffix.lower() in _LINES


def as_text(frame: pd.DataFrame) -> pd.DataFrame:
    """Returns a table in which single values are text; lists and objects stay what they are.

    Args:
        frame: The table.

    Example:
        >>> as_text(pd.DataFrame({"a": [1, None], "b": [[1], [2]]})).iloc[0].tolist()
        ['1', [1]]
    """
    return pd.DataFrame({str(name): _texts(frame[name]) for name in frame}, index=frame.index)


def _texts(values: pd.Series) -> pd.Series:
    if values.dtype == object:
        known = values.dropna()
        if known.map(lambda value: isinstance(value, list | tuple | dict) or hasattr(value, "tolist")).any():
            return values
        return values.map(_text, na_action="ignore").astype("str")
    if pd.api.types.is_float_dtype(values) and (values.dropna() % 1 == 0).all():
        return values.astype("Int64").astype("string").astype("str")  # whole numbers with gaps
    if pd.api.types.is_extension_array_dtype(values) and not isinstance(values.dtype, pd.StringDtype):
        return values.astype("string").astype("str")
    return values.astype("str").where(values.notna())


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _json_lines(path: Path, name: str) -> pd.DataFrame:
    rows = []
    with path.open(encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                if line.strip():
                    rows.append(json.loads(line))
            except ValueError as error:
                raise DataError(f"{name}: line {number} is no JSON object: {error}.") from None
    if not all(isinstance(row, dict) for row in rows):
        raise DataError(f"{name}: must hold one JSON object a line.")
    return pd.DataFrame(rows, dtype=object)


def _keys(lines: list[str]) -> list[str]:
    """Returns the keys of JSON objects, one a line; exports leave out keys without a value."""
    found: dict[str, None] = {}
    for line in lines:
        try:
            found |= dict.fromkeys(json.loads(line))
        except (ValueError, TypeError):  # the last line is cut
            continue
    return list(found)


def _first_lines(path: Path, encoding: str) -> list[str]:
    try:
        if path.suffix == ".zip":
            with packed.unpacked(path) as plain:
                return _first_lines(plain, encoding)
        with _OPENERS.get(path.suffix, open)(path, "rb") as handle:
            start = handle.read(_START)
    except (OSError, EOFError, lzma.LZMAError) as error:
        raise DataError(f"{path.name}: can't be read: {error}.") from None
    wide = start[:2] in (b"\xff\xfe", b"\xfe\xff")
    return start.decode(encoding or ("utf-16" if wide else "utf-8-sig"), "replace").splitlines()


def _some(files: Files, path: Path) -> Files:
    if not files.paths:
        raise DataError(f"{path}: holds no table: no file that ends in {', '.join((*table_files.ENDINGS, *_OTHERS))}.")
    return files
