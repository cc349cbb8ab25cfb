"""Bad input: an error names file, column, rule, how many rows break it and the first; odd but good input works."""

import numpy as np
import pandas as pd
import pytest

from recsys_kit import datasets
from recsys_kit.datasets.shops import DataError

GOOD = """user_id,item_id,timestamp,price
ann,tea,2024-01-01 10:00:00,2.50
ann,soup,2024-01-02 10:00:00,1.00
bob,tea,2024-01-03 10:00:00,2.50
"""


def folder_with(folder, **files):
    for name, content in files.items():
        path = folder / (name if "." in name else f"{name}.csv")
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def error(folder):
    with pytest.raises(DataError) as caught:
        datasets.load(str(folder))
    return str(caught.value)


def parquet(folder, table, **columns):
    pd.DataFrame(columns).to_parquet(folder / f"{table}.parquet")
    return folder


GOOD_COLUMNS = {
    "user_id": ["ann", "ann", "bob"],
    "item_id": ["tea", "soup", "tea"],
    "timestamp": pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-03"]),
}


def test_a_missing_folder_and_a_file_in_its_place_are_named(tmp_path):
    assert error(tmp_path / "nowhere") == f"{tmp_path / 'nowhere'}: the folder does not exist."
    (tmp_path / "events.csv").write_text(GOOD)
    assert "is not a folder" in error(tmp_path / "events.csv")


def test_a_folder_without_events_says_what_it_holds(tmp_path):
    assert "events.csv or events.parquet is missing. The folder holds: nothing." in error(tmp_path)
    assert "The folder holds: orders.csv." in error(folder_with(tmp_path, orders=GOOD))


def test_events_in_both_formats_are_refused(tmp_path):
    folder_with(parquet(tmp_path, "events", **GOOD_COLUMNS), events=GOOD)
    assert "events.csv and events.parquet are both there: keep one." in error(tmp_path)


def test_a_missing_column_is_named_with_those_found_and_the_nearest(tmp_path):
    message = error(folder_with(tmp_path, events=GOOD.replace("user_id", "userid")))
    assert "events.csv: column `user_id` is missing." in message
    assert "Columns found: userid, item_id, timestamp, price." in message
    assert "Is it `userid`? Then rename it." in message
    for name in ("User_ID", "USER ID"):
        assert f"Is it `{name}`?" in error(folder_with(tmp_path, events=GOOD.replace("user_id", name)))


def test_a_wrong_type_is_named_with_count_and_rows(tmp_path):
    rows = GOOD.replace("1.00", "free").replace("tea,2024-01-03 10:00:00,2.50", 'tea,2024-01-03 10:00:00,"2,50"')
    message = error(folder_with(tmp_path, events=rows))
    assert "events.csv: column `price` must be a number such as 1.99. 2 rows break it (of 3):" in message
    assert "  row 3: 'free'\n  row 4: '2,50'" in message
    message = error(folder_with(tmp_path, events=GOOD, items="item_id,is_merchandise\ntea,maybe\nsoup,yes\n"))
    assert (
        "items.csv: column `is_merchandise` must be true or false. 1 row breaks it (of 2):\n  row 2: 'maybe'" in message
    )


def test_texts_like_infinity_and_nan_are_not_prices(tmp_path):
    message = error(folder_with(tmp_path, events=GOOD.replace("2.50", "inf").replace("1.00", "NaN")))
    assert "must be a number such as 1.99. 3 rows break it" in message


def test_unparsable_dates_are_counted_and_shown(tmp_path):
    message = error(folder_with(tmp_path, events=GOOD.replace("2024-01-02 10:00:00", "31/12/2024")))
    assert "column `timestamp` must be a date and time such as 2024-05-31 17:05:00. 1 row breaks it (of 3):" in message
    assert "  row 3: '31/12/2024'" in message
    assert message.count("timestamp") == 1  # not once more as an empty value
    message = error(folder_with(tmp_path, events=GOOD.replace("2024-01-02", "2024-02-30")))
    assert "  row 3: '2024-02-30 10:00:00'" in message


def test_unix_time_is_recognised_and_the_way_out_named(tmp_path):
    message = error(parquet(tmp_path, "events", **{**GOOD_COLUMNS, "timestamp": [1704067200, 1704067201, 1704067202]}))
    assert "events.parquet: column `timestamp` must be a date and time" in message
    assert 'pd.to_datetime(column, unit="s")' in message
    assert "  row 1: 1704067200" in message


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


def test_an_empty_file_and_one_with_a_header_only_are_named(tmp_path):
    assert "events.csv: is empty (0 bytes)." in error(folder_with(tmp_path, events=""))
    assert "events.csv: has no rows." in error(folder_with(tmp_path, events="user_id,item_id,timestamp\n"))
    assert "users.csv: is empty (0 bytes)." in error(folder_with(tmp_path, events=GOOD, users=""))
    for blank in ("\n", "\n\n\n", " "):
        assert "events.csv: " in error(folder_with(tmp_path, events=blank))


def test_a_parquet_file_of_0_bytes_or_cut_off_is_named(tmp_path):
    assert "events.parquet: is empty (0 bytes)." in error(folder_with(tmp_path, **{"events.parquet": ""}))
    whole = parquet(tmp_path, "events", **GOOD_COLUMNS) / "events.parquet"
    whole.write_bytes(whole.read_bytes()[:-20])
    assert "events.parquet: is not a readable Parquet file" in error(tmp_path)


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


def test_a_column_of_mixed_types_shows_the_values_that_do_not_fit(tmp_path):
    rows = "".join(
        f"u{n % 3},{n},2024-01-01,{price}\n" for n, price in enumerate(["1", "2.5", "n/a", "€3", "yes", "4"])
    )
    message = error(folder_with(tmp_path, events="user_id,item_id,timestamp,price\n" + rows))
    assert "3 rows break it (of 6):\n  row 4: 'n/a'\n  row 5: '€3'\n  row 6: 'yes'" in message


def test_a_message_shows_three_rows_and_counts_the_rest(tmp_path):
    rows = "".join(f"u{n % 3},i{n},2024-01-01,-1\n" for n in range(1500))
    message = error(folder_with(tmp_path, events="user_id,item_id,timestamp,price\n" + rows))
    assert "1,500 rows break it (of 1,500):" in message
    assert message.count("  row ") == 3
    assert message.endswith("  and 1,497 more")


def test_several_problems_come_in_one_message(tmp_path):
    events = GOOD.replace("2.50", "-1").replace("2024-01-02", "2999-01-02").replace("item_id", "item")
    message = error(folder_with(tmp_path, events=events, items="item_id\ntea\ntea\n", users=b"\xff"))
    for part in (
        "column `item_id` is missing",
        "column `timestamp` must not lie in the future",
        "column `price` must be 0 or more",
        "items.csv: column `item_id` must be unique",
        "users.csv: is not in the encoding utf-8",
    ):
        assert part in message


def test_a_damaged_csv_is_named(tmp_path):
    assert "events.csv: is not a CSV table" in error(folder_with(tmp_path, events=GOOD + "x,y,2024-01-01,1,2,3\n"))
    assert "events.csv: is not a CSV table" in error(folder_with(tmp_path, events=GOOD + '"unclosed,y,2024-01-01,1\n'))
    all_longer = GOOD.replace("\n", ",1\n").replace("price,1", "price")
    assert "events.csv: is not a CSV table" in error(folder_with(tmp_path, events=all_longer))
    twice = GOOD.replace("price", "item_id")
    assert "two columns have the same name: 'item_id'" in error(folder_with(tmp_path, events=twice))


def test_an_unclear_encoding_is_named_with_the_line_and_the_way_out(tmp_path):
    text = GOOD.replace("soup", "café")
    message = error(folder_with(tmp_path, events=text.encode("latin-1")))
    assert "events.csv: is not in the encoding utf-8 (line 3: b'ann,caf\\xe9,2024-01" in message
    assert '{"encoding": "latin-1"}' in message
    folder_with(tmp_path, **{"shop.json": '{"encoding": "latin-1"}'})
    assert "café" in set(datasets.load(str(tmp_path)).events["item_id"])
    folder_with(tmp_path, **{"shop.json": '{"encoding": "klingon"}'})
    assert "the encoding 'klingon' in shop.json is unknown" in error(tmp_path)
    assert "it holds zero bytes" in error(folder_with(tmp_path, events=GOOD.encode("utf-16-le"), **{"shop.json": "{}"}))


def test_settings_that_are_not_understood_are_refused(tmp_path):
    folder_with(tmp_path, events=GOOD)
    assert "shop.json: is not valid JSON" in error(folder_with(tmp_path, **{"shop.json": "{"}))
    assert "Received: {'timezon': 'UTC'}" in error(folder_with(tmp_path, **{"shop.json": '{"timezon": "UTC"}'}))
    for zone in ("Paris", "Mars/Olympus", "../etc"):
        folder_with(tmp_path, **{"shop.json": f'{{"timezone": "{zone}"}}'})
        assert f"`timezone` must be an IANA name such as Europe/Paris. Received: '{zone}'." in error(tmp_path)


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


# What looks odd and works all the same


def test_ids_with_spaces_emoji_zeros_and_names_of_nothing_stay_as_they_are(tmp_path):
    ids = ["00123", "a b", " lead", "🍎", "NA", "None", "nan", "1e5", "茶", 'O\'Hara, "x"', "true", "-"]
    table = pd.DataFrame({"user_id": ids, "item_id": ids[::-1], "timestamp": "2024-01-01"})
    table.to_csv(tmp_path / "events.csv", index=False)
    shop = datasets.load(str(tmp_path))
    assert shop.events["user_id"].tolist() == ids
    assert shop.events["item_id"].tolist() == ids[::-1]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-8"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_byte_order_marks_and_other_separators_work(tmp_path, encoding, separator):
    text = GOOD.replace("soup", "Äpfel 🍎").replace(",", separator)
    shop = datasets.load(str(folder_with(tmp_path, events=text.encode(encoding))))
    assert shop.events["item_id"].tolist() == ["tea", "Äpfel 🍎", "tea"]
    assert shop.events["price"].tolist() == [2.5, 1.0, 2.5]


def test_blank_lines_windows_line_ends_and_spaces_in_the_header_work(tmp_path):
    text = GOOD.replace("user_id,item_id", "user_id, item_id ").replace("\n", "\r\n\r\n")
    assert len(datasets.load(str(folder_with(tmp_path, events=text))).events) == 3
    message = error(folder_with(tmp_path, events=text.replace("1.00", "-1")))
    assert "row 5: -1.0" in message  # the row numbers count the blank lines


def test_parquet_ids_of_any_kind_become_text(tmp_path):
    columns = {"user_id": pd.array([7, 8, 7], "Int64"), "item_id": [b"tea", b"soup", b"tea"]}
    shop = datasets.load(str(parquet(tmp_path, "events", **{**GOOD_COLUMNS, **columns})))
    assert shop.events["user_id"].tolist() == ["7", "8", "7"]
    assert shop.events["item_id"].tolist() == ["tea", "soup", "tea"]
    message = error(parquet(tmp_path, "events", **{**GOOD_COLUMNS, "user_id": [7.0, np.nan, 8.0]}))
    assert "column `user_id` must not be empty. 1 row breaks it" in message
