"""A table in the words of whoever exported it becomes one in the kit's: names of columns, and words for events."""

from __future__ import annotations

import difflib
from pathlib import Path

import pandas as pd

from recsys_kit.datasets import files as table_files
from recsys_kit.datasets.shop_json import IGNORE, Reading
from recsys_kit.datasets.tables import DataError

__all__ = ["read", "renamed", "translated"]

_SHOWN = 10  # words or columns that a message quotes


def read(path: Path, table: str, how: Reading, notes: list[str] | None = None) -> pd.DataFrame:
    """Reads a file of a shop's folder and gives its columns and event words the kit's names.

    Args:
        path: The file.
        table: The table that it holds.
        how: What `shop.json` says of it.
        notes: What was changed is appended here.

    Raises:
        DataError: If the file can't be read, or doesn't hold what `shop.json` says.
    """
    notes = [] if notes is None else notes
    frame = renamed(table_files.read_file(path, how.layout, notes), how.columns, path.name, notes)
    return translated(frame, how.event_types, path.name, notes) if table == "events" else frame


def renamed(frame: pd.DataFrame, columns, file: str, notes: list[str]) -> pd.DataFrame:
    """Returns a table whose columns have the kit's names.

    A name that the table lacks is an error unless it has none of the names at all: then they are another table's.

    Args:
        frame: The table.
        columns: Their name -> the kit's.
        file: Name that messages give the table.
        notes: What was renamed is appended here.

    Raises:
        DataError: If a column is missing, or two would have the same name.
    """
    known = {name: ours for name, ours in columns.items() if name in frame and name != ours}
    if not known:
        return frame
    missing = [name for name in columns if name not in frame and columns[name] not in frame]
    if missing:
        near = difflib.get_close_matches(missing[0], list(frame), n=1, cutoff=0.6)
        hint = f" Did you mean `{near[0]}`?" if near else ""
        there = ", ".join(list(frame)[: 4 * _SHOWN])
        raise DataError(
            f"{file}: `columns` in shop.json names `{missing[0]}`, which the file lacks.{hint} Columns found: {there}."
        )
    clash = [ours for name, ours in known.items() if ours in frame and ours not in known]
    if clash:
        raise DataError(
            f"{file}: `columns` in shop.json calls a column `{clash[0]}`, and the file has another of this name. Give "
            f'that one a new name, too: {{"{clash[0]}": "other_{clash[0]}"}}.'
        )
    notes.append(f"{file}: columns renamed as shop.json says: {', '.join(f'{a} -> {b}' for a, b in known.items())}.")
    return frame.rename(columns=known)


def translated(frame: pd.DataFrame, words, file: str, notes: list[str]) -> pd.DataFrame:
    """Returns the events in the kit's words, without those that are to be left out.

    Args:
        frame: The events, with the kit's names of columns.
        words: Their word -> the kit's, or `IGNORE`; empty: they are the kit's already.
        file: Name that messages give the table.
        notes: What was left out is appended here.

    Raises:
        DataError: If there is no such column, or if it holds a word that is not named.
    """
    if not words:
        return frame
    if "event_type" not in frame:
        raise DataError(
            f"{file}: `event_types` in shop.json translates words, but there is no column `event_type`. Name it in "
            f'`columns`, such as {{"behavior": "event_type"}}. Columns found: {", ".join(frame)}.'
        )
    theirs = frame["event_type"].astype("str").str.strip()
    counts = theirs.value_counts()
    unknown = counts[[word not in words for word in counts.index]]
    if len(unknown):
        shown = ", ".join(f"{word!r} ({count:,})" for word, count in unknown.iloc[:_SHOWN].items())
        more = f" and {len(unknown) - _SHOWN:,} more" if len(unknown) > _SHOWN else ""
        raise DataError(
            f"{file}: `event_types` in shop.json must name every word of `event_type`. Not named: {shown}{more}. Say "
            f'what each is (purchase, view, cart, any other word), or {{"{unknown.index[0]}": "{IGNORE}"}}.'
        )
    ours = theirs.map(dict(words)).astype("str")
    ignored = theirs[ours == IGNORE]
    if len(ignored):
        shown = ", ".join(f"{word!r} ({count:,})" for word, count in ignored.value_counts().items())
        notes.append(f"{file}: {len(ignored):,} rows are left out, as shop.json says: {shown}.")
    return frame.assign(event_type=ours)[ours.fillna("") != IGNORE]
