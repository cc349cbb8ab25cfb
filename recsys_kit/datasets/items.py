"""What a shop says of an item: its row of the items table, its title, its type, in the order in which it is asked.

Letters for shapes: N ids, such as those of a catalogue.
"""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

__all__ = ["item_types", "look_up", "titles", "type_names"]

_UNKNOWN = "unknown"


def look_up(items: pd.DataFrame, ids: Iterable[str]) -> pd.DataFrame:
    """Returns the rows of some items, (N,) in the order of the ids and indexed by them; NaN where an id is not known.

    Args:
        items: The shop's items.
        ids: (N,) item ids.
    """
    return items.drop_duplicates("item_id").set_index("item_id").reindex(ids)


def titles(items: pd.DataFrame, ids: Iterable[str]) -> pd.Series:
    """Returns (N,) the title of each item; its id where there is none.

    Example:
        >>> titles(pd.DataFrame({"item_id": ["7"], "title": ["Oat milk"]}), ["7", "8"]).tolist()
        ['Oat milk', '8']
    """
    found = look_up(items[["item_id", "title"]], ids)["title"]
    return found.fillna(found.index.to_series())


def item_types(items: pd.DataFrame, ids: Iterable[str]) -> pd.Series:
    """Returns (N,) the type of each item: its category and product type in one text.

    Product types repeat across categories, the pairs do not. What is not known is called unknown.

    Example:
        >>> table = pd.DataFrame({"item_id": ["7"], "category": ["MILK"], "product_type": ["OAT"]})
        >>> item_types(table, ["7", "8"]).tolist()
        ['MILK | OAT', 'unknown | unknown']
    """
    known = items.drop_duplicates("item_id").set_index("item_id").reindex(columns=["category", "product_type"])
    known = known.astype("str").fillna(_UNKNOWN)
    label = known["category"] + " | " + known["product_type"]
    return label.reindex(ids).fillna(f"{_UNKNOWN} | {_UNKNOWN}")


def type_names(items: pd.DataFrame, ids: Iterable[str]) -> pd.Series:
    """Returns (N,) the type of each item as one would say it: its product type, or else its category."""
    found = look_up(items, ids)
    return found["product_type"].where(found["product_type"] != _UNKNOWN, found["category"])
