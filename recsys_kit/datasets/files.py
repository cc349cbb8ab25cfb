"""One table file of your own shop, CSV or Parquet, read into columns that have their type."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

from recsys_kit.datasets import csv_files, tables
from recsys_kit.datasets.tables import DataError

__all__ = ["convert", "read_file", "zoneless"]

_TEXT = {
    "events": ("user_id", "item_id", "event_type", "basket_id", "store_id"),
    "items": ("item_id", "title", "category", "product_type", "department", "brand", "size"),
    "users": ("user_id",),
    "promotions": ("item_id",),
}
_NUMBERS = ("quantity", "price", "discount")
_PLAIN_NUMBER = r"-?(0|[1-9]\d{0,14})(\.\d+)?([eE][-+]?\d{1,2})?"  # "00123" is a code, not a number
_IDS = ("user_id", "item_id", "basket_id", "store_id")
_ROUNDED = r"\s*\d(?:[.,]\d+)?[eE]\+\d{2,3}\s*"  # as spreadsheets, and floats, write a long number
_PARTIAL = r"\d{4}(?:[-/. ]\d{1,2}|\d{2})?"  # a year, or a year and a month
_UNIX = ((1e8, "s"), (1e11, "ms"), (1e14, "us"), (1e17, "ns"), (1e20, ""))  # from 1973 on, and up to the next unit
_TRUTH = {"true": True, "false": False, "yes": True, "no": False, "1": True, "0": False}


def read_file(path: Path, encoding: str = "", notes: list[str] | None = None) -> pd.DataFrame:
    """Reads a CSV or Parquet file; the index of the result numbers the rows as a reader of the file would.

    A CSV file's header is row 1, as in a spreadsheet, and its values stay text. It may be separated by comma,
    semicolon, tab or `|`, and may start with a byte order mark. A Parquet file's first row is row 1. Either may be a
    folder of part files with the same columns.

    Args:
        path: The file.
        encoding: Encoding of a CSV file; empty: UTF-8, or UTF-16 if the file starts with that mark.
        notes: What was assumed is appended here.

    Raises:
        DataError: If the file is empty, damaged, in another encoding, or names two columns alike.
    """
    return csv_files.read(path, encoding, notes) if path.suffix == ".csv" else _read_parquet(path)


def convert(
    frame: pd.DataFrame, table: str, file: str, notes: list[str] | None = None
) -> tuple[pd.DataFrame, list[str], dict[str, pd.Index]]:
    """Gives every column its type: ids and names text, amounts numbers, timestamps UTC.

    Blanks around ids go, and so does the ".0" that programs write behind whole ids; a note says so. A column that the
    kit doesn't know is kept; in a CSV file it becomes numbers if every value in it is written as one, and lists or
    structs in a Parquet file become JSON text, so that rows can be compared.

    Args:
        frame: A table as `read_file` returns it.
        table: "events", "items", "users" or "promotions".
        file: Name that messages give the table.
        notes: What was changed is appended here.

    Returns:
        The typed table, in which a value that can't be converted is empty; messages about these values; and their
        row numbers by column.
    """
    notes = [] if notes is None else notes
    messages, reported, columns = [], {}, {}
    known = tables.schema(table).columns
    for name in frame.columns:
        values = frame[name]
        if _is_nested(values):
            if name in known:
                rule, hint, bad = "must hold one value a row, not lists or structs", "", values.notna()
                columns[name] = pd.Series(None, frame.index, dtype=_empty_type(table, name))
            else:
                columns[name] = values.map(_json, na_action="ignore").astype("str")
                notes.append(f"{file}: column `{name}` holds lists or structs; they are kept as JSON text.")
                continue
        else:
            to_type, rule = _conversion(table, name, values, untyped=file.endswith(".csv"))
            columns[name] = to_type(values)
            bad = columns[name].isna() & values.notna() if rule else np.zeros(len(values), bool)
            hint = _HINTS[to_type](values[bad].iloc[:1000]) if to_type in _HINTS and bad.any() else ""
        if bad.any():
            messages.append(tables.problem(file, name, rule + hint, values[bad], len(frame)))
            reported[name] = frame.index[bad]
        if name in _IDS:
            columns[name] = _tidy(columns[name], file, notes, may_be_empty=name not in ("user_id", "item_id"))
        elif name == "event_type":
            columns[name] = columns[name].mask(columns[name] == "")
    return pd.DataFrame(columns, index=frame.index), messages, reported


def zoneless(timestamps: pd.Series) -> int:
    """Counts the timestamps, as read from a file, that carry no time zone.

    Args:
        timestamps: The column.
    """
    if isinstance(timestamps.dtype, pd.DatetimeTZDtype):
        return 0
    if not pd.api.types.is_string_dtype(timestamps):
        return int(timestamps.notna().sum())
    known = timestamps.dropna().astype("str")
    zoned = known.str.contains(r":\d{2}.*(?:[Zz]|UTC|GMT|[+-]\d{2}(?::?\d{2})?)\s*$")
    return int((~zoned).sum())


def _read_parquet(path: Path) -> pd.DataFrame:
    if path.is_file() and not path.stat().st_size:
        raise DataError(f"{path.name}: is empty (0 bytes).")
    try:
        if path.is_dir():
            _check_parts(path)
        frame = pd.read_parquet(path)
    except DataError:
        raise
    except Exception as error:  # pyarrow has many: invalid, truncated, not implemented
        raise DataError(f"{path.name}: is not a readable Parquet file: {error}") from None
    if frame.index.names != [None]:
        frame = frame.reset_index()
    frame.columns = [str(name).strip() for name in frame.columns]
    frame.index = pd.RangeIndex(1, len(frame) + 1)
    tables.no_twins(frame, path.name)
    return frame


def _check_parts(path: Path) -> None:
    """Refuses part files with other columns than the first: they would be left out without a word."""
    from pyarrow import dataset

    fragments = list(dataset.dataset(path, format="parquet").get_fragments())
    for part in fragments[1:]:
        first, names = fragments[0].physical_schema.names, part.physical_schema.names
        if sorted(names) != sorted(first):
            raise DataError(
                f"{path.name}: parts must have the same columns. {Path(fragments[0].path).name} has: "
                f"{', '.join(first)}. {Path(part.path).name} has: {', '.join(names)}."
            )


def _conversion(
    table: str, name: str, values: pd.Series, untyped: bool
) -> tuple[Callable[[pd.Series], pd.Series], str]:
    """Returns how a column gets its type, and the rule that is broken by a value which that leaves empty."""
    if name in _IDS and name in _TEXT[table]:
        if pd.api.types.is_float_dtype(values):
            return _whole_ids, "must be text or whole numbers (a number of 16 or more digits has lost some as a float)"
        return _id_texts, (
            "must have all its digits, which the program that wrote it has rounded: make the column a text there and "
            "export it again"
        )
    if name in _TEXT[table]:
        return _text, ""
    if (table, name) in (("events", "timestamp"), ("promotions", "start")):
        return _timestamps, "must be a date and time such as 2024-05-31 17:05:00"
    if (table == "events" and name in _NUMBERS) or (table == "promotions" and name in tables.PROMOTIONS):
        return _numbers, "must be a number such as 1.99"
    if (table, name) == ("items", "is_merchandise"):
        return _truth, "must be true or false"
    return (_plain_numbers if untyped and not name.endswith("_id") else _as_is), ""


def _text(values: pd.Series) -> pd.Series:
    if pd.api.types.is_float_dtype(values):  # whole numbers with gaps: 12.0 -> "12"
        known = values.dropna()
        if (known % 1 == 0).all():
            return known.astype("int64").astype("str").reindex(values.index)
    if values.dtype == object:
        values = values.map(lambda value: value.decode("utf-8", "replace") if isinstance(value, bytes) else value)
    return values.astype("str")


def _whole_ids(values: pd.Series) -> pd.Series:
    return _text(values.where((values % 1 == 0) & (values.abs() < 2**53)))


def _id_texts(values: pd.Series) -> pd.Series:
    text = _text(values)
    if text.str.contains("+", regex=False).any():
        text = text.mask(text.str.fullmatch(_ROUNDED).fillna(False).astype(bool))
    return text


def _tidy(ids: pd.Series, file: str, notes: list[str], may_be_empty: bool) -> pd.Series:
    """Returns ids without what programs put around them, and says so: one customer is not two."""
    bare = ids.str.strip()
    changed = (bare != ids) & ids.notna()
    if changed.any():
        notes.append(
            f"{file}: {int(changed.sum()):,} values of `{ids.name}` had blanks around them, which are taken off; the "
            f"first: {ids[changed].iloc[0]!r}."
        )
        bare = bare.mask(changed & (bare == ""))
    if may_be_empty:
        bare = bare.mask(bare == "")
    decimal = bare.str.endswith(".0").fillna(False).astype(bool)
    if decimal.any() and bare.dropna().str.fullmatch(r"-?\d+(?:\.0)?").all():  # a column with gaps, from pandas
        notes.append(
            f'{file}: {int(decimal.sum()):,} values of `{ids.name}` are whole numbers written with ".0", which is '
            f"taken off; the first: {bare[decimal].iloc[0]!r}."
        )
        bare = bare.str.removesuffix(".0")
    return bare


def _empty_type(table: str, name: str) -> str:
    dtype = str(tables.schema(table).columns[name].dtype)
    return "str" if dtype == "category" else "object" if dtype == "bool" else dtype


def _is_nested(values: pd.Series) -> bool:
    if values.dtype != object:
        return False
    return any(isinstance(value, list | tuple | dict | set | np.ndarray) for value in values.dropna().iloc[:1000])


def _json(value: object) -> str:
    return json.dumps(
        value, ensure_ascii=False, default=lambda part: part.tolist() if hasattr(part, "tolist") else str(part)
    )


def _timestamps(values: pd.Series) -> pd.Series:
    if pd.api.types.is_numeric_dtype(values):
        return pd.Series(pd.NaT, values.index, dtype=tables.TIMESTAMP)
    if pd.api.types.is_string_dtype(values):
        values = values.astype("str").str.strip()
        named = values.str.endswith(("UTC", "GMT")).fillna(False).astype(bool)
        if named.any():
            values = values.mask(named, values.str.slice(stop=-3).str.rstrip() + "Z")
        short = (values.str.len() <= 7).fillna(False).astype(bool)
        if short.any():  # "2024-05" would become the first of the month
            values = values.mask(short)
        return pd.to_datetime(values, format="ISO8601", utc=True, errors="coerce").astype(tables.TIMESTAMP)
    return pd.to_datetime(values, utc=True, errors="coerce").astype(tables.TIMESTAMP)


def _time_hint(bad: pd.Series) -> str:
    """Returns what values that are no times may be, if all of them are of one kind."""
    text = bad.astype("str").str.strip()
    if text.str.fullmatch(_PARTIAL).all():
        return ", not a year or month alone"
    if not text.str.fullmatch(r"\d+(?:\.\d*)?(?:[eE]\+\d+)?").all():
        return ""
    size = text.astype("float64").median()
    if text.str.fullmatch(r"(?:19|20)\d{6}(?:\.0)?").all():
        return ' (dates in digits? convert them first: pd.to_datetime(column, format="%Y%m%d"))'
    if 20_000 <= size < 80_000:
        return ' (days of a spreadsheet? convert them first: pd.to_datetime(column, unit="D", origin="1899-12-30"))'
    for (least, unit), (most, _) in pairwise(_UNIX):
        if least <= size < most:
            return f' (Unix time? convert it first: pd.to_datetime(column, unit="{unit}"))'
    return ""


def _numbers(values: pd.Series) -> pd.Series:
    try:
        numbers = values.astype("float64")
    except (TypeError, ValueError):
        numbers = pd.to_numeric(values, errors="coerce").astype("float64")
    return numbers.where(np.isfinite(numbers))


def _number_hint(bad: pd.Series) -> str:
    commas = bad.astype("str").str.fullmatch(r"\s*-?[\d.]*\d,\d+\s*").all()
    return ", with a point where this has a comma" if commas else ""


def _truth(values: pd.Series) -> pd.Series:
    return values.map(lambda value: _TRUTH.get(str(value).strip().lower()), na_action="ignore").astype("object")


def _plain_numbers(values: pd.Series) -> pd.Series:
    """Turns a column that the kit doesn't know into numbers if every value in it is written as one."""
    if isinstance(values.dtype, pd.StringDtype) and values.notna().any():
        known = values.dropna()
        if known.str.fullmatch(_PLAIN_NUMBER).all():
            return pd.to_numeric(values)
    return values


def _as_is(values: pd.Series) -> pd.Series:
    return values


_HINTS = {_timestamps: _time_hint, _numbers: _number_hint}
