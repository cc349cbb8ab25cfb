from pathlib import Path

import localization

from recsys_kit import results_file

FILE = Path(__file__).parents[2] / "benchmarks" / "results" / "localization.json"


def test_the_file_holds_every_part_of_the_context_and_every_seed_of_the_input():
    made = results_file.read(FILE)
    methods = [row["method"] for row in made.rows]
    parts = [localization.TERM + name for name in localization.PARTS]
    assert methods[: 1 + len(parts)] == [localization.RULE, *parts]
    assert localization.AWARE in methods
    assert [row["seed"] for row in made.rows if row["method"] == localization.INPUT] == made.seeds


def test_a_part_whose_weight_is_0_changes_nothing():
    rows = [row for row in results_file.read(FILE).rows if row["method"].startswith(localization.TERM)]
    assert all(row["with"] == row["without"] for row in rows if row["weight"] == 0)
    assert any(row["weight"] > 0 for row in rows)  # one has a weight that nobody chose
