"""One file, CSV or Parquet: odd but good ones are read; of a bad one the column, the rows and a way out are named."""

import json

import numpy as np
import pandas as pd
import pytest
from shop_files import GOOD, GOOD_COLUMNS, error, folder_with, least, parquet

from recsys_kit import datasets, preprocessing


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


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize(
    ("values", "hint"),
    [
        ([1704067200, 1704067201, 946684800], '(Unix time? convert it first: pd.to_datetime(column, unit="s"),'),
        ([1704067200000, 1704067201000, 946684800000], 'unit="ms"),'),
        ([1704067200000000, 1704067201000000, 946684800000000], 'unit="us"),'),
        ([1704067200000000000, 1704067201000000000, 946684800000000000], 'unit="ns"),'),
        ([1704067200.5, 1704067201.25, 946684800.0], 'unit="s"),'),
        ([45292.5, 45293.0, 45294.25], 'unit="D", origin="1899-12-30"),'),
        ([202401, 202402, 202403], "2024-05-31 17:05:00, not a year or month alone."),
        ([1, 2, 3], "2024-05-31 17:05:00. 3 rows break it"),
    ],
)
def test_digits_are_no_times_and_the_hint_tells_the_unit(tmp_path, suffix, values, hint):
    table = pd.DataFrame({**GOOD_COLUMNS, "timestamp": values})
    table.to_csv(tmp_path / "events.csv", index=False) if suffix == "csv" else table.to_parquet(
        tmp_path / "events.parquet"
    )
    message = error(tmp_path)
    assert f"events.{suffix}: column `timestamp` must be a date and time" in message
    assert hint in message


def test_the_units_of_the_hints_give_the_right_time():
    instant = pd.Timestamp("2024-05-31 17:05:00")
    for unit, factor in {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}.items():
        value = int(instant.timestamp()) * factor
        text = datasets.files.convert(pd.DataFrame({"timestamp": [str(value)]}), "events", "events.csv")[1][0]
        assert f'unit="{unit}"' in text and pd.to_datetime(value, unit=unit) == instant
    assert pd.to_datetime(45292.5, unit="D", origin="1899-12-30") == pd.Timestamp("2024-01-01 12:00")


def test_dates_in_digits_are_read_as_text_and_hinted_at_as_numbers(tmp_path):
    days = [20240101, 20240102, 20240103]
    shop = datasets.read_shop(least(tmp_path, timestamp=days))
    assert shop.events["timestamp"].dt.day.tolist() == [1, 2, 3]
    (tmp_path / "events.csv").unlink()
    assert 'format="%Y%m%d"' in error(parquet(tmp_path, "events", **{**GOOD_COLUMNS, "timestamp": days}))


@pytest.mark.parametrize("part", ["2024-05", "2024", "2024/5"])
def test_a_year_or_a_month_is_no_date(tmp_path, part):
    message = error(folder_with(tmp_path, events=GOOD.replace("2024-01-02 10:00:00", part)))
    assert f"not a year or month alone. 1 row breaks it (of 3):\n  row 3: '{part}'" in message


def test_times_that_name_utc_are_read(tmp_path):
    times = ["2019-10-01 00:00:00 UTC", "2019-10-01T00:00:00GMT", "2019-10-01 00:00:00Z"]
    shop = datasets.read_shop(least(tmp_path, timestamp=times))
    assert shop.events["timestamp"].nunique() == 1
    assert not any("time zone" in note for note in shop.notes)


def test_a_comma_for_a_point_is_named(tmp_path):
    text = GOOD.replace(",", ";").replace(".50", ",50").replace("1.00", "1,00")
    message = error(folder_with(tmp_path, events=text))
    assert "column `price` must be a number such as 1.99, with a point where this has a comma. 3 rows" in message


def test_blanks_around_ids_are_taken_off_and_said(tmp_path):
    ids = {"user_id": ["a", "  a", "b\u00a0"], "basket_id": ["1", "1 ", " "], "store_id": ["s ", "s", " "]}
    shop = datasets.read_shop(least(tmp_path, **ids))
    assert shop.events["user_id"].tolist() == ["a", "a", "b"]
    assert shop.events["basket_id"].tolist() == ["1", "1", "b 2024-03-11"]
    assert shop.events["store_id"].tolist() == ["s", "s", "unknown"]
    assert (
        "events.csv: 2 values of `user_id` had blanks around them, which are taken off; the first: '  a'." in shop.notes
    )
    assert "column `item_id` must not be empty. 1 row" in error(least(tmp_path, item_id=["x", "  ", "y"]))


def test_ids_that_are_alike_but_for_blanks_are_one_item(tmp_path):
    message = error(folder_with(tmp_path, events=GOOD, items="item_id\ntea\n tea\n"))
    assert "items.csv: column `item_id` must be unique" in message


def test_whole_ids_lose_the_decimals_that_a_program_has_written(tmp_path):
    shop = datasets.read_shop(least(tmp_path, user_id=["12.0", "12", "007.0"], basket_id=["1.0", None, "2.0"]))
    assert shop.events["user_id"].tolist() == ["12", "12", "007"]
    assert shop.events["basket_id"].tolist() == ["1", "12 2024-03-11", "2"]
    assert any('2 values of `user_id` are whole numbers written with ".0"' in note for note in shop.notes)
    mixed = datasets.read_shop(least(tmp_path, user_id=["12.0", "v1", "12"]))
    assert mixed.events["user_id"].tolist() == ["12.0", "v1", "12"]


@pytest.mark.parametrize("text", ["8.90123E+12", "8,9E+12", "1.2345678901234567e+19"])
def test_ids_that_have_lost_digits_are_refused(tmp_path, text):
    message = error(least(tmp_path, item_id=[text, "8.9", "x"]))
    assert "column `item_id` must have all its digits, which the program that wrote it has rounded" in message
    assert f"1 row breaks it (of 3):\n  row 2: '{text}'" in message


@pytest.mark.parametrize("value", [0.5, 2.0**60, float("inf")])
def test_ids_that_are_floats_without_an_exact_number_are_refused(tmp_path, value):
    message = error(parquet(tmp_path, "events", **{**GOOD_COLUMNS, "item_id": [1.0, 2.0, value]}))
    assert "column `item_id` must be text or whole numbers" in message and "1 row breaks it (of 3):\n  row 3" in message


NESTED = {
    "lists": [["a", "b"], ["a"], ["a", "b"]],
    "structs": [{"a": 1}, {"a": 2}, {"a": 1}],
    "lists of structs": [[{"n": [1, 2]}], [], None],
}


@pytest.mark.parametrize("table", ["events", "items", "users"])
@pytest.mark.parametrize("kind", NESTED)
def test_a_column_of_lists_or_structs_is_kept_as_text_and_said(tmp_path, table, kind):
    folder_with(tmp_path, events=GOOD) if table != "events" else None
    columns = {
        "events": GOOD_COLUMNS,
        "items": {"item_id": ["tea", "soup", "x"]},
        "users": {"user_id": ["ann", "bob", "c"]},
    }
    shop = datasets.read_shop(parquet(tmp_path, table, **columns[table], tags=NESTED[kind]))
    texts = getattr(shop, table)["tags"]
    assert [None if text != text else json.loads(text) for text in texts] == NESTED[kind]
    assert f"{table}.parquet: column `tags` holds lists or structs; they are kept as JSON text." in shop.notes
    assert len(preprocessing.clean(shop)[0]) == 3
    assert preprocessing.audit(shop)["rows"].notna().all()


def test_rows_that_differ_in_a_list_alone_are_not_the_same_row(tmp_path):
    same = {name: [values[0]] * 2 + [values[2]] for name, values in GOOD_COLUMNS.items()}
    same["item_id"] = ["tea", "tea", "soup"]
    shop = datasets.read_shop(parquet(tmp_path, "events", **same, tags=[["a"], ["b"], ["a"]]))
    assert len(preprocessing.clean(shop)[0]) == 3
    shop = datasets.read_shop(parquet(tmp_path, "events", **same, tags=[["a"], ["a"], ["a"]]))
    assert len(preprocessing.clean(shop)[0]) == 2


@pytest.mark.parametrize("column", ["user_id", "item_id", "timestamp", "event_type", "price", "store_id"])
def test_lists_in_a_column_that_the_kit_knows_are_refused_by_name(tmp_path, column):
    message = error(parquet(tmp_path, "events", **{**GOOD_COLUMNS, column: [["a"], ["b"], ["c"]]}))
    assert (
        f"events.parquet: column `{column}` must hold one value a row, not lists or structs. 3 rows break it" in message
    )
    assert message.count("\nevents.parquet") == 1


def test_parquet_headers_with_blanks_are_read_and_parts_with_other_columns_refused(tmp_path):
    shop = datasets.read_shop(parquet(tmp_path, "events", **{f" {k} ": v for k, v in GOOD_COLUMNS.items()}))
    assert len(shop.events) == 3
    (tmp_path / "events.parquet").unlink()
    (tmp_path / "events.parquet").mkdir()
    parquet(tmp_path / "events.parquet", "a", **GOOD_COLUMNS)
    parquet(tmp_path / "events.parquet", "b", **GOOD_COLUMNS, price=[1.0, 2.0, 3.0])
    assert "events.parquet: parts must have the same columns. a.parquet has: user_id" in error(tmp_path)
    parquet(tmp_path / "events.parquet", "b", **GOOD_COLUMNS)
    assert len(datasets.read_shop(tmp_path).events) == 6


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


def test_a_column_of_mixed_types_shows_the_values_that_do_not_fit(tmp_path):
    rows = "".join(
        f"u{n % 3},{n},2024-01-01,{price}\n" for n, price in enumerate(["1", "2.5", "n/a", "€3", "yes", "4"])
    )
    message = error(folder_with(tmp_path, events="user_id,item_id,timestamp,price\n" + rows))
    assert "3 rows break it (of 6):\n  row 4: 'n/a'\n  row 5: '€3'\n  row 6: 'yes'" in message


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
    assert "shop.json: `encoding` must be one that Python knows" in error(tmp_path)
    assert "it holds zero bytes" in error(folder_with(tmp_path, events=GOOD.encode("utf-16-le"), **{"shop.json": "{}"}))


def test_ids_with_spaces_emoji_zeros_and_names_of_nothing_stay_as_they_are(tmp_path):
    ids = ["00123", "a b", "1.10", "12.0.0", "🍎", "NA", "None", "nan", "1e5", "茶", 'O\'Hara, "x"', "true", "-"]
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


def test_offsets_become_utc_and_are_not_called_missing(tmp_path):
    times = ["2024-03-10T23:30:00+09:00", "2024-03-10 14:30Z", "2024-03-10T09:30:00.5-05:00"]
    shop = datasets.read_shop(least(tmp_path, timestamp=times))
    assert shop.events["timestamp"].dt.hour.eq(14).all()
    assert not any("no time zone" in note for note in shop.notes)


def test_columns_that_the_kit_does_not_know_are_kept(tmp_path):
    shop = datasets.read_shop(
        least(tmp_path, channel=["web", "app", "web"], score=[1.5, 2, None], old_id=["1", "2", "3"])
    )
    assert shop.events["channel"].tolist() == ["web", "app", "web"]
    assert shop.events["score"].tolist()[:2] == [1.5, 2.0]
    assert shop.events["old_id"].tolist() == ["1", "2", "3"]
