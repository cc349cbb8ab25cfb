"""Attributes and negation: what is asked of a product in five languages, and what it is worth."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_kit.search import attributes


@pytest.mark.parametrize(
    ("text", "head", "found"),
    [
        ("sugar free gum", "gum", ("sugar",)),
        ("boneless trout", "trout", ("bone",)),
        ("decaf espresso", "espresso", ("caffeine",)),
        ("yogur sin azúcar", "yogur", ("sugar",)),
        ("yaourt sans lactose", "yaourt", ("lactose",)),
        ("glutenfreie Nudeln", "nudeln", ("gluten",)),
        ("无糖酸奶", "酸奶", ("sugar",)),
        ("不含麸质的面条", "面条", ("gluten",)),
        ("organic low fat yogurt", "yogurt", ("organic", "fat")),
    ],
)
def test_an_attribute_is_told_from_the_product_in_every_language(text, head, found):
    assert attributes.read(text) == attributes.Wish(head, found)


@pytest.mark.parametrize(
    ("text", "head", "without"),
    [("trout, not smoked", "trout", "smoked"), ("juice without ice", "juice", "ice"), ("不要冷冻的虾", "虾", "frozen")],
)
def test_what_is_not_wanted_is_told_from_the_product(text, head, without):
    assert attributes.read(text) == attributes.Wish(head, (), without)


@pytest.mark.parametrize(
    "text", ["milk", "light bulbs", "no bake cheesecake", "without", "ohne", "free", "不要", "糖", "7up", ""]
)
def test_what_says_nothing_about_a_product_stays_whole(text):
    assert attributes.read(text) == attributes.Wish(text)


@given(st.text(max_size=40))
def test_any_text_can_be_read(text):
    assert isinstance(attributes.read(text).head, str) and isinstance(attributes.last_noun(text), str)


def test_what_has_the_attribute_gains_and_its_opposite_loses():
    shelf = ["tea unsweetened", "tea sweetened", "milk", "candy non chocolate", "candy chocolate"]
    trait = attributes.traits(shelf)
    worth = attributes.worth(attributes.Wish("tea", ("sugar",)), trait, shelf, np.zeros(5))
    assert worth[0] > worth[2] == 0 > worth[1]
    worth = attributes.worth(attributes.Wish("candy", (), "chocolate"), trait, shelf, np.array([0, 0, 0, 0.8, 1.0]))
    assert worth[3] > worth[2] == 0 > worth[4]
