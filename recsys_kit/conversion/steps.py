"""What a recipe does to a table before its columns get their names: one small step each, all rows accounted for.

A step is an object with the name of the step as its first key; `STEPS` holds them all, and each function here says
what it needs. Values are text, as `sources` gives them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from recsys_kit.datasets.tables import DataError

__all__ = ["STEPS", "Ledger", "apply", "created", "needed"]

# The keys of a step that name columns which it reads.
_READS = {
    "drop": ("drop",),
    "fill": ("fill", "within"),
    "divide": ("divide", "by"),
    "subtract": ("subtract", "less"),
    "power_of_2": ("power_of_2",),
    "blank": ("blank",),
    "prefix": ("to",),
    "text": ("text",),
    "hash": ("hash",),
    "latest": ("latest", "of"),
    "unique": ("unique", "prefer"),
    "count": ("of",),
    "at_least": ("at_least",),
    "add_ms": ("add_ms", "to"),
    "explode": ("explode",),
    "flatten": ("flatten",),
    "parameter": ("from",),
}


@dataclass
class Ledger:
    """How many rows went where on the way to one table.

    Args:
        read: Rows that were read.
        added: Rows that one row with a list became, beyond itself.
        dropped: Reason -> rows that were left out for it.
        merged: Reason -> rows that became part of another row.
        written: Rows of the table.
        notes: What else a reader should know, a sentence each.
    """

    read: int = 0
    added: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    merged: dict[str, int] = field(default_factory=dict)
    written: int = 0
    notes: list[str] = field(default_factory=list)

    def count(self, which: dict[str, int], why: str, rows: int) -> None:
        """Adds rows to a reason."""
        if rows:
            which[why] = which.get(why, 0) + rows

    def adds_up(self) -> bool:
        """Whether every row that was read is a row of the table, or has a reason."""
        gone = sum(self.dropped.values()) + sum(self.merged.values())
        return self.read + self.added - gone == self.written


def apply(frame: pd.DataFrame, steps: Sequence[Mapping[str, Any]], ledger: Ledger, other: Callable) -> pd.DataFrame:
    """Takes a table through its steps.

    Args:
        frame: The table.
        steps: The steps, in order.
        ledger: Where rows are counted.
        other: Reads another table of the source, by a step that names it.

    Raises:
        DataError: If a step is unknown, or asks for a column that is not there.
    """
    for step in steps:
        name = next(iter(step), "")
        if name not in STEPS:
            raise DataError(f"convert: {name!r} is no step. There are: {', '.join(STEPS)}. Received: {dict(step)!r}.")
        missing = [column for column in needed(step) if column not in frame]
        if missing:
            there = ", ".join(frame)
            raise DataError(f"convert: the step {dict(step)!r} needs the column `{missing[0]}`. There are: {there}.")
        frame = STEPS[name](frame, step, ledger, other)
    return frame


def needed(step: Mapping[str, Any]) -> list[str]:
    """Returns the columns of the table that a step reads."""
    name = next(iter(step))
    if name == "join":
        return list(step["on"]) if isinstance(step["on"], dict) else [step["on"]]
    if name == "order_clock":
        return list(step[name].values())
    if name == "first":
        return list(step["of"][-1:])
    found: list[str] = []
    for key in _READS[name]:
        value = step.get(key, ())
        found += [value] if isinstance(value, str) else list(value)
    return found


def created(step: Mapping[str, Any]) -> list[str]:
    """Returns the columns that a step adds, but for those of another table."""
    name = next(iter(step))
    if name in ("first", "count"):
        return [step[name]]
    return [step["into"]] if "into" in step else list(step.get("keys", ()))


def _join(frame, step, ledger, other):
    """`{"join": FILE, "on": COLUMN}`: another table's columns beside each row; `on` may be {theirs here: there}."""
    right = other(step)
    on = step["on"] if isinstance(step["on"], dict) else {step["on"]: step["on"]}
    keys = list(on.values())
    lacking = [key for key in keys if key not in right]
    if lacking:
        raise DataError(f"convert: {step['join']} lacks the column `{lacking[0]}`. It has: {', '.join(right)}.")
    twice = right.duplicated(keys)
    if twice.any():
        first = right.loc[twice, keys].iloc[0].tolist()
        raise DataError(f"convert: {step['join']} must have one row for each {keys}. It has several for {first}.")
    fresh = [column for column in right if column in keys or column not in frame]
    joined = frame.merge(right[fresh], how="left", left_on=list(on), right_on=keys, indicator="_there")
    alone = int((joined["_there"] == "left_only").sum())
    if alone:
        ledger.notes.append(f"{alone:,} rows find nothing in {step['join']}.")
    return joined.drop(columns="_there")


def _drop(frame, step, ledger, other):
    """`{"drop": COLUMN, RULE: VALUE, "why": REASON}`: see `_broken` for the rules."""
    gone = _broken(frame[step["drop"]], step)
    ledger.count(ledger.dropped, step.get("why", f"`{step['drop']}`"), int(gone.sum()))
    return frame[~gone].reset_index(drop=True)


def _broken(values: pd.Series, step) -> pd.Series:
    text = values.astype("str").str.strip()
    empty = text.isna() | (text == "")
    wanted = step.get("is", step.get("is_not", []))
    wanted = list(wanted) if isinstance(wanted, list | tuple) else [wanted]
    rules = {
        "empty": lambda: empty,
        "known": lambda: ~empty,
        "is": lambda: text.isin(wanted),
        "is_not": lambda: ~text.isin(wanted),
        "starts": lambda: text.str.startswith(step["starts"]).fillna(False).astype(bool),
        "unlike": lambda: ~text.str.fullmatch(step["unlike"]).fillna(False).astype(bool),
        "below": lambda: pd.to_numeric(text, errors="coerce") < step["below"],
        "above": lambda: pd.to_numeric(text, errors="coerce") > step["above"],
    }
    for name, rule in rules.items():
        if name in step:
            return rule()
    raise DataError(f"convert: the step {dict(step)!r} needs a rule: {', '.join(rules)}.")


def _fill(frame, step, ledger, other):
    """`{"fill": COLUMNS, "within": COLUMN}`: an empty value is that of the first row of its group which has one."""
    groups = frame.groupby(step["within"], sort=False)
    return frame.assign(**{name: frame[name].fillna(groups[name].transform("first")) for name in step["fill"]})


def _first(frame, step, ledger, other):
    """`{"first": NEW, "of": COLUMNS}`: the first value of a row that is not empty (or a word of `not`).

    Columns that are not there are passed over, but for the last: exports leave out those in which nothing is known.
    """
    found = pd.Series(np.nan, frame.index, dtype="str")
    for name in [name for name in step["of"] if name in frame]:
        values = frame[name].astype("str").str.strip()
        found = found.fillna(values.mask(values.isin(["", *step.get("not", ())])))
    return frame.assign(**{step["first"]: found})


def _divide(frame, step, ledger, other):
    """`{"divide": COLUMN, "by": COLUMN, "into": NEW}`: the money of one unit; empty where there is none."""
    by = pd.to_numeric(frame[step["by"]], errors="coerce")
    each = pd.to_numeric(frame[step["divide"]], errors="coerce") / by.where(by != 0)
    return frame.assign(**{step["into"]: each.round(6).astype("str").where(each.notna())})


def _power(frame, step, ledger, other):
    """`{"power_of_2": COLUMN, "into": NEW}`: undoes a logarithm."""
    values = 2.0 ** pd.to_numeric(frame[step["power_of_2"]], errors="coerce")
    return frame.assign(**{step["into"]: values.round(2).astype("str").where(values.notna())})


def _subtract(frame, step, ledger, other):
    """`{"subtract": COLUMN, "less": COLUMN, "into": NEW}`: the difference; an empty value to take off is 0.

    With `"unsigned": true` what is taken off may be written with a minus or without.
    """
    less = pd.to_numeric(frame[step["less"]], errors="coerce").fillna(0)
    less = less.abs() if step.get("unsigned") else less
    rest = (pd.to_numeric(frame[step["subtract"]], errors="coerce") - less).round(6)
    return frame.assign(**{step["into"]: rest.astype("str").where(rest.notna())})


def _blank(frame, step, ledger, other):
    """`{"blank": COLUMNS, RULE: VALUE}`: values that stand for nothing become empty; see `_broken` for the rules."""
    return frame.assign(**{name: frame[name].mask(_broken(frame[name], step)) for name in step["blank"]})


def _prefix(frame, step, ledger, other):
    """`{"prefix": TEXT, "to": COLUMN, "into": NEW}`: ids of two kinds are told apart."""
    return frame.assign(**{step["into"]: step["prefix"] + frame[step["to"]]})


def _text_of(frame, step, ledger, other):
    """`{"text": COLUMNS, "into": NEW}`: their values side by side."""
    first, *rest = step["text"]
    return frame.assign(**{step["into"]: frame[first].str.cat([frame[name] for name in rest], sep=" ")})


def _hash(frame, step, ledger, other):
    """`{"hash": COLUMN}`: a short digest in place of an address or a name, small letters and blanks made alike."""
    text = frame[step["hash"]].astype("str").str.strip().str.lower()
    codes, different = pd.factorize(text)
    digests = [hashlib.blake2s(value.encode(), digest_size=8).hexdigest() for value in different]
    texts = pd.Series([*digests, None], dtype="str").iloc[codes].set_axis(frame.index)
    return frame.assign(**{step["hash"]: texts})


def _latest(frame, step, ledger, other):
    """`{"latest": TIME, "of": COLUMNS}`: of rows with the same values there, the one with the highest number."""
    keys = step["of"] if isinstance(step["of"], list | tuple) else [step["of"]]
    order = pd.to_numeric(frame[step["latest"]], errors="coerce").sort_values(kind="stable").index
    kept = frame.loc[order].drop_duplicates(list(keys), keep="last").sort_index()
    ledger.count(ledger.merged, step.get("why", "an earlier value of the same"), len(frame) - len(kept))
    return kept.reset_index(drop=True)


def _unique(frame, step, ledger, other):
    """`{"unique": COLUMNS}`: the first row of each value.

    With `"prefer": COLUMN` it is the first in which that is not empty; with `"among": {COLUMN: VALUE}` only rows with
    that value are looked at, and all others stay, as do those without a value in one of the columns.
    """
    keys = step["unique"] if isinstance(step["unique"], list | tuple) else [step["unique"]]
    order = frame.index
    if "prefer" in step:
        order = frame[step["prefer"]].isna().sort_values(kind="stable").index
    again = frame.loc[order].duplicated(list(keys)).reindex(frame.index)
    for column, value in step.get("among", {}).items():
        again &= (frame[column] == value).fillna(False).astype(bool) & frame[list(keys)].notna().all(axis=1)
    ledger.count(ledger.merged, step.get("why", f"the same {', '.join(keys)} again"), int(again.sum()))
    return frame[~again].reset_index(drop=True)


def _count(frame, step, ledger, other):
    """`{"count": NEW, "of": COLUMNS}`: rows that are alike there become one, with their number."""
    keys = list(step["of"])
    sizes = frame.groupby(keys, dropna=False, sort=False)[keys[0]].transform("size")
    kept = frame.assign(**{step["count"]: sizes.astype("str")}).drop_duplicates(keys)
    ledger.count(ledger.merged, step.get("why", "one more unit of the same"), len(frame) - len(kept))
    return kept.reset_index(drop=True)


def _at_least(frame, step, ledger, other):
    """`{"at_least": COLUMN, "value": NUMBER, "yes": WORD, "no": WORD, "into": NEW}`: two words by a threshold."""
    high = pd.to_numeric(frame[step["at_least"]], errors="coerce") >= step["value"]
    return frame.assign(**{step["into"]: pd.Series(np.where(high, step["yes"], step["no"]), frame.index, dtype="str")})


def _add_ms(frame, step, ledger, other):
    """`{"add_ms": COLUMN, "to": DATE, "into": NEW}`: a date and the milliseconds since its midnight."""
    days = pd.to_datetime(frame[step["to"]], errors="coerce", format="ISO8601")
    times = days + pd.to_timedelta(pd.to_numeric(frame[step["add_ms"]], errors="coerce").fillna(0), unit="ms")
    return frame.assign(**{step["into"]: times.astype("str").where(times.notna())})


def _order_clock(frame, step, ledger, other):
    """Times for orders of which only weekday, hour and the days between them are known.

    `{"order_clock": {"user": , "number": , "weekday": , "hour": , "gap": }, "last": DATE, "into": NEW}`: everybody's
    last order lies in the week that begins at `last`, on its weekday, and the others so many days before.
    """
    name = step["order_clock"]
    orders = frame.drop_duplicates([name["user"], name["number"]])
    numbers = {key: pd.to_numeric(orders[column], errors="coerce") for key, column in name.items() if key != "user"}
    orders = orders.assign(**{f"_{key}": values for key, values in numbers.items()}).sort_values(
        [name["user"], "_number"]
    )
    later = orders["_gap"].fillna(0)[::-1].groupby(orders[name["user"]]).cumsum()[::-1]  # this order's gap included
    after = later - orders["_gap"].fillna(0)
    last = orders.groupby(name["user"])["_weekday"].transform("last")
    days = pd.Timestamp(step["last"]) + pd.to_timedelta(last - after, unit="D")
    times = (days + pd.to_timedelta(orders["_hour"], unit="h")).astype("str")
    keys = [name["user"], name["number"]]
    return frame.merge(orders[keys].assign(**{step["into"]: times}), how="left", on=keys)


def _explode(frame, step, ledger, other):
    """`{"explode": COLUMN}`: a row for each object of a list, its values in columns COLUMN.KEY."""
    column = step["explode"]
    lists = frame[column].map(lambda value: list(value) if hasattr(value, "__len__") else [])
    lengths = lists.map(len)
    ledger.count(ledger.dropped, step.get("why", f"no `{column}`"), int((lengths == 0).sum()))
    ledger.added += int((lengths - 1).clip(lower=0).sum())
    long = frame.assign(**{column: lists})[lengths > 0].explode(column, ignore_index=True)
    return _flatten(long, {"flatten": column, "keys": step.get("keys", ())}, ledger, other)


def _flatten(frame, step, ledger, other):
    """`{"flatten": COLUMN}`: an object's values in columns COLUMN.KEY."""
    column = step["flatten"]
    parts = pd.DataFrame([value if isinstance(value, dict) else {} for value in frame[column]], index=frame.index)
    texts = {f"{column}.{key}": parts[key].map(str, na_action="ignore").astype("str") for key in parts}
    texts |= {name: pd.Series(np.nan, frame.index, dtype="str") for name in step.get("keys", ()) if name not in texts}
    return frame.drop(columns=column).assign(**texts)


def _parameter(frame, step, ledger, other):
    """`{"parameter": KEY, "from": COLUMN, "into": NEW}`: the value of a key in a list of keys and values."""

    def value(pairs):
        for pair in pairs if hasattr(pairs, "__len__") and not isinstance(pairs, str) else ():
            if pair.get("key") == step["parameter"]:
                return next((str(part) for part in dict(pair["value"]).values() if part is not None), None)
        return None

    return frame.assign(**{step["into"]: frame[step["from"]].map(value).astype("str")})


STEPS: dict[str, Callable] = {
    "join": _join,
    "drop": _drop,
    "fill": _fill,
    "first": _first,
    "divide": _divide,
    "power_of_2": _power,
    "subtract": _subtract,
    "blank": _blank,
    "prefix": _prefix,
    "text": _text_of,
    "hash": _hash,
    "latest": _latest,
    "unique": _unique,
    "count": _count,
    "at_least": _at_least,
    "add_ms": _add_ms,
    "order_clock": _order_clock,
    "explode": _explode,
    "flatten": _flatten,
    "parameter": _parameter,
}
"""All steps by their name."""
