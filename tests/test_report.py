import os
import subprocess
import sys

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_kit import plots, report
from recsys_kit.course import report_page


def test_the_headline_says_whether_the_result_is_better_and_carries_its_numbers(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw: shown.append(data))
    report.headline("NDCG@10", 0.25, "popularity", 0.2)
    report.headline("loss", 0.25, "mean", 0.2, higher_is_better=False)
    first, second = shown
    assert first["text/plain"] == "NDCG@10: 0.2500 (popularity: 0.2000; better)"
    assert second["text/plain"].endswith("not better)")
    assert first[report.HEADLINE_MIME]["baseline_value"] == 0.2


def test_a_broken_promise_is_an_error_where_it_is_strict_and_a_sentence_elsewhere(capsys):
    with pytest.raises(AssertionError, match="promise broken: it holds"):
        report.promise("it holds", False, strict=True)
    report.promise("it holds", False, strict=False)
    assert "does not hold on this data" in capsys.readouterr().out


def test_what_a_library_writes_while_it_starts_is_hidden_and_an_exception_comes_through(capfd):
    with pytest.raises(KeyError), report.quiet():
        os.write(2, b"noise")
        raise KeyError
    assert capfd.readouterr().err == ""


def test_keras_loads_and_trains_without_a_word_about_hardware():
    code = (
        "import numpy, recsys_kit.report as report; report.load_keras(); import keras; "
        "model = keras.Sequential([keras.layers.Dense(1)]); model.compile('adam', 'mse'); "
        "model.fit(numpy.zeros((4, 2)), numpy.zeros((4, 1)), verbose=0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""


def test_a_headline_says_what_the_interval_says(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw: shown.append(data))
    report.headline("NDCG@10", 0.2558, "two heads", 0.2555, verdict="level with")
    assert shown[0]["text/plain"] == "NDCG@10: 0.2558 (two heads: 0.2555; by its interval level with it)"
    line = report_page.describe_headline(shown[0][report.HEADLINE_MIME])
    assert line == "NDCG@10 0.2558 against two heads 0.2555 (level)"


def test_a_headline_on_other_data_says_whose(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw: shown.append(data))
    report.headline("NDCG@10", 0.25, "popularity", 0.2, data="The Complete Journey")
    assert shown[0]["text/plain"].endswith("better); measured on The Complete Journey, not on this shop")
    assert shown[0][report.HEADLINE_MIME]["data"] == "The Complete Journey"
    report.headline("NDCG@10", 0.25, "popularity", 0.2)
    assert "data" not in shown[1][report.HEADLINE_MIME]


@st.composite
def two_methods(draw):
    cases = draw(st.integers(1, 12))
    numbers = st.lists(st.floats(0, 1, width=32), min_size=cases, max_size=cases)
    units = draw(st.none() | st.lists(st.integers(0, 3), min_size=cases, max_size=cases))
    return pd.Series(draw(numbers), dtype=float), pd.Series(draw(numbers), dtype=float), units


@settings(max_examples=60, deadline=None)
@given(two_methods())
def test_a_comparison_turned_round_is_the_same_with_the_sign_turned_round(case):
    a, b, units = case
    there = report.compare({"a": a, "b": b}, "b", units=units, draws=200).table.loc["a"]
    back = report.compare({"a": a, "b": b}, "a", units=units, draws=200).table.loc["b"]
    assert there["difference"] == pytest.approx(-back["difference"], abs=1e-12)
    assert (there["low"], there["high"]) == pytest.approx((-back["high"], -back["low"]), abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(two_methods())
def test_an_interval_holds_the_difference_and_the_reference_differs_by_nothing(case):
    a, b, units = case
    table = report.compare({"a": a, "b": b}, "b", units=units, draws=200).table
    assert (table["low"] <= table["difference"]).all() and (table["difference"] <= table["high"]).all()
    assert table.loc["b", ["difference", "low", "high", "verdict"]].tolist() == [0, 0, 0, "level with"]
    assert table.loc["a", "difference"] == pytest.approx(table.loc["a", "value"] - table.loc["b", "value"], abs=1e-9)


CASES = np.random.default_rng(0).random(200)


def test_a_clear_gain_is_above_a_clear_loss_below_and_noise_level_with():
    noise = np.random.default_rng(1).normal(0, 0.3, 200)
    scores = {"counting": CASES, "better": CASES + 0.1, "worse": CASES - 0.1, "other": CASES + noise - noise.mean()}
    scores = {name: pd.Series(values) for name, values in scores.items()}
    verdicts = report.compare(scores, "counting").table["verdict"]
    assert verdicts.tolist() == ["level with", "above", "below", "level with"]
    verdicts = report.compare(scores, "counting", margin=0.2).table["verdict"]
    assert (verdicts == "level with").all()


def test_several_seeds_are_averaged_case_by_case_and_shown():
    seeds = [pd.Series(CASES + 0.01 * seed) for seed in (1, 2, 6)]
    found = report.compare({"counting": pd.Series(CASES), "model": seeds, "one": seeds[:1]}, "counting")
    assert found.table.loc["model", "difference"] == pytest.approx(0.03)
    assert found.table.loc["model", "seeds"] == pytest.approx([CASES.mean() + 0.01 * seed for seed in (1, 2, 6)])
    low, high = CASES.mean() + 0.01, CASES.mean() + 0.06
    assert found.shown()["seeds"].tolist() == ["", f"3: {low:.4f} to {high:.4f}", "1"]


def test_each_method_may_have_a_reference_of_its_own():
    scores = {"a": pd.Series(CASES), "b": pd.Series(CASES + 0.1), "c": pd.Series(CASES + 0.3)}
    found = report.compare(scores, {"b": "a", "c": "b"}, "NDCG@10", budget={"c": "60 s"})
    assert found.table["difference"].tolist() == pytest.approx([0, 0.1, 0.2])
    assert found.shown()["verdict"].tolist() == ["reference", "above a", "above b"]
    assert found.shown()["budget"].tolist() == ["", "", "60 s"]
    assert "seeds" not in found.shown()


def test_one_household_with_many_cases_does_not_make_an_interval_narrow():
    difference = np.repeat(np.random.default_rng(0).normal(size=10), 20)
    scores = {"a": pd.Series(difference), "b": pd.Series(np.zeros(200))}
    rows = report.compare(scores, "b").table.loc["a"]
    households = report.compare(scores, "b", units=np.repeat(np.arange(10), 20)).table.loc["a"]
    assert households["high"] - households["low"] > 3 * (rows["high"] - rows["low"])
    assert households["difference"] == pytest.approx(rows["difference"])


def test_a_promise_of_a_comparison_says_and_tests_the_same(capsys):
    scores = {"counting": pd.Series(CASES), "model": pd.Series(CASES + 0.1)}
    found = report.compare(scores, "counting", margin=0.05)
    found.promise("model")
    assert capsys.readouterr().out == (
        "holds: model is above counting by more than 0.05 on NDCG@10 (+0.1000 [+0.1000, +0.1000])\n"
    )
    found.promise("model", "not below")
    for verdict in ("below", "level with", "not above"):
        with pytest.raises(AssertionError, match=f"model is {verdict} counting"):
            found.promise("model", verdict)
    with pytest.raises(ValueError, match="`verdict`"):
        found.promise("model", "better")


def test_methods_judged_on_other_cases_are_not_compared():
    a = pd.Series(CASES)
    for other in (a[1:], a.set_axis(np.arange(1, 201)), a.where(a > 0.5), []):
        with pytest.raises(ValueError, match=r"same cases|each case"):
            report.compare({"a": a, "b": other}, "a")
    with pytest.raises(ValueError, match="`against`"):
        report.compare({"a": a}, "b")
    with pytest.raises(ValueError, match="`units`"):
        report.compare({"a": a}, "a", units=[1, 2])


def test_the_figure_of_a_comparison_shows_its_differences_and_seeds():
    scores = {"counting": pd.Series(CASES), "model": [pd.Series(CASES + 0.1), pd.Series(CASES + 0.3)]}
    axes = report.compare(scores, "counting").figure("the model gains")
    assert [label.get_text() for label in axes.get_yticklabels()] == ["model"]
    dots, rings = (line.get_xdata() for line in axes.lines[1:])
    assert list(dots) == pytest.approx([0.2]) and list(rings) == pytest.approx([0.1, 0.3])
    assert axes.get_xlabel() == "difference in NDCG@10 (0: counting)"
    plt.close(axes.figure)
    assert plots.intervals.__name__ in plots.__all__
