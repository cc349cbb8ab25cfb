"""What the lists show, against plain loops, and at the edges: one place, no place, nobody who bought."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_kit import evaluation


def slow_exposure(lists, buyers, users, labels):
    """The five measures as their docstring says them, one item after the other."""
    items = range(len(buyers))
    places = [item for row in lists for item in row if item >= 0]
    shown = [places.count(item) for item in items]
    most_bought = sorted(items, key=lambda item: (-buyers[item], item))[: max(1, round(len(buyers) / 100))]
    between = sum(abs(a - b) for a in shown for b in shown)  # Gini: half the mean difference, by the mean
    rows = [[item for item in row if item >= 0] for row in lists]
    pairs = [pair for row in rows for pair in itertools.combinations(row, 2)]
    return {
        "coverage": sum(count > 0 for count in shown) / len(buyers),
        "gini": between / (2 * len(buyers) * sum(shown)),
        "head": sum(item in most_bought for item in places) / len(places),
        "novelty": sum(-math.log2(max(buyers[item], 1) / users) for item in places) / len(places),
        "diversity": sum(labels[a] != labels[b] for a, b in pairs) / max(1, len(pairs)),
    }


@st.composite
def shops(draw):
    """Lists with empty places over a catalogue where many items were bought by nobody, or by equally many."""
    items, length = draw(st.integers(1, 12)), draw(st.integers(1, 4))
    row = st.lists(st.integers(-1, items - 1), min_size=length, max_size=length)
    lists = draw(st.lists(row, min_size=1, max_size=5).filter(lambda rows: max(map(max, rows)) >= 0))
    buyers = draw(st.lists(st.integers(0, 4), min_size=items, max_size=items))
    labels = draw(st.lists(st.sampled_from("abc"), min_size=items, max_size=items))
    return np.array(lists), np.array(buyers), draw(st.integers(4, 9)), np.array(labels)


@settings(deadline=None, max_examples=80)
@given(shops())
def test_the_measures_of_the_lists_equal_a_slow_plain_python_reference(shop):
    assert evaluation.beyond_accuracy(*shop) == pytest.approx(slow_exposure(*shop))


@pytest.mark.parametrize(("items", "head"), [(3, 1), (149, 1), (151, 2), (249, 2), (251, 3), (1000, 10)])
def test_the_head_is_the_most_bought_hundredth_and_at_least_one_item(items, head):
    buyers = np.random.default_rng(items).permutation(np.arange(1, items + 1))  # the best sellers stand anywhere
    every = np.arange(items)[:, None]
    assert evaluation.beyond_accuracy(every, buyers, items, every[:, 0])["head"] == pytest.approx(head / items)
    best = np.argsort(-buyers)[:head]
    assert evaluation.beyond_accuracy(best[None], buyers, items, every[:, 0])["head"] == 1


def test_a_single_filled_place_is_the_whole_show():
    values = evaluation.beyond_accuracy(np.array([[0, -1]]), np.array([4, 1]), 4, np.array(["a", "b"]))
    assert values == {"coverage": 0.5, "gini": 0.5, "head": 1, "novelty": 0, "diversity": 0}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # the mean novelty of nothing
def test_lists_without_an_item_cover_nothing_and_have_no_head_and_no_diversity():
    values = evaluation.beyond_accuracy(np.full((2, 3), -1), np.array([4, 1]), 4, np.array(["a", "b"]))
    assert (values["coverage"], values["head"], values["diversity"]) == (0, 0, 0)
    assert math.isnan(values["novelty"])


def test_an_item_that_nobody_bought_is_as_new_as_one_with_a_single_buyer():
    new, once = (evaluation.beyond_accuracy(np.array([[item]]), np.array([0, 1]), 8, np.arange(2)) for item in (0, 1))
    assert new["novelty"] == once["novelty"] == 3  # bits: one of eight
