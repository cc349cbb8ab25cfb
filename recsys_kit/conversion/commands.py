"""`recsys-kit convert`: looks at a source, says what it is, and makes a shop's folder of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from recsys_kit.conversion import databases, making, matching, proposal, sources
from recsys_kit.conversion.proposal import Proposal
from recsys_kit.conversion.recipes import RECIPES
from recsys_kit.conversion.steps import Ledger
from recsys_kit.datasets import shop_json
from recsys_kit.datasets.tables import DataError

__all__ = ["convert"]

_OURS = ("name", "timezone", "currency", "convert")


def convert(source: str, folder: Path, yes: bool = False, recipe: str = "", say: Callable = print) -> None:
    """Makes a shop's folder of an export or a database, or proposes how.

    If the folder's `shop.json` holds a plan (`convert`), that is carried out. Otherwise a plan is proposed, with
    reasons, and written there; with `yes` it is carried out at once, but only a recipe that fits in all columns.

    Args:
        source: A file, a folder, a zip archive, or the address of a database (`sqlite:///`, `duckdb:///`,
            `postgresql://`).
        folder: Where the shop goes.
        yes: Carry a recipe out without asking.
        recipe: Name of a recipe; empty: found by the columns.
        say: Where lines go.

    Raises:
        DataError: If nothing fits, something is open, or the tables break a rule.
    """
    if recipe and recipe not in RECIPES:
        raise DataError(f"`--recipe` must be one of {', '.join(RECIPES)}. Received: {recipe}")
    folder = folder.expanduser()
    making.check_folder(folder, source)
    settings = _settings(folder)
    with _open(source) as tables:
        if recipe or "convert" not in settings:
            found = _proposed(tables, recipe, say, look=not yes)
            settings = found.plan if not settings else {**settings, "convert": found.plan["convert"]}
            if not yes:
                _write_proposal(folder, settings, source, found, say)
                return
            if found.doubts:
                doubts = "\n".join(f"  {doubt}" for doubt in found.doubts)
                raise DataError(f"--yes takes a recipe that fits whole, and nothing else. Open:\n{doubts}")
        shop_json.parse(settings, str(folder / shop_json.FILE))
        made, ledgers = making.make(settings["convert"], tables)
    shop = making.write(folder, made, ledgers, settings)
    for table, ledger in ledgers.items():
        say(_counted(table, ledger))
    for note in shop.notes:
        say(note)
    say(f"{folder}: {len(shop.events):,} events, {len(shop.items):,} items, {len(shop.users):,} users.")
    say(f"next: recsys-kit run --data {folder}, or: recsys-kit recommend --light --data {folder} --out lists.parquet")


def _open(source: str) -> AbstractContextManager[Any]:
    return databases.opened(source) if databases.is_address(source) else sources.opened(source)


def _settings(folder: Path) -> dict[str, Any]:
    path = folder / shop_json.FILE
    if not path.exists():
        return {}
    shop_json.read(folder)
    settings = json.loads(path.read_text(encoding="utf-8-sig"))
    theirs = [key for key in settings if key not in _OURS]
    if theirs:  # they would be applied to the tables that are made, whose words are the kit's
        raise DataError(f"{path}: `{theirs[0]}` belongs to a table here: put it into one of `convert.tables`.")
    return settings


def _proposed(tables: Any, recipe: str, say: Callable, look: bool) -> Proposal:
    """Returns settings with a plan: a recipe's if one fits, else one from the names of columns."""
    match = matching.best(tables, recipe)
    if match and not match.lacking:
        known = RECIPES[match.name]
        say(f"This is {known['title']}, recipe `{match.name}`: all its files and columns are there.")
        say(f"  columns as documented in {known['source']}")
        for table in match.plan["tables"]:
            for part in making.parts(match.plan, table):
                for name in tables.matching(part["file"]):
                    say(f"  {table} from {name}:")
                    for line in _previewed(tables, name, part) if look else ():
                        say(f"  {line}")
                for step in part.get("steps", ()):
                    if "why" in step:
                        say(f"    without: {step['why']}")
        for note in known["notes"]:
            say(f"  {note}")
        settings = {key: known[key] for key in ("timezone", "currency") if known.get(key)}
        return Proposal({"name": known["title"], **settings, "convert": match.plan})
    if match and recipe:
        raise DataError(f"the recipe {recipe} does not fit: {'; '.join(match.lacking[:5])}.")
    nearly = []
    if match:
        nearly = [f"it looks like {RECIPES[match.name]['title']}, but {'; '.join(match.lacking[:5])}"]
        say(f"Nearly the recipe `{match.name}`: {'; '.join(match.lacking[:5])}.")
    say("No recipe fits; by the names of the columns it could be:")
    try:
        found = proposal.propose(tables)
    except DataError as error:
        raise DataError("\n".join([*nearly, str(error)])) from None
    for line in found.reasons:
        say(f"  {line}")
    doubts = [*nearly, *found.doubts] or ["no recipe: look at the proposal, then run the command without --yes"]
    return Proposal({"convert": found.plan}, found.reasons, doubts)


def _previewed(tables: Any, name: str, part: dict[str, Any]) -> list[str]:
    """Returns a line for each column; those that a step makes have no values yet."""
    frame = tables.read(name, shop_json.reading(part).layout)
    there = {theirs: ours for theirs, ours in part["columns"].items() if theirs in frame}
    made = [
        f"  {theirs} → {ours}: made by the steps" for theirs, ours in part["columns"].items() if theirs not in there
    ]
    return [*proposal.preview(frame, there), *made]


def _write_proposal(folder: Path, settings: dict[str, Any], source: str, found: Proposal, say: Callable) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / shop_json.FILE
    path.write_text(json.dumps(settings, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    for doubt in found.doubts:
        say(f"To decide: {doubt}")
    say(f"Nothing is converted yet. Read {path} and change what is wrong in it; then the same command makes the shop:")
    say(f"  recsys-kit convert {databases.without_password(source)} {folder}")


def _counted(table: str, ledger: Ledger) -> str:
    lines = [f"{table}: {ledger.read:,} rows read, {ledger.written:,} written"]
    lines += [f"  {ledger.added:,} more from rows with lists"] if ledger.added else []
    lines += [f"  {count:,} left out: {why}" for why, count in ledger.dropped.items()]
    lines += [f"  {count:,} merged: {why}" for why, count in ledger.merged.items()]
    return "\n".join([*lines, *(f"  {note}" for note in ledger.notes)])
