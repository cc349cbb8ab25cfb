"""A plan becomes a shop's folder: tables read, taken through their steps, named, typed, checked and written."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from recsys_kit import output_file
from recsys_kit.conversion import sources, steps
from recsys_kit.conversion.steps import Ledger
from recsys_kit.datasets import files as table_files
from recsys_kit.datasets import own_shop, shop_json, tables, theirs
from recsys_kit.datasets.tables import DataError, Shop

__all__ = ["COUNTS", "OPEN", "check_folder", "check_plan", "make", "parts", "write"]

COUNTS = "conversion.json"
"""File beside the tables that says how many rows became what; its presence says that `convert` made the tables."""

OPEN = "?"
"""What a plan holds where its owner has to decide."""

_KEYS = ("file", "query", "optional", "format", "steps", "columns", "values", "event_types", "timestamp")


def parts(plan: Mapping[str, Any], table: str) -> list[dict[str, Any]]:
    """Returns the parts of a table; one alone may stand without a list around it."""
    found = plan.get("tables", {}).get(table, [])
    return list(found) if isinstance(found, list) else [found]


def check_plan(plan: Mapping[str, Any]) -> None:
    """Refuses a plan that is not one, or in which something is still open.

    Args:
        plan: What `convert` in `shop.json` holds.

    Raises:
        DataError: If it breaks a rule.
    """
    unknown = set(plan.get("tables", {})) - set(shop_json.TABLES)
    if unknown or "events" not in plan.get("tables", {}):
        wrong = f"`{min(unknown)}` is no table" if unknown else "there must be `events`"
        raise DataError(f"shop.json: `convert.tables`: {wrong}. There are: {', '.join(shop_json.TABLES)}.")
    for table in plan["tables"]:
        for part in parts(plan, table):
            where = f"shop.json: `convert.tables.{table}`"
            if not isinstance(part, dict) or ("file" in part) == ("query" in part):
                raise DataError(f"{where} must have a `file` or a `query`. Received: {part!r}.")
            other = [key for key in part if key not in _KEYS]
            if other:
                raise DataError(f"{where}: `{other[0]}` is no key. There are: {', '.join(_KEYS)}.")
            if OPEN in json.dumps([part.get(key) for key in ("columns", "event_types", "timestamp")]):
                raise DataError(f'{where} still holds "{OPEN}": write there what it is. It is: {part!r}.')
            shop_json.reading(part, where)


def make(plan: Mapping[str, Any], source: Any) -> tuple[dict[str, pd.DataFrame], dict[str, Ledger]]:
    """Makes the tables of a plan.

    Args:
        plan: What `convert` in `shop.json` holds.
        source: Where the tables come from: it has `matching` and `read`.

    Returns:
        The tables, typed; and for each how many rows went where.

    Raises:
        DataError: If something is missing, or breaks a rule of the tables.
    """
    check_plan(plan)
    made, ledgers, messages = {}, {}, []
    for table in plan["tables"]:
        ledger, found = Ledger(), []
        for part in parts(plan, table):
            frame = _part(table, part, source, ledger)
            if frame is not None:
                found.append(frame)
        if not found:
            continue
        whole = pd.concat([frame for frame, _ in found], ignore_index=True)
        key = {"items": "item_id", "users": "user_id"}.get(table)
        if key:  # parts of a table may know the same item
            once = whole.drop_duplicates(key, ignore_index=True)
            ledger.count(ledger.merged, f"the same `{key}` again", len(whole) - len(once))
            whole = once
        ledger.written = len(whole)
        assert ledger.adds_up(), f"{table}: {ledger}"
        messages += [message for _, problems in found for message in problems]
        if table == "queries":  # the others are checked as those of any shop, when they are read
            messages += tables.problems(whole, table, table)
        made[table], ledgers[table] = whole, ledger
    if messages:
        raise DataError("the tables can't be made.\n" + "\n".join(messages))
    return made, ledgers


def check_folder(folder: Path, source: str) -> None:
    """Refuses a folder whose tables are somebody's own, before anything is read.

    Args:
        folder: Where the shop goes.
        source: Where it comes from.

    Raises:
        DataError: If the folder holds tables that `convert` did not make, or is the source.
    """
    output_file.check_folder(folder)
    if not folder.exists():
        return
    if "://" not in source and folder.resolve() == Path(source).expanduser().resolve():
        raise DataError(f"{folder}: is the source itself. Name another folder for the tables.")
    mine = [table for table in shop_json.TABLES if _file_of(folder, table)]
    if mine and not (folder / COUNTS).exists():
        raise DataError(f"{folder}: holds {mine[0]} already, which was not made here. Name another folder.")


def write(
    folder: Path,
    made: Mapping[str, pd.DataFrame],
    ledgers: Mapping[str, Ledger],
    settings: Mapping[str, Any],
) -> Shop:
    """Writes a shop's folder, all of it or nothing, after it was read as any shop is.

    Args:
        folder: The folder; made if it is missing. What an earlier conversion left there is replaced.
        made: The tables.
        ledgers: How many rows went where.
        settings: What goes into `shop.json`.

    Raises:
        DataError: If the shop can't be read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".convert_") as work:
        new = Path(work)
        for table, frame in made.items():
            frame.to_parquet(new / f"{table}.parquet", index=False)
        _json(new / shop_json.FILE, settings)
        _json(new / COUNTS, {table: asdict(ledger) for table, ledger in ledgers.items()})
        try:
            shop = own_shop.read_shop(new)
        except DataError as error:
            raise DataError(str(error).replace(str(new), str(folder))) from None
        for table in shop_json.TABLES:
            old = _file_of(folder, table)
            if old:
                old.unlink()
        for path in sorted(new.iterdir()):
            shutil.move(path, folder / path.name)
    return shop


def _part(table: str, part: Mapping[str, Any], source: Any, ledger: Ledger):
    how = shop_json.reading(part, f"shop.json: `convert.tables.{table}`")
    name = part.get("file") or part["query"]
    name = name if isinstance(name, str) else ", ".join(name)
    frame = _read(source, part, how.layout, ledger.notes)
    if frame is None:
        if part.get("optional"):
            ledger.notes.append(f"There is no {name}.")
            return None
        raise DataError(f"convert: `{name}` of the table {table} is not there. There are: {', '.join(source.names())}.")
    ledger.read += len(frame)

    def other(step: Mapping[str, Any]) -> pd.DataFrame:
        layout = shop_json.reading(step, f"shop.json: the step {dict(step)!r}").layout
        found = _read(source, {"file": step["join"]}, layout, ledger.notes)
        if found is None:
            raise DataError(f"convert: `{step['join']}` is not there. There are: {', '.join(source.names())}.")
        return found

    frame = steps.apply(frame, part.get("steps", ()), ledger, other)
    missing = [column for column in how.columns if column not in frame]
    if missing:
        raise DataError(f"convert: `{name}` lacks the column `{missing[0]}`. It has: {', '.join(frame)}.")
    named = pd.DataFrame({ours: frame[column] for column, ours in how.columns.items()})
    named = named.assign(**part.get("values", {}))
    if how.event_types:
        notes: list[str] = []
        kept = theirs.translated(named, how.event_types, name, notes)
        ledger.count(ledger.dropped, "an event that is ignored", len(named) - len(kept))
        named = kept
    named = named.reset_index(drop=True)
    typed, messages, _ = table_files.convert(named, table, name, ledger.notes, how.clock, how.layout.decimal)
    return typed, messages


def _read(source: Any, part: Mapping[str, Any], layout, notes: list[str]) -> pd.DataFrame | None:
    """Returns all files of a pattern as one table, None if there is none."""
    if "query" in part:
        if not hasattr(source, "query"):
            raise DataError(f"convert: a query needs a database, and the source has files. It is: {part['query']}")
        return source.query(part["query"])
    names = source.matching(part["file"])
    frames = [source.read(name, layout, notes) for name in names]
    for name, frame in zip(names, frames, strict=True):
        if sorted(frame) != sorted(frames[0]) and not sources.is_json(name):  # JSON leaves out keys without a value
            raise DataError(
                f"convert: {names[0]} and {name} are read as one table and must have the same columns. "
                f"{names[0]} has: {', '.join(frames[0])}. {name} has: {', '.join(frame)}."
            )
    return pd.concat(frames, ignore_index=True) if frames else None


def _file_of(folder: Path, table: str) -> Path | None:
    found = [path for path in folder.glob(f"{table}.*") if path.suffix in (".parquet", ".csv", ".xlsx", ".gz", ".zip")]
    return found[0] if found else None


def _json(path: Path, values: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
