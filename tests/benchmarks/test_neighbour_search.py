import inspect
from pathlib import Path

import neighbour_search
import pytest

from recsys_kit import baselines, results_file
from recsys_kit.baselines.next_basket_neighbours import Kernel

FILE = Path(__file__).parents[2] / "benchmarks" / "results" / "neighbour_search.json"


@pytest.mark.parametrize("rule", neighbour_search.RANGES)
def test_settings_are_drawn_inside_their_ranges_and_the_same_again(rule):
    rows = []
    for number in range(neighbour_search.TRIALS):
        values = neighbour_search.drawn(rule, rows, seed=0)
        assert values == neighbour_search.drawn(rule, rows, seed=0)
        for name, (low, high, scale) in neighbour_search.RANGES[rule].items():
            assert low <= values[name] <= high and (scale != "whole" or isinstance(values[name], int))
        rows.append({"values": values, "all": number % 7})


def test_a_value_at_the_edge_of_its_range_is_named():
    values = {"recent": 295, "asymmetry": 0.5, "power": 20.0}
    assert neighbour_search.at_the_edge("UP-CF", values) == ["recent"]


@pytest.mark.skipif(not FILE.exists(), reason="nothing was searched")
def test_the_defaults_are_what_the_search_chose():
    table = results_file.read(FILE).table
    best = {row["rule"]: row["values"] for row in table.loc[table.groupby("rule")["all"].idxmax()].to_dict("records")}
    for rule, method in {"TIFU-kNN": baselines.tifu_knn, "UP-CF": baselines.up_cf, "TAIW": baselines.taiw}.items():
        defaults = {name: parameter.default for name, parameter in inspect.signature(method).parameters.items()}
        if rule == "TAIW":
            defaults |= vars(Kernel())
        assert best[rule] == {name: pytest.approx(defaults[name]) for name in best[rule]}, rule
