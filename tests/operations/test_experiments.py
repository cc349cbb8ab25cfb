"""Experiments keep the error rate that they promise, and CUPED removes variance without moving the mean."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from recsys_kit.operations import experiments

SPENT = np.random.default_rng(0).gamma(0.6, 120, 3000)
LOOKS = list(range(50, 1001, 50))


def test_the_sample_size_has_the_power_that_was_wanted():
    size = experiments.sample_size(variance=4.0, effect=0.2, wanted=0.9)
    shift = 0.2 / np.sqrt(2 * 4.0 / size)
    assert stats.norm.sf(stats.norm.isf(0.025) - shift) == pytest.approx(0.9, abs=0.001)


def test_an_effect_of_nothing_needs_no_experiment():
    with pytest.raises(ValueError, match="must not be 0"):
        experiments.sample_size(1.0, 0.0)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.floats(0.0, 0.95))
def test_cuped_keeps_the_mean_and_never_adds_variance(seed, part):
    rng = np.random.default_rng(seed)
    before = rng.normal(size=200)
    after = part * before + rng.normal(size=200)
    adjusted = experiments.cuped(after, before)
    assert adjusted.mean() == pytest.approx(after.mean(), abs=1e-9)
    assert adjusted.var() <= after.var() + 1e-12


def test_the_variance_removed_is_the_squared_correlation_within_its_interval():
    rng = np.random.default_rng(0)
    before = rng.normal(size=2000)
    after = 0.6 * before + 0.8 * rng.normal(size=2000)
    found = experiments.variance_removed(after, before, 200)
    assert found["value"] == pytest.approx(np.corrcoef(after, before)[0, 1] ** 2)
    assert found["low"] < 0.36 < found["high"]


def test_cuped_with_a_past_that_never_changes_changes_nothing():
    assert experiments.cuped(np.array([1.0, 2.0]), np.array([3.0, 3.0])).tolist() == [1.0, 2.0]


def test_looking_again_and_again_finds_what_is_not_there():
    difference, error = experiments.walks(SPENT, LOOKS, 2000)
    z = np.abs(difference / error)
    assert (z[:, -1] > 1.96).mean() < 0.065  # one look keeps its word
    assert (z > 1.96).any(1).mean() > 0.15  # the first that is significant does not


def test_the_mixture_test_keeps_its_word_over_all_looks():
    difference, error = experiments.walks(SPENT, LOOKS, 2000)
    assert (np.abs(difference / error) > experiments.mixture_limits(LOOKS)).any(1).mean() <= 0.06


def test_the_mixture_test_finds_what_is_there():
    difference, error = experiments.walks(SPENT, LOOKS, 500, effect=30.0)
    assert (np.abs(difference / error) > experiments.mixture_limits(LOOKS)).any(1).mean() > 0.8


def test_an_effect_moves_the_second_arm():
    difference, _ = experiments.walks(SPENT, LOOKS, 500, effect=30.0)
    assert difference[:, -1].mean() == pytest.approx(30, abs=2)


def test_uneven_arms_are_noticed():
    assert experiments.ratio_check([5000, 4600], [1, 1]) < 0.001 < experiments.ratio_check([5000, 4950], [1, 1])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000))
def test_a_merged_list_holds_each_item_once_and_both_teams_alike(seed):
    rng = np.random.default_rng(seed)
    first, second = rng.permutation(15)[:10], rng.permutation(15)[:10]
    items, teams = experiments.team_draft(first, second, rng)
    assert len(set(items)) == len(items) == 10 and teams.count(0) == teams.count(1) == 5
    assert items[0] in (first[0], second[0])


def test_equal_rankers_tie_on_average_and_the_better_one_wins():
    rng = np.random.default_rng(0)
    liked = [set(rng.integers(0, 50, 5)) for _ in range(2000)]
    good = np.array([[*list(likes)[:2], *rng.integers(50, 90, 8)] for likes in liked])
    bad = np.array([rng.permutation(50)[:10] for _ in liked])
    assert abs(experiments.interleaved((good, good), liked).mean()) < 0.06
    assert experiments.interleaved((bad, good), liked).mean() > 0.2
    assert experiments.interleaved((good, bad), liked).mean() < -0.2
