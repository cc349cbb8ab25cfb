"""Promises of `translation`: queries put into English, and what a search does with them."""

import numpy as np
import pytest

from recsys_kit.search import cedict, queries, translation
from recsys_kit.search import index as search_index


def test_a_chinese_query_is_translated_by_its_longest_known_words():
    assert translation.by_glossary("冷冻披萨") == ("frozen pizza", 1.0)
    assert translation.by_glossary("quetzal") == ("", 0.0)
    assert translation.by_glossary("") == ("", 0.0)


def test_spelling_forgives_one_later_character_and_never_changes_a_known_word():
    assert translation.by_glossary("洗发睡")[0] == ""
    assert translation.by_glossary("洗发睡", spelling=True) == ("shampoo", 1.0)
    for word in list(translation.dictionary())[::40]:
        assert translation.by_glossary(word, spelling=True) == translation.by_glossary(word)


def test_a_slip_is_read_as_the_first_word_of_the_dictionary_that_fits():
    words = [word for word in translation.dictionary() if len(word) > 2]
    for word in words[::25]:
        slip = word[:-1] + "\uffff"
        fits = (w for w in words if len(w) == len(slip) and w[0] == slip[0])
        first = next(w for w in fits if sum(a != b for a, b in zip(w, slip, strict=True)) == 1)
        assert translation.by_glossary(slip, spelling=True) == (translation.dictionary()[first], 1.0)


def test_the_dictionary_comes_first_and_what_it_lacks_is_looked_up_in_the_glossary():
    everything = lambda text: 1.0  # noqa: E731
    assert translation.by_cedict("苹果汁", everything) == ("apple juice", 1.0)
    assert translation.by_glossary("苹果汁", spelling=True) == ("apple sauce", 1.0)
    assert translation.by_cedict("洗发睡", everything) == ("shampoo", 1.0)  # a slip, which only the glossary forgives
    assert translation.by_cedict("milk", everything) == translation.by_cedict("", everything) == ("", 0.0)


def test_without_the_glossary_nothing_is_forgiven_and_what_the_dictionary_lacks_is_not_read():
    everything = lambda text: 1.0  # noqa: E731
    assert translation.by_cedict("苹果汁", everything, glossary=False) == ("apple juice", 1.0)
    assert translation.by_cedict("洗发睡", everything, glossary=False)[1] < 1
    assert translation.by_cedict("番茄", lambda text: 0.5, glossary=False) == ("", 0.0)


@pytest.mark.parametrize(
    ("query", "english"), [("苹果茶", "apple tea"), ("咖啡因", "caffeine"), ("oreo饼干", "oreo biscuit")]
)
def test_nothing_is_forgiven_where_enough_was_read_and_what_is_not_chinese_stays(query, english):
    assert translation.by_cedict(query, lambda text: 1.0) == (english, 1.0)


def test_a_word_that_the_dictionary_knows_is_not_read_as_another():
    found, part = translation.by_cedict("咖啡因", lambda text: float(text != "caffeine"))
    assert "shop" not in found and part < 1


@pytest.mark.parametrize("query", ["cos", "PO", "word", "88", "café", ""])
def test_what_holds_no_chinese_is_not_translated(query):
    assert translation.by_cedict(query, lambda text: 1.0) == ("", 0.0)


def test_of_a_words_meanings_the_first_that_the_shop_knows_whole_is_taken():
    meanings = cedict.senses("土豆") + cedict.senses("番茄")
    for word in ("土豆", "番茄"):
        for one in cedict.senses(word):
            assert translation.by_cedict(word, lambda text, one=one: float(text == one))[0] == one
    assert translation.by_cedict("土豆番茄", lambda text: float(text in meanings))[1] == 1.0
    assert translation.by_cedict("番茄", lambda text: 0.5) == translation.by_glossary("番茄", spelling=True)


def test_the_nearest_text_is_never_a_forbidden_one():
    vectors = np.eye(3)
    texts, cosine = translation.by_nearest(vectors[:1], ["a", "b", "c"], vectors, np.array([[True, False, False]]))
    assert texts != ["a"] and cosine.tolist() == [0.0]


def test_an_unsure_translation_changes_nothing():
    own, other = np.array([[0.3, 0.7]]), np.array([[9.0, -9.0]])
    assert translation.mixed(own, other, np.array([0.4]), 0.5, 0.5).tolist() == own.tolist()


def test_dictionary_and_glossary_translate_no_judged_query_of_another_language():
    asked = queries.texts(queries.judged())
    texts = asked.loc[asked["language"] != "zh", "query"]
    for way in (
        lambda text: translation.by_glossary(text, True),
        lambda text: translation.by_cedict(text, lambda _: 1),
    ):
        assert max(way(text)[1] for text in texts) < search_index.TRANSLATED  # they translate Chinese only
