"""Excel files are read where the library is there, all sheets as one table; elsewhere they say what to install."""

import importlib.util
import json

import pandas as pd
import pytest
from shop_files import GOOD_COLUMNS, error, folder_with

from recsys_kit import datasets
from recsys_kit.datasets import spreadsheets

needs_openpyxl = pytest.mark.skipif(importlib.util.find_spec("openpyxl") is None, reason="openpyxl is not installed")


def excel(folder, **sheets):
    with pd.ExcelWriter(folder / "events.xlsx") as writer:
        for name, columns in sheets.items():
            pd.DataFrame(columns).to_excel(writer, sheet_name=name, index=False)
    return folder


@needs_openpyxl
def test_all_sheets_are_one_table_and_rows_are_counted_through(tmp_path):
    shop = datasets.read_shop(excel(tmp_path, first=GOOD_COLUMNS, second=GOOD_COLUMNS))
    assert shop.events["item_id"].tolist() == ["tea", "soup", "tea"] * 2
    assert shop.events["timestamp"].dt.day.tolist() == [1, 2, 3] * 2
    assert any(
        "2 sheets are read as one table, rows counted: first from row 2, second from row 5" in n for n in shop.notes
    )


@needs_openpyxl
def test_sheets_that_differ_are_refused_and_one_can_be_named(tmp_path):
    excel(tmp_path, orders=GOOD_COLUMNS, notes={"text": ["x"]})
    assert "its sheets have different headers" in error(tmp_path)
    folder_with(tmp_path, **{"shop.json": json.dumps({"format": {"sheet": "orders"}})})
    assert len(datasets.read_shop(tmp_path).events) == 3


@needs_openpyxl
def test_what_is_no_excel_file_is_said(tmp_path):
    assert "events.xlsx: is no readable Excel file" in error(folder_with(tmp_path, **{"events.xlsx": "x"}))


def test_without_the_library_the_message_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(spreadsheets.importlib.util, "find_spec", lambda name: None)
    message = error(folder_with(tmp_path, **{"events.xlsx": "x"}))
    assert "pip install 'recsys_kit[excel]'" in message
