from pathlib import Path

import two_stages

from recsys_kit import results_file

FILE = Path(__file__).parents[2] / "benchmarks" / "results" / "two_stages.json"


def test_the_file_holds_each_pair_on_all_items_and_on_new_ones_at_the_cutoff_of_the_script():
    rows = results_file.read(FILE).rows
    assert [(row["seed"], row["half"], row["method"], row["against"]) for row in rows] == [
        (seed, half, *pair) for seed in (0, 1, 2) for half in two_stages.HALVES for pair in two_stages.PAIRS
    ]
    assert {row["cutoff"] for row in rows} == {two_stages.CUTOFF}


def test_a_verdict_is_what_its_interval_says():
    for row in results_file.read(FILE).rows:
        said = "above" if row["low"] > 0 else "below" if row["high"] < 0 else "level with"
        assert row["verdict"] == said
        assert abs(row["value"] - row["rival"] - row["difference"]) < 1e-9
