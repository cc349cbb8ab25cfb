"""What the promotion plan says of a week: which items are promoted, and what that did to their sales so far.

Everything is weighed by what was sold *before* the origin. Weighing items by their sales of the whole year tells a
forecast which items will sell in the weeks that it is asked for.

Letters for shapes: I items, N nodes, O origins, W weeks of the plan, H weeks ahead, K ways to promote.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from scipy import sparse

from recsys_kit.datasets.promotions import plan as week_plan
from recsys_kit.datasets.tables import PROMOTIONS
from recsys_kit.demand.series import Hierarchy

__all__ = ["STATES", "expected", "facts", "shares", "states"]

STATES = ("not promoted", "inside the mailer", "prominent in the mailer", "on display", "display and mailer")
_MEMORY = 0.97  # of a week's weight, a week later: half of it is left after 23 weeks
_LEAST = 0.05  # of the stores: a display in two of 112 moves nothing
_PRIOR_WEEKS = 2.0  # weeks of an item in a state that outweigh what the state does to all items


def shares(promotions: pd.DataFrame | None, tree: Hierarchy, timezone: str, ahead: int = 0) -> np.ndarray:
    """Returns (I, W, K) the part of the stores that promote each item in each week, for T + `ahead` weeks.

    Without a plan nothing is promoted, and what is expected of an item is what it usually sells.

    Args:
        promotions: `item_id`, `start` (UTC) and the ways to promote, see `datasets.promotions.load`; None: none.
        tree: The hierarchy.
        timezone: The shop's.
        ahead: How many weeks after the last known one the plan is asked for.
    """
    found = np.zeros((len(tree.items), len(tree.starts) + ahead, len(PROMOTIONS)), np.float32)
    if promotions is None:
        return found
    plan = week_plan(promotions[promotions["item_id"].isin(tree.items)], tree.items)
    local = plan.starts.tz_convert(timezone).tz_localize(None)
    week = np.asarray((local - tree.starts[0]).days // 7)
    for row, place in enumerate(week):
        if 0 <= place < found.shape[1]:
            found[:, place] = np.maximum(found[:, place], plan.share[row + 1, 1:])
    return found


def states(share: np.ndarray, least: float = _LEAST) -> np.ndarray:
    """Returns (I, W) the place in `STATES` of each item and week.

    Args:
        share: (I, W, K) see `shares`.
        least: Part of the stores from which on a promotion counts.
    """
    display, inside, prominent = (share[..., way] > least for way in range(3))
    return np.select([display & (inside | prominent), display, prominent, inside], [4, 3, 2, 1], 0).astype(np.int8)


def expected(units: np.ndarray, state: np.ndarray, origin: int) -> np.ndarray:
    """Returns (I, W) the units that each item would sell in each week, judged by its own past in the same state.

    An item that was seldom in a state borrows from all items: its usual sales times what the state does to sales.

    Args:
        units: (I, T) what was sold; only the first `origin` weeks are read.
        state: (I, W) see `states`; the plan of the weeks to come is known.
        origin: How many weeks are known.
    """
    memory = _memory(origin)
    past, then = units[:, :origin], state[:, :origin]
    usual = past @ memory / memory.sum()
    rates = np.zeros((len(units), len(STATES)), np.float32)
    for one in range(len(STATES)):
        weight = (then == one) * memory
        sold, seen = (past * weight).sum(axis=1), weight.sum(axis=1)
        effect = (sold.sum() + 1) / ((usual * seen).sum() + 1)
        rates[:, one] = (sold + _PRIOR_WEEKS * effect * usual) / (seen + _PRIOR_WEEKS)
    return np.take_along_axis(rates, state.astype(np.intp), axis=1)


def facts(tree: Hierarchy, share: np.ndarray, origins: Iterable[int]) -> dict[int, np.ndarray]:
    """Returns (N, W, 1 + K) of each origin what the plan says of each node, as it is known at that origin.

    First the expected units, see `expected`; then for each way to promote the part of the sales that is promoted.
    A category in one store has the plan of its category.

    Args:
        tree: The hierarchy; of its units only the first `origin` weeks are read.
        share: (I, W, K) see `shares`.
        origins: How many weeks are known at each.
    """
    promoted = (share > 0).any(axis=(1, 2))  # the others sell as usual: they are added up once
    some, state = share[promoted], states(share[promoted])
    category = tree.nodes["category"].to_numpy()
    store = np.flatnonzero(tree.nodes["level"] == "store")
    levels = [np.zeros(len(tree.items), int), *tree.item_nodes.values()]  # node 0 is the total
    member = sum(_member(nodes, len(tree.nodes)) for nodes in levels)
    found = {}
    for origin in origins:
        memory = _memory(origin)
        units = tree.item_units[:, :origin].astype(np.float32)
        usual = units @ memory / memory.sum()
        parts = [expected(units[promoted], state, origin)]
        parts += [some[..., way] * usual[promoted, None] for way in range(share.shape[2])]
        nodes = np.stack([member[:, promoted] @ part for part in parts], axis=-1)  # (N, W, 1 + K)
        nodes[..., 0] += (member[:, ~promoted] @ usual[~promoted])[:, None]
        nodes[..., 1:] /= np.maximum(member @ usual, 1e-6)[:, None, None]
        nodes[store] = nodes[category[store]]
        found[origin] = nodes.astype(np.float32)
    return found


def _memory(weeks: int) -> np.ndarray:
    return (_MEMORY ** np.arange(weeks)[::-1]).astype(np.float32)


def _member(nodes: np.ndarray, count: int) -> sparse.csr_matrix:
    ones = np.ones(len(nodes), np.float32)
    return sparse.csr_matrix((ones, (nodes, np.arange(len(nodes)))), (count, len(nodes)))
