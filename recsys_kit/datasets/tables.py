"""The canonical tables of a shop: their columns, their rules, and errors that say what broke which rule where.

`datasets` fills these tables from The Complete Journey, `own_shop` from a folder of files; both pass the same schemas.
"""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from recsys_kit.datasets import column_names

if TYPE_CHECKING:
    import pandera.pandas as pa

__all__ = [
    "ONE_LINE",
    "PROMOTIONS",
    "TIMESTAMP",
    "DataError",
    "NotForThisShop",
    "Shop",
    "fingerprint",
    "no_twins",
    "positions",
    "problem",
    "problems",
    "schema",
    "titles_without_size",
]

TIMESTAMP = "datetime64[us, UTC]"
PROMOTIONS = ("display", "mailer_inside", "mailer_prominent")  # ways to promote; each a part of the stores, 0..1
ONE_LINE = frozenset(
    "user_id item_id basket_id store_id event_type timestamp start quantity price discount is_merchandise".split()
)
"""Columns whose values are one line each, whatever the table: ids, times, numbers."""
_SHOWN = 3  # rows that a message quotes
_WORDS = {"not_nullable": "must not be empty", "field_uniqueness": "must be unique: one row for each"}


class DataError(ValueError):
    """A shop's files, or ids handed to a model, break a rule; the message says which, where and how often."""


class NotForThisShop(DataError):
    """A shop is read well, but what was asked for can't be taught or judged on it; the message says why.

    A run of the course reports a notebook that ends in it as skipped, not as failed.
    """


@dataclass(frozen=True)
class Shop:
    """One shop: its tables, and what a reader must know to use them.

    Attributes:
        name: Name for titles and reports.
        events: One row for each item in each basket.
        items: One row for each item.
        users: One row for each user.
        timezone: IANA name of the zone the shop lives in; timestamps are UTC.
        fingerprint: Short hash of the tables; artifacts are addressed by it.
        is_kits_own: True for the kit's own data and samples of it: their texts are the codes that the kit's glossary
            spells out, and queries are judged for them. Only `datasets.complete_journey` sets it.
        is_reference: True for the kit's own, unsampled data: only there do the notebooks' promises have to hold.
        currency: What prices are counted in (such as "EUR"); empty if unknown.
        notes: What was assumed while reading, one sentence each.
    """

    name: str
    events: pd.DataFrame
    items: pd.DataFrame
    users: pd.DataFrame
    timezone: str
    fingerprint: str
    is_reference: bool = False
    currency: str = ""
    notes: tuple[str, ...] = ()
    is_kits_own: bool = False


@cache
def schema(table: str) -> pa.DataFrameSchema:
    """Returns the rules of one canonical table; columns that it does not know are allowed.

    Args:
        table: "events", "items", "users", "promotions", or "queries": a search log, a row for each query and item that
            was clicked or bought after it (`event_type`), or with neither.
    """
    import pandera.pandas as pa

    known = pa.Check(lambda s: s.str.len() > 0, error="must not be empty")
    several = pa.Check(
        lambda s: s.nunique() > 1, error="must hold at least 2 different values, or there is nothing to learn"
    )
    recent = pa.Check(lambda s: s.dt.year >= 1980, error="must be 1980 or later (an empty or zero date?)")
    past = pa.Check(
        lambda s: s <= pd.Timestamp.now("UTC") + pd.Timedelta(days=1),
        error="must not lie in the future",
    )
    amount = pa.Check.ge(0, error="must be 0 or more")
    columns = {
        "events": {
            "user_id": pa.Column("str", [known, several]),
            "item_id": pa.Column("str", [known, several]),
            "timestamp": pa.Column(TIMESTAMP, [recent, past]),
            "event_type": pa.Column("category", required=False),
            "basket_id": pa.Column("str", required=False),
            "quantity": pa.Column("float64", required=False),
            "price": pa.Column("float64", amount, nullable=True, required=False),
            "discount": pa.Column("float64", amount, nullable=True, required=False),
            "store_id": pa.Column("str", required=False),
        },
        "items": {
            "item_id": pa.Column("str", known, unique=True),
            **{
                name: pa.Column("str", required=False)
                for name in ("title", "category", "product_type", "department", "brand", "size")
            },
            "is_merchandise": pa.Column("bool", required=False),
            "image": pa.Column("str", nullable=True, required=False),
        },
        "users": {"user_id": pa.Column("str", known, unique=True)},
        "promotions": {
            "item_id": pa.Column("str", known),
            "start": pa.Column(TIMESTAMP, recent),
            **{
                way: pa.Column(
                    "float64", pa.Check.in_range(0, 1, error="must be a part of the stores, 0 to 1"), required=False
                )
                for way in PROMOTIONS
            },
        },
        "queries": {
            "query_id": pa.Column("str", known),
            "query": pa.Column("str", known),
            "user_id": pa.Column("str", nullable=True, required=False),
            "timestamp": pa.Column(TIMESTAMP, nullable=True, required=False),
            "item_id": pa.Column("str", nullable=True, required=False),
            "event_type": pa.Column("str", nullable=True, required=False),
        },
    }
    return pa.DataFrameSchema(columns[table], name=table)


def problems(
    frame: pd.DataFrame,
    table: str,
    file: str,
    reported: Mapping[str, pd.Index] | None = None,
    columns: Iterable[str] | None = None,
) -> list[str]:
    """Returns what breaks the rules of a canonical table, a message for each column and rule; empty if nothing does.

    Args:
        frame: The table; its index holds the row numbers that messages quote.
        table: "events", "items" or "users".
        file: Name that messages give the table.
        reported: Row numbers by column that an earlier step has reported; they are left out.
        columns: The columns of the file, if `frame` has been given others since.
    """
    import pandera.errors

    rules = schema(table)
    if not len(frame):
        return [f"{file}: has no rows."]
    try:
        rules.validate(frame, lazy=True)
    except pandera.errors.SchemaErrors as error:
        cases = error.failure_cases
    else:
        return []
    found = []
    order = {name: place for place, name in enumerate(rules.columns)}
    for (column, rule), group in cases.groupby(["column", "check"], sort=False, dropna=False):
        if rule == "column_in_dataframe":
            found += [
                (order[name], _missing(file, name, list(columns or frame.columns))) for name in group["failure_case"]
            ]
        elif str(rule).startswith("dtype("):
            text = f"{file}: column `{column}` must have the type {rules.columns[column].dtype}. "
            found.append((order[column], text + f"Received: {frame[column].dtype}."))
        else:
            rows = pd.Index(group["index"].dropna().astype(int)).sort_values()
            whole = not len(rows) and not (column in (reported or {}) and frame[column].isna().all())
            rows = rows.difference((reported or {}).get(column, rows[:0]))
            if whole or len(rows):
                values = frame[column] if whole else frame.loc[rows, column]
                found.append((order[column], problem(file, column, _WORDS.get(rule, rule), values, len(frame), whole)))
    return [text for _, text in sorted(found, key=lambda pair: pair[0])]


def problem(file: str, column: str, rule: str, values: pd.Series, total: int, whole: bool = False) -> str:
    """Writes one problem: file, column, rule, how many rows break it, and the first of them.

    Args:
        file: File or table.
        column: Column that breaks the rule.
        rule: The rule, as in "must be 0 or more".
        values: The values that break it, indexed by row number.
        total: Number of rows in the table.
        whole: The rule is about the column as a whole, not about single rows.
    """
    head = f"{file}: column `{column}` {rule}."
    if whole:
        return f"{head} Received, in {total:,} rows: {_short(values.iloc[0])}."
    verb = "row breaks" if len(values) == 1 else "rows break"
    lines = [f"  row {row}: {_short(value)}" for row, value in values.iloc[:_SHOWN].items()]
    more = [f"  and {len(values) - _SHOWN:,} more"] if len(values) > _SHOWN else []
    return "\n".join([f"{head} {len(values):,} {verb} it (of {total:,}):", *lines, *more])


def positions(index: pd.Index, ids: Iterable[str], what: str = "item") -> np.ndarray:
    """Looks up ids in a catalogue: the place to meet an unknown id, before a model sees a wrong row.

    Args:
        index: (V,) known ids, such as `split.items` or `split.users`.
        ids: (N,) ids to look up.
        what: What the ids name, for the message.

    Returns:
        (N,) positions in `index`.

    Raises:
        DataError: If an id is unknown; the message counts them and offers similar known ids.

    Example:
        >>> positions(pd.Index(["apple", "pear"]), ["pear", "pear", "apple"])
        array([1, 1, 0])
    """
    ids = list(ids)
    found = index.get_indexer(pd.Index(ids, dtype=object)) if ids else np.zeros(0, np.intp)
    unknown = list(dict.fromkeys(name for name, place in zip(ids, found, strict=True) if place < 0))
    if not unknown:
        return found
    lines = []
    known = [str(name) for name in index] if len(index) <= 200_000 else []
    for name in unknown[:_SHOWN]:
        near = [str(name)] if str(name) in index else difflib.get_close_matches(str(name), known, n=3, cutoff=0.7)
        hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
        lines.append(f"  {name!r}{hint}")
    more = [f"  and {len(unknown) - _SHOWN:,} more"] if len(unknown) > _SHOWN else []
    head = f"{len(unknown):,} of {len(set(ids)):,} {what} ids are unknown (known: {len(index):,}; ids are strings):"
    raise DataError("\n".join([head, *lines, *more]))


def fingerprint(shop: Shop) -> str:
    """Returns a short hash of a shop's tables and time zone."""
    digest = hashlib.sha256()
    for table in (shop.events, shop.items, shop.users):
        digest.update(repr([(name, len(table)) for name in table.columns]).encode())
        for name in table.columns:
            try:
                values = pd.util.hash_pandas_object(table[name], index=False)
            except TypeError:  # a column of lists or dictionaries
                values = pd.util.hash_pandas_object(table[name].astype(str), index=False)
            digest.update(values.to_numpy().tobytes())
    digest.update(shop.timezone.encode())
    return digest.hexdigest()[:12]


def no_twins(frame: pd.DataFrame, file: str) -> None:
    """Refuses a table in which two columns have the same name.

    Args:
        frame: The table.
        file: Name that messages give it.

    Raises:
        DataError: If there are such columns.
    """
    twice = frame.columns[frame.columns.duplicated()].unique()
    if len(twice):
        raise DataError(f"{file}: two columns have the same name: {', '.join(map(repr, twice))}.")


def _missing(file: str, column: str, columns: list[str]) -> str:
    near = column_names.suggest(column, columns)
    hint = f" Is it `{near}`? Then rename it." if near else ""
    if not near and any(re.fullmatch(r"[-\d.,:/ TZ]+", name) for name in columns):
        hint = " Are these values? The first line must name the columns."
    return f"{file}: column `{column}` is missing. Columns found: {', '.join(columns)}.{hint}"


def _short(value: object) -> str:
    if not pd.api.types.is_scalar(value):
        text = repr(value)
    elif pd.isna(value):
        return "(empty)"
    else:
        text = (
            str(value) if isinstance(value, pd.Timestamp) else repr(value.item() if hasattr(value, "item") else value)
        )
    return text if len(text) <= 60 else text[:57] + "..."


def titles_without_size(items: pd.DataFrame) -> list[str]:
    """Returns the title of each item, without the size that may stand at its end: sizes of a product are then alike.

    Example:
        >>> titles_without_size(pd.DataFrame({"title": ["Ice, 22 lb", "Ice"], "size": ["22 LB", ""]}))
        ['Ice', 'Ice']
    """
    sizes = items["size"] if "size" in items else [""] * len(items)
    return [
        title[: -len(size) - 2] if size and title.lower().endswith(f", {size.lower()}") else title
        for title, size in zip(items["title"], sizes, strict=True)
    ]
