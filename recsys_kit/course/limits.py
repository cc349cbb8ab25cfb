"""What values a notebook's parameter may have, read from the comment beside it: learner and check read one text.

The forms, in brackets at the end of the comment: `(1 or more)`, `(0 to 1)`, `(above 0, below 1)`, `(above 0, at most
1)`, `(even, 2 or more)`, `(any of keras, onnx)` for lists, `(one of old, new)` for a text that may be empty, and the
letters YYYY-MM-DD for a day.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

__all__ = ["broken", "stated"]

_NUMBER = r"-?\d+(?:\.\d+)?"
_FORMS = (
    (re.compile(rf"({_NUMBER}) or more"), lambda value, least: value >= least),
    (re.compile(rf"({_NUMBER}) to ({_NUMBER})"), lambda value, least, most: least <= value <= most),
    (re.compile(rf"above ({_NUMBER})"), lambda value, least: value > least),
    (re.compile(rf"below ({_NUMBER})"), lambda value, most: value < most),
    (re.compile("even"), lambda value: value % 2 == 0),
    (re.compile(rf"at most ({_NUMBER})"), lambda value, most: value <= most),
)
_DAY = "YYYY-MM-DD"


def stated(comment: str) -> str:
    """Returns the range that a comment states, empty if it states none.

    Example:
        >>> stated("passes over the baskets, as in 05 (minutes each) (1 or more)")
        '1 or more'
    """
    if _DAY in comment:
        return _DAY
    found = re.search(r"\(([^()]*)\)$", comment)
    text = found[1] if found else ""
    if text.startswith(("any of ", "one of ")):
        return text
    return text if text and all(_read(part) for part in text.split(", ")) else ""


def broken(value: Any, comment: str) -> str:
    """Returns what a parameter must be, as its comment says, where a value is not that; else nothing.

    Example:
        >>> broken(0, "length of a list (1 or more)"), broken(3, "length of a list (1 or more)")
        ('1 or more', '')
    """
    text = stated(comment)
    if not text:
        return ""
    if text == _DAY:
        return "" if value == "" or _is_day(value) else f"a day written {_DAY}"
    if text.startswith("any of "):
        return "" if set(value) <= set(text.removeprefix("any of ").split(", ")) else text
    if text.startswith("one of "):
        return "" if value in ("", *text.removeprefix("one of ").split(", ")) else text
    checks = [_read(part) for part in text.split(", ")]
    holds = value == value and all(check(value, *bounds) for check, bounds in filter(None, checks))
    return "" if holds else text


def _read(part: str) -> tuple[Any, list[float]] | None:
    for pattern, check in _FORMS:
        if match := pattern.fullmatch(part):
            return check, [float(bound) for bound in match.groups()]
    return None


def _is_day(text: str) -> bool:
    try:
        return bool(re.fullmatch(r"\d{4}-\d\d-\d\d", text)) and bool(datetime.strptime(text, "%Y-%m-%d"))
    except ValueError:
        return False
