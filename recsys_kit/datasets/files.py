"""One table file of your own shop, CSV or Parquet, read into columns that have their type."""

from __future__ import annotations

import csv
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from recsys_kit.datasets import tables
from recsys_kit.datasets.tables import DataError

__all__ = ["convert", "has_zone", "read_file"]

_TEXT = {
    "events": ("user_id", "item_id", "event_type", "basket_id", "store_id"),
    "items": ("item_id", "title", "category", "product_type", "department", "brand", "size"),
    "users": ("user_id",),
    "promotions": ("item_id",),
}
_NUMBERS = ("quantity", "price", "discount")
_PLAIN_NUMBER = r"-?(0|[1-9]\d{0,14})(\.\d+)?([eE][-+]?\d{1,2})?"  # "00123" is a code, not a number
_TRUTH = {"true": True, "false": False, "yes": True, "no": False, "1": True, "0": False}


def read_file(path: Path, encoding: str = "") -> pd.DataFrame:
    """Reads a CSV or Parquet file; the index of the result numbers the rows as a reader of the file would.

    A CSV file's header is row 1, as in a spreadsheet, and its values stay text. It may be separated by comma, semicolon
    or tab, and may start with a byte order mark. A Parquet file's first row is row 1.

    Args:
        path: The file.
        encoding: Encoding of a CSV file; empty: UTF-8, or UTF-16 if the file starts with that mark.

    Raises:
        DataError: If the file is empty, damaged, in another encoding, or names two columns alike.
    """
    if path.is_file() and not path.stat().st_size:
        raise DataError(f"{path.name}: is empty (0 bytes).")
    frame = _read_csv(path, encoding) if path.suffix == ".csv" else _read_parquet(path)
    twice = frame.columns[frame.columns.duplicated()].unique()
    if len(twice):
        raise DataError(f"{path.name}: two columns have the same name: {', '.join(map(repr, twice))}.")
    return frame


def convert(frame: pd.DataFrame, table: str, file: str) -> tuple[pd.DataFrame, list[str], dict[str, pd.Index]]:
    """Gives every column its type: ids and names text, amounts numbers, timestamps UTC.

    A column that the kit doesn't know is kept; in a CSV file it becomes numbers if every value in it is written as one.

    Args:
        frame: A table as `read_file` returns it.
        table: "events", "items" or "users".
        file: Name that messages give the table.

    Returns:
        The typed table, in which a value that can't be converted is empty; messages about these values; and their
        row numbers by column.
    """
    messages, reported, columns = [], {}, {}
    for name in frame.columns:
        values = frame[name]
        to_type, rule = _conversion(table, name, values, untyped=file.endswith(".csv"))
        columns[name] = to_type(values)
        bad = columns[name].isna() & values.notna() if rule else np.zeros(len(values), bool)
        if bad.any():
            messages.append(tables.problem(file, name, rule, values[bad], len(frame)))
            reported[name] = frame.index[bad]
    return pd.DataFrame(columns, index=frame.index), messages, reported


def has_zone(timestamps: pd.Series) -> bool:
    """Tells whether timestamps as read from a file carry a time zone (the first thousand are looked at)."""
    if isinstance(timestamps.dtype, pd.DatetimeTZDtype):
        return True
    head = timestamps.dropna().iloc[:1000].astype(str).str.strip()
    return len(head) > 0 and bool(head.str.contains(r":\d{2}.*(?:Z|[+-]\d{2}(?::?\d{2})?)$", case=False).all())


def _read_csv(path: Path, encoding: str) -> pd.DataFrame:
    with path.open("rb") as handle:
        start = handle.read(4096)
    if not encoding:
        encoding = "utf-16" if start[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
        if encoding != "utf-16" and b"\0" in start:
            raise DataError(f"{path.name}: is not UTF-8 text (it holds zero bytes). Save it as CSV in UTF-8.")
    try:
        with path.open(encoding=encoding, newline="") as handle:
            first = handle.readline()
            separator = max(",;\t", key=first.count)
            handle.seek(0)
            header = [name.strip() for name in next(csv.reader(handle, delimiter=separator))]
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # rows longer than the header
            frame = pd.read_csv(
                path,
                sep=separator,
                encoding=encoding,
                dtype="str",
                keep_default_na=False,  # an item may be called "NA" or "None"
                na_values=[""],
                skip_blank_lines=False,  # row numbers stay those of the file
                index_col=False,
            )
    except (UnicodeError, LookupError) as error:
        raise DataError(_encoding_message(path, encoding, error)) from None
    except (
        pd.errors.ParserError,
        pd.errors.ParserWarning,
        pd.errors.EmptyDataError,
        csv.Error,
        StopIteration,
    ) as error:
        raise DataError(f"{path.name}: is not a CSV table: {str(error).strip()}.") from None
    frame.columns = header
    frame.index += 2
    return frame.dropna(how="all")


def _encoding_message(path: Path, encoding: str, error: Exception) -> str:
    if not isinstance(error, UnicodeError):
        return f"{path.name}: the encoding {encoding!r} in shop.json is unknown."
    where = ""
    if encoding == "utf-8-sig":
        for number, line in enumerate(path.read_bytes().split(b"\n"), start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as broken:
                where = f" (line {number}: {line[max(0, broken.start - 15) : broken.end + 10]!r})"
                break
    return (
        f"{path.name}: is not in the encoding {encoding.removesuffix('-sig')}{where}. Save it as CSV in UTF-8, or name "
        'its encoding in shop.json, such as {"encoding": "latin-1"}, "cp1252" or "gb18030".'
    )


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        frame = pd.read_parquet(path)
    except Exception as error:  # pyarrow has many: invalid, truncated, not implemented
        raise DataError(f"{path.name}: is not a readable Parquet file: {error}") from None
    if frame.index.names != [None]:
        frame = frame.reset_index()
    frame.columns = frame.columns.map(str)
    frame.index = pd.RangeIndex(1, len(frame) + 1)
    return frame


def _conversion(
    table: str, name: str, values: pd.Series, untyped: bool
) -> tuple[Callable[[pd.Series], pd.Series], str]:
    """Returns how a column gets its type, and the rule that is broken by a value which that leaves empty."""
    if name in _TEXT[table]:
        return _text, ""
    if (table, name) in (("events", "timestamp"), ("promotions", "start")):
        unix = ' (Unix time? convert it first: pd.to_datetime(column, unit="s"))'
        hint = unix if pd.api.types.is_numeric_dtype(values) else ""
        return _timestamps, "must be a date and time such as 2024-05-31 17:05:00" + hint
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


def _timestamps(values: pd.Series) -> pd.Series:
    if pd.api.types.is_numeric_dtype(values):
        return pd.Series(pd.NaT, values.index, dtype=tables.TIMESTAMP)
    if pd.api.types.is_string_dtype(values):
        values = values.astype("str").str.strip()
        return pd.to_datetime(values, format="ISO8601", utc=True, errors="coerce").astype(tables.TIMESTAMP)
    return pd.to_datetime(values, utc=True, errors="coerce").astype(tables.TIMESTAMP)


def _numbers(values: pd.Series) -> pd.Series:
    try:
        numbers = values.astype("float64")
    except (TypeError, ValueError):
        numbers = pd.to_numeric(values, errors="coerce").astype("float64")
    return numbers.where(np.isfinite(numbers))


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
