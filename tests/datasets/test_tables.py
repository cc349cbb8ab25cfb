"""A rule that is broken is named with its file, its column, how many rows break it and the first of them."""

import numpy as np
import pandas as pd
import pytest
from shop_files import GOOD, GOOD_COLUMNS, error, folder_with, parquet

from recsys_kit import datasets
from recsys_kit.datasets.tables import DataError


def test_a_missing_column_is_named_with_those_found_and_the_nearest(tmp_path):
    message = error(folder_with(tmp_path, events=GOOD.replace("user_id", "userid")))
    assert "events.csv: column `user_id` is missing." in message
    assert "Columns found: userid, item_id, timestamp, price." in message
    assert "Is it `userid`? Then rename it." in message
    for name in ("User_ID", "USER ID"):
        assert f"Is it `{name}`?" in error(folder_with(tmp_path, events=GOOD.replace("user_id", name)))


def test_a_negative_price_is_counted_and_shown(tmp_path):
    message = error(folder_with(tmp_path, events=GOOD.replace("2.50", "-2.50")))
    assert (
        "events.csv: column `price` must be 0 or more. 2 rows break it (of 3):\n  row 2: -2.5\n  row 4: -2.5" in message
    )


@pytest.mark.parametrize(("table", "column"), [("items", "item_id"), ("users", "user_id")])
def test_duplicated_ids_are_counted_and_shown(tmp_path, table, column):
    message = error(folder_with(tmp_path, events=GOOD, **{table: f"{column},note\ntea,a\nsoup,b\ntea,c\n"}))
    assert f"{table}.csv: column `{column}` must be unique: one row for each. 2 rows break it (of 3):" in message
    assert "  row 2: 'tea'\n  row 4: 'tea'" in message


@pytest.mark.parametrize(("column", "text"), [("user_id", "bob"), ("item_id", "soup")])
def test_one_user_or_one_item_only_leaves_nothing_to_learn(tmp_path, column, text):
    message = error(folder_with(tmp_path, events=GOOD.replace(text, {"bob": "ann", "soup": "tea"}[text])))
    assert f"column `{column}` must hold at least 2 different values, or there is nothing to learn." in message
    assert "Received, in 3 rows: " in message


def test_future_and_zero_timestamps_are_refused(tmp_path):
    message = error(folder_with(tmp_path, events=GOOD.replace("2024-01-02", "2999-01-02")))
    assert "column `timestamp` must not lie in the future. 1 row breaks it (of 3):" in message
    assert "  row 3: 2999-01-02 10:00:00+00:00" in message
    message = error(folder_with(tmp_path, events=GOOD.replace("2024-01-02", "1970-01-01")))
    assert "must be 1980 or later (an empty or zero date?)" in message


def test_empty_required_values_are_counted_and_shown(tmp_path):
    message = error(folder_with(tmp_path, events=GOOD.replace("ann,", ",")))
    assert "column `user_id` must not be empty. 2 rows break it (of 3):\n  row 2: (empty)\n  row 3: (empty)" in message
    assert "basket_id" not in message  # derived from the user: not a second problem
    other = tmp_path / "other"
    other.mkdir()
    message = error(parquet(other, "events", **{**GOOD_COLUMNS, "item_id": ["", "tea", "soup"]}))
    assert "events.parquet: column `item_id` must not be empty. 1 row breaks it (of 3):\n  row 1: ''" in message


def test_a_message_shows_three_rows_and_counts_the_rest(tmp_path):
    rows = "".join(f"u{n % 3},i{n},2024-01-01,-1\n" for n in range(1500))
    message = error(folder_with(tmp_path, events="user_id,item_id,timestamp,price\n" + rows))
    assert "1,500 rows break it (of 1,500):" in message
    assert message.count("  row ") == 3
    assert message.endswith("  and 1,497 more")


def test_an_unknown_item_at_serving_time_is_named_with_its_neighbours():
    index = pd.Index(["café au lait", "green tea", "12"], name="item_id")
    np.testing.assert_array_equal(datasets.positions(index, ["12", "green tea", "12"]), [2, 1, 2])
    assert datasets.positions(index, []).shape == (0,)
    with pytest.raises(DataError) as caught:
        datasets.positions(index, ["green tee", 12, "🍎", "green tea", "🍎"])
    assert str(caught.value) == (
        "3 of 4 item ids are unknown (known: 3; ids are strings):\n"
        "  'green tee'; did you mean 'green tea'?\n"
        "  12; did you mean '12'?\n"
        "  '🍎'"
    )
    with pytest.raises(DataError, match=r"1 of 1 user ids are unknown"):
        datasets.positions(index, [None], what="user")
