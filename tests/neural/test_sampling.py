"""Draws: answers are always candidates, nothing comes twice, and the chances are those of the draws."""

import numpy as np
import pytest

from recsys_kit.neural import sampling

SHARE = sampling.popularity_share(np.arange(1, 51))


def test_what_may_not_be_drawn_has_no_share():
    allowed = np.arange(50) % 2 == 0
    share = sampling.popularity_share(np.arange(1, 51), allowed)
    assert share.sum() == pytest.approx(1) and not share[~allowed].any()


def test_answers_come_first_and_nothing_comes_twice():
    answers = np.array([2, 7, 40])
    chosen, known = sampling.draw(SHARE, 30, answers, 20, np.random.default_rng(0))
    assert known == 3 and list(chosen[:3]) == [2, 7, 40]
    assert len(chosen) == len(set(chosen)) <= 20
    cut, known = sampling.draw(SHARE, 30, answers, 2, np.random.default_rng(0))
    assert list(cut) == [2, 7] and known == 2


def test_an_item_is_drawn_as_often_as_its_chance_says_and_weighs_one_over_it():
    rng, none = np.random.default_rng(0), np.zeros(0, int)
    times = np.zeros(50)
    for _ in range(3000):
        times[sampling.draw(SHARE, 20, none, 50, rng)[0]] += 1
    assert times / 3000 == pytest.approx(sampling.chance(SHARE, 20), abs=0.04)
    assert sampling.weights(SHARE, 20) == pytest.approx(np.minimum(1 / sampling.chance(SHARE, 20), 30))


def test_draws_by_keys_hold_all_answers_and_have_one_size():
    target = np.array([5, 5, 48])
    for seed in range(20):
        candidates, drawn, log_chance = sampling.draw_by_keys(SHARE, SHARE, 12, target, np.random.default_rng(seed))
        assert len(candidates) == len(log_chance) == 12 and {5, 48} <= set(candidates)
        assert (np.diff(candidates) > 0).all() and (log_chance <= 0).all() and drawn.max() < 12
