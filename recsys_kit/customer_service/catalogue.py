"""What anybody may know about the products: found by search, priced and counted over many customers (notebook 16)."""

from __future__ import annotations

import functools
import re

import numpy as np
import pandas as pd

from recsys_kit import search, workspace
from recsys_kit.datasets.shops import Shop
from recsys_kit.search import glossary, word_lists

__all__ = ["CROWD", "NEAR", "PRICE_DAYS", "STOCK_DAYS", "Shelf", "product_words"]

CROWD = 5
"""A price or a sale is told only if so many customers stand behind it: fewer would be somebody's shopping."""
PRICE_DAYS, STOCK_DAYS = 90, 28
"""The last days of the shop that a price is the median of, and in which an item must be sold to be in stock."""
NEAR = 0.15
"""What the words name scores at most so much less than the best document."""


@functools.cache
def _asking() -> tuple[frozenset[str], frozenset[str], frozenset[str], re.Pattern]:
    """Returns how one asks for a product, without the product.

    In English: the words; those that may be a property of a product ("sugar", "vegan"); those that stand for one
    ("it"). In Chinese, that has no spaces: a pattern of pieces, whose group is what stays.
    """
    products = {*word_lists.words("product", "zh"), *glossary.entries()["chinese"]} - {""}
    asking = set(word_lists.words("asking", "zh"))
    longest = sorted(products | asking, key=len, reverse=True)  # "比萨" before "比", "如果" before "果"
    pieces = [re.escape(word) if word in asking else f"({re.escape(word)})" for word in longest]
    named = "|".join(map(re.escape, sorted(products, key=len, reverse=True)))
    of_product = f"((?:{word_lists.alternatives('property', 'zh')})的?(?={named}))"
    chinese = re.compile("|".join([of_product, *pieces, "[，。？！,.?!]"]))  # noqa: RUF001
    return *(frozenset(word_lists.words(name, "en")) for name in ("asking", "property", "pronoun")), chinese


def product_words(text: str) -> str:
    """Returns what is left of a question when the asking is taken away: the product, or nothing.

    The longest product that is known is never cut into. A property, such as "sugar" or "vegan", stays where the product
    follows it ("sugar free gum"), or if it is all that is asked for ("do you have sugar").

    Example:
        >>> [product_words(text) for text in ("how much is the oat milk?", "你们有没有燕麦奶", "how much is it")]
        ['oat milk', '燕麦奶', '']
        >>> [product_words(text) for text in ("do you have sugar", "is there gluten in the bread", "比萨多少钱")]
        ['sugar', 'bread', '比萨']
    """
    english, properties, pronouns, chinese = _asking()
    plain = chinese.sub(lambda found: found[0] if found.lastindex else " ", text.lower())
    kept, held, alone, named = [], [], [], True
    for word in re.findall(r"[^\W_]+(?:['-][^\W_]+)*", plain):
        stem = word.partition("'")[0]
        named &= stem not in pronouns
        if word in properties or word.partition("-")[0] in properties:
            held.append(word)
            alone.append(word)
        elif word not in english and stem not in english:
            kept += [*held, word]
            held = []
        else:
            held = []
    return " ".join(kept or (alone if named else []))


class Shelf:
    """The catalogue as a customer may see it.

    Args:
        shop: The shop.
        store: Where the search's vectors are kept.
        documents: Only so many documents, the best sold ones; 0 for all.

    Raises:
        ValueError: If the shop has no titles: there is nothing to search in.
    """

    def __init__(self, shop: Shop, store: workspace.Workspace, documents: int = 0):
        self.index = search.build(shop, store, light=True, limit=documents)
        items = self.index.items
        self._document = items.set_index("item_id")["document"]
        best = items.sort_values("sold", ascending=False, kind="stable").drop_duplicates("document")
        self._title = best.set_index("document")["title"]  # of the best sold item of each document
        events = shop.events
        end = events["timestamp"].max()
        priced = events[(events["timestamp"] > end - pd.Timedelta(days=PRICE_DAYS)) & (events["quantity"] > 0)]
        full = (priced["price"] + priced["discount"]).groupby(priced["item_id"]).median()
        crowd = priced.groupby("item_id")["user_id"].nunique()
        stocked = priced[priced["timestamp"] > end - pd.Timedelta(days=STOCK_DAYS)]
        self._price = full[crowd.reindex(full.index) >= CROWD].dropna()
        self._buyers = stocked.groupby(stocked["item_id"].map(self._document))["user_id"].nunique()

    def find(self, words: str, k: int = 3) -> pd.DataFrame:
        """Returns the best items for a product's name; see `search.search`. Empty if there is none."""
        try:
            return search.search(self.index, words[: search.LONGEST_QUERY], k)
        except ValueError:
            return pd.DataFrame(columns=list(search.RESULT_COLUMNS[1:]))

    def price(self, item_id: str) -> float:
        """Returns what an item costs on the shelf, the median of `PRICE_DAYS`; NaN if too few customers bought it."""
        return float(self._price.get(item_id, np.nan))

    def sells(self, item_id: str) -> bool:
        """Returns whether enough customers bought a kind of product in the last `STOCK_DAYS` to call it in stock.

        An item is one size of one brand; who asks for toothpaste asks for all of its document.
        """
        return int(self._buyers.get(self._document.get(item_id), 0)) >= CROWD

    def instead(self, item_id: str, k: int = 3) -> list[str]:
        """Returns titles that could stand in for an item: other documents of its category, nearest in meaning."""
        documents = self.index.documents
        mine = int(self._document[item_id])
        close = self.index.views[:, 0] @ self.index.views[mine, 0]
        same = (documents["category"] == documents["category"].iloc[mine]).to_numpy()
        close = np.where(same & (documents["sold"] > 0).to_numpy(), close, -np.inf)
        close[mine] = -np.inf
        best = [d for d in np.argsort(-close, kind="stable")[:k] if close[d] > -np.inf]
        return self._title.reindex(best).tolist()

    def among(self, words: str, item_ids: pd.Series, places: int = 10) -> np.ndarray:
        """Returns which of some items (N,) are what the words name: those whose document is among the best found."""
        try:
            text = search.check_query(words[: search.LONGEST_QUERY])
        except ValueError:
            return np.zeros(len(item_ids), bool)
        found = search.scores(self.index, [text], rerank=False)["translated"][0]
        best = np.argsort(-found, kind="stable")[:places]
        best = best[found[best] >= found[best[0]] - NEAR]
        return item_ids.map(self._document).isin(best).to_numpy()
