"""Weekly units of categories, types and stores: one hierarchy, with nodes for the rest, so that it adds up.

Letters for shapes: N nodes, T weeks, I items, C constraints.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy import sparse

from recsys_kit.datasets.entry import PURCHASE
from recsys_kit.datasets.items import item_types
from recsys_kit.datasets.tables import NotForThisShop, Shop

__all__ = ["LEVELS", "MOST_UNITS", "Hierarchy", "hierarchy", "reconcile", "sales", "week_starts"]

LEVELS = ("total", "category", "type", "store")
MOST_UNITS = 40
"""Units of one row beyond which it is an error or a bulk purchase: 17 rows of the kit's merchandise."""
_REST = "the rest"


@dataclass(frozen=True)
class Hierarchy:
    """Series that add up: the total is the sum of its categories, a category of its types, and of its stores.

    Attributes:
        nodes: (N,) one row a node: `level` (of `LEVELS`), `name`, `category` (its place among the nodes, itself for a
            category, -1 for the total), `is_rest` (True for what is left over of its parent).
        units: (N, T) what was sold.
        starts: (T,) first day of each week, in the shop's own time.
        items: (I,) item ids; `item_nodes` says where each belongs.
        item_units: (I, T) what was sold of each item.
        item_nodes: Of the levels "category" and "type", (I,) the node of each item.
    """

    nodes: pd.DataFrame
    units: np.ndarray = field(repr=False)
    starts: pd.DatetimeIndex
    items: pd.Index = field(repr=False)
    item_units: np.ndarray = field(repr=False)
    item_nodes: dict[str, np.ndarray] = field(repr=False)

    @property
    def constraints(self) -> np.ndarray:
        """(C, N): 1 for a parent and -1 for each of its children; times the units it is 0."""
        rows, level = [], self.nodes["level"].to_numpy()
        parent = self.nodes["category"].to_numpy()
        categories = np.flatnonzero(level == "category")
        rows.append((level == "total").astype(float) - (level == "category"))
        for kind in [kind for kind in ("type", "store") if (level == kind).any()]:
            for node in categories:
                row = -((level == kind) & (parent == node)).astype(float)
                row[node] = 1
                rows.append(row)
        return np.array(rows)

    def named(self, level: str) -> np.ndarray:
        """Returns the places of a level's nodes that are not a rest."""
        return np.flatnonzero((self.nodes["level"] == level) & ~self.nodes["is_rest"])

    def until(self, weeks: int) -> Hierarchy:
        """Returns the same hierarchy as it was known after so many weeks."""
        return Hierarchy(
            self.nodes, self.units[:, :weeks], self.starts[:weeks], self.items, self.item_units[:, :weeks],
            self.item_nodes,
        )  # fmt: skip


def week_starts(shop: Shop, promotions: pd.DataFrame | None = None) -> pd.DatetimeIndex:
    """Returns the first day of each whole week of a shop, in the shop's own time.

    A week begins on the weekday on which promotions begin, so that a week has one plan; without a plan the last week
    ends on the last day. Weeks that the data cover in part are left out.

    Args:
        shop: The shop.
        promotions: Its plan, see `recsys_kit.datasets.promotions.load`.

    Raises:
        NotForThisShop: If there are fewer than twelve whole weeks.
    """
    days = shop.events["timestamp"].dt.tz_convert(shop.timezone).dt.tz_localize(None).dt.floor("D")
    first, last = days.min(), days.max()
    end = last + pd.Timedelta(days=1)
    if promotions is not None and len(promotions):
        begun = promotions["start"].drop_duplicates().dt.tz_convert(shop.timezone).dt.day_of_week.mode()[0]
        end -= pd.Timedelta(days=int((end.day_of_week - begun) % 7))
    count = (end - first).days // 7
    if count < 12:
        raise NotForThisShop(
            f"a weekly forecast needs at least 12 whole weeks of events. {shop.name} has {count}: "
            f"{first:%Y-%m-%d} to {last:%Y-%m-%d}."
        )
    return pd.DatetimeIndex([end - pd.Timedelta(weeks=back) for back in range(count, 0, -1)])


def sales(shop: Shop, starts: pd.DatetimeIndex) -> pd.DataFrame:
    """Returns what was sold, one row a purchase: `item_id`, `category`, `type`, `store` (if known), `week`, `units`.

    Rows without a positive quantity or price and items that are no merchandise are left out. Without a column
    `quantity` every row is one unit. `type` is the pair of category and product type: the names of types repeat.

    Args:
        shop: The shop.
        starts: (T,) first days of the weeks, see `week_starts`.

    Raises:
        NotForThisShop: If the items have no `category`.
    """
    if "category" not in shop.items or shop.items["category"].nunique() < 2:
        raise NotForThisShop("items: column `category` is missing: a forecast is made for each category of the shop")
    events = shop.events
    keep = events["event_type"] == PURCHASE if "event_type" in events else pd.Series(True, events.index)
    for column in [column for column in ("quantity", "price") if column in events]:
        keep &= events[column].isna() & (column == "price") | (events[column] > 0)
    if "is_merchandise" in shop.items:
        keep &= ~events["item_id"].isin(shop.items.loc[~shop.items["is_merchandise"].astype(bool), "item_id"])
    events = events[keep]
    local = events["timestamp"].dt.tz_convert(shop.timezone).dt.tz_localize(None)
    week = (local - starts[0]).dt.days // 7
    ids = events["item_id"].unique()
    pair = item_types(shop.items, ids)
    found = pd.DataFrame(
        {
            "item_id": events["item_id"],
            "category": events["item_id"].map(pair.str.split(" | ", regex=False).str[0]),
            "week": week,
            "units": events["quantity"].clip(upper=MOST_UNITS) if "quantity" in events else 1.0,
        }
    )
    if "product_type" in shop.items and shop.items["product_type"].nunique() > 1:
        found["type"] = events["item_id"].map(pair)
    if "store_id" in events and events["store_id"].nunique() > 1:
        found["store"] = events["store_id"]
    return found[(week >= 0) & (week < len(starts))]


def hierarchy(
    rows: pd.DataFrame, starts: pd.DatetimeIndex, known: int, sizes: tuple[int, int, int] = (150, 500, 1000)
) -> Hierarchy:
    """Builds the hierarchy: the largest categories, types and categories in stores, and what is left over of each.

    Args:
        rows: What was sold, see `sales`.
        starts: (T,) first days of the weeks.
        known: The largest are those of the first so many weeks: who chooses by later weeks looks ahead.
        sizes: How many categories, types and categories in stores get a node of their own.
    """
    rows = rows.reset_index(drop=True)
    past = rows[rows["week"] < known]
    large = past.groupby("category")["units"].sum().nlargest(sizes[0]).index
    rows["category"] = rows["category"].where(rows["category"].isin(large), _REST)
    past = past.assign(category=rows["category"])
    labels = {"category": rows["category"]}
    for level, size in (("type", sizes[1]), ("store", sizes[2])):
        if level in rows and size:
            own = past["category"] + " | " + past[level].astype("str")
            chosen = past.groupby(own)["units"].sum()
            inside = chosen.index.str.startswith(f"{_REST} | ")
            chosen = chosen[~inside].nlargest(size).index
            label = rows["category"] + " | " + rows[level].astype("str")
            labels[level] = label.where(label.isin(chosen), rows["category"] + " | " + _REST)
    frames, tables, item_nodes = (
        [_nodes("total", ["total"])],
        [_weekly(rows, labels["category"], len(starts)).sum(axis=0)],
        {},
    )
    items = pd.Index(rows["item_id"].unique())
    for level, label in labels.items():
        table = _weekly(rows, label, len(starts))
        first = sum(map(len, frames))
        frames.append(_nodes(level, table.index))
        tables.append(table.to_numpy())
        if level != "store":
            place = pd.Series(table.index.get_indexer(label) + first, rows["item_id"].to_numpy())
            item_nodes[level] = place[~place.index.duplicated()].reindex(items).to_numpy()
    nodes = pd.concat(frames, ignore_index=True)
    place = {name: at for at, name in enumerate(nodes["name"]) if nodes.at[at, "level"] == "category"}
    nodes["category"] = [place.get(name.split(" | ")[0], -1) for name in nodes["name"]]
    item_units = _weekly(rows, rows["item_id"], len(starts)).reindex(items).to_numpy()
    units = np.vstack([np.atleast_2d(table) for table in tables])
    return Hierarchy(nodes, units, starts, items, item_units, item_nodes)


def reconcile(forecasts: np.ndarray, constraints: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Moves forecasts as little as possible so that they add up: MinT (Wickramasuriya et al., 2019), by constraints.

    Args:
        forecasts: (N, H) forecasts of all nodes, each made on its own.
        constraints: (C, N) with `constraints @ units = 0`, see `Hierarchy.constraints`.
        covariance: (N, N) covariance of the forecasts' errors, or (N,) their variances (then it is WLS).

    Returns:
        (N, H) forecasts that add up; those with small errors have moved least.

    Example:
        >>> parent_and_two = np.array([[9.0], [4.0], [4.0]])
        >>> reconcile(parent_and_two, np.array([[1.0, -1.0, -1.0]]), np.array([1.0, 1.0, 2.0])).ravel().tolist()
        [8.75, 4.25, 4.5]
    """
    weighted = covariance[:, None] * constraints.T if covariance.ndim == 1 else covariance @ constraints.T  # (N, C)
    gap = constraints @ forecasts  # (C, H)
    inverse = np.linalg.pinv(constraints @ weighted, hermitian=True)  # a category with one type says a thing twice
    return forecasts - weighted @ (inverse @ gap)


def _weekly(rows: pd.DataFrame, label: pd.Series, weeks: int) -> pd.DataFrame:
    codes, names = pd.factorize(label, sort=True)
    shape = (len(names), weeks)
    found = sparse.coo_matrix((rows["units"].to_numpy(float), (codes, rows["week"].to_numpy())), shape)
    return pd.DataFrame(found.toarray(), index=pd.Index(names))


def _nodes(level: str, names: list | pd.Index) -> pd.DataFrame:
    rest = [str(name).split(" | ", 1)[-1] == _REST for name in names]
    return pd.DataFrame({"level": level, "name": [str(name) for name in names], "is_rest": rest})
