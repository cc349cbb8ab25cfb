"""Fusion of two rankings, views of a document, and texts made from a catalogue."""

import numpy as np
import pandas as pd
import pytest
from search_shop import small_shop

from recsys_kit.search import fusion

DOCUMENTS = pd.DataFrame(
    {
        "category": ["BATH TISSUES", "FROZEN PIZZA"],
        "product_type": ["TOILET TISSUE", "PIZZA/PREMIUM"],
        "name": ["TOILET TISSUE", "PIZZA/PREMIUM"],
        "products": [3, 3],
        "sold": [90, 40],
    }
)


def test_the_better_view_of_a_document_counts():
    view = np.array([[[1.0, 0.0], [0.0, 1.0]], [[0.6, 0.8], [0.6, 0.8]]])  # (P, S, E)
    assert fusion.best_view(np.array([[0.0, 1.0]]), view).tolist() == [[1.0, 0.8]]


def test_fusion_by_rank_rewards_agreement_and_ignores_unmatched_documents():
    meaning = np.array([[0.9, 0.8, 0.1]])
    fused = fusion.reciprocal_rank(meaning, np.array([[0.0, 3.0, 0.0]]))
    assert fused[0].argmax() == 1
    assert fusion.reciprocal_rank(meaning, np.zeros((1, 3)))[0].argsort().tolist() == [2, 1, 0]


def test_a_closed_gate_leaves_the_dense_scores_exactly_as_they_were():
    meaning, words = np.random.default_rng(0).random((2, 5)), np.random.default_rng(1).random((2, 5))
    fused = fusion.gated(fusion.weighted(meaning, words, 0.5), meaning, np.array([0.2, 0.9]))
    assert (fused[0] == meaning[0]).all()
    assert not np.allclose(fused[1], meaning[1])


def test_a_query_without_any_match_is_not_divided_by_zero():
    assert np.isfinite(fusion.weighted(np.zeros((1, 3)), np.zeros((1, 3)), 0.5)).all()
    assert fusion.unit(np.zeros((1, 4))).tolist() == [[0, 0, 0, 0]]


def test_paraphrases_are_the_same_for_a_seed_and_come_from_their_document():
    first, target = fusion.paraphrases(DOCUMENTS, codes=True, seed=3)
    again, _ = fusion.paraphrases(DOCUMENTS, codes=True, seed=3)
    assert first == again
    assert len(first) == len(target) == 6
    chinese = [text for text, document in zip(first, target, strict=True) if document == 1 and not text.isascii()]
    assert chinese and all("披萨" in text or "冷冻" in text or "优质" in text for text in chinese)
    assert all(text.strip() for text in first)


def test_rarely_sold_documents_teach_nothing():
    assert set(fusion.paraphrases(DOCUMENTS, codes=True, least=50)[1]) == {0}


def test_texts_of_another_shop_are_left_in_its_words():
    own = fusion.texts(DOCUMENTS.assign(name=["Käse MIT Kräutern", "SAL"]), codes=False)
    assert own["name"] == ["käse mit kräutern", "sal"]
    assert "name_zh" not in own


def test_companions_are_what_is_bought_together_more_than_by_chance():
    rng = np.random.default_rng(0)
    baskets = [("a", "b") if i % 4 == 0 else (("c",) if i % 2 else ("d",)) for i in range(400)]
    rows = [(str(i), item) for i, basket in enumerate(baskets) for item in basket]
    events = pd.DataFrame(rows, columns=["basket_id", "item_id"]).sample(frac=1, random_state=rng)
    pairs = fusion.co_purchases(events, pd.Series({"a": 0, "b": 1, "c": 2, "d": 3}), 4)
    assert sorted(map(tuple, pairs)) == [(0, 1), (1, 0)]


def test_a_limit_keeps_the_best_sold(monkeypatch):
    shop = small_shop()
    sold = pd.Series({"01": 5, "11": 9})
    documents, items = fusion.documents(shop, sold, limit=2)
    assert sorted(documents["sold"]) == [5, 9]
    assert set(items["document"]) == {0, 1}
    with pytest.raises(ValueError, match="no titles"):
        fusion.documents(type(shop)(**{**shop.__dict__, "items": shop.items.assign(is_merchandise=False)}))
