"""`shop.json`: what a shop is called, and how its files are to be read where they are not as the kit has them."""

from __future__ import annotations

import codecs
import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from recsys_kit.datasets.layout import COMPRESSIONS, Layout
from recsys_kit.datasets.tables import DataError
from recsys_kit.datasets.timestamps import UNITS, Clock

__all__ = ["EXAMPLES", "FILE", "IGNORE", "TABLES", "Reading", "Settings", "parse", "read", "reading"]

FILE = "shop.json"
TABLES = ("events", "items", "users", "promotions", "queries")
IGNORE = "ignore"
"""What a word of `event_types` becomes if its rows are to be left out."""

EXAMPLES = {
    "name": '"Corner shop"',
    "timezone": '"Europe/Paris"',
    "currency": '"EUR"',
    "encoding": '"cp1252"',
    "columns": '{"Customer ID": "user_id", "StockCode": "item_id", "InvoiceDate": "timestamp"}',
    "event_types": '{"transaction": "purchase", "view": "view", "addtocart": "cart", "login": "ignore"}',
    "timestamp": '{"format": "%d/%m/%Y %H:%M", "timezone": "Europe/London"} or {"unit": "ms"}',
    "format": '{"separator": ";", "decimal": ",", "encoding": "cp1252"}',
    "convert": '{"tables": {"events": {"file": "orders.csv", "columns": {"Customer ID": "user_id"}}}}',
}
"""The keys of the file, each with an example that messages show."""

_TIMESTAMP = {
    "format": '"%d/%m/%Y %H:%M"',
    "unit": f"one of {', '.join(UNITS)}",
    "timezone": '"Europe/London", for times that name no zone',
}
_FORMAT = {
    "separator": '";"',
    "decimal": '"."  or ","',
    "quote": '"\'", or "" if nothing is quoted',
    "encoding": '"cp1252"',
    "header": '["user_id", "item_id", "timestamp"], if the first line has values',
    "compression": f"one of {', '.join(COMPRESSIONS)}",
    "sheet": '"Orders"',
}


@dataclass(frozen=True)
class Reading:
    """How one file becomes one table.

    Args:
        columns: Their name of a column -> the kit's.
        event_types: Their word for an event -> the kit's, or `IGNORE`; empty: the words are the kit's.
        clock: How times are written.
        layout: How the file is laid out.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    event_types: Mapping[str, str] = field(default_factory=dict)
    clock: Clock = field(default_factory=Clock)
    layout: Layout = field(default_factory=Layout)


@dataclass(frozen=True)
class Settings:
    """All that `shop.json` says.

    Args:
        name: What the shop is called; empty: as its folder.
        timezone: IANA name of its zone.
        currency: What prices are counted in; empty: unknown.
        readings: For each of `TABLES`, how its file is read.
        convert: How `recsys-kit convert` makes the tables from other files, as it stands; empty: they are given.
    """

    name: str = ""
    timezone: str = "UTC"
    currency: str = ""
    readings: Mapping[str, Reading] = field(default_factory=lambda: dict.fromkeys(TABLES, Reading()))
    convert: Mapping[str, Any] = field(default_factory=dict)


def read(folder: Path, timezone: str = "") -> Settings:
    """Returns what a shop's `shop.json` says; what it must say is nothing.

    Args:
        folder: The folder of the shop.
        timezone: Overrules the file's; without either it is UTC.

    Raises:
        DataError: If the file breaks a rule; the message names file, key and rule, and shows an example.
    """
    path = folder / FILE
    values: Any = {}
    if path.exists():
        try:
            values = json.loads(path.read_text(encoding="utf-8-sig"))
        except ValueError as error:
            raise DataError(f"{path}: is not valid JSON: {error}.") from None
    settings = parse(values, str(path))
    return replace(settings, timezone=_zone(timezone)) if timezone else settings


def parse(values: Any, file: str = FILE) -> Settings:
    """Returns what an object of settings says.

    Args:
        values: The object, as JSON gives it.
        file: Name that messages give it.

    Raises:
        DataError: If it breaks a rule.
    """
    if not isinstance(values, dict):
        shown = ", ".join(EXAMPLES)
        raise DataError(f"{file}: must be an object with the keys {shown} (or some). Received: {values!r}.")
    _known(values, EXAMPLES, file, "")
    for key in ("name", "timezone", "currency", "encoding"):
        if not isinstance(values.get(key, ""), str):
            raise _wrong(file, key, "must be a text", EXAMPLES[key], values[key])
    if not isinstance(values.get("convert", {}), dict):
        raise _wrong(file, "convert", "must be an object", EXAMPLES["convert"], values["convert"])
    parts = {table: {} for table in TABLES}
    for key in ("columns", "event_types", "timestamp", "format"):
        for table, value in _by_table(values.get(key, {}), key, file).items():
            parts[table][key] = value
    for part in parts.values():
        if values.get("encoding"):
            part["format"] = {"encoding": values["encoding"]} | dict(part.get("format", {}))
    return Settings(
        name=values.get("name", ""),
        timezone=_zone(values.get("timezone") or "UTC"),
        currency=values.get("currency", ""),
        readings={table: reading(part, file) for table, part in parts.items()},
        convert=values.get("convert", {}),
    )


def reading(values: Mapping[str, Any], file: str = FILE) -> Reading:
    """Returns how one file is read: what its `columns`, `event_types`, `timestamp` and `format` say.

    Args:
        values: An object with these keys, or some; others are not looked at.
        file: Name that messages give it.

    Raises:
        DataError: If one of them breaks a rule.
    """
    columns = _texts(values.get("columns", {}), "columns", file)
    twice = [name for name in set(columns.values()) if list(columns.values()).count(name) > 1]
    if twice:
        theirs = ", ".join(repr(key) for key, value in columns.items() if value == twice[0])
        raise DataError(f"{file}: `columns` must give each name once. {theirs} all become `{twice[0]}`.")
    words = _texts(values.get("event_types", {}), "event_types", file)
    if words and "purchase" not in words.values():
        shown = EXAMPLES["event_types"]
        raise _wrong(file, "event_types", "must say which word is a `purchase`", shown, dict(words))
    return Reading(columns, words, _clock(values.get("timestamp", {}), file), _layout(values.get("format", {}), file))


def _by_table(value: Any, key: str, file: str) -> dict[str, Any]:
    """Returns a setting for each table: an object of tables gives each its own, any other is the same for all."""
    if not isinstance(value, dict):
        raise _wrong(file, key, "must be an object", EXAMPLES[key], value)
    if value and set(value) <= set(TABLES) and all(isinstance(part, dict) for part in value.values()):
        return value
    return dict.fromkeys(TABLES, value)


def _texts(value: Any, key: str, file: str) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(text, str) and text for text in value.values()):
        raise _wrong(file, key, "must be an object of texts, theirs and the kit's", EXAMPLES[key], value)
    return dict(value)


def _clock(value: Any, file: str) -> Clock:
    _object(value, "timestamp", _TIMESTAMP, file)
    if value.get("format") and value.get("unit"):
        raise _wrong(file, "timestamp", "must have a `format` or a `unit`, not both", EXAMPLES["timestamp"], value)
    if value.get("unit", "s") not in UNITS:
        raise _wrong(file, "timestamp.unit", f"must be one of {', '.join(UNITS)}", '"ms"', value["unit"])
    pattern = value.get("format", "")
    if pattern and "%" not in pattern:
        rule = "must be written with the signs of strftime"
        raise _wrong(file, "timestamp.format", rule, '"%d/%m/%Y %H:%M" for 31/05/2024 17:05', pattern)
    return Clock(pattern, value.get("unit", ""), _zone(value.get("timezone") or "UTC", "timestamp.timezone"))


def _layout(value: Any, file: str) -> Layout:
    _object(value, "format", _FORMAT, file, also=("header",))
    header = value.get("header", ())
    if not isinstance(header, list | tuple) or not all(isinstance(name, str) and name for name in header):
        raise _wrong(file, "format.header", "must be a list of names", _FORMAT["header"], header)
    if len(set(header)) < len(header):
        raise DataError(f"{file}: `format.header` must name each column once. Received: {list(header)!r}.")
    rules = {
        "separator": (len(value.get("separator", ",")) in (1, 2), "must be one sign, or two"),
        "decimal": (value.get("decimal", ".") in (".", ","), "must be a point or a comma"),
        "quote": (len(value.get("quote", '"')) <= 1, "must be one sign, or empty"),
        "compression": (value.get("compression", "zip") in COMPRESSIONS, f"must be one of {', '.join(COMPRESSIONS)}"),
    }
    for key, (kept, rule) in rules.items():
        if not kept:
            raise _wrong(file, f"format.{key}", rule, _FORMAT[key], value[key])
    if value.get("encoding"):
        try:
            codecs.lookup(value["encoding"])
        except LookupError:
            example = '"latin-1", "cp1252" or "gb18030"'
            raise _wrong(file, "encoding", "must be one that Python knows", example, value["encoding"]) from None
    return Layout(**{key: tuple(part) if key == "header" else part for key, part in value.items()})


def _object(value: Any, key: str, known: Mapping[str, str], file: str, also: tuple[str, ...] = ()) -> None:
    if not isinstance(value, dict):
        raise _wrong(file, key, "must be an object", EXAMPLES[key], value)
    _known(value, known, file, f"{key}.")
    for name, part in value.items():
        if name not in also and not isinstance(part, str):
            raise _wrong(file, f"{key}.{name}", "must be a text", known[name], part)


def _known(values: Mapping[str, Any], known: Mapping[str, str], file: str, before: str) -> None:
    for key in values:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f" Did you mean `{before}{near[0]}`, such as {known[near[0]]}?" if near else ""
            raise DataError(f"{file}: `{before}{key}` is no key. There are: {', '.join(known)}.{hint}")


def _wrong(file: str, key: str, rule: str, example: str, received: Any) -> DataError:
    return DataError(f"{file}: `{key}` {rule}, such as {example}. Received: {received!r}.")


def _zone(name: str, key: str = "timezone") -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # ZoneInfoNotFoundError is a KeyError
        raise DataError(f"`{key}` must be an IANA name such as Europe/Paris. Received: {name!r}.") from None
    return name
