"""The task at its edges: the days of each period, how many buyers and items count, what is too little to judge on."""

import dataclasses
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from shop_by_hand import START, make_events, make_shop

from recsys_kit import datasets, preprocessing

MIDNIGHT = START.normalize()


def daily(days, users=4, items=5, size=1):
    """A shop in which all users buy `size` things at noon each day."""
    rows = [
        (f"user {user}", f"item {(user + day + step) % items}", 24 * day, f"{user}-{day}")
        for day in range(days)
        for user in range(users)
        for step in range(size)
    ]
    return make_shop(make_events(rows))


def text(day):
    return f"{MIDNIGHT + timedelta(days=day):%Y-%m-%d}"


def visits(back, cases, items=30, validation=(40, 40)):
    """A shop of 100 days whose test from day 90 has `cases` customers, of whom `back` had bought before.

    The validation, from day 76, has as many as `validation` says, in the same way.
    """
    first = [f"old {n}" for n in range(max(back, validation[0], 2 * items))]
    rows = [(user, f"item {n % items}", n % 24, "first") for n, user in enumerate(first)]
    later = first[: validation[0]] + [f"new {n}" for n in range(validation[1] - validation[0])]
    rows += [(user, f"item {n % items}", 24 * 80, "second") for n, user in enumerate(later)]
    last = first[:back] + [f"late {n}" for n in range(cases - back)]
    rows += [(user, f"item {n % items}", 24 * 95, "third") for n, user in enumerate(last)]
    return preprocessing.task(make_shop(make_events(rows)), cutoff=text(90))


# Periods


@pytest.mark.parametrize(
    ("day", "wanted", "expected"),
    [
        (2, 14, 1),
        (5, 14, 1),
        (10, 14, 1),
        (11, 14, 2),
        (15, 14, 2),
        (16, 14, 3),
        (50, 3, 3),
        (70, 0, 1),
        (70, None, 13),
        (71, None, 14),
        (90, None, 14),
    ],
)
def test_the_validation_is_14_days_or_what_is_wanted_or_a_fifth_of_the_days_before_the_test(day, wanted, expected):
    more = {} if wanted is None else {"validation_days": wanted}
    task = preprocessing.task(daily(day + 3), cutoff=text(day), judged=False, **more)
    assert task.test.cutoff == task.validation.end == MIDNIGHT + timedelta(days=day)
    assert task.validation.cutoff == MIDNIGHT + timedelta(days=day - expected)
    assert task.test.end == START + timedelta(days=day + 2, seconds=1)


def test_the_test_is_the_last_31_days_or_as_many_as_are_wanted():
    shop = daily(170)
    for more, days in (({}, 31), ({"test_days": 5}, 5), ({"test_days": 1}, 1)):
        task = preprocessing.task(shop, judged=False, **more)
        assert task.test.cutoff == MIDNIGHT + timedelta(days=170 - days)


def test_a_cutoff_may_be_the_instant_of_the_last_purchase_but_not_of_the_first():
    rows = [(user, item, 24 * day - 12, f"{user}-{day}") for day in range(30) for user in "ab" for item in "xy"]
    shop = make_shop(make_events(rows))  # all at midnight
    task = preprocessing.task(shop, cutoff=text(29), judged=False)
    assert len(task.test.test_users) == 2 and (task.test.answer_times == task.test.cutoff).all()
    for day in (0, 30, -1):
        with pytest.raises(ValueError, match=rf"2024-02-20 and 2024-03-20\. Received: '{text(day)}'\.$"):
            preprocessing.task(shop, cutoff=text(day), judged=False)


@pytest.mark.parametrize(("period", "days"), [("test", range(20)), ("validation", [*range(16), 20, 21])])
def test_a_period_without_a_basket_of_the_catalogue_is_named_with_its_days(period, days):
    rows = [(user, "x", 24 * day, f"{user}-{day}") for user in "ab" for day in days]
    rows += [("a", "only once", 24 * 21 + 1, "late")]
    with pytest.raises(datasets.NotForThisShop) as caught:
        preprocessing.task(make_shop(make_events(rows)), cutoff=text(20), judged=False)
    dates = {"test": f"{text(20)} to {text(21)}", "validation": f"{text(17)} to {text(20)}"}[period]
    assert str(caught.value) == (
        f"the {period} period {dates} holds no basket with at least 1 items of the catalogue "
        "(1 items with at least 2 buyers). Choose another `cutoff`, or bring more data."
    )


# How many count


@pytest.mark.parametrize(
    ("users", "least"), [(2, 2), (599, 2), (600, 3), (799, 3), (800, 4), (1999, 9), (2000, 10), (2400, 10)]
)
def test_an_item_needs_a_200th_of_the_users_as_buyers_at_least_2_and_at_most_10(users, least):
    user = np.tile([f"user {n}" for n in range(users)], 20)  # so often that it is a shop of repeats
    hours = np.repeat([*range(0, 19 * 24, 24), 24 * 29], users)
    events = pd.DataFrame({"user_id": user, "timestamp": START + pd.to_timedelta(hours, unit="h")})
    events = events.astype({"user_id": "str", "timestamp": "datetime64[us, UTC]"}).assign(item_id="x")
    rare = pd.DataFrame({"user_id": user[: least * 2 - 1], "timestamp": START + pd.Timedelta(hours=1)})
    rare["item_id"] = ["y"] * least + ["z"] * (least - 1)  # one has just enough, the other one less
    rare = rare.assign(user_id=[*user[:least], *user[: least - 1]])
    middle = events.iloc[:2].assign(timestamp=START + pd.Timedelta(days=24, hours=3))
    events = pd.concat([events, rare, middle], ignore_index=True)
    task = preprocessing.task(make_shop(events), cutoff=text(29), judged=False)
    assert task.min_users == least and task.test.items.tolist() == ["x", "y"]
    assert task.validation.items is task.test.items


@pytest.mark.parametrize(
    ("sizes", "least"), [((3, 3, 3), 3), ((2, 3, 4), 3), ((2, 2, 3), 1), ((2, 2, 4, 4), 3), ((2, 2, 3, 3), 1)]
)
def test_an_answer_needs_three_items_where_half_of_the_baskets_hold_three(sizes, least):
    rows = [
        (f"user {n}", f"item {step}", 24 * day, f"{n}-{day}")
        for day in range(30)
        for n, size in enumerate(sizes)
        for step in range(size)
    ]
    rows += [(user, "item 0", hour, basket) for user, item, hour, basket in rows if item == "item 1"]  # no third item
    task = preprocessing.task(make_shop(make_events(rows)), judged=False)
    assert task.min_items == least
    for split in (task.test, task.validation):
        assert len(split.test_users) == sum(size >= least for size in sizes)


# Too little to judge on


@pytest.mark.parametrize(("items", "message"), [(19, "the catalogue holds 19 items that"), (20, ""), (21, "")])
def test_a_catalogue_of_twenty_items_is_judged_and_of_nineteen_not(items, message):
    if not message:
        assert len(visits(40, 40, items).test.items) == items
        return
    with pytest.raises(datasets.NotForThisShop, match=message) as caught:
        visits(40, 40, items)
    assert "a list of 10 says something only among 20 or more" in str(caught.value)


@pytest.mark.parametrize(
    ("back", "cases", "enough"),
    [(9, 9, False), (10, 10, True), (10, 100, True), (10, 101, False), (11, 110, True), (19, 200, False)],
)
@pytest.mark.parametrize("period", ["test", "validation"])
def test_ten_customers_and_a_tenth_of_them_must_have_bought_before(period, back, cases, enough):
    found = {"test": (40, 40), "validation": (40, 40)} | {period: (back, cases)}
    asked = {"back": found["test"][0], "cases": found["test"][1], "validation": found["validation"]}
    if enough:
        assert len(getattr(visits(**asked), period).test_users) == cases
        return
    with pytest.raises(datasets.NotForThisShop) as caught:
        visits(**asked)
    day = text({"test": 90, "validation": 76}[period])
    when = f"in the {period} period from {day}"
    had = f"of the {cases:,} customers who bought {when} only {back:,} had bought before"
    assert str(caught.value) == (
        f"{had if back < cases else f'only {cases:,} customers bought {when}'}: predicting what they buy next needs 10 "
        "who had bought before, and 10% of all: bring more data, or choose an earlier `cutoff`"
    )


# What belongs to a task


def test_both_splits_of_a_task_know_the_plan_if_there_is_one():
    weeks = pd.DataFrame({"item_id": ["item 1"], "start": [MIDNIGHT]}).assign(
        **dict.fromkeys(datasets.promotions.PROMOTIONS, 1.0)
    )
    shop = daily(30)
    task = preprocessing.task(shop, judged=False, promotions=weeks)
    for split in (task.test, task.validation):
        assert split.plan.starts.tolist() == [MIDNIGHT]
        assert split.plan.share.shape[1] == len(split.items) + 1
    without = preprocessing.task(shop, judged=False)
    assert without.test.plan is None and without.validation.plan is None


def test_a_task_is_printed_without_its_events_and_cannot_be_changed():
    task = preprocessing.task(daily(30), judged=False)
    shown = {field.name for field in dataclasses.fields(task) if f"{field.name}=" in repr(task)}
    assert shown == {"validation", "test", "min_users", "min_items", "chosen"}
    with pytest.raises(dataclasses.FrozenInstanceError):
        task.min_users = 1
    events, cleaning = preprocessing.clean(daily(30))
    assert task.events.equals(events) and task.cleaning.equals(cleaning)
