"""Promises of `translation`: queries put into English, and what a search does with them."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from recsys_kit import datasets, workspace
from recsys_kit.search import index as search_index
from recsys_kit.search import queries, translation


def test_a_chinese_query_is_translated_by_its_longest_known_words():
    assert translation.by_glossary("冷冻披萨") == ("frozen pizza", 1.0)
    assert translation.by_glossary("quetzal") == ("", 0.0)
    assert translation.by_glossary("") == ("", 0.0)


def test_spelling_forgives_one_later_character_and_never_changes_a_known_word():
    assert translation.by_glossary("洗发睡")[0] == ""
    assert translation.by_glossary("洗发睡", spelling=True) == ("shampoo", 1.0)
    for word in list(translation.dictionary())[::40]:
        assert translation.by_glossary(word, spelling=True) == translation.by_glossary(word)


def test_the_nearest_text_is_never_a_forbidden_one():
    vectors = np.eye(3)
    texts, cosine = translation.by_nearest(vectors[:1], ["a", "b", "c"], vectors, np.array([[True, False, False]]))
    assert texts != ["a"] and cosine.tolist() == [0.0]


def test_an_unsure_translation_changes_nothing():
    own, other = np.array([[0.3, 0.7]]), np.array([[9.0, -9.0]])
    assert translation.mixed(own, other, np.array([0.4]), 0.5, 0.5).tolist() == own.tolist()


def test_the_same_translation_is_searched_once_and_none_scores_nothing(monkeypatch):
    asked = []

    class Two:
        documents = pd.DataFrame(index=range(2))

    def stages(index, texts):
        asked.append(texts)
        return {"fused": np.ones((len(texts), 2))}

    monkeypatch.setattr(search_index, "_until_fused", stages)
    found = search_index.translation_scores(Two, ["b", "", "b"])
    assert asked == [["b"]]
    assert found.tolist() == [[1, 1], [0, 0], [1, 1]]


@pytest.fixture(scope="module")
def small_index(tmp_path_factory) -> search_index.Index:
    """The light index of a part of the catalogue: words and meaning, nothing trained."""
    shop = datasets.load(users=20)
    return search_index.build(shop, workspace.Workspace(tmp_path_factory.mktemp("ws")), tower=False, limit=150)


def test_a_search_mixes_in_the_translation_of_chinese_and_leaves_all_else_alone(small_index):
    found = search_index.scores(small_index, ["frozen pizza", "冷冻披萨", "leche", "一二三四五六"])
    changed = [not np.array_equal(a, b) for a, b in zip(found["fused"], found["translated"], strict=True)]
    assert changed == [False, True, False, False]
    half = (found["fused"][1] + found["fused"][0]) / 2  # 冷冻披萨 is "frozen pizza", word by word
    assert found["translated"][1] == pytest.approx(half)


def test_a_shop_without_codes_translates_nothing(small_index):
    plain = dataclasses.replace(small_index, codes=False)
    found = search_index.scores(plain, ["冷冻披萨"])
    assert np.array_equal(found["fused"], found["translated"])


def test_the_settings_of_the_translation_are_part_of_the_rerankers_address(small_index, monkeypatch):
    before = search_index.reranker_version(small_index)
    monkeypatch.setattr(search_index, "TRANSLATION", 0.3)
    assert search_index.reranker_version(small_index) != before


def test_the_glossary_translates_no_judged_query_of_another_language():
    asked = queries.texts(queries.judged())
    parts = [translation.by_glossary(text, spelling=True) for text in asked.loc[asked["language"] != "zh", "query"]]
    assert max(part for _, part in parts) < search_index.TRANSLATED  # the glossary translates Chinese only
