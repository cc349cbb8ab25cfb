"""One table file of your own shop, CSV, Excel or Parquet, read into columns that have their type."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from recsys_kit.datasets import csv_files, spreadsheets, tables, timestamps
from recsys_kit.datasets.layout import Layout
from recsys_kit.datasets.tables import DataError
from recsys_kit.datasets.timestamps import Clock

__all__ = ["ENDINGS", "convert", "read_file"]

ENDINGS = (*csv_files.ENDINGS, ".parquet", spreadsheets.ENDING)
"""How the name of a table's file may end, before the ending of what packs it."""

_TEXT = {
    "events": ("user_id", "item_id", "event_type", "basket_id", "store_id"),
    "items": ("item_id", "title", "category", "product_type", "department", "brand", "size"),
    "users": ("user_id",),
    "promotions": ("item_id",),
    "queries": ("query_id", "query", "user_id", "item_id", "event_type"),
}
_NUMBERS = ("quantity", "price", "discount")
_PLAIN_NUMBER = r"-?(0|[1-9]\d{0,14})(\.\d+)?([eE][-+]?\d{1,2})?"  # "00123" is a code, not a number
_IDS = ("user_id", "item_id", "basket_id", "store_id", "query_id")
_ROUNDED = r"\s*\d(?:[.,]\d+)?[eE]\+\d{2,3}\s*"  # as spreadsheets, and floats, write a long number
_TRUTH = {"true": True, "false": False, "yes": True, "no": False, "1": True, "0": False}


def read_file(path: Path, layout: Layout | None = None, notes: list[str] | None = None) -> pd.DataFrame:
    """Reads a CSV, Excel or Parquet file; the index of the result numbers the rows as a reader of the file would.

    A CSV file's header is row 1, as in a spreadsheet, and its values stay text. It may be separated by comma,
    semicolon, tab or `|`, and may start with a byte order mark. A Parquet file's first row is row 1. A CSV or Parquet
    file may be a folder of part files with the same columns, and a CSV file may be packed.

    Args:
        path: The file.
        layout: What is special about a CSV file; None: nothing.
        notes: What was assumed is appended here.

    Raises:
        DataError: If the file is empty, damaged, in another encoding, or names two columns alike.
    """
    if path.suffix == ".parquet":
        return _read_parquet(path)
    if path.suffix == spreadsheets.ENDING:
        return spreadsheets.read(path, layout, notes)
    return csv_files.read(path, layout, notes)


def convert(
    frame: pd.DataFrame,
    table: str,
    file: str,
    notes: list[str] | None = None,
    clock: Clock | None = None,
    decimal: str = ".",
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
        clock: How times are written; None: ISO 8601.
        decimal: What stands before the decimals of a number that is a text; with "," a point groups thousands.

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
            to_type, rule = _conversion(table, name, values, untyped=not file.endswith(".parquet"))
            if to_type is _timestamps and clock:
                columns[name], rule = clock.read(values), clock.rule
            else:
                columns[name] = to_type(_pointed(values) if to_type is _numbers and decimal == "," else values)
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
    if (table, name) in (("events", "timestamp"), ("promotions", "start"), ("queries", "timestamp")):
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
    return Clock().read(values)


def _pointed(values: pd.Series) -> pd.Series:
    """Returns numbers with a decimal comma as numbers with a point; what is no such number stays what it is."""
    if not pd.api.types.is_string_dtype(values):
        return values
    text = values.astype("str").str.strip()
    fits = text.str.fullmatch(r"-?(\d+|\d{1,3}(\.\d{3})+)(,\d*)?").fillna(False).astype(bool)
    plain = text.str.replace(".", "", regex=False).str.replace(",", ".", regex=False)
    return plain.where(fits, "no number: " + text).where(values.notna())


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


_HINTS = {_timestamps: timestamps.hint, _numbers: _number_hint}
