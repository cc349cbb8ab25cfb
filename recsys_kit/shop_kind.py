"""Which kind of shop it is: do its customers buy the same things again, or something new each time?

Where they repeat, the task is the next basket, and counting is strong. Where they discover, nothing that was bought is
bought again: the task is the next item, and what follows what is all there is. Some shops are both.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

__all__ = ["BOTH", "NEXT_BASKET", "NEXT_ITEM", "TASKS", "Kind", "check", "measure"]

NEXT_BASKET, NEXT_ITEM, BOTH = "next basket", "next item", "both"
TASKS = (NEXT_BASKET, NEXT_ITEM, BOTH)

_FEW = 0.05  # repeats below which a model of what is bought again has nothing to learn
_MANY = 0.7  # repeats from which on the few discoveries are not worth a model of their own
_HABITS = 0.3  # likewise, where baskets are large: one model of a whole basket learns both halves of it
_LARGE = 3  # items of a large basket


@dataclass(frozen=True)
class Kind:
    """What was counted about a shop, and the task that fits.

    Attributes:
        customers: Who bought something.
        items: Different things that were bought.
        purchases: A thing in a basket is one purchase, however many of it.
        repeats: Share of the purchases of what the same customer had bought in an earlier basket.
        repeaters: Share of the customers who ever bought a thing again.
        repeated: Share of the items that anybody bought again.
        basket: Items of the median basket.
        single: Share of the baskets with one item.
        history: Purchases of the median customer.
        long: Share of the customers with ten purchases or more.
        density: Share of all pairs of customer and item that were ever bought.
    """

    customers: int
    items: int
    purchases: int
    repeats: float
    repeaters: float
    repeated: float
    basket: float
    single: float
    history: float
    long: float
    density: float

    @property
    def task(self) -> str:
        """The task that fits, one of `TASKS`."""
        if self.repeats < _FEW:
            return NEXT_ITEM
        return NEXT_BASKET if self.repeats >= (_HABITS if self.basket >= _LARGE else _MANY) else BOTH

    def choose(self, wanted: str = "") -> str:
        """Returns the wanted task; if none is wanted, the one that fits.

        Raises:
            ValueError: If it is not one of `TASKS`.
        """
        return check(wanted) or self.task

    def sentence(self, wanted: str = "") -> str:
        """Says the kind of shop with its numbers, and the task that is chosen."""
        what = {
            NEXT_BASKET: "customers buy the same things again",
            NEXT_ITEM: "customers buy something new each time",
            BOTH: "customers buy things again, and discover new ones",
        }[self.task]
        chosen, why = self.choose(wanted), ", as you wish" if wanted and wanted != self.task else ""
        return (
            f"In this shop {what}: {self.repeats:.1%} of {self.purchases:,} purchases are repeats, the median basket "
            f"holds {self.basket:g} and the median customer has {self.history:g}. The task is {_WORDS[chosen]}{why}."
        )

    def table(self) -> pd.DataFrame:
        """Returns the numbers as a table to read: `measure` and `value`."""
        rows = [
            ("customers", f"{self.customers:,}"),
            ("different items bought", f"{self.items:,}"),
            ("purchases", f"{self.purchases:,}"),
            ("purchases that are repeats", f"{self.repeats:.1%}"),
            ("customers who ever bought a thing again", f"{self.repeaters:.1%}"),
            ("items that anybody bought again", f"{self.repeated:.1%}"),
            ("items of the median basket", f"{self.basket:g}"),
            ("baskets with one item", f"{self.single:.1%}"),
            ("purchases of the median customer", f"{self.history:g}"),
            ("customers with ten purchases or more", f"{self.long:.1%}"),
            ("pairs of customer and item that were bought", f"{self.density:.3%}"),
        ]
        return pd.DataFrame(rows, columns=["measure", "value"])


_WORDS = {
    NEXT_BASKET: "the next basket",
    NEXT_ITEM: "the next item, among those that a customer never bought",
    BOTH: "both: the next basket, with a model of the next item for what is new in it",
}


def check(wanted: str) -> str:
    """Returns the name of a task as it is, empty for none.

    Raises:
        ValueError: If it is not one of `TASKS`.
    """
    if wanted and wanted not in TASKS:
        raise ValueError(f"`task` must be one of {', '.join(TASKS)}, or empty for what fits. Received: {wanted!r}.")
    return wanted


def measure(events: pd.DataFrame) -> Kind:
    """Counts how a shop's customers buy.

    Args:
        events: Cleaned purchases in time order: `user_id`, `basket_id` and `item_id`.

    Example:
        >>> names = ["user_id", "basket_id", "item_id"]
        >>> kind = measure(pd.DataFrame([("ann", 1, "tea"), ("ann", 2, "tea"), ("bob", 3, "jam")], columns=names))
        >>> round(kind.repeats, 2), kind.task
        (0.33, 'both')
    """
    user, users = pd.factorize(events["user_id"])
    item, items = pd.factorize(events["item_id"])
    basket = pd.factorize(events["basket_id"])[0]
    lines = pd.DataFrame({"user": user, "basket": basket, "item": item}).drop_duplicates()
    again = lines.duplicated(["user", "item"]).to_numpy()
    baskets = lines.groupby(["user", "basket"], sort=False).size().to_numpy()
    own = np.bincount(lines["user"], minlength=len(users))

    def share(values: np.ndarray) -> float:
        return float(np.mean(values)) if len(values) else 0.0

    return Kind(
        customers=len(users),
        items=len(items),
        purchases=len(lines),
        repeats=share(again),
        repeaters=share(np.bincount(lines["user"][again], minlength=len(users)) > 0),
        repeated=share(np.bincount(lines["item"][again], minlength=len(items)) > 0),
        basket=float(np.median(baskets)) if len(baskets) else 0.0,
        single=share(baskets == 1),
        history=float(np.median(own)) if len(own) else 0.0,
        long=share(own >= 10),
        density=float((~again).sum() / max(1, len(users) * len(items))),
    )
