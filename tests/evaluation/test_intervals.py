import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from recsys_kit import evaluation


def test_the_interval_of_equal_methods_covers_zero_and_that_of_different_ones_does_not():
    rng = np.random.default_rng(0)
    a, noise = pd.Series(rng.random(400)), pd.Series(rng.normal(0, 0.1, 400))
    same = evaluation.paired_difference(a, a)
    assert (same["difference"], same["low"], same["high"], same["p"]) == (0, 0, 0, 1)
    shift = evaluation.paired_difference(a + 0.05 + noise - noise.mean(), a)
    assert 0 < shift["low"] < 0.05 < shift["high"] and shift["p"] < 0.01
    assert shift["better"] + shift["worse"] == shift["cases"] == 400


def test_intervals_cover_the_true_mean_about_as_often_as_they_say():
    rng = np.random.default_rng(0)
    covered = 0
    for seed in range(200):
        low, high = evaluation.bootstrap_interval(rng.exponential(size=60), level=0.9, draws=400, seed=seed)
        covered += low <= 1 <= high
    assert 0.82 <= covered / 200 <= 0.96


def test_p_is_uniform_when_nothing_differs():
    rng = np.random.default_rng(0)
    zero = pd.Series(np.zeros(50))
    p = [evaluation.paired_difference(pd.Series(rng.normal(size=50)), zero, draws=200)["p"] for _ in range(200)]
    assert 0.01 <= np.mean(np.array(p) <= 0.05) <= 0.1
    assert np.mean(p) == pytest.approx(0.5, abs=0.08)


def test_pairing_makes_the_interval_narrower():
    rng = np.random.default_rng(0)
    hard, noise = rng.random(300), rng.normal(0, 0.02, (2, 300))
    a, b = pd.Series(hard + 0.01 + noise[0]), pd.Series(hard + noise[1])
    paired = evaluation.paired_difference(a, b)
    low, high = evaluation.bootstrap_interval(a)
    assert paired["low"] > 0 and paired["high"] - paired["low"] < (high - low) / 3


def test_the_chunked_bootstrap_needs_little_memory_and_repeats_with_its_seed():
    values = np.random.default_rng(0).random(3_000_000)  # larger than a chunk
    first = evaluation.bootstrap_interval(values, draws=3, seed=5)
    assert first == evaluation.bootstrap_interval(values, draws=3, seed=5)
    assert first[0] < first[1]


def test_cases_that_one_method_lacks_are_left_out_and_none_in_common_is_an_error():
    a, b = pd.Series([1.0, 0.0], index=[0, 1]), pd.Series([1.0, 0.0], index=[1, 2])
    assert evaluation.paired_difference(a, b)["cases"] == 1
    with pytest.raises(ValueError, match="cases in common"):
        evaluation.paired_difference(a, b.iloc[1:])
    with pytest.raises(ValueError, match="at least one number"):
        evaluation.bootstrap_interval([])


def test_groups_are_matched_by_case_even_when_cases_were_dropped():
    answers = sp.csr_matrix([[True, False], [False, False], [True, False], [False, True]])
    result = evaluation.evaluate(np.tile([2.0, 1.0], (4, 1)), answers, k=1)
    table = evaluation.by_group(result, ["new", "new", "old", "old"])
    assert table["cases"].to_dict() == {"new": 1, "old": 2}
    assert table["mean"].to_dict() == {"new": 1.0, "old": 0.5}
