"""One file, CSV or Parquet: odd but good ones are read; of a bad one the column, the rows and a way out are named."""

import numpy as np
import pandas as pd
import pytest
from shop_files import GOOD, GOOD_COLUMNS, error, folder_with, least, parquet

from recsys_kit import datasets


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
    assert "the encoding 'klingon' in shop.json is unknown" in error(tmp_path)
    assert "it holds zero bytes" in error(folder_with(tmp_path, events=GOOD.encode("utf-16-le"), **{"shop.json": "{}"}))


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
