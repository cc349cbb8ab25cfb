"""The rules of each canonical table hold exactly at their edges, and are reported once each, in the table's order."""

import types

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_kit.datasets import tables

NEEDED = {
    "events": {"user_id": "str", "item_id": "str", "timestamp": tables.TIMESTAMP},
    "items": {"item_id": "str"},
    "users": {"user_id": "str"},
    "promotions": {"item_id": "str", "start": tables.TIMESTAMP},
}
OPTIONAL = {
    "events": {
        "event_type": "category",
        "basket_id": "str",
        "quantity": "float64",
        "price": "float64",
        "discount": "float64",
        "store_id": "str",
    },
    "items": dict.fromkeys(("title", "category", "product_type", "department", "brand", "size"), "str")
    | {"is_merchandise": "bool"},
    "users": {},
    "promotions": dict.fromkeys(tables.PROMOTIONS, "float64"),
}
GOOD = {
    "str": ["a", "b"],
    "category": ["purchase", "view"],
    "float64": [0.25, 1.0],
    "bool": [True, False],
    tables.TIMESTAMP: ["2024-01-01", "2024-01-02"],
}
WRONG = {
    "str": pd.Series([1, 2]),
    "category": pd.Series(["purchase", "view"], dtype="str"),
    "float64": pd.Series([0, 1]),
    "bool": pd.Series(["yes", "no"], dtype="str"),
    tables.TIMESTAMP: pd.Series(pd.to_datetime(["2024-01-01", "2024-01-02"])).astype("datetime64[us]"),
}
COLUMNS = [(table, name) for table in NEEDED for name in NEEDED[table] | OPTIONAL[table]]
SEVERAL = "must hold at least 2 different values, or there is nothing to learn"
EMPTY = "must not be empty"
EDGE = pd.Timestamp("1980-01-01", tz="UTC")
TICK = pd.Timedelta(microseconds=1)


def series(values, dtype):
    if dtype == tables.TIMESTAMP:
        return pd.Series(pd.to_datetime(values, utc=True), dtype=dtype)
    return pd.Series(values, dtype=dtype)


def frame_of(table, without=(), optional=True, **columns):
    """Returns a table that keeps all rules, but for the columns that are given."""
    dtypes = NEEDED[table] | (OPTIONAL[table] if optional else {})
    values = {name: GOOD[dtype] for name, dtype in dtypes.items()} | columns
    dtypes = NEEDED[table] | OPTIONAL[table]
    return pd.DataFrame({name: series(values[name], dtypes[name]) for name in values if name not in without})


def broken(table, column, *values):
    """Returns the rules that two values of one column break."""
    return rules_of(tables.problems(frame_of(table, **{column: list(values)}), table, "file"))


def rules_of(messages):
    return [message.split("` ", 1)[1].split(". ", 1)[0] for message in messages]


@pytest.mark.parametrize("table", NEEDED)
def test_a_table_of_its_needed_columns_keeps_the_rules_and_one_of_all_columns_too(table):
    assert tables.problems(frame_of(table, optional=False), table, "file") == []
    assert tables.problems(frame_of(table).assign(colour=["red", "blue"]), table, "file") == []


@pytest.mark.parametrize(("table", "column"), COLUMNS)
def test_a_column_that_is_missing_is_an_error_only_where_it_is_needed(table, column):
    frame = pd.DataFrame(frame_of(table, without=[column]), index=range(2)).assign(colour=["red", "blue"])
    found = tables.problems(frame, table, "file")
    if column in NEEDED[table]:
        columns = ", ".join(frame.columns)
        assert len(found) == 1
        assert found[0].startswith(f"file: column `{column}` is missing. Columns found: {columns}.")
    else:
        assert found == []


@pytest.mark.parametrize(("table", "column"), COLUMNS)
def test_a_column_of_another_type_is_named_with_both_types(table, column):
    dtype = (NEEDED[table] | OPTIONAL[table])[column]
    frame = frame_of(table).assign(**{column: WRONG[dtype]})
    found = [text for text in tables.problems(frame, table, "file") if "type" in text]
    wanted = tables.schema(table).columns[column].dtype
    assert found == [f"file: column `{column}` must have the type {wanted}. Received: {frame[column].dtype}."]


@pytest.mark.parametrize(
    ("table", "column"), [(table, name) for table, name in COLUMNS if name in ("user_id", "item_id")]
)
def test_an_id_of_one_letter_is_known_and_one_of_none_is_not(table, column):
    assert broken(table, column, "a", "é") == []
    assert broken(table, column, "a", "") == [EMPTY]
    assert broken(table, column, "a", None)[0] == EMPTY


@pytest.mark.parametrize("column", ["user_id", "item_id"])
def test_two_different_users_and_two_different_items_are_enough_to_learn_from(column):
    def found(*values):
        columns = {name: [str(n % 2) for n in range(len(values))] for name in ("user_id", "item_id")}
        columns |= {column: list(values), "timestamp": [EDGE] * len(values)}
        return rules_of(tables.problems(frame_of("events", optional=False, **columns), "events", "file"))

    assert found("a", "b") == found("a", "b", "b") == found("a", "b", "c") == []
    assert found("a", "a") == [SEVERAL]
    assert found(None, None) == [EMPTY, SEVERAL]  # in the order of the rules, not of the alphabet


@pytest.mark.parametrize("table", ["items", "users"])
def test_each_item_and_each_user_stands_in_one_row(table):
    column = next(iter(NEEDED[table]))
    assert broken(table, column, "a", "a") == ["must be unique: one row for each"]


@pytest.mark.parametrize(("table", "column"), [("events", "timestamp"), ("promotions", "start")])
def test_the_first_instant_of_1980_is_a_time_and_the_last_of_1979_is_none(table, column):
    assert broken(table, column, EDGE, EDGE + pd.Timedelta(days=16000)) == []
    assert broken(table, column, EDGE, EDGE - TICK) == ["must be 1980 or later (an empty or zero date?)"]


def test_a_clock_may_be_a_day_ahead_to_the_microsecond(monkeypatch):
    noon = pd.Timestamp("2024-05-01 12:00", tz="UTC")

    class Noon(pd.Timestamp):
        now = staticmethod(lambda zone: noon)

    monkeypatch.setattr(tables, "pd", types.SimpleNamespace(**{**vars(pd), "Timestamp": Noon}))
    day = pd.Timedelta(days=1)
    assert broken("events", "timestamp", noon, noon + day) == []
    assert broken("events", "timestamp", noon, noon + day + TICK) == ["must not lie in the future"]


@pytest.mark.parametrize("column", ["price", "discount"])
def test_a_price_may_be_unknown_or_zero_but_not_below(column):
    assert broken("events", column, 0.0, 0.01) == broken("events", column, None, 1e9) == []
    assert broken("events", column, 1.0, -0.01) == ["must be 0 or more"]


@pytest.mark.parametrize("column", tables.PROMOTIONS)
def test_a_promotion_reaches_no_store_or_all_of_them_or_a_part(column):
    assert broken("promotions", column, 0.0, 1.0) == broken("promotions", column, 0.01, 0.99) == []
    for value in (-0.01, 1.01):
        assert broken("promotions", column, 0.5, value) == ["must be a part of the stores, 0 to 1"]


@pytest.mark.parametrize("table", NEEDED)
def test_a_table_without_rows_is_refused_whatever_its_columns(table):
    assert tables.problems(frame_of(table).iloc[:0], table, "file") == ["file: has no rows."]
    assert tables.problems(pd.DataFrame(), table, "file") == ["file: has no rows."]


def test_problems_come_in_the_order_of_the_canonical_columns():
    frame = frame_of("events", without=["item_id"], user_id=["a", ""], price=[-1.0, 1.0], discount=[1.0, -1.0])
    found = tables.problems(frame[frame.columns[::-1]], "events", "file")
    assert [message.split("`")[1] for message in found] == ["user_id", "item_id", "price", "discount"]
    ids = rules_of(tables.problems(frame_of("items", item_id=["", ""]), "items", "file"))
    assert ids == ["must be unique: one row for each", EMPTY]


def test_a_missing_column_is_said_with_the_columns_of_the_file_rather_than_with_those_made_since():
    frame = frame_of("events", without=["item_id"], optional=False)
    (message,) = tables.problems(frame, "events", "file", columns=["User", "When"])
    assert message == "file: column `item_id` is missing. Columns found: User, When."


@pytest.mark.parametrize(
    ("columns", "hint"),
    [
        (["itemid", "when"], " Is it `itemid`? Then rename it."),
        (["itemid", "2024-01-01"], " Is it `itemid`? Then rename it."),
        (["colour", "2024-01-01 10:00"], " Are these values? The first line must name the columns."),
        (["17", "3.50"], " Are these values? The first line must name the columns."),
        (["colour", "shape"], ""),
    ],
)
def test_the_hint_at_a_missing_column_is_a_name_or_else_that_the_names_look_like_values(columns, hint):
    (message,) = tables.problems(frame_of("items", without=["item_id"]), "items", "file", columns=columns)
    assert message == f"file: column `item_id` is missing. Columns found: {', '.join(columns)}.{hint}"


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from([-1.0, 0.0, 2.0, None]), min_size=2, max_size=9), st.data())
def test_rows_that_were_reported_before_are_not_reported_again(prices, data):
    rows = range(2, len(prices) + 2)
    said = data.draw(st.sets(st.sampled_from(rows)))
    ids = [str(n % 2) for n in rows]
    columns = {"user_id": ids, "item_id": ids, "timestamp": [EDGE] * len(ids), "price": prices}
    frame = frame_of("events", optional=False, **columns).set_axis(rows)
    left = [row for row, price in zip(rows, prices, strict=True) if price == -1 and row not in said]
    reported = {"price": pd.Index(sorted(said), dtype="int64")} if said else None
    found = tables.problems(frame, "events", "file", reported=reported)
    wanted = tables.problem("file", "price", "must be 0 or more", frame.loc[left, "price"], len(frame))
    assert found == ([wanted] if left else [])


@pytest.mark.parametrize("column", ["user_id", "item_id"])
def test_a_column_of_which_nothing_could_be_read_is_one_problem_and_not_two(column):
    frame = frame_of("events", **{column: [None, None]})
    assert tables.problems(frame, "events", "file", reported={column: frame.index}) == []
    assert rules_of(tables.problems(frame, "events", "file", reported={"price": frame.index})) == [EMPTY, SEVERAL]
    alike = frame_of("events", **{column: ["a", "a"]})
    assert rules_of(tables.problems(alike, "events", "file", reported={column: frame.index[:0]})) == [SEVERAL]
    half = frame_of("events", **{column: [None, "a"]})  # one value is left, and that is too few
    assert rules_of(tables.problems(half, "events", "file", reported={column: frame.index[:1]})) == [SEVERAL]


def test_a_rule_about_a_whole_column_shows_its_first_value_and_the_number_of_rows():
    frame = frame_of("events", user_id=["a", "a"])
    (message,) = tables.problems(frame, "events", "file")
    assert message == f"file: column `user_id` {SEVERAL}. Received, in 2 rows: 'a'."
