"""What messages show, what ids and fingerprints are for, and titles without sizes."""

import dataclasses
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_kit.datasets import tables
from recsys_kit.datasets.tables import DataError, Shop

FAST = settings(max_examples=50, deadline=None)
IDS = st.text(min_size=1, max_size=4)


def a_shop(**changes):
    shop = Shop(
        name="shop",
        events=pd.DataFrame({"user_id": ["a", "b"], "price": [1.0, 2.0]}),
        items=pd.DataFrame({"item_id": ["x", "y"], "tags": [["new"], ["old"]]}),
        users=pd.DataFrame({"user_id": ["a", "b"]}),
        timezone="UTC",
        fingerprint="",
    )
    return dataclasses.replace(shop, **changes)


# Messages


@FAST
@given(st.integers(1, 5000), st.integers(0, 10**6))
def test_a_problem_shows_its_first_three_rows_and_counts_the_rest(count, more):
    values = pd.Series(range(count), index=range(7, count + 7))
    head, *lines = tables.problem("f.csv", "price", "must be odd", values, count + more).splitlines()
    verb = "row breaks" if count == 1 else "rows break"
    assert head == f"f.csv: column `price` must be odd. {count:,} {verb} it (of {count + more:,}):"
    assert lines[:3] == [f"  row {n + 7}: {n}" for n in range(min(count, 3))]
    assert lines[3:] == ([f"  and {count - 3:,} more"] if count > 3 else [])


@pytest.mark.parametrize("count", [1, 2, 3, 4, 1003])
def test_a_problem_has_as_many_lines_as_it_has_rows_up_to_three_and_one_for_the_rest(count):
    text = tables.problem("f.csv", "price", "must be odd", pd.Series(range(count)), count)
    assert text.count("\n") == min(count, 4)
    assert text.endswith("  and 1,000 more") == (count == 1003) and text.endswith("  and 1 more") == (count == 4)


def test_a_problem_of_a_whole_column_shows_its_first_value():
    text = tables.problem("f.csv", "price", "must vary", pd.Series([1, 2, 3]), 1234, whole=True)
    assert text == "f.csv: column `price` must vary. Received, in 1,234 rows: 1."


def shown(value):
    return tables.problem("f", "c", "r", pd.Series([value], dtype=object), 1).partition("row 0: ")[2]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.float64(2.5), "2.5"),
        (np.int64(3), "3"),
        (7, "7"),
        (np.bool_(True), "True"),
        ("tea", "'tea'"),
        (None, "(empty)"),
        (float("nan"), "(empty)"),
        (pd.NaT, "(empty)"),
        (pd.Timestamp("2024-01-01", tz="UTC"), "2024-01-01 00:00:00+00:00"),
        (["a", None], "['a', None]"),
        ({}, "{}"),
    ],
)
def test_a_value_is_shown_as_people_write_it(value, text):
    assert shown(value) == text


@FAST
@given(st.integers(0, 200))
def test_what_is_longer_than_a_line_is_cut_and_no_shorter_value_is(length):
    for value in ("x" * length, ["x" * length]):
        whole = repr(value)
        assert shown(value) == (whole if len(whole) <= 60 else whole[:57] + "...")


@pytest.mark.parametrize("length", [59, 60, 61])
def test_sixty_characters_are_shown_and_one_more_is_cut(length):
    text = shown("x" * (length - 2))
    assert len(text) == min(length, 60) and text.endswith("...") == (length == 61)


# Twins


def test_columns_of_the_same_name_are_named_once_each():
    assert tables.no_twins(pd.DataFrame(columns=["a", "b"]), "f.csv") is None
    with pytest.raises(DataError) as caught:
        tables.no_twins(pd.DataFrame(columns=["a", "b", "a", "c", "b", "a"]), "f.csv")
    assert str(caught.value) == "f.csv: two columns have the same name: 'a', 'b'."


# Ids


@FAST
@given(st.lists(IDS, unique=True, min_size=1, max_size=8), st.data())
def test_a_known_id_is_found_at_its_place_and_every_unknown_one_is_counted(known, data):
    index = pd.Index(known)
    asked = data.draw(st.lists(st.sampled_from(known), max_size=8))
    found = tables.positions(index, iter(asked))
    assert found.tolist() == [known.index(name) for name in asked] and found.dtype == np.intp
    strange = data.draw(st.lists(IDS.filter(lambda name: name not in known), min_size=1, max_size=6))
    with pytest.raises(DataError) as caught:
        tables.positions(index, asked + strange, what="user")
    head, *lines = str(caught.value).split("\n  ")
    unknown, total = len(set(strange)), len({*asked, *strange})
    assert head == f"{unknown} of {total} user ids are unknown (known: {len(known)}; ids are strings):"
    assert len(lines) == min(unknown, 4)
    assert [line.split(";")[0] for line in lines[:3]] == [repr(name).split(";")[0] for name in dict.fromkeys(strange)][
        :3
    ]
    assert lines[3:] == ([f"and {unknown - 3} more"] if unknown > 3 else [])


def test_at_most_three_similar_ids_are_offered():
    index = pd.Index(["tea 1", "tea 2", "tea 3", "tea 4", "soup"])
    with pytest.raises(DataError, match=r"'tea 0'; did you mean 'tea \d' or 'tea \d' or 'tea \d'\?$"):
        tables.positions(index, ["tea 0"])


@pytest.mark.parametrize(("size", "looked_at"), [(200_000, 200_000), (200_001, 0)])
def test_similar_ids_are_looked_for_only_in_catalogues_that_do_not_take_long(monkeypatch, size, looked_at):
    seen = []
    monkeypatch.setattr(tables.difflib, "get_close_matches", lambda word, known, **_: seen.append(len(known)))
    with pytest.raises(DataError, match=rf"1 of 1 item ids are unknown \(known: {size:,}; ids are strings\):\n  'x'$"):
        tables.positions(pd.RangeIndex(size), ["x"])
    assert seen == [looked_at]


# The shop


def test_a_shop_is_not_the_kits_own_unless_it_is_said_and_cannot_be_changed():
    shop = a_shop()
    assert not shop.is_reference and not shop.is_kits_own and shop.currency == "" and shop.notes == ()
    with pytest.raises(dataclasses.FrozenInstanceError):
        shop.name = "another"


def test_a_fingerprint_is_of_the_tables_and_the_time_zone_alone():
    shop = a_shop()
    print_ = tables.fingerprint(shop)
    assert len(print_) == 12 and set(print_) <= set("0123456789abcdef")
    turned = shop.items.set_axis([5, 9])
    same = [a_shop(), a_shop(name="another", fingerprint="x", currency="EUR", notes=("a",)), a_shop(items=turned)]
    assert {tables.fingerprint(other) for other in same} == {print_}
    others = [
        a_shop(timezone="Asia/Shanghai"),
        a_shop(events=shop.events.assign(price=[1.0, 3.0])),
        a_shop(events=shop.events.iloc[::-1]),
        a_shop(events=shop.events.iloc[:1]),
        a_shop(events=shop.events[["price", "user_id"]]),
        a_shop(events=shop.events.rename(columns={"price": "cost"})),
        a_shop(items=shop.items.assign(tags=[["new"], ["new"]])),
        a_shop(users=shop.users.assign(user_id=["a", "c"])),
        a_shop(users=shop.items, items=shop.users),
    ]
    assert len({print_, *(tables.fingerprint(other) for other in others)}) == len(others) + 1


def test_a_fingerprint_is_the_same_whatever_the_numbers_of_the_rows():
    shop = a_shop()
    for table in ("events", "items", "users"):
        frame = getattr(shop, table)
        assert tables.fingerprint(a_shop(**{table: frame.set_axis([8, 3])})) == tables.fingerprint(shop)


# Titles


@FAST
@given(
    st.lists(st.tuples(st.text("Ice, 2lb", max_size=6), st.sampled_from(["2 LB", "2 lb", "l", "", "Ice"])), min_size=1)
)
def test_a_size_leaves_the_end_of_a_title_and_nothing_else_does(rows):
    bare = [title for title, _ in rows]
    sizes = [size for _, size in rows]
    ended = pd.DataFrame({"title": [f"{title}, {size.swapcase()}" for title, size in rows], "size": sizes})
    wanted = [title if size else f"{title}, " for title, size in rows]
    assert tables.titles_without_size(ended) == wanted
    inside = ended.assign(title=ended["title"] + "!")
    assert tables.titles_without_size(inside) == inside["title"].tolist()
    assert tables.titles_without_size(ended[["title"]]) == ended["title"].tolist()
    assert tables.titles_without_size(pd.DataFrame({"title": bare, "size": "5 kg"})) == bare


def test_the_tables_are_read_without_what_only_checks_them():
    code = "import sys, recsys_kit.datasets.tables; print('pandera' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"
