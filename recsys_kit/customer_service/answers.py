"""What the assistant may say: templates in two languages, with dates, money and lists as each language writes them."""

from __future__ import annotations

import datetime
import functools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Formatter
from typing import Any

import numpy as np

from recsys_kit.datasets import texts

__all__ = ["CASES", "FIELDS", "LOCALES", "came_from", "fill", "money", "templates"]

LOCALES = {"en": "en_US", "zh": "zh_Hans_CN"}

FIELDS = (
    *("order", "date", "count", "total", "items", "orders", "first_date", "all_total", "month_total", "month_orders"),
    *("saved", "product", "price", "times", "last_date"),
)
"""What a template may ask for. All of it is the customer's own or the catalogue's; nothing is taken from the text."""

CASES = ("no_orders", "which_product", "no_product", "no_catalogue", "unsure", "empty", "too_long")
"""Answers that are no intent's own."""


def templates(path: str | Path | None = None) -> dict[tuple[str, str, str], str]:
    """Returns the templates by intent, case and language.

    Args:
        path: A file with the columns intent, case, language, text; None for the kit's own `data/answers.csv`.

    Raises:
        ValueError: If a column is missing, a template is there twice or in one language only, or it asks for a field
            that is none of `FIELDS`.
    """
    path = Path(path) if path else texts.DATA / "answers.csv"
    table = texts.read(path, ("intent", "case", "language", "text"))
    found: dict[tuple[str, str, str], str] = {}
    for row in table.itertuples(index=False):
        key = (row.intent, row.case, row.language)
        unknown = {name for _, name, _, _ in Formatter().parse(row.text) if name is not None} - set(FIELDS)
        if unknown:
            raise ValueError(f"{path.name}: a field must be one of {', '.join(FIELDS)}. {key}: {', '.join(unknown)}.")
        if key in found:
            raise ValueError(f"{path.name}: each intent, case and language must be there once. Twice: {key}.")
        found[key] = row.text
    for intent, case, _ in list(found):
        for language in LOCALES:
            if (intent, case, language) not in found:
                raise ValueError(f"{path.name}: each answer must be there in {language}. Missing: {intent}, {case}.")
    return found


def money(amount: float, currency: str, language: str) -> str:
    """Writes an amount as a language does; a plain number if the currency is unknown.

    Example:
        >>> money(1234.5, "USD", "en"), money(1234.5, "USD", "zh"), money(1234.5, "", "en")
        ('$1,234.50', 'US$1,234.50', '1,234.50')
    """
    from babel.numbers import format_currency, format_decimal

    if not currency:
        return format_decimal(round(float(amount), 2), format="#,##0.00", locale=LOCALES[language])
    return format_currency(float(amount), currency, locale=LOCALES[language])


def fill(template: str, values: Mapping[str, Any], language: str, currency: str = "") -> str:
    """Fills a template: dates, money, numbers and lists are written as the language does.

    Args:
        template: The template.
        values: A value for each of its fields: a text, a number, a date, or a list of texts; fields that mean money
            (total, price, saved, ...) are amounts.
        language: "en" or "zh".
        currency: Of the amounts, such as "USD".

    Example:
        >>> fill("{count} items, {total}: {items}", {"count": 2, "total": 3.5, "items": ["Milk", "Tea"]}, "en", "USD")
        '2 items, $3.50: Milk and Tea'
    """
    needed = [name for _, name, _, _ in Formatter().parse(template) if name is not None]
    return template.format(**{name: _write(name, values[name], language, currency) for name in needed})


def _write(name: str, value: Any, language: str, currency: str) -> str:
    from babel.dates import format_date
    from babel.lists import format_list
    from babel.numbers import format_decimal

    if name in ("total", "price", "saved", "all_total", "month_total"):
        return money(value, currency, language)
    if isinstance(value, datetime.date):  # a Timestamp is one
        return format_date(value, "long", locale=LOCALES[language])
    if isinstance(value, int | np.integer):
        return format_decimal(int(value), locale=LOCALES[language])
    if isinstance(value, Sequence) and not isinstance(value, str):
        return format_list([str(part) for part in value], locale=LOCALES[language]) if len(value) else "-"
    return str(value)


@functools.lru_cache(maxsize=256)
def _pattern(template: str) -> re.Pattern:
    return re.compile(re.sub(r"\\{\w+\\}", "(.+?)", re.escape(template)), re.DOTALL)


def came_from(text: str, known: Mapping[tuple[str, str, str], str]) -> list[tuple[str, str, str]]:
    """Returns the templates that a text may have been filled from: for tests that nothing else is ever said."""
    return [key for key, template in known.items() if _pattern(template).fullmatch(text)]
