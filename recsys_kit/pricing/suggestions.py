"""Which price to charge: a grid of prices, what each would bring, and a shop's rules that every suggestion keeps.

Letters for shapes: I products, P prices of the grid, D draws of the elasticity.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

__all__ = ["Rules", "grid", "outcomes", "suggest"]

_HALVINGS = 40  # of the price of a category's margin
_TINY = 1e-9


@dataclass(frozen=True)
class Rules:
    """What a price must keep.

    Attributes:
        cost: Cost of a product as a part of its present price. There is no cost data: it is an assumption.
        largest: Largest change, as a part of the present price.
        ending: Last digit of a price in cents (9: 1.99); -1: any.
        margin_floor: Least margin of a category as a part of its revenue; None: no less than today.
        confidence: A price is changed only if the margin rises with this chance.
    """

    cost: float = 0.7
    largest: float = 0.1
    ending: int = 9
    margin_floor: float | None = None
    confidence: float = 0.9

    def __post_init__(self) -> None:
        """Refuses numbers out of their range.

        Raises:
            ValueError: If one is.
        """
        ranges = {
            "cost": (0 <= self.cost < 1, "0 or more and below 1"),
            "largest": (0 < self.largest <= 0.5, "above 0, at most 0.5"),
            "ending": (-1 <= self.ending <= 9, "a digit, or -1 for any"),
            "margin_floor": (self.margin_floor is None or 0 <= self.margin_floor < 1, "0 or more and below 1"),
            "confidence": (0.5 <= self.confidence < 1, "0.5 or more and below 1"),
        }
        for name, (holds, rule) in ranges.items():
            if not holds:
                raise ValueError(f"`{name}` must be {rule}. Received: {getattr(self, name)}")


def grid(price: float, rules: Rules) -> np.ndarray:
    """Returns (P,) the prices that may be charged, ascending; the present one is always among them.

    Example:
        >>> grid(2.0, Rules(largest=0.1, ending=9)).tolist()
        [1.89, 1.99, 2.0, 2.09, 2.19]
    """
    low, high = price * (1 - rules.largest), price * (1 + rules.largest)
    cents = np.arange(int(np.ceil(low * 100 - 1e-6)), int(np.floor(high * 100 + 1e-6)) + 1)
    cents = cents[cents > 0]
    if rules.ending >= 0:
        cents = cents[cents % 10 == rules.ending]
    return np.unique(np.r_[cents / 100, price])


def outcomes(price: float, prices: np.ndarray, units: float, elasticity: np.ndarray, cost: float) -> np.ndarray:
    """Returns (3, D, P) units, revenue and margin at each price of a grid, for each draw of the elasticity.

    Example:
        >>> outcomes(1.0, np.array([1.0, 2.0]), 8.0, np.array([-2.0]), 0.5)[:, 0].tolist()
        [[8.0, 2.0], [8.0, 4.0], [4.0, 3.0]]
    """
    sold = units * (prices / price) ** np.asarray(elasticity)[:, None]
    return np.stack([sold, sold * prices, sold * (prices - cost * price)])


def suggest(products: pd.DataFrame, rules: Rules, draws: int = 1000, seed: int = 0) -> pd.DataFrame:
    """Returns a row for each product: the price of the largest expected margin among those that keep the rules.

    The elasticity is drawn from its distribution, so the margin has one, too. A change must raise the margin with
    the chance that `rules.confidence` names; else the present price stays. Then each category's expected margin rate
    is held to its floor: what lowers it counts against a price, as much as it must. Where even that can't reach the
    floor, all of the category's prices stay, and `note` says so.

    Args:
        products: (I,) `item_id`, `category`, `price`, `units` (at that price), `elasticity`, `error` (its standard
            error).
        rules: To keep.
        draws: D.
        seed: Of the draws.
    """
    rng = np.random.default_rng(seed)
    cells = [_cells(row, rules, rng.standard_normal(draws)) for row in products.itertuples()]
    chosen = np.zeros(len(products), int)
    note = np.full(len(products), "", object)
    for _, places in products.reset_index(drop=True).groupby("category", sort=False).groups.items():
        some = [cells[place] for place in places]
        picks, reached = _category(some, rules)
        chosen[places] = picks
        if not reached:
            note[places] = "the category's margin floor is out of reach: prices stay"
    rows = [_row(cell, pick) for cell, pick in zip(cells, chosen, strict=True)]
    found = pd.concat([products.reset_index(drop=True), pd.DataFrame(rows)], axis=1)
    found["elasticity_low"] = found["elasticity"] - 1.96 * found["error"]
    found["elasticity_high"] = found["elasticity"] + 1.96 * found["error"]
    bound = np.isclose(found["change"].abs(), [np.abs(cell["prices"] / cell["price"] - 1).max() for cell in cells])
    note = np.where((note == "") & (found["change"] != 0) & bound, "as far as the rules allow", note)
    return found.assign(note=np.where((note == "") & (found["change"] == 0), "no change is sure to pay", note))


def _cells(row, rules: Rules, normal: np.ndarray) -> dict:
    prices = grid(row.price, rules)
    elasticity = np.minimum(row.elasticity + row.error * normal, 0.0)  # a demand curve falls
    units, revenue, margin = outcomes(row.price, prices, row.units, elasticity, rules.cost)
    now = int(np.flatnonzero(np.isclose(prices, row.price))[0])
    gain = margin - margin[:, [now]]
    allowed = (gain > 0).mean(axis=0) >= rules.confidence
    allowed[now] = True
    return {
        "price": row.price,
        "prices": prices,
        "now": now,
        "allowed": allowed,
        "units": units,
        "revenue": revenue.mean(axis=0),
        "margin": margin.mean(axis=0),
        "gain": gain,
    }


def _category(cells: list[dict], rules: Rules) -> tuple[np.ndarray, bool]:
    """The best allowed prices of a category whose margin rate keeps its floor, and whether it can be kept."""
    now = np.array([cell["now"] for cell in cells])
    today = _rate(cells, now)
    floor = today if rules.margin_floor is None else rules.margin_floor
    picks = _best(cells, 0.0, floor)
    if _rate(cells, picks) >= floor - _TINY:
        return picks, True
    low, high = 0.0, 1.0
    while _rate(cells, _best(cells, high, floor)) < floor - _TINY:
        high *= 2
        if high > 1e6:
            return now, bool(today >= floor - _TINY)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if _rate(cells, _best(cells, middle, floor)) >= floor - _TINY else (middle, high)
    return _best(cells, high, floor), True


def _best(cells: list[dict], weight: float, floor: float) -> np.ndarray:
    values = [cell["margin"] + weight * (cell["margin"] - floor * cell["revenue"]) for cell in cells]
    return np.array([np.where(c["allowed"], v, -np.inf).argmax() for c, v in zip(cells, values, strict=True)])


def _rate(cells: list[dict], picks: np.ndarray) -> float:
    margin = sum(cell["margin"][pick] for cell, pick in zip(cells, picks, strict=True))
    return margin / max(sum(cell["revenue"][pick] for cell, pick in zip(cells, picks, strict=True)), _TINY)


def _row(cell: dict, pick: int) -> dict:
    units, gain = cell["units"][:, pick], cell["gain"][:, pick]
    return {
        "new_price": cell["prices"][pick],
        "change": cell["prices"][pick] / cell["price"] - 1,
        "new_units": units.mean(),
        "new_units_low": np.quantile(units, 0.025),
        "new_units_high": np.quantile(units, 0.975),
        "new_revenue": cell["revenue"][pick],
        "new_margin": cell["margin"][pick],
        "gain": gain.mean(),
        "gain_low": np.quantile(gain, 0.025),
        "gain_high": np.quantile(gain, 0.975),
    }
