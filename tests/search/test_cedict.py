"""CC-CEDICT as a search reads it: plain meanings in a few words, both kinds of characters, no names and no grammar."""

import re

import pytest

from recsys_kit.search import cedict


@pytest.mark.parametrize(
    ("word", "meaning"),
    [("大米", "rice"), ("葡萄酒", "wine"), ("苹果汁", "apple juice"), ("海绵", "sponge"), ("紅酒", "red wine")],
)
def test_a_word_has_its_meaning_simplified_or_traditional(word, meaning):
    assert meaning in cedict.senses(word)


@pytest.fixture(scope="module")
def every():
    """What each word of the dictionary means; most names and grammar mean nothing here."""
    return {word: found for word in cedict.entries() if (found := cedict.senses(word))}


def test_meanings_are_plain_english_of_a_few_words(every):
    meanings = [one for several in every.values() for one in several]
    assert len(every) > 100_000
    assert all(re.fullmatch(r"[A-Za-z' -]+", one) and len(one.split()) <= 4 for one in meanings)
    assert not any(one.startswith(("to ", "variant of", "surname ", "CL", "also pr", "Taiwan pr")) for one in meanings)


def test_a_word_has_each_meaning_once(every):
    assert all(len(set(several)) == len(several) for several in every.values())


def test_every_word_holds_a_chinese_character_and_a_product_with_a_names_pinyin_is_there():
    assert all(re.search("[\u4e00-\u9fff]", word) for word in cedict.entries())
    assert "spaghetti" in cedict.senses("意大利面") and cedict.senses("土耳其") == () == cedict.senses("rice")


def test_the_edition_is_known():
    assert re.match(r"\d+\.\d+", cedict.version())
