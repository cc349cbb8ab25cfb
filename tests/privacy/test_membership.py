"""Membership attacks: what they find where there is something to find, and that they find nothing elsewhere."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from recsys_kit.privacy import membership


def drawn(shift, count=400, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(shift, 1, count), rng.normal(0, 1, count)


def test_the_auc_is_the_known_one():
    members, others = np.round(drawn(0.5), 1)  # rounded: there are ties
    truth = np.r_[np.ones(len(members)), np.zeros(len(others))]
    known = roc_auc_score(truth, np.r_[members, others])
    assert membership.attack(members, others, draws=50).auc == pytest.approx(known)


def test_an_attack_on_nothing_has_an_interval_that_holds_a_half():
    found = membership.attack(*drawn(0.0))
    assert found.low < 0.5 < found.high


def test_members_that_fit_better_are_found():
    found = membership.attack(*drawn(1.0))
    assert found.low > 0.6
    assert found.found > 2 * found.alarms


def test_false_alarms_are_no_more_than_said():
    members, others = drawn(0.0, 2000)
    assert membership.attack(others, others, alarms=0.05).found <= 0.05
    assert membership.attack(members, others, alarms=0.05).alarms == 0.05


def test_the_same_seed_gives_the_same_interval():
    assert membership.attack(*drawn(0.3), seed=1) == membership.attack(*drawn(0.3), seed=1)


def test_households_of_whom_nothing_is_known_are_left_out():
    members, others = drawn(1.0)
    assert membership.attack(np.r_[members, np.nan], others) == membership.attack(members, others)
    with pytest.raises(ValueError, match="members and others"):
        membership.attack(np.array([np.nan]), others)


def test_a_reference_takes_out_what_is_hard_for_everybody():
    rng = np.random.default_rng(0)
    hard = rng.normal(0, 10, 800)  # how hard a household is, for any model
    losses = hard - np.r_[np.full(400, 0.5), np.zeros(400)] + rng.normal(0, 0.3, 800)
    plain, known = membership.signal(losses), membership.signal(losses, hard)
    assert membership.attack(plain[:400], plain[400:]).auc < 0.6
    assert membership.attack(known[:400], known[400:]).auc > 0.8
