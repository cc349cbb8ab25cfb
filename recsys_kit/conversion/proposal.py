"""A plan for a source that no recipe knows: what its columns probably are, why, and what its owner must decide."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from recsys_kit.conversion.making import OPEN
from recsys_kit.datasets import column_names, tables
from recsys_kit.datasets.tables import DataError
from recsys_kit.datasets.timestamps import Clock

__all__ = ["Proposal", "preview", "propose"]

_LEAST = ("user_id", "item_id", "timestamp")
_EVENTS = (*_LEAST, "event_type", "basket_id", "quantity", "price", "discount", "store_id")
_ITEMS = ("item_id", "title", "category", "product_type", "department", "brand")
_UNITS = ((1e8, 1e11, "s"), (1e11, 1e14, "ms"), (1e14, 1e17, "us"), (1e17, 1e20, "ns"))
_FORMATS = (
    "%d/%m/%Y %H:%M",
    "%m/%d/%Y %H:%M",
    "%d/%m/%Y %H:%M:%S",
    "%m/%d/%Y %H:%M:%S",
    "%d.%m.%Y %H:%M",
    "%d.%m.%Y %H:%M:%S",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d.%m.%Y",
    "%Y%m%d",
    "%Y/%m/%d %H:%M:%S",
    "%Y/%m/%d",
)
# Words that mean one thing in every shop; whatever else there is, its owner must say.
_WORDS = {
    "purchase": ("purchase", "buy", "transaction", "order", "sale"),
    "view": ("view", "pv", "pageview", "view_item", "product_view", "detail"),
    "cart": ("cart", "addtocart", "add_to_cart", "add-to-cart"),
    "favourite": ("fav", "favourite", "favorite", "wishlist", "add_to_wishlist"),
}


@dataclass
class Proposal:
    """A plan, and what a reader needs to judge it.

    Args:
        plan: As `convert` in `shop.json` holds it.
        reasons: What was seen, a line each.
        doubts: What must be decided, a line each.
    """

    plan: dict[str, Any]
    reasons: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)


def propose(source: Any) -> Proposal:
    """Returns a plan for a source.

    Args:
        source: The tables: it has `names`, `columns` and `read` (and `as_part`, which a plan calls a table by).

    Raises:
        DataError: If no table has a customer, an item and a time.
    """
    columns = {name: source.columns(name) for name in source.names()}
    fits = {name: _suggested(_EVENTS, there) for name, there in columns.items()}
    full = [name for name, found in fits.items() if all(column in found for column in _LEAST)]
    if not full:
        seen = "\n".join(f"  {name}: {', '.join(there[:20])}" for name, there in columns.items())
        raise DataError(
            "no table has a customer, an item and a time under names that are known. Write a plan into shop.json "
            f'yourself: {{"convert": {{"tables": {{"events": ...}}}}}}; data/README.md says how. There are:\n{seen}'
        )
    frames = {name: source.read(name) for name in full}
    name = max(frames, key=lambda each: len(frames[each]))
    proposal = Proposal({"tables": {}})
    others = [f"{each} ({len(frames[each]):,} rows)" for each in full if each != name]
    if others:
        proposal.doubts.append(f"events are taken from {name} ({len(frames[name]):,} rows); or are they {others}?")
    part = {**source.as_part(name), "columns": {theirs: ours for ours, theirs in fits[name].items()}}
    proposal.plan["tables"]["events"] = part
    proposal.reasons += [f"{name}:", *preview(frames[name], part["columns"])]
    _words(frames[name], fits[name], part, proposal)
    _times(frames[name][fits[name]["timestamp"]], part, proposal)
    _decimals(frames[name], fits[name], part, proposal)
    _items(source, columns, name, frames[name], proposal)
    return proposal


def preview(frame: pd.DataFrame, columns: dict[str, str]) -> list[str]:
    """Returns a line for each column that gets a name: how many values it has, how many are empty, one of them.

    Args:
        frame: The table.
        columns: Their name -> the kit's.
    """
    lines = []
    for theirs, ours in columns.items():
        values = frame[theirs].astype("str")
        empty = values.isna() | (values.str.strip() == "")
        first = values[~empty].iloc[0] if (~empty).any() else "nothing"
        share = f", {empty.mean():.0%} empty" if empty.any() else ""
        lines.append(f"  {theirs} → {ours}: {values[~empty].nunique():,} distinct{share}, such as {first[:40]!r}")
    return lines


def _suggested(wanted: tuple[str, ...], there: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for ours in wanted:
        theirs = (
            ours
            if ours in there
            else column_names.suggest(ours, [name for name in there if name not in found.values()])
        )
        if theirs:
            found[ours] = theirs
    return found


def _words(frame: pd.DataFrame, found: dict[str, str], part: dict[str, Any], proposal: Proposal) -> None:
    if "event_type" not in found:
        proposal.reasons.append("  no column tells purchases from other events: every row is taken for a purchase")
        proposal.doubts.append("is every row a purchase? If not, leave the others out.")
        return
    counts = frame[found["event_type"]].astype("str").str.strip().value_counts()
    known = {word: ours for ours, words in _WORDS.items() for word in words}
    part["event_types"] = {word: known.get(word.lower(), OPEN) for word in counts.index[:50]}
    proposal.reasons += [
        f"  the word {word!r} ({counts[word]:,}) → {ours}" for word, ours in part["event_types"].items()
    ]
    if OPEN in part["event_types"].values() or len(counts) > 50:
        proposal.doubts.append("what do these words of events mean: purchase, view, cart, another word, or ignore?")
    elif "purchase" not in part["event_types"].values():
        proposal.doubts.append("which word is a purchase?")


def _times(values: pd.Series, part: dict[str, Any], proposal: Proposal) -> None:
    text = values.dropna().astype("str").str.strip()
    sample = text.iloc[:: max(1, len(text) // 5000)]
    if Clock().read(sample).notna().all():
        proposal.reasons.append(f"  times are ISO 8601, such as {sample.iloc[0]!r}; those that name no zone are UTC")
        return
    if sample.str.fullmatch(r"\d+(\.\d+)?").all() and not sample.str.fullmatch(r"(19|20)\d{6}").all():
        size = sample.astype("float64").median()
        unit = next((unit for least, most, unit in _UNITS if least <= size < most), OPEN)
        part["timestamp"] = {"unit": unit}
        proposal.reasons.append(f"  times are numbers, such as {sample.iloc[0]}: {unit} since 1970 by their size")
        if unit == OPEN:
            proposal.doubts.append("what do the numbers of the timestamps count?")
        return
    fitting = [form for form in _FORMATS if Clock(form).read(sample).notna().all()]
    part["timestamp"] = {"format": fitting[0] if len(fitting) == 1 else OPEN}
    if len(fitting) == 1:
        proposal.reasons.append(f"  times have the form {fitting[0]}, such as {sample.iloc[0]!r}; they are read as UTC")
    else:
        may = f": {' and '.join(fitting)} both fit" if fitting else ""
        proposal.doubts.append(f"which form have the times, such as {sample.iloc[0]!r}{may}?")


def _decimals(frame: pd.DataFrame, found: dict[str, str], part: dict[str, Any], proposal: Proposal) -> None:
    for ours in ("price", "discount", "quantity"):
        if ours not in found:
            continue
        known = frame[found[ours]].dropna().astype("str").str.strip()
        if len(known) and known.str.contains(",").any() and known.str.fullmatch(r"-?[\d.]*\d(,\d+)?").all():
            part["format"] = {**part.get("format", {}), "decimal": ","}
            proposal.reasons.append(f"  numbers have a decimal comma, such as {known.iloc[0]!r}")
            return


def _items(source: Any, columns: dict[str, list[str]], events: str, frame: pd.DataFrame, proposal: Proposal) -> None:
    """Adds the items: from a table of their own, else the texts beside the events."""
    own = {name: _suggested(_ITEMS, there) for name, there in columns.items() if name != events}
    own = {name: found for name, found in own.items() if "item_id" in found and len(found) > 1}
    own = {name: found for name, found in own.items() if not _suggested(("user_id",), columns[name])}
    if own:
        name = max(own, key=lambda each: len(own[each]))
        there, found = source.read(name), own[name]
    else:
        name, there, found = events, frame, _suggested(_ITEMS, columns[events])
        if len(found) < 2:
            return
    part = {**source.as_part(name), "columns": {theirs: ours for ours, theirs in found.items()}}
    if there[found["item_id"]].duplicated().any():
        part["steps"] = [{"drop": found["item_id"], "empty": True}, {"unique": found["item_id"]}]
    proposal.plan["tables"]["items"] = part
    proposal.reasons += [f"{name}:", *preview(there, part["columns"])]
    assert set(part["columns"].values()) <= set(tables.schema("items").columns)
