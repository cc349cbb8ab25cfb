"""Every customer got one list, also where everything was killed in the middle."""

from pathlib import Path

import lists_in_parts
import pytest

from recsys_kit import results_file

FILE = Path(__file__).parents[2] / "benchmarks" / "results" / "lists_in_parts.json"


def test_the_file_holds_a_hundred_thousand_customers_once_each_killed_or_not():
    table = results_file.read(FILE).table
    assert (table["listed"] == table["customers"]).all() and (table["not_once"] == 0).all()
    (killed,) = table[table["kill"]].itertuples()
    assert killed.customers == table["customers"].max() == 100_000
    assert 0 < killed.kept < killed.parts


@pytest.mark.slow
def test_what_was_killed_is_resumed_and_what_was_written_is_kept():
    row = lists_in_parts.row(6000, kill=True)
    assert (row["listed"], row["not_once"]) == (6000, 0)
    assert 1 <= row["kept"] <= row["parts"]
