"""The forms in which interactions are published, told apart by what the file holds; what could be two is refused.

- a table, CSV or Parquet, with the columns user_id, item_id and timestamp (also MovieLens's `ratings.csv`)
- RecBole's `.inter`: a header of `name:type`
- MovieLens's `ratings.dat`: `user::item::rating::timestamp`
- MovieLens's `u.data`: `user item rating timestamp`, the same user on several lines
- `user item`, one interaction a line in time order, the same user on several lines
- sequences: one user a line, its id, then its items in time order
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd

from recsys_kit.datasets.files import read_file

__all__ = ["interactions"]

_ROLES = {
    "user_id": ("userid", "user"),
    "item_id": ("itemid", "item", "movieid", "parentasin", "asin"),
    "timestamp": ("timestamp", "time"),
}
"""Names of the columns in well-known data sets, in lower case without `_`."""

_FIELDS = ["user_id", "item_id", "rating", "timestamp"]
_EARLIEST = 100_000_000  # seconds since 1970, in 1973: fourth fields from here on are times, not item ids
_HEADER = "a first line that names the fields, such as: user_id item_id timestamp"
_WANTED = f"Wanted: one user a line (user id, then its items in time order); or one interaction a line and {_HEADER}."


def interactions(path: str | Path) -> tuple[np.ndarray, np.ndarray, str]:
    """Returns the user and the item of each interaction, in time order for each user, and how the file was read.

    A rating is not looked at: whatever its value, the line is an interaction.

    Args:
        path: The file.

    Raises:
        ValueError: If it can't be read, a value is missing, or it could be meant in two ways.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise ValueError(f"{path}: {'is a folder, not a file' if path.is_dir() else 'there is no such file'}.")
    if path.suffix in (".csv", ".parquet"):
        return _table(path.name, read_file(path), "a table")
    lines = _lines(path)
    names, separator = _header(lines[0])
    if names:
        fields = [[part.strip() for part in line.split(separator)] for line in lines[1:]]
        return _table(path.name, _frame(path.name, fields, names, first=2), "a table with a header")
    if "::" in lines[0] and len(lines[0].split()) == 1:
        frame = _frame(path.name, [line.strip().split("::") for line in lines], _FIELDS, first=1)
        return _table(path.name, frame, "`user::item::rating::timestamp` on each line")
    return _headless(path.name, lines)


def _lines(path: Path) -> list[str]:
    """Returns the lines that hold something, without a byte order mark."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path.name}: is not UTF-8 text ({error.reason} at byte {error.start:,}).") from None
    if "\0" in text:
        raise ValueError(f"{path.name}: is not UTF-8 text (it holds zero bytes).")
    lines = [line for line in text.split("\n") if line.strip()]
    if not lines:
        raise ValueError(f"{path.name}: the file is empty.")
    return lines


def _header(line: str) -> tuple[list[str], str | None]:
    """Returns the names of a header and what separates them; no names if the line is none.

    Example:
        >>> _header("user_id:token item_id:token_seq")
        (['user_id', 'item_id_seq'], None)
        >>> _header("u1 i1 i2 i3")
        ([], None)
    """
    separator = next((mark for mark in "\t,;" if mark in line), None)
    names = [name.strip().strip('"') for name in line.split(separator)]
    typed = [re.fullmatch(r"([^:]+):(?:token|float)(_seq)?", name) for name in names]
    if all(typed):
        return [name[1] + (name[2] or "") for name in typed], separator
    known = {role for name in names for role, words in _ROLES.items() if _plain(name) in words}
    return (names, separator) if {"user_id", "item_id"} <= known else ([], None)


def _plain(name: str) -> str:
    return name.lower().replace("_", "")


def _frame(file: str, fields: list[list[str]], names: list[str], first: int) -> pd.DataFrame:
    """Returns lines of fields as a table whose index numbers the lines that are not empty."""
    bad = [i for i, line in enumerate(fields) if len(line) != len(names)]
    if bad:
        raise ValueError(
            f"{file}: a line holds {len(names)} fields ({', '.join(names)}). Not so in {len(bad):,} of "
            f"{len(fields):,}, the first is line {bad[0] + first}, with {len(fields[bad[0]])}."
        )
    table = pd.DataFrame(fields, columns=names, dtype="str").replace("", None)
    return table.set_axis(table.index + first)


def _table(file: str, table: pd.DataFrame, how: str) -> tuple[np.ndarray, np.ndarray, str]:
    """Returns the user and the item of each row of a table, in time order."""
    found = {role: _column(file, table, role) for role in _ROLES}
    missing = [role for role, name in found.items() if name is None]
    if missing:
        columns = ", ".join(map(str, table.columns))
        raise ValueError(f"{file}: no column {', '.join(missing)}. Found: {columns}. The first line must name them.")
    if table.empty:
        raise ValueError(f"{file}: has no rows.")
    columns = table[list(found.values())].set_axis(list(found), axis=1)
    for name in ("user_id", "item_id"):
        if pd.api.types.is_string_dtype(columns[name]):
            columns[name] = columns[name].str.strip().replace("", None)
    empty = columns.isna()
    if empty.any(axis=None):
        row = columns.index[empty.any(axis=1)][0]
        bad = ", ".join(columns.columns[empty.any()])
        raise ValueError(
            f"{file}: missing values in {bad}: {empty.any(axis=1).sum():,} of {len(table):,} rows, the first is {row}."
        )
    order = np.argsort(_times(file, columns["timestamp"]), kind="stable")
    rating = [name for name in table.columns if _plain(str(name)) == "rating"]
    unused = f"; `{rating[0]}` is not looked at: every row is an interaction" if rating else ""
    said = f"{how}, {len(table):,} rows in the order of `{found['timestamp']}`{unused}"
    return columns["user_id"].to_numpy()[order], columns["item_id"].to_numpy()[order], said


def _column(file: str, table: pd.DataFrame, role: str) -> str | None:
    names = [name for name in table.columns if _plain(str(name)) in _ROLES[role]]
    if role in table.columns or not names:
        return role if role in table.columns else None
    if len(names) > 1:
        raise ValueError(f"{file}: {' and '.join(map(repr, names))} may both be {role}. Rename the one that is meant.")
    return names[0]


def _times(file: str, values: pd.Series) -> np.ndarray:
    numbers = pd.to_numeric(values, errors="coerce").astype(values.dtype if values.dtype.kind in "iuM" else float)
    if numbers.dtype.kind == "f" and not np.isfinite(numbers).all():
        try:
            numbers = pd.to_datetime(values, utc=True)
        except ValueError as error:
            raise ValueError(f"{file}: `timestamp` must hold numbers or dates. {error}") from error
    return numbers.to_numpy()


def _headless(file: str, lines: list[str]) -> tuple[np.ndarray, np.ndarray, str]:
    """Reads lines without a header: it is the number of fields and of a user's lines that tells what they are."""
    first = Counter(line.split(maxsplit=1)[0] for line in lines)
    widths = Counter(len(line.split()) for line in lines)
    if 1 in widths:
        bad = [i + 1 for i, line in enumerate(lines) if len(line.split()) < 2]
        hint = " Fields separated by commas or semicolons need a first line with their names." * (
            "," in lines[bad[0] - 1] or ";" in lines[bad[0] - 1]
        )
        raise ValueError(f"{file}: a line holds a user id and item ids. Not so in {len(bad)}: {bad[:5]}.{hint}")
    user, most = first.most_common(1)[0]
    if most == 1 or set(widths) == {2}:
        said = "one user a line, its id, then its items in time order (no id begins two lines)"
        if most > 1:
            said = "`user item` on each line, in the order of the file (a user has up to {most:,} lines)"
        fields = [line.split() for line in lines]
        users = np.repeat(np.array([line[0] for line in fields], object), [len(line) - 1 for line in fields])
        items = np.array([item for line in fields for item in line[1:]], object)
        return users, items, said.format(most=most)
    if set(widths) == {4}:
        plain = {"dtype": "str", "quoting": csv.QUOTE_NONE, "na_filter": False}
        table = pd.read_csv(io.StringIO("\n".join(lines)), sep=r"\s+", names=_FIELDS, **plain)
        table.index += 1
        numbers = table[["rating", "timestamp"]].apply(pd.to_numeric, errors="coerce")
        if (
            numbers["rating"].notna().all()
            and numbers["timestamp"].between(_EARLIEST, np.inf, inclusive="left").all()
            and not table["timestamp"].isin(table["item_id"]).any()
        ):
            return _table(file, table, "`user item rating timestamp` on each line")
    shown = [i + 1 for i, line in enumerate(lines) if line.split(maxsplit=1)[0] == user][:3]
    raise ValueError(
        f"{file}: can't tell how it is meant: {user!r} begins {most:,} lines (such as {', '.join(map(str, shown))}), "
        f"and lines have {_span(widths)} fields. {_WANTED}"
    )


def _span(widths: Counter) -> str:
    low, high = min(widths), max(widths)
    return str(low) if low == high else f"{low} to {high}"
