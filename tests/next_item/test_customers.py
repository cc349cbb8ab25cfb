"""Promises of the next-item model for a shop: one interface, every case answered, better than what is popular."""

import numpy as np
import pytest
from two_tastes import make_split

from recsys_kit import evaluation
from recsys_kit.next_item import customers


def circle(users: int = 60, items: int = 12):
    """Everybody walks a circle of items, one a day, and goes on; `new` comes without a history."""
    letters, baskets, answers = "abcdefghijkl"[:items], [], [("new", "a")]
    for user in range(users):
        length = 3 + user % 5
        walk = [letters[(user + step) % items] for step in range(length + 1)]
        baskets += [(f"u{user:02}", length - step, item) for step, item in enumerate(walk[:-1])]
        answers.append((f"u{user:02}", walk[-1]))
    return make_split(baskets, answers)


@pytest.fixture(scope="module")
def split():
    return circle()


def test_a_sequence_is_the_users_history_in_time_order(split):
    data = customers.sequences(split)
    assert len(data.start) == len(split.users) + 1 and data.size == len(split.items)
    user = split.users.get_loc("u01")
    own = data.items[data.start[user] : data.start[user + 1]]
    assert split.items[own - 1].tolist() == list("bcde")
    assert data.start[split.users.get_loc("new")] == data.start[split.users.get_loc("new") + 1]


def test_users_with_too_few_items_are_left_out(split):
    assert np.diff(customers.sequences(split, 5).start).min() == 5


def test_counting_alone_finds_what_comes_next_and_answers_who_has_no_history(split):
    scorer = customers.scorer(split, None, customers.Choice())
    found = evaluation.evaluate(scorer, split.answers, k=2, exclude=split.seen())
    assert found["hit"].mean() > 0.9
    new = int(np.flatnonzero(split.users[split.test_users] == "new")[0])
    assert np.isfinite(scorer(np.array([new]))).all()


def test_scores_are_log_odds_of_chances_that_add_up_to_one(split):
    odds = customers.scorer(split, None, customers.Choice())(np.arange(5)).astype(float)
    assert np.allclose((1 / (1 + np.exp(-odds))).sum(1), 1, atol=1e-3)


def test_a_shop_too_small_to_choose_by_is_served_by_counting():
    split = circle(users=5)
    choice = customers.choose(split)
    assert choice.epochs == 0 and customers.train(split, choice) is None


def test_a_trained_model_finds_what_comes_next(split):
    choice = customers.choose(split, epochs=3)
    assert choice.epochs >= 1 and choice.weight in customers.WEIGHTS and choice.sharpness in customers.SHARPNESS
    model = customers.train(split, choice)
    scorer = customers.scorer(split, model, choice)
    assert scorer(np.arange(3)).shape == (3, len(split.items))
    assert evaluation.evaluate(scorer, split.answers, k=2, exclude=split.seen())["hit"].mean() > 0.7
