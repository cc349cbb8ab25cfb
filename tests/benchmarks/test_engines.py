"""The engines were measured on the same work, and what pandas could not do is said."""

from pathlib import Path

import engines

from recsys_kit import results_file

FILE = Path(__file__).parents[2] / "benchmarks" / "results" / "engines.json"


def test_engines_that_came_to_an_end_wrote_the_same_number_of_rows():
    table = results_file.read(FILE).table.query("ended == 'ok'")
    assert (table.groupby("copies")[["events", "users", "pairs", "followers"]].nunique() == 1).all(axis=None)


def test_every_engine_is_measured_at_one_and_at_ten_copies_and_pandas_ends_at_the_limit():
    table = results_file.read(FILE).table
    for copies in (1, 10):
        assert set(table.loc[table["copies"] == copies, "engine"]) == set(engines.ENGINES)
    (lost,) = table[table["ended"] != "ok"].itertuples()
    assert (lost.engine, lost.copies) == ("pandas", 30) and lost.peak_mb > 1000 * engines.LIMIT
    assert table.loc[table["ended"] == "ok", "peak_mb"].max() <= 1000 * engines.LIMIT
