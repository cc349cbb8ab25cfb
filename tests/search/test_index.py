"""The index: stages that agree with their definitions, translations mixed in, and artifacts found again."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from search_shop import KINDS, small_shop

from recsys_kit import datasets, search, workspace
from recsys_kit.search import fusion
from recsys_kit.search import index as search_index


def test_sizes_of_one_product_are_one_document_and_every_item_has_one(index):
    assert len(index.documents) == len(KINDS)
    assert index.documents["products"].tolist() == [3] * len(KINDS)
    assert len(index.items) == 18
    assert (index.items["document"] >= 0).all()


def test_stages_are_what_they_say(index):
    found = search.scores(index, ["toothpaste", "leche"])
    assert set(found) >= {"words", "meaning", "fused", "known"}
    assert found["meaning"] == pytest.approx(fusion.best_view(found["vector"], index.views))
    assert found["known"].tolist() == [1.0, 0.0]
    sales = search_index.SALES * np.log1p(index.documents["sold"].to_numpy())
    assert found["fused"][1] == pytest.approx(found["meaning"][1] + sales)  # unread words change nothing
    assert not np.allclose(found["fused"][0], found["meaning"][0] + sales)


def test_the_index_is_kept_and_found_again(tmp_path):
    store = workspace.Workspace(tmp_path)
    first = search.build(small_shop(), store, epochs=1, rerank=False)
    kept = sorted(path.name for path in tmp_path.glob("[!.]*"))
    again = search.build(small_shop(), store, epochs=1, rerank=False)
    assert sorted(path.name for path in tmp_path.glob("[!.]*")) == kept
    assert {name.split("-")[0] for name in kept} == {"search_vectors", "search_tower", "search_doubt"}
    assert search.search(first, "milk", 5).equals(search.search(again, "milk", 5))


def test_the_same_translation_is_searched_once_and_none_scores_nothing(monkeypatch):
    asked = []

    class Two:
        documents = pd.DataFrame(index=range(2))

    def stages(index, texts):
        asked.append(texts)
        return {"fused": np.ones((len(texts), 2))}

    monkeypatch.setattr(search_index, "_until_fused", stages)
    monkeypatch.setattr(search_index, "_wished", lambda index, own, texts: own)
    found = search_index.translation_scores(Two, ["b", "", "b"])
    assert asked == [["b"]]
    assert found.tolist() == [[1, 1], [0, 0], [1, 1]]


@pytest.fixture(scope="module")
def small_index(tmp_path_factory) -> search_index.Index:
    """The light index of a part of the catalogue: words and meaning, nothing trained."""
    shop = datasets.load(users=20)
    return search_index.build(shop, workspace.Workspace(tmp_path_factory.mktemp("ws")), light=True, limit=150)


def test_a_search_mixes_in_the_translation_of_chinese_and_leaves_all_else_alone(small_index):
    found = search_index.scores(small_index, ["frozen pizza", "冷冻披萨", "leche", "一二三四五六"])
    changed = [not np.array_equal(a, b) for a, b in zip(found["wished"], found["translated"], strict=True)]
    assert changed == [False, True, False, False]
    half = (found["wished"][1] + found["wished"][0]) / 2  # 冷冻披萨 is "frozen pizza", word by word
    assert found["translated"][1] == pytest.approx(half)


def test_slips_and_wishes_change_their_queries_alone(small_index):
    found = search_index.scores(small_index, ["milk", "toilt", "toilet", "decaf coffee", "fresh milk"])
    moved = [not np.array_equal(a, b) for a, b in zip(found["fused"], found["corrected"], strict=True)]
    assert moved == [False, True, False, False, False]
    moved = [not np.array_equal(a, b) for a, b in zip(found["corrected"], found["wished"], strict=True)]
    assert moved == [False, False, False, True, True]  # the last for its last noun
    both = search_index.translation_scores(small_index, ["toilet"])[0]
    assert found["corrected"][1] == pytest.approx((found["fused"][1] + both) / 2)


def test_a_shop_without_codes_translates_nothing(small_index):
    plain = dataclasses.replace(small_index, codes=False)
    found = search_index.scores(plain, ["冷冻披萨"])
    assert np.array_equal(found["fused"], found["translated"])


def test_the_settings_of_the_translation_are_part_of_the_rerankers_address(small_index, monkeypatch):
    before = search_index.reranker_version(small_index)
    monkeypatch.setattr(search_index, "TRANSLATION", 0.3)
    assert search_index.reranker_version(small_index) != before
