"""What a shop insists on, whatever the model says: stock, exclusions, what was bought today, caps (notebook 08).

Letters for shapes: N cases, M candidates of a case, V items of the catalogue.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd

from recsys_kit.datasets.items import look_up
from recsys_kit.datasets.tables import DataError
from recsys_kit.preprocessing import Split

__all__ = ["Rules", "allowed", "bought_today", "cap", "with_discovery"]


@dataclass(frozen=True)
class Rules:
    """Business rules of a list.

    Attributes:
        out_of_stock: Item ids that are not to be had.
        never: Values of `column` that are not advertised, such as a category of tobacco.
        column: Which column of the items table `never` and `most` speak of.
        most: At most so many items of one value of `column`; 0: any number.
        not_again_hours: What was bought so shortly before is not recommended; 0: everything may be.
        new_only: Only what the household never bought.
        discovery: So many places of a list, its last ones, go to what the household never bought, if the list has no
            such items already. One place of ten costs about 2% of NDCG on The Complete Journey, so none is the default.

    Raises:
        ValueError: If `discovery` or `not_again_hours` is negative.
    """

    out_of_stock: Collection[str] = ()
    never: Collection[str] = ()
    column: str = "category"
    most: int = 0
    not_again_hours: float = 24.0
    new_only: bool = False
    discovery: int = 0

    def __post_init__(self):
        for name in ("discovery", "not_again_hours"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"`{name}` must be 0 or more. Received: {name}={getattr(self, name)}.")


def allowed(rules: Rules, catalogue: pd.Index, items: pd.DataFrame) -> np.ndarray:
    """Returns (V,) which items may be recommended to anybody.

    Args:
        rules: Uses `out_of_stock`, `never` and `column`.
        catalogue: (V,) item ids.
        items: The shop's items.

    Raises:
        DataError: If an id or a value is not known; a rule with a typing mistake must not be silently without effect.
    """
    known = set(items["item_id"]) | set(catalogue)
    wrong = [item for item in rules.out_of_stock if item not in known]
    if wrong:
        raise DataError(f"`out_of_stock` must hold item ids of the shop. Not known: {', '.join(map(repr, wrong[:3]))}.")
    good = ~catalogue.isin(list(rules.out_of_stock))
    if rules.never:
        if rules.column not in items:
            raise DataError(f"`column` must be a column of items. Received: {rules.column!r}.")
        wrong = sorted(set(rules.never) - set(items[rules.column]))
        if wrong:
            raise DataError(f"`never` must hold values of `{rules.column}`. Not known: {', '.join(wrong[:3])}.")
        value = look_up(items, catalogue)[rules.column]
        good &= ~value.isin(list(rules.never)).to_numpy()
    return good


def bought_today(split: Split, at: pd.DatetimeIndex, hours: float) -> tuple[np.ndarray, np.ndarray]:
    """Returns the pairs (case, item) that a case's user bought in the hours before its moment.

    Args:
        split: The split.
        at: (N,) moments of the cases.
        hours: How far back.
    """
    place = np.full(len(split.users), -1)
    place[split.test_users] = np.arange(len(split.test_users))
    history = split.history
    case = place[history["user"]]
    now = pd.DatetimeIndex(at)[np.maximum(case, 0)]
    age = (now - pd.DatetimeIndex(history["timestamp"])) / pd.Timedelta(hours=1)
    close = (case >= 0) & (np.asarray(age) < hours) & (np.asarray(age) >= 0)
    return case[close], history["item"].to_numpy()[close]


def cap(items: np.ndarray, labels: np.ndarray, most: int) -> np.ndarray:
    """Takes out of ordered lists what would be the `most` + 1st item of one label.

    Args:
        items: (N, M) columns, best first; -1 for an empty place.
        labels: (V,) the label of each item; what is "unknown" is not held against an item.
        most: How many of a label stay.

    Returns:
        (N, M) booleans: whether the item stays.

    Example:
        >>> cap(np.array([[0, 1, 2, 3]]), np.array(["milk", "milk", "milk", "tea"]), most=2).tolist()
        [[True, True, False, True]]
    """
    if most < 1:
        raise ValueError(f"`most` must be 1 or more. Received: most={most}.")
    code = pd.factorize(labels)[0]
    row = np.repeat(np.arange(len(items)), items.shape[1])
    frame = pd.DataFrame({"row": row, "label": code[items].ravel(), "there": (items >= 0).ravel()})
    number = frame[frame["there"]].groupby(["row", "label"]).cumcount().reindex(frame.index, fill_value=0)
    free = (np.asarray(labels) == "unknown")[items].ravel()
    return (frame["there"].to_numpy() & (free | (number.to_numpy() < most))).reshape(items.shape)


def with_discovery(lists: np.ndarray, fresh: np.ndarray, known: np.ndarray, places: int) -> np.ndarray:
    """Gives the last places of lists to new items, where a list has fewer of them than it should.

    Args:
        lists: (N, K) rows of a candidate table, best first; -1 for an empty place.
        fresh: (N, P) rows of items that the household never bought, best first; -1 for an empty place.
        known: (R,) whether the household of a row bought its item before.
        places: How many new items each list holds at least, as far as there are any.

    Returns:
        (N, K) rows, empty places last.

    Example:
        >>> known = np.array([True, True, True, False, False])
        >>> with_discovery(np.array([[0, 1, 2]]), np.array([[3, 4]]), known, places=1).tolist()
        [[0, 1, 3]]
    """
    found = np.full_like(lists, -1)
    for row, (own, best) in enumerate(zip(lists, fresh, strict=True)):
        own = own[own >= 0]
        missing = max(0, places - int((~known[own]).sum()))
        more = best[(best >= 0) & ~np.isin(best, own)][:missing]
        too_many = len(own) + len(more) - lists.shape[1]
        gone = np.flatnonzero(known[own])[::-1][: max(0, too_many)]
        full = np.concatenate([np.delete(own, gone), more])[: lists.shape[1]]
        found[row, : len(full)] = full
    return found
