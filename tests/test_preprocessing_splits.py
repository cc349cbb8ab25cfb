"""A split agrees with one worked out user by user, at its edges too: the first instant, the last, one past it."""

import dataclasses
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shop_by_hand import START, make_events, make_shop

from recsys_kit import preprocessing

TICK = timedelta(microseconds=1)
ROW = st.tuples(st.sampled_from("abcdé"), st.sampled_from("uvwxyz"), st.integers(0, 12), st.sampled_from("123"))


def in_order(rows):
    return preprocessing.clean(make_shop(make_events(rows)))[0]


def by_hand(events, cutoff, end, min_users, min_items, items):
    """Works out a split row by row."""
    rows = list(zip(events["user_id"], events["item_id"], events["timestamp"], events["basket_id"], strict=True))
    past = [row for row in rows if row[2] < cutoff]
    if items is None:
        buyers = {item: {row[0] for row in past if row[1] == item} for _, item, *_ in rows}
        items = sorted(item for item, users in buyers.items() if len(users) >= min_users)
    begun = {(user, basket) for user, _, _, basket in past}
    first, answers, starts = {}, {}, {}
    for user, item, time, basket in rows:
        in_time = time >= cutoff and (end is None or time < end)
        if in_time and item in items and (user, basket) not in begun and first.setdefault(user, basket) == basket:
            answers.setdefault(user, set()).add(item)
            starts.setdefault(user, time)
    answers = {user: answers[user] for user in sorted(answers) if len(answers[user]) >= min_items}
    users = sorted({row[0] for row in past if row[1] in items} | set(answers))
    return {
        "items": items,
        "users": users,
        "history": [(*row, users.index(row[0]), items.index(row[1])) for row in past if row[1] in items],
        "answers": answers,
        "starts": [starts[user] for user in answers],
        "end": end or max(row[2] for row in rows) + timedelta(seconds=1),
    }


@settings(max_examples=60, deadline=None)
@given(
    st.lists(ROW, min_size=1, max_size=40),
    st.integers(0, 13),
    st.one_of(st.none(), st.integers(1, 8)),
    st.integers(1, 3),
    st.integers(1, 3),
    st.one_of(st.none(), st.lists(st.sampled_from("uvwxyzq"), unique=True, min_size=1)),
)
def test_a_split_is_what_the_events_say_row_by_row(rows, hours, length, min_users, min_items, items):
    events = in_order(rows)
    cutoff = START + timedelta(hours=hours)
    end = cutoff + timedelta(hours=length) if length else None
    index = None if items is None else pd.Index(items)
    split = preprocessing.split_by_time(events, cutoff, end, min_users, min_items, index)
    wanted = by_hand(events, cutoff, end, min_users, min_items, items)
    assert split.items.tolist() == wanted["items"] and split.users.tolist() == wanted["users"]
    assert (split.cutoff, split.end, split.plan) == (cutoff, wanted["end"], None)
    columns = ["user_id", "item_id", "timestamp", "basket_id", "user", "item"]
    assert list(split.history[columns].itertuples(index=False, name=None)) == wanted["history"]
    assert split.history.columns.tolist() == [*events.columns, "user", "item"]
    assert split.history.index.tolist() == list(range(len(split.history)))
    assert split.history["user"].dtype == split.history["item"].dtype == np.int32
    assert split.users[split.test_users].tolist() == list(wanted["answers"])
    assert split.answers.shape == (len(wanted["answers"]), len(split.items)) and split.answers.dtype == bool
    assert [{split.items[i] for i in row.indices} for row in split.answers] == list(wanted["answers"].values())
    assert split.answers.nnz == sum(len(basket) for basket in wanted["answers"].values())
    assert split.answer_times.tolist() == wanted["starts"]
    assert split.counts().shape == (len(split.users), len(split.items)) and split.counts().dtype == np.float32
    assert split.counts().sum() == len(split.history)
    seen = [
        set(events["item_id"][(events["timestamp"] < cutoff) & (events["user_id"] == u)]) for u in wanted["answers"]
    ]
    assert [{split.items[i] for i in row.indices} for row in split.seen()] == [s & set(wanted["items"]) for s in seen]


def test_an_event_at_the_cutoff_is_future_one_before_it_is_past_and_one_at_the_end_is_neither():
    cutoff, end = START + timedelta(hours=10), START + timedelta(hours=20)
    for time, past, future in [
        (cutoff - TICK, True, False),
        (cutoff, False, True),
        (end - TICK, False, True),
        (end, False, False),
    ]:
        events = in_order([("b", "x", 0), ("a", "x", 1)])
        events.loc[1, "timestamp"] = time
        split = preprocessing.split_by_time(events, cutoff, end, min_users=1, min_items=1)
        assert ("a" in split.history["user_id"].tolist()) == past
        assert ("a" in split.users[split.test_users].tolist()) == future


def test_without_an_end_the_last_event_counts_and_the_end_is_a_second_later():
    events = in_order([("a", "x", 0), ("a", "x", 30)])
    split = preprocessing.split_by_time(events, START + timedelta(hours=24), min_users=1, min_items=1)
    assert split.end == START + timedelta(hours=30, seconds=1)
    assert split.answer_times.tolist() == [START + timedelta(hours=30)]


def test_an_end_lies_after_the_cutoff_by_however_little():
    events = in_order([("a", "x", 0, "1"), ("a", "x", 1, "2")])
    cutoff = START + timedelta(hours=1)
    for end in (cutoff, cutoff - TICK):
        with pytest.raises(ValueError, match=r"`end` must be after `cutoff`\. Received: cutoff=2024-02-20 13:00:00"):
            preprocessing.split_by_time(events, cutoff, end)
    split = preprocessing.split_by_time(events, cutoff, cutoff + TICK, min_users=1, min_items=1)
    assert len(split.test_users) == 1 and split.end == cutoff + TICK


@pytest.mark.parametrize(("buyers", "kept"), [(9, False), (10, True), (11, True)])
def test_ten_buyers_put_an_item_into_the_catalogue_if_nothing_else_is_said(buyers, kept):
    events = in_order([(f"u{n}", "x", 0) for n in range(buyers)])
    split = preprocessing.split_by_time(events, START + timedelta(hours=1))
    assert split.items.tolist() == (["x"] if kept else [])


@pytest.mark.parametrize(("size", "tested"), [(2, False), (3, True), (4, True)])
def test_three_items_make_a_test_basket_if_nothing_else_is_said(size, tested):
    rows = [("a", item, 0, "1") for item in "wxyz"] + [("b", item, 30, "2") for item in "wxyz"[:size]]
    split = preprocessing.split_by_time(in_order(rows), START + timedelta(hours=1), min_users=1)
    assert len(split.test_users) == tested


def test_an_event_without_an_item_is_in_no_catalogue():
    events = in_order([("a", "x", 0), ("a", "y", 1), ("a", "x", 30), ("a", "y", 31)])
    events.loc[[1, 3], "item_id"] = None
    cutoff = START + timedelta(hours=24)
    split = preprocessing.split_by_time(events, cutoff, min_users=1, min_items=1, items=pd.Index(["x", "y"]))
    assert split.history["item_id"].tolist() == ["x"]
    assert split.answers.toarray().tolist() == [[True, False]]


def test_a_split_is_printed_without_its_tables_and_cannot_be_changed():
    events = in_order([("a", "x", 0), ("a", "x", 30)])
    split = preprocessing.split_by_time(events, START + timedelta(hours=24), min_users=1, min_items=1)
    shown = {field.name for field in dataclasses.fields(split) if f"{field.name}=" in repr(split)}
    assert shown == {"cutoff", "end", "items", "users"}
    with pytest.raises(dataclasses.FrozenInstanceError):
        split.cutoff = START


@settings(max_examples=30, deadline=None)
@given(st.lists(ROW, min_size=1, max_size=40), st.integers(0, 13))
def test_a_history_that_is_shared_with_a_later_split_is_the_same_history(rows, hours):
    events, cutoff = in_order(rows), START + timedelta(hours=hours)
    later = preprocessing.split_by_time(events, cutoff + timedelta(hours=3), min_users=1, min_items=1)
    alone = preprocessing.split_by_time(events, cutoff, min_items=1, items=later.items)
    pd.testing.assert_frame_equal(alone.sharing(later).history, alone.history)
    assert dataclasses.replace(alone, history=later.history).sharing(later).history.equals(later.history)


def test_the_validation_weeks_have_no_second_copy_of_the_history():
    rows = [(f"u{n % 12}", f"i{n % 5}", 24 * (n // 12), f"{n // 12}") for n in range(12 * 80)]
    task = preprocessing.task(make_shop(make_events(rows)), judged=False)
    for column in ("item", "quantity"):
        one, all_ = (split.history[column].to_numpy() for split in (task.validation, task.test))
        assert len(one) < len(all_) and np.shares_memory(one, all_)
