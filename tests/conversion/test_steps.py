"""Each step does one small thing, worked by hand; every row that goes away has a reason."""

import pandas as pd
import pytest

from recsys_kit.conversion import steps
from recsys_kit.datasets.tables import DataError


def run(frame, *plan, other=None):
    ledger = steps.Ledger(read=len(next(iter(frame.values()))))
    table = pd.DataFrame({name: pd.Series(values, dtype=None) for name, values in frame.items()})
    made = steps.apply(table, plan, ledger, lambda step: pd.DataFrame(other))
    ledger.written = len(made)
    assert ledger.adds_up()
    return made, ledger


@pytest.mark.parametrize(
    ("rule", "left"),
    [
        ({"empty": True}, ["C1", "10", "x"]),
        ({"known": True}, [None, " "]),
        ({"is": ["C1", "x"]}, ["10", None, " "]),
        ({"is_not": "x"}, ["x"]),
        ({"starts": "C"}, ["10", "x", None, " "]),
        ({"unlike": r"\d+"}, ["10"]),
        ({"below": 11}, ["C1", "x", None, " "]),
        ({"above": 11}, ["C1", "10", "x", None, " "]),
    ],
)
def test_rows_are_left_out_by_one_rule_and_counted(rule, left):
    made, ledger = run({"a": ["C1", "10", "x", None, " "]}, {"drop": "a", **rule, "why": "because"})
    assert [None if pd.isna(value) else value for value in made["a"]] == left
    assert ledger.dropped == ({"because": 5 - len(left)} if len(left) < 5 else {})


def test_a_join_keeps_every_row_and_says_which_find_nothing():
    other = {"key": ["x", "y"], "name": ["X", "Y"]}
    made, ledger = run({"id": ["x", "z", "x"]}, {"join": "names.csv", "on": {"id": "key"}}, other=other)
    assert made["name"].fillna("").tolist() == ["X", "", "X"]
    assert ledger.notes == ["1 rows find nothing in names.csv."]
    with pytest.raises(DataError, match=r"must have one row for each \['id'\]. It has several for \['x'\]"):
        run({"id": ["x"]}, {"join": "names.csv", "on": "id"}, other={"id": ["x", "x"]})


def test_what_stands_in_the_first_line_of_an_order_holds_for_the_others():
    made, _ = run({"order": ["1", "1", "2"], "mail": ["a", None, None]}, {"fill": ["mail"], "within": "order"})
    assert made["mail"].fillna("").tolist() == ["a", "a", ""]


def test_the_first_value_that_is_not_empty_and_not_a_word_for_nothing():
    frame = {"user": ["7", "NA", None], "session": ["a", "b", "c"]}
    made, _ = run(frame, {"first": "who", "of": ["not there", "user", "session"], "not": ["NA"]})
    assert made["who"].tolist() == ["7", "b", "c"]


def test_money_of_one_unit_and_what_was_taken_off():
    frame = {"total": ["9", "5", "x"], "count": ["2", "0", "1"], "off": ["0.5", None, "1"], "back": ["-1", "0", "1"]}
    made, _ = run(
        frame,
        {"divide": "total", "by": "count", "into": "each"},
        {"subtract": "each", "less": "off", "into": "paid"},
        {"subtract": "count", "less": "back", "unsigned": True, "into": "kept"},
        {"power_of_2": "count", "into": "undone"},
    )
    assert made["paid"].fillna("").tolist() == ["4.0", "", ""]
    assert made["kept"].tolist() == ["1", "0", "0"]
    assert made["undone"].tolist() == ["4.0", "1.0", "2.0"]


def test_an_address_becomes_a_digest_whatever_its_capitals():
    made, _ = run({"mail": ["Ann@x.org", " ann@x.org ", "bob@x.org", None]}, {"hash": "mail"})
    assert made["mail"][0] == made["mail"][1] != made["mail"][2]
    assert "ann" not in made["mail"][0] and pd.isna(made["mail"][3])


def test_of_several_rows_the_latest_the_first_or_their_number():
    frame = {"id": ["x", "x", "y"], "time": ["2", "10", "1"], "name": [None, "X", "Y"]}
    assert run(frame, {"latest": "time", "of": "id"})[0]["time"].tolist() == ["10", "1"]
    assert run(frame, {"unique": "id"})[0]["time"].tolist() == ["2", "1"]
    assert run(frame, {"unique": "id", "prefer": "name"})[0]["name"].tolist() == ["X", "Y"]
    assert len(run(frame, {"unique": "id", "among": {"name": "Y"}})[0]) == 3
    again = {"id": ["x", "x", None, None], "event": ["buy", "buy", "buy", "buy"]}
    assert len(run(again, {"unique": "id", "among": {"event": "buy"}})[0]) == 3  # what has no id is nobody's double
    made, ledger = run(frame, {"count": "units", "of": ["id"]})
    assert made["units"].tolist() == ["2", "1"] and sum(ledger.merged.values()) == 1


def test_ids_texts_and_thresholds():
    frame = {"a": ["1", "2"], "b": ["x", "0"], "stars": ["4.0", "3.5"]}
    made, _ = run(
        frame,
        {"prefix": "s", "to": "a", "into": "id"},
        {"text": ["a", "b"], "into": "both"},
        {"blank": ["b"], "is": "0"},
        {"at_least": "stars", "value": 4, "yes": "purchase", "no": "view", "into": "event"},
    )
    assert made["id"].tolist() == ["s1", "s2"] and made["both"].tolist() == ["1 x", "2 0"]
    assert made["b"].isna().tolist() == [False, True] and made["event"].tolist() == ["purchase", "view"]


def test_times_from_a_date_and_from_the_days_between_orders():
    made, _ = run({"day": ["2016-05-09"], "ms": ["3661001"]}, {"add_ms": "ms", "to": "day", "into": "time"})
    assert made["time"][0] == "2016-05-09 01:01:01.001"
    frame = {
        "u": ["a", "a", "a", "b"],
        "n": ["1", "2", "3", "1"],
        "day": ["1", "3", "1", "6"],
        "hour": ["08", "09", "10", "0"],
        "gap": [None, "2.0", "5.0", None],
    }
    names = {"user": "u", "number": "n", "weekday": "day", "hour": "hour", "gap": "gap"}
    made, _ = run(frame, {"order_clock": names, "last": "2017-01-07", "into": "time"})
    assert made["time"].tolist() == [
        "2017-01-01 08:00:00",
        "2017-01-03 09:00:00",
        "2017-01-08 10:00:00",
        "2017-01-13 00:00:00",
    ]


def test_lists_of_objects_become_rows_and_parameters_columns():
    items = [[{"id": "x", "price": 1}, {"id": "y"}], [], None]
    asked = [[{"key": "q", "value": {"string_value": "tea"}}], [{"key": "z", "value": {}}], None]
    frame = {"items": items, "about": [{"n": 1}, None, None], "params": asked}
    made, ledger = run(
        frame,
        {"parameter": "q", "from": "params", "into": "query"},
        {"explode": "items", "keys": ["items.brand"], "why": "nothing in it"},
        {"flatten": "about", "keys": ["about.n"]},
    )
    assert made["items.id"].tolist() == ["x", "y"] and made["items.brand"].isna().all()
    assert made["query"].tolist() == ["tea", "tea"] and made["about.n"].tolist() == ["1", "1"]
    assert ledger.dropped == {"nothing in it": 2} and ledger.added == 1


def test_a_step_that_is_none_and_a_column_that_is_missing_are_named():
    with pytest.raises(DataError, match=r"'shake' is no step. There are: join, drop"):
        run({"a": ["1"]}, {"shake": "a"})
    with pytest.raises(DataError, match=r"needs the column `b`. There are: a"):
        run({"a": ["1"]}, {"drop": "b", "empty": True})
    with pytest.raises(DataError, match="needs a rule: empty, known"):
        run({"a": ["1"]}, {"drop": "a"})


def test_what_a_step_adds_is_known_before_it_runs():
    assert steps.created({"first": "who", "of": ["a"]}) == ["who"]
    assert steps.created({"explode": "items", "keys": ["items.id"]}) == ["items.id"]
    assert steps.created({"drop": "a", "empty": True}) == []
