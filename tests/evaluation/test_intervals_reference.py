"""Intervals and p-values against plain loops, all sign flips, and the numbers that a seed stands for."""

import itertools
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_kit import evaluation


def skewed(count, seed=0):
    return np.random.default_rng(seed).exponential(size=count)


def slow_interval(values, level, draws, seed, units=None):
    """Draws units with replacement, one sample after the other."""
    units = list(range(len(values))) if units is None else list(units)
    names = list(dict.fromkeys(units))
    members = [[value for value, unit in zip(values, units, strict=True) if unit == name] for name in names]
    rng, means = np.random.default_rng(seed), []
    for _ in range(draws):
        sample = [value for row in rng.integers(0, len(names), len(names)) for value in members[row]]
        means.append(sum(sample) / len(sample))
    return tuple(np.quantile(means, [(1 - level) / 2, 1 - (1 - level) / 2]))


@settings(deadline=None, max_examples=25)
@given(
    st.integers(1, 12),
    st.sampled_from([0.5, 0.8, 0.95]),
    st.integers(1, 30),
    st.integers(0, 99),
    st.booleans(),
)
def test_the_interval_equals_a_slow_plain_python_reference(count, level, draws, seed, grouped):
    values = skewed(count, seed)
    units = np.random.default_rng(seed).choice(list("abcd"), count) if grouped else None
    found = evaluation.bootstrap_interval(values, level, draws, seed, units)
    assert found == pytest.approx(slow_interval(values, level, draws, seed, units))


def test_samples_that_are_drawn_in_several_chunks_are_the_same_samples():
    values = skewed(100_000)  # 20 samples a chunk
    rng = np.random.default_rng(3)
    means = [values[rng.integers(0, len(values), len(values))].mean() for _ in range(45)]
    expected = np.quantile(means, [0.1, 0.9])
    assert evaluation.bootstrap_interval(values, 0.8, 45, 3) == pytest.approx(tuple(expected), rel=1e-12)


def peak(call):
    """Returns the megabytes that a call holds at most."""
    tracemalloc.start()
    call()
    found = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    return found


def test_the_memory_of_an_interval_and_of_a_test_does_not_grow_with_the_draws():
    values = pd.Series(skewed(10_000))
    assert peak(lambda: evaluation.bootstrap_interval(values, draws=1000)) < 50  # 160 all at once
    assert peak(lambda: evaluation.paired_difference(values, -values, draws=1000)) < 50


def test_whole_units_make_the_interval_as_wide_as_that_of_their_means():
    homes = skewed(40)
    values, units = np.repeat(homes, 5), np.repeat(np.arange(40), 5)
    assert evaluation.bootstrap_interval(values, units=units) == pytest.approx(evaluation.bootstrap_interval(homes))


def exact_p(difference):
    """The share of all sign flips that give a difference at least as large."""
    flips = np.array(list(itertools.product([-1, 1], repeat=len(difference))))
    return (abs(flips @ difference) >= abs(difference.sum()) - 1e-9).mean()


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(-10, 10), min_size=1, max_size=7), st.integers(0, 99))
def test_p_is_about_the_share_of_all_sign_flips_and_the_same_for_both_directions(tenths, seed):
    a, zero = pd.Series(tenths) / 10, pd.Series(np.zeros(len(tenths)))  # many flips tie
    found = evaluation.paired_difference(a, zero, draws=2000, seed=seed)
    assert found["p"] == pytest.approx(exact_p(a.to_numpy()), abs=0.06)  # more than five standard errors
    assert found["p"] == evaluation.paired_difference(zero, a, draws=2000, seed=seed)["p"]


@pytest.mark.parametrize(("count", "draws"), [(60, 1), (60, 99), (100_000, 45)])  # the last in chunks of 20
def test_p_counts_the_difference_itself_once_and_every_flip_that_does_no_less(count, draws):
    zero, one = pd.Series(np.zeros(count)), pd.Series(np.ones(count))
    assert evaluation.paired_difference(one, zero, draws=draws)["p"] == 1 / (draws + 1)
    assert evaluation.paired_difference(zero, zero, draws=draws)["p"] == 1


def test_flips_are_drawn_with_the_seed_after_that_of_the_samples():
    a, zero = pd.Series(skewed(9) - 0.6), pd.Series(np.zeros(9))
    flips = np.random.default_rng(8).integers(0, 2, (500, 9), dtype=np.int8) * 2 - 1
    extreme = (abs(flips @ a.to_numpy()) >= abs(a.sum()) - 1e-9).sum()
    found = evaluation.paired_difference(a, zero, level=0.6, draws=500, seed=7)
    assert found["p"] == (extreme + 1) / 501
    assert (found["low"], found["high"]) == evaluation.bootstrap_interval(a, 0.6, 500, 7)


def test_a_difference_counts_the_cases_where_a_method_is_better_worse_and_equal():
    found = evaluation.paired_difference(pd.Series([3.0, 1.0, 1.0, 5.0]), pd.Series([1.0, 2.0, 1.0, 0.5]))
    assert found["difference"] == pytest.approx(1.375)
    assert (found["better"], found["worse"], found["cases"]) == (2, 1, 4)


def test_without_further_words_it_is_95_percent_2000_draws_and_seed_0():
    a, b = pd.Series(skewed(30)), pd.Series(skewed(30, 1))
    groups, table = ["x"] * 20 + ["y"] * 10, pd.DataFrame({"ndcg": a})
    interval = evaluation.bootstrap_interval(a, level=0.95, draws=2000, seed=0)
    assert evaluation.bootstrap_interval(a) == interval
    stated = evaluation.paired_difference(a, b, level=0.95, draws=2000, seed=0)
    assert evaluation.paired_difference(a, b) == stated
    grouped = evaluation.by_group(table, groups)
    for name, values in a.groupby(groups):
        assert tuple(grouped.loc[name, ["low", "high"]]) == evaluation.bootstrap_interval(values, draws=2000)


def test_metric_and_number_of_draws_are_passed_on():
    a = pd.DataFrame({"mrr": skewed(30)})
    grouped = evaluation.by_group(a, ["x"] * 30, "mrr", draws=70).loc["x"]
    assert (grouped["low"], grouped["high"]) == evaluation.bootstrap_interval(a["mrr"], draws=70)


def test_tables_of_methods_have_one_row_a_method_best_first_by_the_first_metric():
    better, worse = {"ndcg": 0.4, "recall": 0.1, "mrr": 0.3}, {"ndcg": 0.2, "recall": 0.9, "mrr": 0.5}
    results = {name: pd.DataFrame([row] * 3) for name, row in {"worse": worse, "better": better}.items()}
    table = evaluation.summary(results)
    assert list(table.index) == ["better", "worse"] and list(table.columns) == ["ndcg", "recall", "mrr"]
    assert table.loc["better"].to_dict() == pytest.approx(better) and table.index.name == "method"
    assert list(evaluation.summary(results, ("recall",)).index) == ["worse", "better"]


def test_groups_are_a_table_of_whole_numbers_of_cases_even_when_there_are_none():
    result = pd.DataFrame({"ndcg": [1.0, 0.0, 0.5]}, index=[0, 2, 3])
    labels = pd.Categorical(["a", "b", "b", "a"], categories=["a", "b", "c"])
    table = evaluation.by_group(result, pd.Series(labels, index=[9, 8, 7, 6]))  # labels go by their place
    assert table["cases"].to_dict() == {"a": 2, "b": 1} and table["cases"].dtype.kind == "i"
    assert table["mean"].to_dict() == {"a": 0.75, "b": 0} and table.index.name == "group"
    assert table.loc["b", ["low", "high"]].tolist() == [0, 0] and (table["low"] <= table["high"]).all()
    empty = evaluation.by_group(result.iloc[:0], labels)
    assert len(empty) == 0 and list(empty.columns) == ["cases", "mean", "low", "high"]
