import numpy as np
import pandas as pd
import pytest
from basket_tables import table_of

from recsys_kit.cross_sell import complements


def test_the_expected_number_of_common_baskets_matches_hand_work():
    # One household, four baskets of two items: a and b twice each, c twice, d twice.
    table = table_of([[1, 1, 0, 0], [1, 0, 1, 0], [0, 1, 0, 1], [0, 0, 1, 1]])
    pairs = complements.same_trip(table, min_expected=0.01).set_index(["a", "b"])
    assert pairs.loc[(0, 1), "expected"] == pytest.approx(2 * 2 * (4 * 2**2) / (4 * 2) ** 2)
    assert pairs.loc[(0, 1), "together"] == 1
    assert pairs.loc[(0, 3), "together"] == 0
    assert pairs.loc[(0, 1), "ratio"] == pytest.approx((1 + 2) / (1 + 2))


def test_complements_lie_above_one_and_substitutes_below():
    rng = np.random.default_rng(0)
    rows, users = [], []
    for user in range(40):
        for _ in range(40):
            either = rng.random() < 0.5  # tea or milk, never both; jam only with bread
            bread = rng.random() < 0.4
            rows.append([bread, bread and rng.random() < 0.9, either, not either])
            users.append(user)
    pairs = complements.same_trip(table_of(rows, users)).set_index(["a", "b"])
    assert pairs.loc[(0, 1), "low"] > 1
    assert pairs.loc[(2, 3), "high"] < 1
    ratio = pairs["ratio"]
    assert ratio[(2, 3)] < ratio[(0, 2)] < ratio[(0, 1)]  # bread and milk have nothing to do with each other


def test_different_households_say_nothing_about_a_pair():
    table = table_of([[1, 0], [1, 0], [0, 1], [0, 1]], users=[0, 0, 1, 1])
    assert complements.same_trip(table, min_expected=0.01).empty


def test_text_similarity_is_the_cosine():
    vectors = np.array([[1.0, 0.0], [2.0, 0.0], [0.0, 3.0]])
    pairs = pd.DataFrame({"a": [0, 0], "b": [1, 2]})
    np.testing.assert_allclose(complements.text_similarity(pairs, vectors), [1, 0], atol=1e-9)
