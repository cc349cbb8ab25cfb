"""A plan is checked before anything is read, and a folder is written whole or not at all."""

import json

import pandas as pd
import pytest

from recsys_kit.conversion import making, sources
from recsys_kit.datasets.tables import DataError

PART = {"file": "orders.csv", "columns": {"who": "user_id", "what": "item_id", "when": "timestamp"}}
ROWS = "who,what,when\n" + "".join(f"u{i % 3},i{i % 4},2024-01-0{1 + i % 5}\n" for i in range(20))


def make(folder, plan, text=ROWS):
    folder.mkdir(exist_ok=True)
    (folder / "orders.csv").write_text(text)
    with sources.opened(str(folder)) as files:
        return making.make(plan, files)


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({}, "there must be `events`"),
        ({"events": PART, "orders": PART}, "`orders` is no table"),
        ({"events": {"columns": {}}}, "must have a `file` or a `query`"),
        ({"events": {**PART, "query": "SELECT 1"}}, "must have a `file` or a `query`"),
        ({"events": {**PART, "colums": {}}}, "`colums` is no key"),
        ({"events": {**PART, "event_types": {"a": "purchase", "b": "?"}}}, 'still holds "?"'),
        ({"events": {**PART, "timestamp": {"unit": "h"}}}, "`timestamp.unit` must be one of"),
        ({"events": {**PART, "file": "no.csv"}}, "`no.csv` of the table events is not there. There are: orders.csv"),
        ({"events": {**PART, "columns": {"whom": "user_id"}}}, "lacks the column `whom`. It has: who, what, when"),
        ({"events": {"query": "SELECT 1", "columns": {}}}, "a query needs a database"),
        ({"events": {**PART, "steps": [{"join": "no.csv", "on": "who"}]}}, "`no.csv` is not there"),
    ],
)
def test_a_plan_that_breaks_a_rule_is_refused(tmp_path, tables, message):
    with pytest.raises(DataError) as caught:
        make(tmp_path / "in", {"tables": tables})
    assert message in str(caught.value)


def test_a_value_that_is_no_time_is_named_with_its_row(tmp_path):
    with pytest.raises(DataError, match=r"orders.csv: column `timestamp` must be a date and time(.|\n)*row 0: 'soon'"):
        make(tmp_path / "in", {"tables": {"events": PART}}, ROWS.replace("2024-01-01", "soon", 1))


def test_files_that_are_read_as_one_must_have_the_same_columns(tmp_path):
    (tmp_path / "orders2.csv").write_text("who,what\n1,2\n")
    with pytest.raises(DataError, match=r"orders.csv and orders2.csv are read as one table and must have the same"):
        make(tmp_path, {"tables": {"events": {**PART, "file": "orders*.csv"}}})


def test_the_folder_is_replaced_by_a_later_conversion_and_never_if_it_is_somebody_s_own(tmp_path):
    made, ledgers = make(tmp_path / "in", {"tables": {"events": PART}})
    making.write(tmp_path / "shop", made, ledgers, {"name": "First"})
    making.check_folder(tmp_path / "shop", str(tmp_path / "in"))
    assert making.write(tmp_path / "shop", made, ledgers, {"name": "Second"}).name == "Second"
    counts = json.loads((tmp_path / "shop" / making.COUNTS).read_text())
    assert counts["events"]["read"] == counts["events"]["written"] == 20
    (tmp_path / "shop" / making.COUNTS).unlink()
    with pytest.raises(DataError, match="holds events already, which was not made here"):
        making.check_folder(tmp_path / "shop", str(tmp_path / "in"))
    with pytest.raises(DataError, match="is the source itself"):
        making.check_folder(tmp_path / "in", str(tmp_path / "in"))


def test_tables_that_make_no_shop_leave_the_folder_as_it_was(tmp_path):
    made, ledgers = make(tmp_path / "in", {"tables": {"events": PART}})
    made["events"]["price"] = -1.0
    with pytest.raises(DataError, match="column `price` must be 0 or more") as caught:
        making.write(tmp_path / "shop", made, ledgers, {})
    assert f"{tmp_path / 'shop'}: the shop can't be read" in str(caught.value)
    assert list((tmp_path / "shop").iterdir()) == []


def test_parts_that_know_the_same_item_give_one(tmp_path):
    items = {"file": "orders.csv", "steps": [{"unique": "what"}], "columns": {"what": "item_id"}}
    made, ledgers = make(tmp_path / "in", {"tables": {"events": PART, "items": [items, items]}})
    assert len(made["items"]) == 4 and ledgers["items"].merged["the same `item_id` again"] == 4
    assert isinstance(made["events"], pd.DataFrame)
