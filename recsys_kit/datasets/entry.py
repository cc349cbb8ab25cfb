"""What is checked when a shop enters, beyond the rules of single columns: nothing is guessed, nothing lost silently."""

from __future__ import annotations

import pandas as pd

from recsys_kit.datasets import column_names
from recsys_kit.datasets.tables import DataError, Shop

__all__ = ["PURCHASE", "check_span", "event_words", "stand_ins", "unknown_items"]

PURCHASE = "purchase"
"""The word of `event_type` for a purchase; all models learn from these rows."""

_FEWEST_DAYS = 3
# Beyond this part of the rows the items file belongs to another shop, or spells its ids otherwise. A plan may be wider
# than what is sold, but not of other items altogether.
_MOST_UNKNOWN = {"events": 0.5, "promotions": 0.99}
_MOST_OF_ONE = 0.1  # of the events; a customer with more is often a till or a guest account
_SHOWN = 10  # words of `event_type` that a message quotes
_NOTHING = {"nan", "none", "null", "na", "n/a", "nil", "undefined", "unknown", "anonymous", "guest", "(not set)"}


def event_words(events: pd.DataFrame, file: str) -> list[str]:
    """Returns what is wrong with the words for events, a message each; empty if purchases are surely told from others.

    Args:
        events: The events, before anything is filled in.
        file: Name that messages give the table.
    """
    if "event_type" not in events:
        other = column_names.suggest("event_type", events.columns)
        words = events[other].dropna().astype("str").value_counts() if other else pd.Series(dtype=int)
        if len(words) < 2:  # one word for all: nothing to tell apart
            return []
        return [
            f"{file}: column `event_type` is missing, and `{other}` looks like it: {_list(words)}. Call it "
            f"`event_type`, and its word for a purchase `{PURCHASE}`; if it is something else, give it another name."
        ]
    words, gaps = events["event_type"].dropna().value_counts(), int(events["event_type"].isna().sum())
    if words.empty:
        return []
    messages = []
    near = [word for word in words.index if word != PURCHASE and word.strip().casefold() == PURCHASE]
    if near:
        messages.append(
            f"{file}: column `event_type` must write `{PURCHASE}` in small letters and without blanks. Its words: "
            f"{_list(words)}. Write {' and '.join(map(repr, near))} as `{PURCHASE}`."
        )
    elif PURCHASE not in words.index:
        messages.append(
            f"{file}: column `event_type` must call purchases `{PURCHASE}`: only they are learned from. Its words: "
            f"{_list(words)}. Rename the one that is a purchase; if every row is one, leave the column out."
        )
    if gaps:
        messages.append(
            f"{file}: column `event_type` must not be empty where other rows have a word. {gaps:,} of {len(events):,} "
            f"rows are empty, the first of them row {events.index[events['event_type'].isna()][0]}. Its words: "
            f"{_list(words)}."
        )
    return messages


def unknown_items(frame: pd.DataFrame, table: str, items: pd.DataFrame, file: str, notes: list[str]) -> list[str]:
    """Returns a message if too many rows are of items that the items file lacks; of fewer it says so in `notes`.

    Args:
        frame: The table.
        table: "events" or "promotions".
        items: The items file's rows.
        file: Name that messages give the table.
        notes: Where a note is appended.
    """
    ids, known = frame["item_id"].dropna(), items["item_id"].dropna().unique()
    codes, different = pd.factorize(ids)  # each id is looked up once
    lacking = ids[~pd.Index(different).isin(known)[codes]]
    if lacking.empty:
        return []
    distinct = lacking.drop_duplicates()
    share = len(lacking) / len(ids)
    text = (
        f"{file}: {len(lacking):,} of {len(ids):,} rows ({share:.0%}) are of {distinct.size:,} items that the items "
        f"file does not have, such as {', '.join(map(repr, distinct.iloc[:3]))}"
    )
    spelled = pd.Series(known, index=_loosely(pd.Series(known))).groupby(level=0).first()
    alike = spelled.reindex(_loosely(distinct)).dropna()
    hint = f" Spelled otherwise? There is {alike.iloc[0]!r}." if len(alike) > len(distinct) / 2 else ""
    if share > _MOST_UNKNOWN[table]:
        return [f"{text}. Complete the items file (an `item_id` alone is enough), or leave it out.{hint}"]
    notes.append(f"{text}: they are left out.{hint}")
    return []


def stand_ins(events: pd.DataFrame, file: str) -> list[str]:
    """Returns notes on ids that probably stand for many: words for nothing, and a customer with very many events.

    Args:
        events: The events.
        file: Name that notes give the table.
    """
    notes = []
    for name in ("user_id", "item_id"):
        counts = events[name].value_counts()
        words = counts[[str(word).strip().lower() in _NOTHING for word in counts.index]]
        for word, count in words.items():
            notes.append(f"{file}: {count:,} rows have the `{name}` {word!r}. It counts as one, like any other id.")
        top = counts[counts > _MOST_OF_ONE * len(events)].drop(words.index, errors="ignore")
        if name == "user_id" and len(counts) > 2 / _MOST_OF_ONE and len(top):
            notes.append(
                f"{file}: {top.iloc[0] / len(events):.0%} of the rows are of one customer, {top.index[0]!r}. If it "
                "stands for guests or a till, take these rows out."
            )
    return notes


def check_span(shop: Shop) -> None:
    """Refuses a shop whose events are of too few days to be split.

    Args:
        shop: The shop.

    Raises:
        DataError: If there are fewer than three days: one to learn from, one to choose on, one to judge by.
    """
    times = shop.events["timestamp"].dt.tz_convert(shop.timezone)
    first, last = times.min().normalize(), times.max().normalize()
    days = (last.tz_localize(None) - first.tz_localize(None)).days + 1
    if days < _FEWEST_DAYS:
        raise DataError(
            f"{shop.name}: the events are of {days} day{'s' * (days > 1)} ({first:%Y-%m-%d} to {last:%Y-%m-%d}); "
            f"{_FEWEST_DAYS} or more are needed: to learn from, to choose models on, to judge them. Bring more events."
        )


def _list(words: pd.Series) -> str:
    shown = [f"{word!r} ({count:,})" for word, count in words.iloc[:_SHOWN].items()]
    return ", ".join(shown) + (f" and {len(words) - _SHOWN:,} more" if len(words) > _SHOWN else "")


def _loosely(ids: pd.Series) -> pd.Series:
    """Returns ids without what exports change: case, leading zeros, decimals of nothing."""
    return ids.astype("str").str.lower().str.replace(r"\.0+$", "", regex=True).str.lstrip("0")
