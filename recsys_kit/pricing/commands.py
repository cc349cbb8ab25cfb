"""The command `recsys-kit price`: suggested prices with intervals as a file (notebook 14)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from recsys_kit.datasets import items
from recsys_kit.datasets.tables import PROMOTIONS, Shop
from recsys_kit.pricing import elasticity, panel, suggestions
from recsys_kit.pricing.elasticity import Fitted
from recsys_kit.pricing.suggestions import Rules

__all__ = ["TEXTS", "present", "price"]

TEXTS = ("title", "item_type", "category")
"""Columns of the suggestions that hold a shop's own words."""

_RECENT = 8  # weeks by which present price and units are told


def present(table: pd.DataFrame, fitted: Fitted, recent: int = _RECENT) -> pd.DataFrame:
    """Returns (I,) the products sold in the last weeks: price and units of a week without promotion, and elasticity.

    Args:
        table: See `panel.weekly`.
        fitted: The elasticities of its types.
        recent: Weeks that count.
    """
    last = table[table["week"] > table["week"].max() - recent]
    promoted = last[list(PROMOTIONS)].sum(axis=1) > 0.05
    plain = last[~promoted.to_numpy()]
    of_item = plain.groupby("item_id").agg(price=("price", "median"), units=("units", "mean"))
    of_item["price"] = of_item["price"].round(2)
    info = table.drop_duplicates("item_id").set_index("item_id")[["item_type", "category"]]
    place = fitted.types.get_indexer(info.loc[of_item.index, "item_type"])
    of_item = info.loc[of_item.index].join(of_item)
    of_item["elasticity"] = fitted.coefficients[place, 0]
    of_item["error"] = np.sqrt(fitted.covariance[place, 0, 0])
    return of_item.reset_index()


def price(
    shop: Shop,
    promotions: pd.DataFrame | None,
    rules: Rules,
    say: Callable[[str], object] = print,
    products: int = 4,
) -> pd.DataFrame:
    """Returns a row for each product: its price, the suggested one, and what that would bring, with intervals.

    Args:
        shop: The shop.
        promotions: Its plan; None: nothing is known of promotions, and the elasticities are exaggerated.
        rules: What every suggestion keeps.
        say: Is told what was assumed and what was missing, a sentence each.
        products: Least products of a type.

    Raises:
        NotForThisShop: If the shop has no prices, too few weeks, or no price that changed.
    """
    for column, there in (("quantity", shop.events), ("category", shop.items), ("product_type", shop.items)):
        if column not in there:
            say(
                f"{column} is missing: " + ("every row is one unit" if column == "quantity" else "it is called unknown")
            )
    if promotions is None:
        say("there is no promotion plan (promotions.csv): what promotions did is taken for the price's doing")
    say(f"cost is not in the data: {rules.cost:.0%} of the present price is assumed")
    table = panel.weekly(shop, promotions, products)
    names = elasticity.FACTS if promotions is not None else elasticity.FACTS[:1]
    fitted = elasticity.fit(table, names)
    found = suggestions.suggest(present(table, fitted), rules)
    found.insert(1, "title", items.titles(shop.items, found["item_id"]).to_numpy())
    return found.sort_values(["category", "item_type", "item_id"], ignore_index=True)
