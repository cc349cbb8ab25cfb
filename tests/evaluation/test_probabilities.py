"""Chances, lift and effects: worked by hand, ties counted fairly."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_kit import evaluation


def test_reliability_matches_two_bins_worked_by_hand():
    table = evaluation.reliability(np.array([0, 1, 1, 1]), np.array([0.1, 0.3, 0.8, 1.0]), bins=2)
    assert table["cases"].tolist() == [2, 2]
    assert table["said"].tolist() == pytest.approx([0.2, 0.9])
    assert table["happened"].tolist() == [0.5, 1.0]
    assert evaluation.calibration_error(np.array([0, 1, 1, 1]), np.array([0.1, 0.3, 0.8, 1.0]), 2) == pytest.approx(0.2)


def test_a_chance_above_1_is_refused():
    with pytest.raises(ValueError, match="from 0 to 1"):
        evaluation.reliability(np.array([1]), np.array([1.5]))


def test_a_perfect_order_captures_all_first_and_a_constant_captures_its_share():
    truth = np.array([1, 1, 0, 0, 0, 0, 0, 0, 0, 0])
    assert evaluation.captured(truth, truth, (0.2,)).tolist() == [1]
    assert evaluation.captured(truth, np.zeros(10), (0.1, 0.5)) == pytest.approx([0.1, 0.5])


@given(st.lists(st.floats(-1, 1), min_size=3, max_size=30), st.integers(0, 99))
def test_nobody_is_above_the_oracle(effect, seed):
    effect = np.array(effect)
    score = np.random.default_rng(seed).normal(size=len(effect))
    assert evaluation.qini(effect, score) <= evaluation.qini(effect, effect) + 1e-12
    assert evaluation.qini(effect, np.zeros(len(effect))) == pytest.approx(0)


def test_a_statistic_draws_whole_units():
    units = np.repeat(["a", "b"], 5)
    seen = []
    value, low, high = evaluation.paired_statistic(lambda w: seen.append(w) or w[0], units, draws=20)
    assert value == 1 and low <= high
    assert all(len(set(weights[:5])) == len(set(weights[5:])) == 1 for weights in seen)
