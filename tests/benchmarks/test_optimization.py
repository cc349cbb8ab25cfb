from pathlib import Path

import optimization
import pytest

from recsys_kit import results_file

FILE = Path(__file__).parents[2] / "benchmarks" / "results" / "optimization.json"
KEYS = ("question", "method", "against", "known", "cutoff")


def test_every_row_is_wanted_once():
    rows = [tuple(row[key] for key in KEYS) for row in optimization.wanted(["next types", "search", "newcomers"])]
    assert len(set(rows)) == len(rows)


def test_a_rival_is_itself_a_method():
    for methods in (optimization.NEWCOMERS, optimization.TYPES):
        assert {rival for rivals in methods.values() for rival in rivals} <= set(methods)


@pytest.mark.skipif(not FILE.exists(), reason="made by benchmarks/optimization.py")
def test_the_file_holds_every_row_and_the_step_grid_begins_at_no_step():
    rows = results_file.read(FILE).rows
    wanted = list(optimization.wanted(["next types", "search", "newcomers"]))
    assert [{key: row[key] for key in KEYS} for row in rows] == wanted
    steps = [float(row["method"]) for row in rows if row["question"] == "step"]
    assert steps[0] == 0 and steps == sorted(steps)
