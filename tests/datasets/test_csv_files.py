"""CSV parts are one table, and what a quote, a zero byte or a packed file would spoil is named with its line."""

import gzip

import pandas as pd
import pytest
from shop_files import GOOD, error, folder_with

from recsys_kit import datasets
from recsys_kit.datasets import csv_files

LINES = GOOD.splitlines(keepends=True)


def parts(folder, **files):
    (folder / "events.csv").mkdir()
    for name, content in files.items():
        (folder / "events.csv" / (name if "." in name or name[0] == "_" else f"{name}.csv")).write_text(content)
    return folder


def test_a_folder_of_parts_reads_like_one_file(tmp_path):
    (tmp_path / "whole").mkdir()
    whole = datasets.read_shop(folder_with(tmp_path / "whole", events=GOOD))
    (tmp_path / "apart").mkdir()
    extra = {"_SUCCESS": "", ".part-0.csv.crc": "crc"}
    folder = parts(
        tmp_path / "apart", **{"part-0": "".join(LINES[:2]), "part-1": LINES[0] + "".join(LINES[2:])}, **extra
    )
    apart = datasets.read_shop(folder)
    pd.testing.assert_frame_equal(apart.events, whole.events)
    assert (
        "events.csv: 2 parts are read as one table, rows counted through: part-0.csv from row 2, part-1.csv from row 3."
        in apart.notes
    )


def test_parts_may_have_their_columns_in_another_order(tmp_path):
    other = "price,timestamp,item_id,user_id\n2.50,2024-01-03 10:00:00,tea,bob\n"
    shop = datasets.read_shop(parts(tmp_path, a="".join(LINES[:3]), b=other))
    assert shop.events["user_id"].tolist() == ["ann", "ann", "bob"]


def test_parts_with_other_columns_or_without_a_header_are_refused(tmp_path):
    message = error(parts(tmp_path, a="".join(LINES[:2]), b="".join(LINES[2:])))
    assert "events.csv: parts must have the same header. a.csv has: user_id, item_id, timestamp, price." in message
    assert "b.csv has: ann, soup, 2024-01-02 10:00:00, 1.00." in message


def test_a_folder_without_parts_or_with_others_says_what_it_holds(tmp_path):
    assert "is a folder; its parts must be files that end in .csv. It holds: nothing." in error(parts(tmp_path, _OK=""))
    (tmp_path / "events.csv" / "day=1").mkdir()
    assert "It holds: day=1." in error(tmp_path)


def test_an_empty_part_is_named_and_a_bad_row_of_a_part_can_be_found(tmp_path):
    folder = parts(tmp_path, a="".join(LINES[:2]), b=LINES[0] + LINES[2].replace("1.00", "-1"))
    message = error(folder)
    assert "  row 3: -1.0" in message and "b.csv from row 3" in message
    (folder / "events.csv" / "c.csv").touch()
    assert "events.csv/c.csv: is empty (0 bytes)." in error(folder)


MANY = "user_id,item_id,timestamp,note\n" + "".join(
    f"u{n % 7},i{n % 5},2024-01-{n % 28 + 1:02},x{n}\n" for n in range(60)
)


def test_a_quote_that_swallows_rows_is_named_with_its_line(tmp_path):
    broken = MANY.replace("x20\n", '"x20\n').replace("x40\n", 'x40"\n')
    message = error(folder_with(tmp_path, events=broken))
    assert (
        "events.csv: a quote that opens in line 22, in column `note`, swallows what follows: 'x20' and 20 more"
        in message
    )


@pytest.mark.parametrize("row", [0, 30])
def test_an_id_has_one_line(tmp_path, row):
    lines = MANY.splitlines(keepends=True)
    lines[row + 1] = '"' + lines[row + 1]
    lines[row + 2] = '"u1",i1,2024-01-01,x\n'
    message = error(folder_with(tmp_path, events="".join(lines)))
    assert f"a quote that opens in line {row + 2}, in column `user_id`, swallows what follows" in message


def test_a_quote_that_is_never_closed_is_named_with_its_row(tmp_path):
    message = error(folder_with(tmp_path, events=MANY.replace("x58\n", '"x58\n')))
    assert "events.csv: is not a CSV table: a quote that opens in row 60 is never closed." in message


@pytest.mark.parametrize("cut", [3, 8, 9, 12])
def test_a_file_that_stops_within_a_row_is_cut_off(tmp_path, cut):
    last = "bob,tea,2024-01-03,2.50"
    message = error(folder_with(tmp_path, events=GOOD + last[:cut]))
    assert "events.csv: is cut off: its last line has" in message and repr(last[:cut]) in message
    assert len(datasets.read_shop(folder_with(tmp_path, events=GOOD + last)).events) == 4


def test_texts_of_several_lines_are_read_and_lines_are_counted_through_them(tmp_path):
    items = 'item_id,title,text\ntea,"Tea,\ngreen","One, two\n\nthree, four, five\n"\nsoup,Soup,\n'
    shop = datasets.read_shop(folder_with(tmp_path, events=GOOD, items=items))
    assert shop.items["title"].tolist() == ["Tea,\ngreen", "Soup"]
    assert not any("quote" in note for note in shop.notes)
    late = 'item_id,title\ntea,"Green\ntea"\n"soup\nx",y\n'
    assert "a quote that opens in line 4, in column `item_id`" in error(folder_with(tmp_path, items=late))


def test_a_text_of_two_lines_that_look_like_rows_is_said(tmp_path):
    items = 'item_id,title\ntea,"5 inch\nsoup,7" wide\ncake,Cake\n'
    shop = datasets.read_shop(folder_with(tmp_path, events=GOOD, items=items))
    assert any(
        "items.csv: 1 texts have two lines that look like rows" in note and "line 2" in note for note in shop.notes
    )


def test_zero_bytes_are_found_wherever_they_are(tmp_path):
    rows = "".join(f"u{n},i{n},2024-01-01,1\n" for n in range(3000))
    text = "user_id,item_id,timestamp,price\n" + rows.replace("u2500", "u25\0")
    assert "it holds zero bytes, the first in line 2502" in error(folder_with(tmp_path, events=text))
    message = error(folder_with(tmp_path, events=GOOD.encode("utf-16-le")))
    assert 'name its encoding in shop.json, such as {"encoding": "utf-16-le"}' in message
    folder_with(tmp_path, **{"shop.json": '{"encoding": "utf-16-le"}'})
    assert len(datasets.read_shop(tmp_path).events) == 3


def test_packed_files_under_the_name_of_a_table_say_what_they_are(tmp_path):
    assert "events.csv: is packed by gzip." in error(folder_with(tmp_path, events=gzip.compress(GOOD.encode())))
    assert "events.csv: is an Excel or zip file." in error(folder_with(tmp_path, events=b"PK\x03\x04" + b"\0" * 50))
    assert "events.csv: is a Parquet file." in error(folder_with(tmp_path, events=b"PAR1" + b"\0" * 50))


def test_bars_separate_and_a_second_byte_order_mark_is_no_name(tmp_path):
    text = "\ufeff\ufeff" + GOOD.replace(",", "|")
    assert datasets.read_shop(folder_with(tmp_path, events=text)).events["item_id"].tolist() == ["tea", "soup", "tea"]


def test_a_file_alone_is_read_without_a_note(tmp_path):
    notes = []
    frame = csv_files.read(folder_with(tmp_path, events=GOOD) / "events.csv", notes=notes)
    assert frame.index.tolist() == [2, 3, 4] and notes == []
