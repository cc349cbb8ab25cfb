"""A shop copied: the first copy is the shop, the others are others, and no file is missing unnoticed."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import scaling_shop

from recsys_kit.datasets.tables import DataError
from recsys_kit.scaling import copies


def read(load):
    return pd.concat([pd.read_parquet(path) for path in load.events], ignore_index=True)


def test_the_first_copy_is_the_shop_and_the_others_are_shifted(tmp_path):
    shop = scaling_shop.shop()
    load = copies.write(shop, tmp_path, scaling_shop.CUTOFF, copies=3, parts=2)
    events, size = read(load), len(shop.events)
    assert load.rows == len(events) == 3 * size
    pd.testing.assert_frame_equal(events[:size], shop.events[list(copies.COLUMNS)], check_dtype=False)
    second = events[size : 2 * size].reset_index(drop=True)
    assert set(second["user_id"]).isdisjoint(shop.events["user_id"])
    apart = (second["timestamp"] - shop.events["timestamp"]).abs()
    assert apart.max() < pd.Timedelta(days=4) and apart.median() > pd.Timedelta(hours=1)
    per_basket = (second["timestamp"] - shop.events["timestamp"]).groupby(second["basket_id"]).nunique()
    assert (per_basket == 1).all()  # a basket stays together


def test_a_household_lies_in_several_files(tmp_path):
    load = copies.write(scaling_shop.shop(), tmp_path, scaling_shop.CUTOFF, parts=4)
    users = [set(pd.read_parquet(path)["user_id"]) for path in load.events]
    assert users[0] & users[-1]


def test_a_folder_is_read_where_it_lies_now_and_a_missing_file_is_named(tmp_path):
    load = copies.write(scaling_shop.shop(), tmp_path / "here", scaling_shop.CUTOFF, copies=2, parts=2)
    (tmp_path / "here").rename(tmp_path / "there")
    moved = copies.Workload.read(tmp_path / "there")
    assert (moved.rows, moved.cutoff, len(moved.events)) == (load.rows, load.cutoff, 4)
    Path(moved.events[0]).unlink()
    with pytest.raises(DataError, match="4 files were written, 3 are there"):
        copies.Workload.read(tmp_path / "there")
    with pytest.raises(DataError, match="no such file"):
        copies.Workload.read(tmp_path / "nowhere")


def test_fewer_copies_leave_no_file_of_more(tmp_path):
    copies.write(scaling_shop.shop(), tmp_path, scaling_shop.CUTOFF, copies=3)
    assert len(copies.write(scaling_shop.shop(), tmp_path, scaling_shop.CUTOFF, parts=2).events) == 2
