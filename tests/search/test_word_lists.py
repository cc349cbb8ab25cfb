"""The lists of little words: read from their file, in its order, and in no list twice."""

import pandas as pd
import pytest

from recsys_kit.datasets import texts
from recsys_kit.search import word_lists


def test_a_word_stands_once_in_a_list_of_a_language():
    table = pd.read_csv(texts.DATA / "words.csv", dtype="str", keep_default_na=False)
    assert not table.duplicated().any()
    assert (table["word"] == table["word"].str.strip()).all()
    assert (table["word"].str.isascii() | (table["language"] != "en")).all()


def test_a_word_of_two_languages_is_given_once_and_the_order_is_the_files():
    assert word_lists.words("stop").count("de") == 1
    assert "de" in word_lists.words("stop", "es") and "de" in word_lists.words("stop", "fr")
    assert word_lists.alternatives("customer", "zh").startswith("用户|顾客")


def test_a_list_that_is_not_there_is_refused_with_the_names_of_those_that_are():
    with pytest.raises(ValueError, match=r"`name` must be one of .*stop.*Received: name='klingon'"):
        word_lists.words("klingon")
