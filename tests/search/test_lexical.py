"""Search by words: tokens of any script, spelling, and a BM25 that agrees with its formula."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_kit.search import lexical


@given(st.text(max_size=60))
def test_any_text_has_tokens_that_are_words(text):
    for word in lexical.tokens(text):
        assert word == word.strip() and word
        assert not any(c.isspace() for c in word)


def test_case_accents_width_and_plural_do_not_matter():
    assert lexical.tokens("CRÊPES") == lexical.tokens("crepe") == ["crepe"]
    assert lexical.tokens("\uff4d\uff49\uff4c\uff4b") == ["milk"]
    assert lexical.tokens("boxes cherries glass") == ["box", "cherry", "glass"]


def test_chinese_is_cut_into_pairs_so_that_a_part_is_found():
    index = lexical.Lexical(["婴儿 洗发水", "狗粮"])
    assert index.scores("洗发水")[0] > 0 == index.scores("洗发水")[1]
    assert lexical.tokens("盐") == ["盐"]


def test_little_words_of_other_languages_match_nothing():
    index = lexical.Lexical(["PARFUMS DE COUER", "pan"])
    assert index.scores("comida de perros").max() == 0


def test_an_index_that_spells_reads_a_misspelt_word_as_its_own():
    assert lexical.Lexical(["shampoo"], spelling=True).known("shampo") == 1
    assert lexical.Lexical(["shampoo"], spelling=False).known("shampo") == 0
    assert lexical.Lexical(["shampoo"]).corrected("shampo for my hair") == "shampoo for my hair"


def test_a_rare_word_weighs_more_and_an_unknown_one_nothing():
    index = lexical.Lexical(["pizza sauce", "pizza dough", "pizza box"])
    assert index.scores("pizza sauce").argmax() == 0
    assert index.scores("sauce")[0] > index.scores("pizza")[0] > 0
    assert index.scores("xyz").tolist() == [0, 0, 0]
    assert index.scores("").tolist() == [0, 0, 0]


def test_bm25_agrees_with_the_formula():
    shelf = [["frozen", "pizza"], ["pizza", "sauce", "tomato"], ["dog", "food", "dry", "dog"]]
    got = lexical.Lexical([" ".join(text) for text in shelf], shop_aware=False).scores("dog pizza")

    def score(text):
        total = 0.0
        for word in ("dog", "pizza"):
            having = sum(word in other for other in shelf)
            count = text.count(word)
            weight = np.log(1 + (3 - having + 0.5) / (having + 0.5))
            total += weight * count / (count + 1.5 * (0.25 + 0.75 * len(text) / 3))
        return total

    wanted = np.array([score(text) for text in shelf])
    assert got / got.max() == pytest.approx(wanted / wanted.max(), abs=1e-5)
