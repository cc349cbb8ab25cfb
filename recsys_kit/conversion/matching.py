"""Which recipe fits a source, and what is still missing for one that nearly does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from recsys_kit.conversion import steps
from recsys_kit.conversion.making import parts
from recsys_kit.conversion.recipes import RECIPES
from recsys_kit.datasets import shop_json
from recsys_kit.datasets.layout import Layout

__all__ = ["Match", "best", "match"]

_ANY = "*"


@dataclass(frozen=True)
class Match:
    """How a recipe fits a source.

    Args:
        name: The recipe's.
        plan: Its plan, with the names of the files where it leaves them open.
        lacking: What is missing, a sentence each; empty: it fits.
        found: How many of its files are there.
    """

    name: str
    plan: dict[str, Any]
    lacking: tuple[str, ...]
    found: int


def best(source: Any, name: str = "") -> Match | None:
    """Returns the recipe that fits a source; if none does, the one that nearly does; None if no file is known.

    Args:
        source: The tables: it has `names`, `matching` and `columns`.
        name: Look at this recipe only.
    """
    if name:
        return match(name, source)
    matches = [each for each in (match(recipe, source) for recipe in RECIPES) if each.found]
    return min(matches, key=lambda each: (len(each.lacking), -each.found), default=None)


def match(name: str, source: Any) -> Match:
    """Returns how a recipe fits a source.

    Args:
        name: Name of the recipe.
        source: The tables.
    """
    recipe, lacking, found, tables = RECIPES[name], [], 0, {}
    for table in recipe["tables"]:
        tables[table] = []
        for part in parts(recipe, table):
            resolved, missing, there = _resolved(part, source)
            found += there
            lacking += [] if part.get("optional") and not there else missing
            tables[table].append(resolved)
    plan = {"recipe": name, "tables": {table: made if len(made) > 1 else made[0] for table, made in tables.items()}}
    return Match(name, plan, tuple(dict.fromkeys(lacking)), found)


def _resolved(part: Mapping[str, Any], source: Any) -> tuple[dict[str, Any], list[str], int]:
    """Returns a part with the names of its files, what it lacks, and how many of them are there."""
    pattern, layout = part["file"], shop_json.reading(part).layout
    if pattern != _ANY:
        names = source.matching(pattern)
        if not names:
            return dict(part), [f"there is no file {pattern}"], 0
        missing = [f"{name}: {text}" for name in names for text in _lacking(part, name, layout, source)]
        return dict(part), missing, 0 if missing and _is_headless(layout) else len(names)
    names = [name for name in source.names() if not _lacking(part, name, layout, source)]
    if not names:
        return dict(part), ["no file has all its columns"], 0
    return {**part, "file": names[0] if len(names) == 1 else names}, [], len(names)


def _lacking(part: Mapping[str, Any], name: str, layout: Layout, source: Any) -> list[str]:
    """Returns which columns a file lacks for a part."""
    columns = source.columns(name, layout)
    if _is_headless(layout):
        count = len(layout.header)
        return [] if len(columns) == count else [f"{len(columns)} columns where {count} belong"]
    there, missing = set(columns), []
    for step in part.get("steps", ()):
        missing += [f"lacks the column `{column}`" for column in steps.needed(step) if column not in there]
        if "join" in step:
            others = source.matching(step["join"])
            missing += [] if others else [f"there is no file {step['join']} beside it"]
            join_layout = shop_json.reading(step).layout
            there |= {column for other in others[:1] for column in source.columns(other, join_layout)}
        there |= set(steps.created(step))
    missing += [f"lacks the column `{column}`" for column in part["columns"] if column not in there]
    return list(dict.fromkeys(missing))


def _is_headless(layout: Layout) -> bool:
    return bool(layout.header)
