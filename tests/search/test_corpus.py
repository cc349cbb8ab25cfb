"""The corpus: what of a shop can be found, and texts made from it."""

import numpy as np
import pandas as pd
import pytest
from search_shop import small_shop

from recsys_kit.datasets.tables import Shop
from recsys_kit.search import corpus

DOCUMENTS = pd.DataFrame(
    {
        "category": ["BATH TISSUES", "FROZEN PIZZA"],
        "product_type": ["TOILET TISSUE", "PIZZA/PREMIUM"],
        "name": ["TOILET TISSUE", "PIZZA/PREMIUM"],
        "products": [3, 3],
        "sold": [90, 40],
    }
)


def test_paraphrases_are_the_same_for_a_seed_and_come_from_their_document():
    first, target = corpus.paraphrases(DOCUMENTS, codes=True, seed=3)
    again, _ = corpus.paraphrases(DOCUMENTS, codes=True, seed=3)
    assert first == again
    assert len(first) == len(target) == 6
    chinese = [text for text, document in zip(first, target, strict=True) if document == 1 and not text.isascii()]
    assert chinese and all("披萨" in text or "冷冻" in text or "优质" in text for text in chinese)
    assert all(text.strip() for text in first)


def test_rarely_sold_documents_teach_nothing():
    assert set(corpus.paraphrases(DOCUMENTS, codes=True, least=50)[1]) == {0}


def test_texts_of_another_shop_are_left_in_its_words():
    own = corpus.texts(DOCUMENTS.assign(name=["Käse MIT Kräutern", "SAL"]), codes=False)
    assert own["name"] == ["käse mit kräutern", "sal"]
    assert "name_zh" not in own


def test_companions_are_what_is_bought_together_more_than_by_chance():
    rng = np.random.default_rng(0)
    baskets = [("a", "b") if i % 4 == 0 else (("c",) if i % 2 else ("d",)) for i in range(400)]
    rows = [(str(i), item) for i, basket in enumerate(baskets) for item in basket]
    events = pd.DataFrame(rows, columns=["basket_id", "item_id"]).sample(frac=1, random_state=rng)
    pairs = corpus.co_purchases(events, pd.Series({"a": 0, "b": 1, "c": 2, "d": 3}), 4)
    assert sorted(map(tuple, pairs)) == [(0, 1), (1, 0)]


def test_a_limit_keeps_the_best_sold(monkeypatch):
    shop = small_shop()
    sold = pd.Series({"01": 5, "11": 9})
    documents, items = corpus.documents(shop, sold, limit=2)
    assert sorted(documents["sold"]) == [5, 9]
    assert set(items["document"]) == {0, 1}
    with pytest.raises(ValueError, match="no titles"):
        corpus.documents(type(shop)(**{**shop.__dict__, "items": shop.items.assign(is_merchandise=False)}))


def test_a_shop_without_titles_is_told_what_is_missing():
    shop = small_shop("corner shop")
    bare = shop.items.assign(title=shop.items["item_id"], product_type="unknown")
    with pytest.raises(ValueError, match="no titles"):
        corpus.documents(Shop("corner shop", shop.events, bare, shop.users, "UTC", "x"))
