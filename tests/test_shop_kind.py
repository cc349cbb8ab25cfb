"""Promises of the kind of shop: it is counted, said aloud, and chooses the task unless you do."""

from pathlib import Path

import discovery_shop
import pandas as pd
import pytest

from recsys_kit import datasets, preprocessing, shop_kind

EXAMPLE = Path(__file__).parents[1] / "data" / "example_shop"


def baskets(rows):
    """Makes events of (user, basket, "items") in time order."""
    lines = [(user, f"{user}{basket}", item) for user, basket, items in rows for item in items]
    return pd.DataFrame(lines, columns=["user_id", "basket_id", "item_id"])


def test_the_numbers_are_those_counted_by_hand():
    kind = shop_kind.measure(baskets([("ann", 1, "ab"), ("ann", 2, "ac"), ("bob", 1, "a"), ("bob", 2, "d")]))
    assert (kind.customers, kind.items, kind.purchases) == (2, 4, 6)
    assert kind.repeats == pytest.approx(1 / 6) and kind.repeaters == 0.5 and kind.repeated == 0.25
    assert kind.basket == 1.5 and kind.single == 0.5 and kind.history == 3 and kind.long == 0
    assert kind.density == pytest.approx(5 / 8)


def test_the_same_thing_twice_in_one_basket_is_no_repeat():
    assert shop_kind.measure(baskets([("ann", 1, "aab")])).repeats == 0


@pytest.mark.parametrize(
    ("bought", "task"),
    [
        (["a", "b", "c", "d"], shop_kind.NEXT_ITEM),
        (["a", "b", "a", "c"], shop_kind.BOTH),
        (["a", "a", "a", "a", "a"], shop_kind.NEXT_BASKET),
        (["abcde", "abfgh", "acfij"], shop_kind.NEXT_BASKET),  # a third are repeats, in large baskets
        (["abcde", "fghij"], shop_kind.NEXT_ITEM),
    ],
)
def test_the_task_fits_what_customers_do(bought, task):
    kind = shop_kind.measure(baskets([("ann", number, items) for number, items in enumerate(bought)]))
    assert kind.task == task == kind.choose()


def test_a_wish_overrules_and_it_is_said():
    kind = shop_kind.measure(baskets([("ann", 1, "a"), ("ann", 2, "b")]))
    assert kind.choose("both") == "both"
    assert "0.0% of 2 purchases are repeats" in kind.sentence() and "as you wish" not in kind.sentence()
    assert kind.sentence("both").endswith("for what is new in it, as you wish.")
    assert kind.table()["value"].str.contains("%").any()


def test_an_unknown_task_is_named_with_those_that_there_are():
    with pytest.raises(ValueError, match=r"`task` must be one of next basket, next item, both.*Received: 'next'"):
        shop_kind.check("next")


def test_a_shop_without_purchases_has_a_kind():
    assert shop_kind.measure(baskets([])).purchases == 0


@pytest.mark.parametrize(("repeats", "task"), [(0.0, shop_kind.NEXT_ITEM), (0.5, shop_kind.BOTH)])
def test_the_generated_shops_are_what_they_claim(repeats, task):
    events = discovery_shop.events(customers=300, items=300, repeats=repeats).sort_values("timestamp")
    kind = shop_kind.measure(events.assign(basket_id=range(len(events))))
    assert kind.task == task
    assert kind.repeats == 0 if not repeats else 0.3 < kind.repeats < 0.6


@pytest.mark.parametrize("folder", ["", str(EXAMPLE)], ids=["The Complete Journey", "the example shop"])
def test_the_kits_own_shops_are_shops_of_repeats(folder):
    events, _ = preprocessing.clean(datasets.load(folder, users=100))
    assert shop_kind.measure(events).task == shop_kind.NEXT_BASKET
