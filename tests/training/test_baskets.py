"""Histories as arrays: nothing is lost on the way in, and nothing of the future gets in."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from recsys_kit.training import baskets


@pytest.fixture(scope="module")
def split(task):
    return task.test


@pytest.fixture(scope="module")
def seq(split):
    return baskets.sequences(split)


def whole(seq, users):
    return baskets.history_arrays(seq, users, seq.basket_start[users], seq.basket_start[users + 1])


def test_the_arrays_hold_every_basket_of_every_user(split, seq):
    users = np.arange(len(split.users))
    x = whole(seq, users)
    found = {
        (user, round(float(x["days"][user, place]), 2), int(x["items"][user, item]) - 1)
        for user, place, item in zip(*np.nonzero(x["incidence"]), strict=True)
    }
    history = split.history
    days = np.round(seq.day(history["timestamp"]).astype(float), 2)
    assert found == set(zip(history["user"], days, history["item"], strict=True))
    assert x["valid"].sum() == seq.baskets().sum() == history.drop_duplicates(["user", "basket_id"]).shape[0]
    assert not x["incidence"][~x["valid"]].any()


def test_a_users_arrays_do_not_depend_on_who_shares_the_batch(seq):
    alone, together = whole(seq, np.array([3])), whole(seq, np.array([0, 3, 5]))
    for name, array in alone.items():
        here = tuple(slice(0, size) for size in array.shape[1:])
        np.testing.assert_array_equal(array[0], together[name][1][here])


def test_last_purchases_are_those_up_to_the_position(seq):
    users = np.flatnonzero(seq.baskets() >= 4)[:6]
    x = whole(seq, users)
    position = np.tile([1, 2], (len(users), 1))
    x |= baskets.position_arrays(position, x["days"][:, 2:4])
    days, known = baskets.last_purchases(x), baskets.known(x)
    for user in range(len(users)):
        for at in range(2):
            for item in range(x["items"].shape[1]):
                past = x["days"][user, : position[user, at] + 1][
                    x["incidence"][user, : position[user, at] + 1, item] > 0
                ]
                assert known[user, at, item] == bool(len(past))
                if len(past):
                    assert days[user, at, item] == past.max()


def without_the_future(split, day):
    """The same split, as it was on an earlier day."""
    origin = split.history["timestamp"].min().normalize()
    cutoff = origin + pd.Timedelta(days=day)
    return dataclasses.replace(split, cutoff=cutoff, history=split.history[split.history["timestamp"] < cutoff])


def test_the_trend_of_a_week_is_what_was_known_when_it_began(split, seq):
    for week in (2, 3):
        earlier = baskets.sequences(without_the_future(split, 7 * week))
        np.testing.assert_allclose(earlier.trend[-1], seq.trend[week], atol=1e-6)


def test_what_neighbours_bought_lately_ends_where_the_week_begins(split, seq):
    week = 2
    late = split.history["timestamp"] >= seq.origin + pd.Timedelta(days=7 * week)
    swapped = split.history.copy()
    swapped.loc[late, "item"] = swapped.loc[late, "item"].to_numpy()[::-1]
    assert (swapped["item"] != split.history["item"]).any()
    early = split.history[~late]
    recent = np.zeros((len(split.users), len(split.items) + 1))
    np.add.at(recent, (early["user"], early["item"] + 1), 1)
    never_bought = recent.sum(0) == 0
    assert never_bought.any() and not seq.lately[week][never_bought].any()


def test_from_the_cutoff_on_the_whole_history_is_known(seq):
    assert (seq.week(np.array([seq.last, seq.last + 20.0])) == len(seq.trend) - 1).all()
    assert seq.week(np.array([seq.last - 1.0]))[0] < len(seq.trend) - 1


def test_groups_begin_with_padding_and_follow_the_catalogue():
    items = pd.DataFrame(
        {
            "item_id": ["a", "b", "c"],
            "category": ["x", "x", "y"],
            "product_type": ["t", "u", "t"],
            "brand": ["k", "k", "k"],
        }
    )
    pairs, categories, brands = baskets.item_groups(items, pd.Index(["c", "a", "b"]))
    assert pairs == [0, 1, 2, 3] and categories == [0, 1, 2, 2] and brands == [0, 1, 1, 1]
