"""Your own shop: a folder with `events.*` and, if you have them, `items.*`, `users.*` and `shop.json`."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from recsys_kit.datasets import column_names, csv_files, entry, pictures, shop_json, tables, theirs, timestamps
from recsys_kit.datasets import files as table_files
from recsys_kit.datasets.layout import COMPRESSIONS
from recsys_kit.datasets.shop_json import Reading
from recsys_kit.datasets.tables import DataError, Shop

__all__ = ["find_file", "read_shop", "read_table"]

# What an optional column holds where the shop's files say nothing.
_DEFAULTS: dict[str, dict[str, Any]] = {
    "events": {
        "event_type": "purchase",
        "quantity": 1.0,
        "price": float("nan"),
        "discount": 0.0,
        "store_id": "unknown",
    },
    "items": {
        "category": "unknown",
        "product_type": "unknown",
        "department": "unknown",
        "brand": "unknown",
        "size": "unknown",
        "is_merchandise": True,
    },
    "users": {},
}
_OTHER_FORMS = (
    r"(\.(csv|parquet|pq|tsv|txt|xlsx?|ods|jsonl?|ndjson|feather|avro|orc))?(\.(gz|zip|bz2|xz|zst))?"  # or a folder
)
_PLAIN = (".csv", ".parquet")
_FORMS = (*table_files.ENDINGS, *(csv + ending for csv in csv_files.ENDINGS for ending in COMPRESSIONS.values()))
_MAY_BE_EMPTY = ("price", "discount")  # a price that is not known is not a price of 0


def read_shop(folder: str | Path, timezone: str = "") -> Shop:
    """Reads a shop from a folder, checks it against the canonical schemas and fills in what is optional.

    `events.csv` or `events.parquet` needs the columns `user_id`, `item_id` and `timestamp`; the others of
    `recsys_kit.datasets` are optional, and columns that the kit doesn't know are kept. Ids stay text ("00123" keeps its
    zeros). A timestamp is ISO 8601, such as 2024-05-31 17:05:00 or 2024-05-31T17:05+02:00, and is read as UTC if it
    carries no time zone. `price` is what was paid for one unit. `shop.json` may hold `name`, `timezone` (such as
    "Europe/Paris"), `currency`, and what is different in the files: `columns`, `event_types`, `timestamp`, `format`
    (see `shop_json`).

    What is filled in is said in the notes of the result. An item that `items.*` doesn't know keeps its events (cleaning
    counts them); without an `items.*` the items are those of the events. A user that `users.*` doesn't know gets a row.

    Args:
        folder: The folder.
        timezone: IANA name of the shop's time zone; empty: the one in `shop.json`, else UTC.

    Raises:
        DataError: If files are missing or unreadable or break a rule. The message lists all problems, each with file,
            column, rule, number of rows and the first of them, numbered as in a spreadsheet (the header is row 1); in
            a Parquet file the first row is row 1.
    """
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise DataError(f"{folder}: {'is not a folder' if folder.exists() else 'the folder does not exist'}.")
    chosen = shop_json.read(folder, timezone)
    found: dict[str, pd.DataFrame] = {}
    messages: list[str] = []
    notes: list[str] = []
    names: dict[str, str] = {}
    for table in ("events", "items", "users", "promotions"):
        read: list[str] = []
        how = chosen.readings[table]
        try:
            path = find_file(folder, table)
            if path is None:
                continue
            raw = theirs.read(path, table, how, read)
        except DataError as error:
            messages.append(str(error))
            continue
        frame, broken, reported = table_files.convert(raw, table, path.name, notes, how.clock, how.layout.decimal)
        if table == "events":
            broken += entry.event_words(frame, path.name)
        if table == "items":
            broken += pictures.broken(frame, folder, path.name)
        if table != "promotions":
            frame = _fill(frame, table, path.name, chosen.timezone, notes)
        if "basket_id" in frame:  # empty only where user or timestamp is, and that is said already
            reported["basket_id"] = frame.index[frame["basket_id"].isna()]
        broken += tables.problems(frame, table, path.name, reported, list(raw.columns))
        if table == "events" and "timestamp" in raw:
            _say_zone(raw["timestamp"], how, chosen.timezone, path.name, notes)
        messages += broken + (read if broken else [])  # whoever looks for a row must know how they are counted
        notes += read
        found[table], names[table] = frame.reset_index(drop=True), path.name
    for table in ("events", "promotions"):
        if "items" in found and all("item_id" in found.get(name, ()) for name in (table, "items")):
            messages += entry.unknown_items(found[table], table, found["items"], names[table], notes)
    if messages:
        raise DataError(f"{folder}: the shop can't be read.\n" + "\n".join(messages))
    events = found["events"]
    notes += entry.stand_ins(events, names["events"])
    shop = Shop(
        name=chosen.name or folder.resolve().name,
        events=events,
        items=_items(found.get("items"), events, notes),
        users=_users(found.get("users"), events, notes),
        timezone=chosen.timezone,
        fingerprint="",
        currency=chosen.currency,
        notes=tuple(notes),
    )
    return replace(shop, fingerprint=tables.fingerprint(shop))


def read_table(folder: str | Path, table: str) -> pd.DataFrame | None:
    """Reads a table that a shop may have beside its own, checked as the others are: `promotions` or `queries`.

    Args:
        folder: The shop's folder.
        table: Name of the table.

    Returns:
        The table as its file has it, with the kit's names and types; None if the folder holds no such file.

    Raises:
        DataError: If the file breaks a rule.
    """
    path = find_file(Path(folder), table)
    if path is None:
        return None
    how = shop_json.read(Path(folder)).readings[table]
    raw = theirs.read(path, table, how)
    frame, messages, reported = table_files.convert(raw, table, path.name, clock=how.clock, decimal=how.layout.decimal)
    messages += tables.problems(frame, table, path.name, reported, list(raw.columns))
    if messages:
        raise DataError("\n".join(messages))
    return frame


def find_file(folder: Path, table: str) -> Path | None:
    """Returns the file of a table in a shop's folder, None if there is none.

    That is the CSV or Parquet file; where there is neither, one that is packed, `.tsv`, `.txt` or Excel.

    Raises:
        DataError: If there are two, if the table is there in a form that is not read, or if it is `events` and there
            is none.
    """
    there = [ending for ending in _FORMS if (folder / f"{table}{ending}").exists()]
    paths = [folder / f"{table}{ending}" for ending in [form for form in there if form in _PLAIN] or there]
    if len(paths) > 1:
        raise DataError(f"{paths[0].name} and {paths[1].name} are both there: keep one.")
    if not paths:
        names = sorted(path.name for path in folder.iterdir())
        other = next((name for name in names if re.fullmatch(table + _OTHER_FORMS, name, re.IGNORECASE)), "")
        if other:
            raise DataError(f"{other}: is not read. Save it as {table}.csv (CSV in UTF-8) or {table}.parquet.")
        if table == "events":
            there = ", ".join(names[:10]) or "nothing"
            raise DataError(f"events.csv or events.parquet is missing. The folder holds: {there}.")
    return paths[0] if paths else None


def _fill(frame: pd.DataFrame, table: str, file: str, timezone: str, notes: list[str]) -> pd.DataFrame:
    """Fills optional columns that are absent, and gaps in those that are there; says so in `notes`."""
    columns: dict[str, pd.Series] = {}
    absent: list[str] = []
    for name, default in _DEFAULTS[table].items():
        shown = default if isinstance(default, str | bool) else "unknown" if default != default else f"{default:g}"
        if name not in frame:
            columns[name] = pd.Series(default, frame.index, dtype="str" if isinstance(default, str) else None)
            other = column_names.suggest(name, frame.columns)
            absent.append(f"{name} = {shown}" + (f" (is it `{other}`? Then rename it)" if other else ""))
        else:
            gaps = 0 if name in _MAY_BE_EMPTY else int(frame[name].isna().sum())
            columns[name] = frame[name].fillna(default) if gaps else frame[name]
            if gaps:
                notes.append(f"{file}: {gaps:,} empty values of `{name}` are filled with {shown}.")
    if table == "items" and "item_id" in frame:
        columns["title"] = frame["title"].fillna(frame["item_id"]) if "title" in frame else frame["item_id"]
        columns["is_merchandise"] = columns["is_merchandise"].astype(bool)
        if "image" in frame:
            columns["image"] = frame["image"].mask(frame["image"].str.strip() == "")  # no picture is no fault
    if table == "events" and {"user_id", "timestamp"} <= set(frame):
        columns["basket_id"] = _baskets(frame, timezone, file, notes)
    if table == "events":
        columns["event_type"] = columns["event_type"].astype("category")
    if absent:
        notes.append(f"{file}: columns that are not there are filled in: {', '.join(absent)}.")
    known = [name for name in tables.schema(table).columns if name in frame or name in columns]
    others = [name for name in frame if name not in known]
    return pd.DataFrame({name: columns.get(name, frame.get(name)) for name in known + others}, index=frame.index)


def _baskets(frame: pd.DataFrame, timezone: str, file: str, notes: list[str]) -> pd.Series:
    """Returns basket ids: the file's own, else a user's purchases of one local day. A basket belongs to one user."""
    own = frame["basket_id"] if "basket_id" in frame else pd.Series(float("nan"), frame.index, dtype="str")
    if own.notna().any():
        pairs = pd.DataFrame({"user": frame["user_id"], "basket": own}).dropna().drop_duplicates()
        shared = int(pairs["basket"].duplicated().sum())
        if shared:
            notes.append(f"{file}: {shared:,} basket ids are used by several users; the user id is put before each.")
            own = frame["user_id"] + " " + own
    gaps = own.isna()
    if gaps.any():
        codes, days = pd.factorize(frame["timestamp"].dt.tz_convert(timezone).dt.normalize())
        labels = pd.Series([*days.strftime("%Y-%m-%d"), None], dtype="str")
        own = own.fillna(frame["user_id"] + " " + labels.iloc[codes].set_axis(frame.index))
        other = "" if "basket_id" in frame else column_names.suggest("basket_id", frame.columns)
        hint = f" (Is `{other}` the basket? Then call it `basket_id`.)" if other else ""
        notes.append(
            f"{file}: {int(gaps.sum()):,} rows name no basket; what a user buys on one local day is one.{hint}"
        )
    return own


def _say_zone(times: pd.Series, how: Reading, timezone: str, file: str, notes: list[str]) -> None:
    clock = how.clock
    if clock.unit or "%z" in clock.format.lower():  # numbers count from a moment; the others name their zone
        return
    known = int(times.notna().sum())
    without = known if clock.format else timestamps.zoneless(times)
    if without:
        which = "the timestamps carry" if without == known else f"{without:,} of {known:,} timestamps carry"
        clock_of = "UTC" if clock.timezone == "UTC" else f"the clock of {clock.timezone}, as shop.json says"
        notes.append(f"{file}: {which} no time zone and are read as {clock_of}.")
    days = without == known and times.dropna().astype("str").str.len().max() <= 10
    if days and timezone != clock.timezone == "UTC":
        notes.append(
            f"{file}: the timestamps are dates, read as midnight UTC; by the clock of {timezone} that may be the day "
            "before. Give them a time of day, such as 12:00."
        )


def _items(items: pd.DataFrame | None, events: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    if items is not None:
        return items
    notes.append("There is no items file: the items are those of the events, without titles or categories.")
    ids = pd.DataFrame({"item_id": events["item_id"].drop_duplicates().sort_values(ignore_index=True)})
    return _fill(ids, "items", "items", "UTC", [])


def _users(users: pd.DataFrame | None, events: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    ids = pd.DataFrame({"user_id": events["user_id"].drop_duplicates().sort_values(ignore_index=True)})
    if users is None:
        notes.append("There is no users file: nothing is known about the users but what they do.")
        return ids
    new = ids[~ids["user_id"].isin(users["user_id"])]
    if new.empty:
        return users
    notes.append(f"{len(new):,} users of the events are not in the users file; they get a row without attributes.")
    return pd.concat([users, new], ignore_index=True)
