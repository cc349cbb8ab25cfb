"""One recommendation list for readers elsewhere: titles, dates, money, sizes and plurals in their form (notebook 15).

What a text says is translated by hand, in `data/titles.csv` and `data/phrases.csv`. How a number, a date or an amount
is written is known to Babel, which carries the Unicode consortium's tables of locales (CLDR).
"""

from __future__ import annotations

import datetime
import functools
import re
from typing import Literal

import pandas as pd

from recsys_kit.datasets import texts

__all__ = ["LOCALES", "measure", "money", "phrase", "render", "size", "title", "titles"]

LOCALES = ("en-US", "zh-CN", "es-ES")

_TO_METRIC = {
    ("OZ", "weight"): (28.3495, "mass-gram"),
    ("OZ", "volume"): (29.5735, "volume-milliliter"),
    ("LB", "weight"): (453.592, "mass-gram"),
    ("PT", "volume"): (473.176, "volume-milliliter"),
    ("QT", "volume"): (946.353, "volume-milliliter"),
    ("GAL", "volume"): (3785.41, "volume-milliliter"),
    ("GA", "volume"): (3785.41, "volume-milliliter"),
    ("L", "volume"): (1000.0, "volume-milliliter"),
    ("LTR", "volume"): (1000.0, "volume-milliliter"),
    ("ML", "volume"): (1.0, "volume-milliliter"),
}
_AS_SOLD = {
    ("OZ", "weight"): "mass-ounce",
    ("OZ", "volume"): "volume-fluid-ounce",
    ("LB", "weight"): "mass-pound",
    ("PT", "volume"): "volume-pint",
    ("QT", "volume"): "volume-quart",
    ("GAL", "volume"): "volume-gallon",
    ("GA", "volume"): "volume-gallon",
    ("L", "volume"): "volume-liter",
    ("LTR", "volume"): "volume-liter",
    ("ML", "volume"): "volume-milliliter",
}
_LARGER = {"mass-gram": "mass-kilogram", "volume-milliliter": "volume-liter"}


def _locale(name: str):
    from babel import Locale

    if name not in LOCALES:
        raise ValueError(f"`locale` must be one of {', '.join(LOCALES)}. Received: locale={name!r}.")
    return Locale.parse(name, sep="-")


@functools.cache
def titles() -> pd.DataFrame:
    """Returns the translated names of the most sold categories (the index): measure and one column a locale."""
    return texts.read(texts.DATA / "titles.csv", ("category", "measure", *LOCALES)).set_index("category")


@functools.cache
def _phrases() -> dict[tuple[str, str], dict[str, str]]:
    table = texts.read(texts.DATA / "phrases.csv", ("key", "plural", *LOCALES))
    return {(row["key"], row["plural"]): row.to_dict() for _, row in table.iterrows()}


def title(category: str, own: str, locale: str) -> str:
    """Returns what a reader of a locale calls a category; its own title if nobody has translated it.

    Example:
        >>> [title("EGGS", "Eggs - Large", locale) for locale in LOCALES]
        ['Eggs', '鸡蛋', 'Huevos']
        >>> title("CHEESE FROM MARS", "Mars cheese", "zh-CN")
        'Mars cheese'
    """
    _locale(locale)
    table = titles()
    return table.loc[category, locale] if category in table.index else own


def phrase(key: str, locale: str, count: int | None = None, **values: str) -> str:
    """Fills a template in; a count picks the plural form that the language has for it.

    English has two forms, Spanish three (a million asks for "de"), Chinese one.

    Args:
        key: Which template of `data/phrases.csv`.
        locale: One of `LOCALES`.
        count: How many; None for a template without a number.
        **values: What the template names, as texts.

    Raises:
        ValueError: If there is no such template.

    Example:
        >>> [phrase("bought", "en-US", count) for count in (1, 2)], phrase("bought", "zh-CN", 2)
        (['bought once', 'bought 2 times'], '已买过2次')
    """
    from babel import numbers

    known = _locale(locale)
    form = "other" if count is None else known.plural_form(count)
    found = _phrases().get((key, form)) or _phrases().get((key, "other"))
    if found is None:
        raise ValueError(f"`key` must be one of {', '.join(sorted({k for k, _ in _phrases()}))}. Received: {key!r}.")
    if count is not None:
        values["count"] = numbers.format_decimal(count, locale=known)
    return found[locale].format(**values)


def money(amount: float, currency: str, locale: str) -> str:
    """Writes an amount as a locale writes it. The currency stays what it is: a price is not converted by its looks.

    Example:
        >>> money(1234.5, "USD", "en-US"), money(1234.5, "USD", "zh-CN")
        ('$1,234.50', 'US$1,234.50')
    """
    from babel import numbers

    return numbers.format_currency(amount, currency, locale=_locale(locale))


def size(text: str) -> tuple[float, str] | None:
    """Reads a package size: a number and a unit as the shop writes them; None for what is not that simple.

    Example:
        >>> size("14.5 OZ"), size("2 LTR"), size(".812 OZ"), size("20 CT/13 GAL")
        ((14.5, 'OZ'), (2.0, 'LTR'), (0.812, 'OZ'), None)
    """
    found = re.fullmatch(r"(\d+\.?\d*|\.\d+) *(OZ|LB|PT|QT|GAL?|L|LTR|ML|CT)", str(text).strip().upper())
    return (float(found[1]), found[2]) if found else None


def measure(text: str, quantity: str, locale: str) -> str:
    """Writes a package size in a locale's units: American ones in the US, metric ones elsewhere.

    An ounce is a weight or a volume; the code does not say which, so the category must.

    Args:
        text: The size as the shop writes it.
        quantity: "weight" or "volume"; empty if the category is neither.
        locale: One of `LOCALES`.

    Returns:
        The text; empty if the size can't be read.
    """
    from babel import units

    known, found = _locale(locale), size(text)
    if found is None:
        return ""
    amount, unit = found
    if unit == "CT":
        return phrase("pieces", locale, int(amount)) if amount == int(amount) else ""
    if unit != "OZ":  # all others say what they measure
        quantity = "weight" if unit == "LB" else "volume"
    if (unit, quantity) not in _AS_SOLD:
        return ""
    if locale == "en-US":
        return units.format_unit(amount, _AS_SOLD[unit, quantity], length="short", locale=known)
    factor, metric = _TO_METRIC[unit, quantity]
    amount *= factor
    # CLDR's short form of a weight is Latin in Chinese (340 g), that of a volume is not (355毫升): one list, one script
    length: Literal["long", "short"] = "long" if known.language == "zh" and quantity == "weight" else "short"
    if round(amount) >= 1000:
        return units.format_unit(round(amount / 1000, 2), _LARGER[metric], length=length, locale=known)
    return units.format_unit(round(amount), metric, length=length, locale=known)


def render(items: pd.DataFrame, locale: str, name: str, until: datetime.date, currency: str) -> pd.DataFrame:
    """Renders a recommendation list for a reader of a locale.

    Args:
        items: One row an item, best first: title, category, size, price (NaN if unknown), discount, bought (how often).
        locale: One of `LOCALES`.
        name: Whom the list is for; Chinese says "you" instead.
        until: Last day of the prices.
        currency: ISO code of the prices' currency; empty if unknown: then prices are left out.

    Returns:
        A table of texts, one row an item, with its heading and its date in `attrs`.
    """
    from babel import dates, numbers

    known = _locale(locale)
    rows = []
    for _, item in items.iterrows():
        quantity = titles()["measure"].get(item["category"], "weight")
        priced = bool(currency) and pd.notna(item["price"])
        regular = item["price"] + item["discount"] if priced and pd.notna(item["discount"]) else 0.0
        off = priced and item["discount"] > 0.005
        share = numbers.format_percent(item["discount"] / regular, locale=known) if off else ""
        rows.append(
            {
                "title": title(item["category"], item["title"], locale),
                "size": measure(item["size"], quantity, locale),
                "price": money(item["price"], currency, locale) if priced else "",
                "saved": phrase("saved", locale, amount=money(item["discount"], currency, locale), share=share)
                if off
                else "",
                "why": phrase("bought", locale, int(item["bought"])) if item["bought"] else "",
            }
        )
    table = pd.DataFrame(rows, index=pd.RangeIndex(1, len(rows) + 1, name="rank"))
    table.attrs["heading"] = phrase("heading", locale, len(rows), name=name)
    table.attrs["until"] = phrase("until", locale, date=dates.format_date(until, "long", locale=known))
    return table
