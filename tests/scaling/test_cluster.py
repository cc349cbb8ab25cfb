"""Two workers compute what one process computes."""

from __future__ import annotations

import pandas as pd
import pytest
import scaling_shop

from recsys_kit.scaling import cluster, copies, reference

pytestmark = pytest.mark.slow


def test_two_processes_compute_the_tables_of_one(tmp_path):
    load = copies.write(scaling_shop.shop(), tmp_path / "shop", scaling_shop.CUTOFF, copies=2, parts=3, min_users=5)
    rows = reference.run_pandas(load, tmp_path / "pandas")
    with cluster.workers(count=2, memory_gb=2) as client:
        assert cluster.run_dask(load, tmp_path / "dask", client, parts=4) == rows
        assert cluster.run_dask(load, tmp_path / "dask", client, parts=3) == rows  # replaces the first
    for name in copies.TABLES:
        found, expected = (copies.table(tmp_path / engine, name) for engine in ("dask", "pandas"))
        pd.testing.assert_frame_equal(found, expected, check_dtype=False, rtol=1e-6)
    assert not (tmp_path / "dask" / "past").exists()
