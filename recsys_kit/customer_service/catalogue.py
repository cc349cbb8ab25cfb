"""What anybody may know about the products: found by search, priced and counted over many customers (notebook 16)."""

from __future__ import annotations

import functools
import re

import numpy as np
import pandas as pd

from recsys_kit import search, workspace
from recsys_kit.datasets.shops import Shop
from recsys_kit.search import fusion, lexical
from recsys_kit.search import index as search_index
from recsys_kit.search import vectors as search_vectors

__all__ = ["CROWD", "Shelf", "product_words"]

CROWD = 5
"""A price or a sale is told only if so many customers stand behind it: fewer would be somebody's shopping."""

_ENGLISH = frozenset(
    "a an and any anything are available aisle at be bought brand brands buy by can carry charge cheap cheaper "
    "cheapest check could cost costs did do does dollars else ever every expensive find for found from get got "
    "had has have here how i if in instead is it its kind kinds last like list look looking many me moment more "
    "most much my need now of often old on one or order orders our pack part past place please price prices "
    "product purchase purchased purchases quote recently right sale sell show some stock store take tell than "
    "that the their them there these they this times to us use usually want was way we were what when where which "
    "will with you your similar substitute alternative alternatives replacement replace contain contains "
    "ingredients calories sugar gluten vegan vegetarian free allergic eat safe inside nutrition facts nutritional "
    "information year ago while time regularly regular buyer history back would pay least offers special possible "
    "whether keep compare something sold out no not so too good better healthier closest comparable different "
    "same option swap don't don all am been being long since during really dairy lactose diabetics pregnancy "
    "allergy son daughter eaten preservatives there's i'm that's what's".split()
)
_CHINESE = re.compile(
    "请问|请|告诉我|帮我|你们那儿|你们这儿|你们这|你们|那儿|这里|店里|在你们|能不能|有没有|买得到|买到|可以|我想要|我需要|我想|我要|我在|我|想找|在找|找|"
    "上一次|上次|最近|以前|之前|平时|经常|一般|今年|多久|几次|总共|一次|一包|一个|"
    "多少钱|什么价格|什么价|价格|价钱|报个价|怎么卖|卖多少|要多少钱|几块钱|最便宜|便宜|贵|有特价|打折|降价|涨价|现在|得花多少|售价|比较一下|"
    "有货|库存|还有|补货|什么时候|哪个货架|哪里|哪儿|哪种|哪款|哪天|哪个|放在|能找到|给我看看|给我|都有|什么|种类|品种|牌子|"
    "含不含|不含|含有|含|配料|成分|营养|信息|多少|卡路里|无麸质|麸质|过敏|安全|能吃|素食|纯素|"
    "可以用|用什么|代替|替代品|替代|替换|类似|差不多|卖完了|缺货|没了|没有了|推荐|换成|"
    "看看|这能|从你们|要几|收多少|得花|里面|里都放了|里都|里有|乳糖|无糖的|糖尿病人|孕妇|小麦|不含奶|对|放了|能替|还能|怎么办|不喜欢|相近|"
    "商品|最接近|健康一点|更健康|的选择|选择|没有|的话|拿|作用一样|一样|别的|同类|其他|哪几单|订单里|订单|常买|近来|显示|列出|每次|我所有|所有|"
    "购买记录|购买|记录|怎么|能|钱|把|比|"
    "买过|买了|买的|买|卖|有|吗|呢|么|啊|的|了|是|在|和|跟|这款|个|[，。？！,.?!]"  # noqa: RUF001
)


def product_words(text: str) -> str:
    """Returns what is left of a question when the asking is taken away: the product, or nothing.

    Example:
        >>> [product_words(text) for text in ("how much is the oat milk?", "你们有没有燕麦奶", "how much is it")]
        ['oat milk', '燕麦奶', '']
    """
    plain = _CHINESE.sub(" ", text.lower())
    kept = [
        word
        for word in re.findall(r"[^\W_]+(?:['-][^\W_]+)*", plain)
        if word not in _ENGLISH and word.partition("'")[0] not in _ENGLISH
    ]
    return " ".join(kept)


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
        self.index = _index(shop, store, documents)
        items = self.index.items
        self._document = items.set_index("item_id")["document"]
        best = items.sort_values("sold", ascending=False, kind="stable").drop_duplicates("document")
        self._title = best.set_index("document")["title"]  # of the best sold item of each document
        events = shop.events
        end = events["timestamp"].max()
        quarter = events[(events["timestamp"] > end - pd.Timedelta(days=90)) & (events["quantity"] > 0)]
        full = (quarter["price"] + quarter["discount"]).groupby(quarter["item_id"]).median()
        crowd = quarter.groupby("item_id")["user_id"].nunique()
        month = quarter[quarter["timestamp"] > end - pd.Timedelta(days=28)]
        self._price = full[crowd.reindex(full.index) >= CROWD].dropna()
        self._buyers = month.groupby("item_id")["user_id"].nunique()

    def find(self, words: str, k: int = 3) -> pd.DataFrame:
        """Returns the best items for a product's name; see `search.search`. Empty if there is none."""
        try:
            return search.search(self.index, words[: search.LONGEST], k)
        except ValueError:
            return pd.DataFrame(columns=list(search.COLUMNS[1:]))

    def price(self, item_id: str) -> float:
        """Returns what an item costs on the shelf, the median of 90 days; NaN if too few customers bought it."""
        return float(self._price.get(item_id, np.nan))

    def sells(self, item_id: str) -> bool:
        """Returns whether enough customers bought an item in the last four weeks to call it in stock."""
        return int(self._buyers.get(item_id, 0)) >= CROWD

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
            text = search.check_query(words[: search.LONGEST])
        except ValueError:
            return np.zeros(len(item_ids), bool)
        found = search.scores(self.index, [text], rerank=False)["translated"][0]
        best = np.argsort(-found, kind="stable")[:places]
        best = best[found[best] >= found[best[0]] - 0.15]
        return item_ids.map(self._document).isin(best).to_numpy()


def _index(shop: Shop, store: workspace.Workspace, limit: int) -> search_index.Index:
    """Builds the light search of notebook 10: words and meaning, nothing trained."""
    codes = search_vectors.uses_codes(shop)
    documents, items = fusion.documents(shop, limit=limit)
    text = fusion.texts(documents, codes)
    build = functools.partial(_vectors, {name: words for name, words in text.items() if name != "raw"})
    params = {"documents": len(documents), "sold": int(documents["sold"].sum()), "codes": codes}
    params["glossary"] = search_vectors.glossary_version()
    uses = [fusion.documents, fusion.texts]
    parts = store.get("shelf_vectors", build, data=shop.fingerprint, params=params, uses=uses)
    each = zip(*(text[name] for name in ("both", "both_zh") if name in text), strict=True)
    words = lexical.Lexical([" ".join(together) for together in each], spelling=True)
    return search_index.Index(documents, items, words, fusion.views(parts), codes=codes)


def _vectors(text: dict[str, list[str]]) -> dict[str, np.ndarray]:
    return {name: search_vectors.encode(words) for name, words in text.items()}
