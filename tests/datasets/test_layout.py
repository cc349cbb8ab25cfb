"""A file that is laid out otherwise is read as `format` in `shop.json` says."""

import json

import pytest
from shop_files import GOOD, error, folder_with

from recsys_kit import datasets
from recsys_kit.datasets.layout import COMPRESSIONS, Layout

ROWS = [line.split(",") for line in GOOD.splitlines()]


def read(folder, text, **layout):
    return datasets.read_shop(folder_with(folder, events=text, **{"shop.json": json.dumps({"format": layout})}))


def test_the_ordinary_layout_says_nothing():
    assert Layout() == Layout("", ".", '"', "", (), "", "")
    assert len(set(COMPRESSIONS.values())) == len(COMPRESSIONS)


@pytest.mark.parametrize("separator", ["::", "|", "~", " "])
def test_any_separator_of_one_or_two_signs_is_read(tmp_path, separator):
    rows = [[cell.replace(" ", "T") for cell in row] for row in ROWS]
    shop = read(tmp_path, "\n".join(separator.join(row) for row in rows) + "\n", separator=separator)
    assert shop.events["item_id"].tolist() == ["tea", "soup", "tea"]
    assert shop.events["price"].tolist() == [2.5, 1.0, 2.5]


def test_a_file_without_a_header_is_read_from_its_first_line(tmp_path):
    text = GOOD.partition("\n")[2]
    assert len(read(tmp_path, text, header=ROWS[0]).events) == 3
    message = error(folder_with(tmp_path, events=text.replace("2.50", "-1", 1)))
    assert "  row 1: -1.0" in message
    message = error(folder_with(tmp_path, events=text, **{"shop.json": '{"format": {"header": ["user_id"]}}'}))
    assert "`header` in shop.json names 1 columns, and the first line has 4" in message


def test_another_quote_and_none_are_read(tmp_path):
    text = GOOD.replace("soup", "'so,up'")
    assert read(tmp_path, text, quote="'").events["item_id"].tolist()[1] == "so,up"
    text = GOOD.replace("soup", '"soup')
    assert read(tmp_path, text, quote="").events["item_id"].tolist()[1] == '"soup'
