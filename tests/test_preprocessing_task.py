"""Promises of the task: every shop gets one in its own time zone, or is told why not."""

import numpy as np
import pandas as pd
import pytest
from shop_by_hand import ZONES, make_events, make_shop

from recsys_kit import datasets, preprocessing


def small_shop(baskets_of: int = 3, days: int = 60, users: int = 12, timezone: str = "UTC") -> datasets.Shop:
    rng = np.random.default_rng(0)
    rows = [
        (f"user {user}", f"item {item}", 24 * day + user % 5, f"{user}-{day}")
        for user in range(users)
        for day in range(user % 3, days, 3)
        for item in rng.choice(8, size=baskets_of, replace=False)
    ]
    return make_shop(make_events(rows), timezone=timezone)


@pytest.mark.parametrize("timezone", ZONES)
@pytest.mark.parametrize("baskets_of", [1, 4])
def test_a_tiny_shop_becomes_a_task_in_any_time_zone(baskets_of, timezone):
    task = preprocessing.task(small_shop(baskets_of, timezone=timezone), judged=False)
    assert len(task.test.test_users) > 0 and len(task.validation.test_users) > 0
    assert task.validation.items is task.test.items
    assert task.validation.end == task.test.cutoff
    assert (task.validation.answer_times < task.test.cutoff).all()
    assert (task.test.answer_times >= task.test.cutoff).all()
    assert (np.diff(task.test.answers.indptr) >= (3 if baskets_of >= 3 else 1)).all()


def test_the_cutoff_of_a_task_can_be_chosen():
    task = preprocessing.task(small_shop(), cutoff="2024-04-01", judged=False)
    assert task.test.cutoff == pd.Timestamp("2024-04-01", tz="UTC")


@pytest.mark.parametrize("cutoff", ["first of May", "2024-13-01", "01.04.2024"])
def test_a_cutoff_that_is_no_date_is_named(cutoff):
    with pytest.raises(ValueError, match=f"`cutoff` must be a day written YYYY-MM-DD. Received: '{cutoff}'"):
        preprocessing.task(small_shop(), cutoff=cutoff)


@pytest.mark.parametrize("cutoff", ["1999-01-01", "2099-01-01"])
def test_a_cutoff_outside_the_data_is_a_mistake_and_not_the_shops_fault(cutoff):
    with pytest.raises(
        ValueError, match=r"between the first and the last purchase, 2024-02-20 and 2024-04-19"
    ) as caught:
        preprocessing.task(small_shop(), cutoff=cutoff)
    assert not isinstance(caught.value, datasets.NotForThisShop)


def one_basket_shop(customers: int, back: int, items: int = 30, size: int = 2) -> datasets.Shop:
    """Everybody buys `size` things once in the first 80 days; `back` of them, and others, buy once more at the end."""
    rows = []
    for n in range(customers):
        first, last = 24 * (n % 80), 24 * (80 + n % 35)
        for step in range(size):
            rows.append((f"user {n}", f"item {(n + step) % items}", first, f"{n}-1"))
            who = n if n < back else customers + n
            rows.append((f"user {who}", f"item {(n + step + 1) % items}", last, f"{n}-2"))
    return make_shop(make_events(rows))


@pytest.mark.parametrize("back", [0, 9, 90])
def test_a_shop_to_which_hardly_anybody_comes_back_is_refused_for_figures_and_still_served(back):
    shop = one_basket_shop(1000, back)
    with pytest.raises(datasets.NotForThisShop, match=r"customers who bought in the .* only .* had bought before"):
        preprocessing.task(shop)
    assert len(preprocessing.task(shop, judged=False).test.items) == 30


@pytest.mark.parametrize(("size", "counted"), [(2, "customers who bought in"), (3, "who bought 3 items of the cat")])
def test_a_refusal_says_which_baskets_were_counted(size, counted):
    with pytest.raises(datasets.NotForThisShop, match=counted):
        preprocessing.task(one_basket_shop(1000, 9, size=size))


def test_a_shop_to_which_some_come_back_is_judged():
    assert len(preprocessing.task(one_basket_shop(1000, 300)).test.items) == 30


def test_a_catalogue_hardly_longer_than_a_list_is_refused_for_figures():
    with pytest.raises(datasets.NotForThisShop, match="the catalogue holds 3 items"):
        preprocessing.task(one_basket_shop(200, 200, items=3))


def test_a_shop_of_two_days_leaves_nothing_to_learn_from_before_the_validation():
    rows = [
        (f"user {n}", f"item {(n + s + 7 * day) % 40}", 24 * day + n % 9, f"{n}-{day}")
        for n in range(80)
        for day in range(2)
        for s in range(3)
    ]
    with pytest.raises(datasets.NotForThisShop, match=r"when the validation period begins: there is nothing to learn"):
        preprocessing.task(make_shop(make_events(rows)))


def test_a_shop_of_one_user_on_one_day_is_refused_with_a_reason():
    with pytest.raises(ValueError, match="holds no basket"):
        preprocessing.task(make_shop(make_events([("a", "x", 0), ("a", "y", 0)])))


def test_a_shop_of_which_nothing_is_left_is_refused_with_the_cleaning_report():
    events = make_events([("a", "x", 0), ("a", "y", 0)]).assign(quantity=0.0)
    with pytest.raises(ValueError, match=r"no event of 'test shop' is left(.|\n)*returns, corrections"):
        preprocessing.task(make_shop(events))


def test_test_days_must_be_positive():
    with pytest.raises(ValueError, match=r"`test_days` must be at least 1. Received: test_days=0"):
        preprocessing.default_cutoff(small_shop(), 0)


@pytest.mark.slow
def test_the_reference_task_is_exactly_the_published_protocol():
    shop = datasets.load()
    task = preprocessing.task(shop)
    assert task.test.cutoff == pd.Timestamp("2017-12-01", tz="UTC")
    assert task.test.answers.shape == (1554, 16148)
    assert len(task.validation.test_users) == 1295
    assert task.cleaning["removed"].sum() == len(shop.events) - len(task.events)
