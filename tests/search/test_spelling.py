"""Spelling: slips are put right, real words of any language stay as they are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import OSA

from recsys_kit.search import lexical, spelling

SHELF = {"toilet", "paper", "pepper", "shampoo", "cream", "orange", "juice", "pizza"}


def right(text):
    return spelling.corrected(text, SHELF, lexical.stem)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("toilt papper", "toilet paper"),
        ("shampo", "shampoo"),
        ("orange jucie", "orange juice"),
        ("dentifrise", "dentifrice"),
    ],
)
def test_a_slip_is_put_right(typed, meant):
    assert right(typed) == meant


@pytest.mark.parametrize(
    "word", ["cramps", "cola", "collar", "patatas", "Hundefutter", "vin", "洗发睡", "xyzzyqq", "pizzas"]
)
def test_a_real_word_and_what_is_like_none_stay(word):
    assert right(word) == word


@given(st.text(max_size=30))
def test_any_text_can_be_read(text):
    assert isinstance(right(text), str)


def test_a_language_is_told_by_its_words():
    for text, language in (("pain complet", "fr"), ("chicken soup", "en"), ("pan integral y leche", "es")):
        found = spelling.tongue(text)
        assert max(found, key=found.get) == language


def test_a_word_without_its_accent_is_found_in_its_list():
    assert spelling.real_words("es")["champu"][0] == "champú"
    assert spelling.real_words("en")["milk"][1] > spelling.real_words("en")["cramps"][1]


@pytest.mark.parametrize("word", ["papper", "jucie", "shampo"])
@pytest.mark.parametrize("language", spelling.LANGUAGES)
def test_one_slip_is_the_distance_of_one(word, language):
    listed = spelling.real_words(language)
    near = {other for other in listed if OSA.distance(word, other, score_cutoff=1) == 1}
    assert spelling._slips(language).edit_distance_1(word) & listed.keys() == near
