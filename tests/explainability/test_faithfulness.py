"""Curves say how far a score falls; a true order falls fastest."""

import numpy as np

from recsys_kit.explainability import faithfulness


def test_curves_match_those_worked_by_hand(by_hand):
    orders = {"true": np.array([2, 3, 1, 0, 4])}
    falls, rises = faithfulness.curves(by_hand, np.array([7]), orders, sizes=(1, 2, 5))["true"]
    assert falls.tolist() == [4, 6, 6]  # of 6 = 0 + 1 + 4 + 2 - 1
    assert rises.tolist() == [4, 6, 6]


def test_the_true_order_is_above_every_rival(by_hand):
    values = faithfulness.rivals(by_hand, np.array([7]), [[0, 1, 1, 2, 2, 3, 3, 4, 4]])
    orders = {name: faithfulness.order(found, by_hand) for name, found in values.items()}
    orders["true"] = faithfulness.order(by_hand.adds, by_hand)
    areas = {name: curve.mean(1) for name, curve in faithfulness.curves(by_hand, [7], orders, (1, 2, 3)).items()}
    assert all((areas["true"] >= other).all() for other in areas.values())
    assert orders["counts"].tolist() == [1, 3, 2, 0, 4] and orders["recency"][0] == 0


def test_the_rival_of_its_kind_puts_the_item_itself_first_and_its_type_next(by_hand):
    values = faithfulness.rivals(by_hand, np.array([3]), [[0, 5, 6, 5, 6, 6]])
    assert faithfulness.order(values["same kind"], by_hand)[:3].tolist() == [2, 0, 1]


def test_an_empty_reason_moves_nothing(by_hand):
    falls = faithfulness.set_falls(by_hand, 7, {"nothing": np.array([]), "two": np.array([1, 2])})
    assert falls == {"nothing": 0.0, "two": 5.0}
