"""SQL says what pandas says: all three tables, to the last row."""

from __future__ import annotations

import pandas as pd
import pytest
import scaling_shop

from recsys_kit.scaling import copies, reference, sql


@pytest.fixture
def load(tmp_path):
    return copies.write(scaling_shop.shop(), tmp_path / "shop", scaling_shop.CUTOFF, copies=2, parts=3, min_users=5)


def same(left, right, name):
    """Compares a table of two engines' folders."""
    one, other = (pd.read_parquet(folder / f"{name}.parquet") for folder in (left, right))
    assert len(one) > 10
    pd.testing.assert_frame_equal(one, other, check_dtype=False, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("settings", [{}, {"memory_gb": 0.2, "threads": 1}], ids=["default", "little memory"])
def test_duckdb_computes_the_tables_of_pandas(load, tmp_path, settings):
    rows = reference.run_pandas(load, tmp_path / "pandas")
    assert sql.run_duckdb(load, tmp_path / "duckdb", **settings) == rows
    for name in copies.TABLES:
        same(tmp_path / "pandas", tmp_path / "duckdb", name)
    assert sorted(path.name for path in (tmp_path / "duckdb").iterdir()) == sorted(
        f"{n}.parquet" for n in copies.TABLES
    )


def test_a_second_run_replaces_the_first(load, tmp_path):
    first = sql.run_duckdb(load, tmp_path / "out")
    assert sql.run_duckdb(load, tmp_path / "out") == first


def test_a_quote_in_a_path_is_no_end_of_a_text(tmp_path):
    load = copies.write(scaling_shop.shop(), tmp_path / "o'shop", scaling_shop.CUTOFF, parts=2, min_users=5)
    assert sql.run_duckdb(load, tmp_path / "o'ut")["pairs"] > 10


def test_a_shop_without_a_single_item_in_the_catalogue_has_users_and_no_pairs(tmp_path):
    load = copies.write(scaling_shop.shop(), tmp_path / "shop", scaling_shop.CUTOFF, min_users=1000)
    rows = reference.run_pandas(load, tmp_path / "pandas")
    assert rows == sql.run_duckdb(load, tmp_path / "duckdb")
    assert rows["users"] > 10 and rows["pairs"] == rows["followers"] == 0
