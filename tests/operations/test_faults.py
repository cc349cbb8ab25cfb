"""Planted faults do what their names say, and nothing else."""

import numpy as np
import pandas as pd
import pytest
from busy_shop import busy_shop

from recsys_kit.operations import contracts, faults


@pytest.fixture(scope="module")
def today():
    table = contracts.arrivals(busy_shop())
    return table[table["day"] == pd.Timestamp("2017-10-18")]


def planted(fault, today, size=None):
    return faults.plant(fault, today, np.random.default_rng(0), size)


def test_a_second_load_repeats_every_row(today):
    assert len(planted("load twice", today)) == 2 * len(today)
    assert planted("load twice", today).drop_duplicates().equals(today.reset_index(drop=True))


def test_one_store_and_no_other_is_missing(today):
    left = planted("store missing", today)
    assert set(today["store"].unique()) - set(left["store"].unique()) and left["store"].nunique() == 3


def test_cents_are_a_hundred_times_dollars(today):
    assert np.allclose(planted("cents for dollars", today)["price"], 100 * today["price"])


def test_a_shift_moves_the_hours_by_its_size(today):
    assert np.allclose(planted("time-zone shift", today, 2.0)["hour"], today["hour"] + 2)


def test_a_renamed_category_keeps_its_rows(today):
    after = planted("renamed category", today)["category"].astype(str)
    changed = after != today["category"].astype(str)
    assert changed.any() and after[changed].str.endswith("(NEW)").all()


def test_a_bot_is_one_new_household_with_many_baskets(today):
    more = planted("bot", today, 40).iloc[len(today) :]
    assert more["user"].nunique() == 1 and more["basket"].nunique() == 40
    assert not set(more["basket"]) & set(today["basket"])


def test_a_truncated_file_ends_early(today):
    left = planted("truncated file", today)
    assert len(left) == pytest.approx(len(today) / 2, abs=10) and left["hour"].max() < today["hour"].max()


def test_an_unknown_fault_is_refused(today):
    with pytest.raises(ValueError, match="must be one of load twice"):
        planted("flood", today)
