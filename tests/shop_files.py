"""Folders with the files of a shop, good and bad: what the tests of datasets share."""

import json

import pandas as pd
import pytest

from recsys_kit import datasets
from recsys_kit.datasets.tables import DataError

TABLES = ("events", "items", "users")
EVENTS = "user_id item_id timestamp event_type basket_id quantity price discount store_id".split()
ITEMS = "item_id title category product_type department brand size is_merchandise".split()

GOOD = """user_id,item_id,timestamp,price
ann,tea,2024-01-01 10:00:00,2.50
ann,soup,2024-01-02 10:00:00,1.00
bob,tea,2024-01-03 10:00:00,2.50
"""

GOOD_COLUMNS = {
    "user_id": ["ann", "ann", "bob"],
    "item_id": ["tea", "soup", "tea"],
    "timestamp": pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-03"]),
}


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


def least(folder, **columns):
    base = {
        "user_id": ["a", "b", "a"],
        "item_id": ["x", "x", "y"],
        "timestamp": ["2024-03-10T23:30", *["2024-03-11"] * 2],
    }
    pd.DataFrame({**base, **columns}).to_csv(folder / "events.csv", index=False)
    return folder


def write(folder, shop, suffix):
    folder.mkdir(parents=True, exist_ok=True)
    for name in TABLES:
        table = getattr(shop, name)
        path = folder / f"{name}.{suffix}"
        table.to_csv(path, index=False) if suffix == "csv" else table.to_parquet(path)
    (folder / "shop.json").write_text(json.dumps({"name": shop.name, "timezone": shop.timezone}), encoding="utf-8")
    return folder


def same(left, right):
    for name in TABLES:
        pd.testing.assert_frame_equal(getattr(left, name), getattr(right, name), check_categorical=False)
    assert left.fingerprint == right.fingerprint
