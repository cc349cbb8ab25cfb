import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_kit.large_models import curves


@settings(max_examples=40, deadline=None)
@given(st.floats(0.5, 5), st.floats(0.5, 5), st.floats(0.1, 1.0))
def test_a_law_without_noise_is_found_again(floor, spread, exponent):
    x = np.geomspace(1e9, 1e12, 7)
    loss = floor + spread * (x / x[0]) ** -exponent
    law = curves.fit(x, loss)
    assert law(x) == pytest.approx(loss, abs=1e-3 * spread)
    assert law.exponent == pytest.approx(exponent, rel=0.02)
    assert law(1e13) == pytest.approx(floor + spread * (1e13 / x[0]) ** -exponent, abs=0.02 * spread)


def test_two_sizes_are_too_few_for_three_numbers():
    with pytest.raises(ValueError, match="at least three sizes"):
        curves.fit([1, 1, 2], [3.0, 3.1, 2.0])


def test_intervals_hold_the_truth_and_are_narrower_with_less_noise():
    x, rng, wide = np.repeat(np.geomspace(1, 1000, 8), 2), np.random.default_rng(0), []
    for noise in (0.002, 0.03):
        points = pd.DataFrame({"x": x, "loss": 1 + 2 * x**-0.4 + noise * rng.normal(size=len(x))})
        found = curves.forecast(points, at=4000, draws=80)
        assert found.low < 0.4 < found.high
        assert found.value_low < found.value < found.value_high
        wide.append(found.high - found.low)
    assert wide[0] < wide[1]


def test_a_forecast_is_the_same_again():
    points = pd.DataFrame({"x": [1, 2, 4, 8, 16], "loss": [5.0, 4.1, 3.6, 3.3, 3.1]})
    assert curves.forecast(points, 32, draws=20) == curves.forecast(points, 32, draws=20)


def test_the_frontier_keeps_what_nothing_cheaper_equals_with_all_its_seeds():
    points = pd.DataFrame({"x": [1, 2, 2, 3, 4], "loss": [5.0, 4.0, 4.4, 4.3, 4.0]})
    assert curves.frontier(points)["x"].tolist() == [1, 2, 2, 4]
