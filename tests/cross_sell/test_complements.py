import numpy as np
import pandas as pd
import pytest
from basket_tables import table_of

from recsys_kit.cross_sell import association, complements


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


def both_brands(change):
    """Forty households that take tea of one brand or of the other, in half of their baskets, from a day on another."""
    rng = np.random.default_rng(0)
    rows, users = [], []
    for user in range(40):
        for day in range(70):
            other = (day >= 35) if change else rng.random() < 0.5
            tea = rng.random() < 0.7
            rows.append([tea and not other, tea and other, 1, 1])
            users.append(user)
    table = table_of(rows, users)
    days = pd.date_range("2025-01-01", periods=70, tz="UTC")
    return association.BasketTable(table.matrix, table.user, days[np.arange(len(users)) % 70], table.users, table.items)


def test_a_successor_is_no_substitute():
    for change, name in ((False, "substitutes"), (True, "successors")):
        table = both_brands(change)
        trips = complements.same_trip(table)
        trips["text"] = ((trips["a"] == 0) & (trips["b"] == 1)).astype(float)
        found = complements.groups(table, trips)
        assert {kind: len(rows) for kind, rows in found.items() if kind in ("substitutes", "successors")} == {
            "substitutes": int(name == "substitutes"),
            "successors": int(name == "successors"),
        }


def test_where_both_were_sold_all_the_time_the_weeks_change_nothing():
    table = both_brands(False)
    trips = complements.same_trip(table)
    pd.testing.assert_frame_equal(
        complements.shared_weeks(table, trips)[["together", "expected"]].astype(float),
        trips[["together", "expected"]].astype(float),
        rtol=1e-5,
    )


def test_groups_hold_in_the_baskets_that_made_them():
    table = both_brands(False)
    trips = complements.same_trip(table)
    held = complements.hold({"all": trips}, table)
    assert held.loc["all", "ratio, past"] == pytest.approx(held.loc["all", "ratio, later"], rel=1e-5)
    assert held.loc["all", "low"] < held.loc["all", "ratio, later"] < held.loc["all", "high"]
