"""Promises of cleaning, encoding and the time split."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shop_by_hand import START, ZONES, make_events, make_shop

from recsys_kit import datasets, preprocessing

FAST = settings(max_examples=30, deadline=None)


@st.composite
def event_tables(draw, min_size=1, max_size=60):
    """Small shops with everything that makes splits hard: ties in time, shared basket ids, users who come once."""
    row = st.tuples(st.sampled_from("abcdé"), st.sampled_from("uvwxyz"), st.integers(0, 40), st.sampled_from("123"))
    return make_events(draw(st.lists(row, min_size=min_size, max_size=max_size)))


@st.composite
def dirty_shops(draw):
    """Shops in which every rule of `clean` has something to remove."""
    events = draw(event_tables())
    size = len(events)

    def column(values):
        return draw(st.lists(st.sampled_from(values), min_size=size, max_size=size))

    events = events.assign(quantity=column([1.0, 2.0, 0.0, -1.0, 500.0]), price=column([1.5, 0.0, float("nan")]))
    events = events.assign(event_type=column(["purchase", "view"]))
    twice = pd.concat([events, events.head(draw(st.integers(0, 5)))], ignore_index=True)
    return make_shop(twice, not_sold=("u",), unknown=("z",))


def in_order(events: pd.DataFrame) -> pd.DataFrame:
    shop = make_shop(events)
    return preprocessing.clean(shop)[0]


def split_of(rows: list[tuple], min_items: int = 1) -> preprocessing.Split:
    """Splits events, given as for `make_events`, a day after START."""
    events = in_order(make_events(rows))
    return preprocessing.split_by_time(events, START + timedelta(hours=24), min_users=1, min_items=min_items)


# Cleaning


@FAST
@given(dirty_shops())
def test_cleaning_twice_changes_nothing_more(shop):
    once, _ = preprocessing.clean(shop)
    twice, report = preprocessing.clean(datasets.Shop("", once, shop.items, shop.users, shop.timezone, ""))
    assert report["removed"].sum() == 0
    pd.testing.assert_frame_equal(once, twice)


def test_cleaning_counts_a_row_under_the_first_rule_that_it_breaks():
    events = make_events(
        [("a", "x", 0), ("a", "x", 0), ("a", "gas", 1), ("a", "gone", 2), ("b", "x", 3), ("b", "y", 4)]
    )
    events = events.assign(quantity=[1, 1, 0, 0, 0, 1], price=[1, 1, 0, 0, 0, 0])
    _, report = preprocessing.clean(make_shop(events, not_sold=("gas",), unknown=("gone",)))
    assert dict(zip(report["step"], report["removed"], strict=True)) == {
        "duplicates": 1,
        "not a purchase": 0,
        "unknown item": 1,
        "not merchandise": 1,
        "quantity": 1,
        "price": 1,
    }


def test_a_missing_price_is_no_reason_to_lose_a_sale():
    events = make_events([("a", "x", 0), ("b", "y", 1)]).assign(price=np.nan)
    assert len(preprocessing.clean(make_shop(events))[0]) == 2


@pytest.mark.parametrize("word", ["view", "Purchase", " purchase "])
def test_nothing_but_a_purchase_is_kept_not_even_in_a_log_without_any(word):
    events = make_events([("a", "x", 0), ("b", "y", 1)]).assign(event_type=word)
    kept, report = preprocessing.clean(make_shop(events))
    assert kept.empty
    assert report.set_index("step")["removed"]["not a purchase"] == 2


def test_audit_counts_each_oddity_and_removes_nothing():
    events = make_events([("a", "x", 0), ("a", "x", 0), ("a", "gone", 2), ("b", "x", 3), ("b", "y", 4)])
    shop = make_shop(events.assign(quantity=[1, 1, 1, 0, 1], price=[1, 1, 1, 0, np.nan]), unknown=("gone",))
    found = preprocessing.audit(shop).set_index("check")["rows"]
    assert found["the same row twice"] == 1
    assert found["item_id is not in items"] == 1
    assert found["quantity is 0 or less"] == 1
    assert found["price is not known"] == 1
    assert found["price is 0"] == 1
    assert found["category is not known"] == 2
    assert len(shop.events) == 5


# Encoding and filters


@FAST
@given(st.lists(st.sampled_from("abc"), min_size=1), st.lists(st.sampled_from("abcdé"), min_size=1))
def test_frequency_encoding_knows_only_the_training_part(training, serving):
    encoded = preprocessing.frequency_encode(pd.Series(training), pd.Series(serving))
    assert encoded.tolist() == [pytest.approx(training.count(value) / len(training)) for value in serving]


@FAST
@given(event_tables(), st.integers(1, 4), st.integers(1, 4))
def test_every_item_and_user_of_a_k_core_has_enough_partners(events, min_users, min_items):
    core, passes = preprocessing.k_core(events, min_users, min_items)
    assert (core.groupby("item_id")["user_id"].nunique() >= min_users).all()
    assert (core.groupby("user_id")["item_id"].nunique() >= min_items).all()
    again, more = preprocessing.k_core(core, min_users, min_items)
    assert more == 0 and len(again) == len(core)
    assert (passes == 0) == (len(core) == len(events))


def test_a_k_core_needs_more_than_one_pass():
    # c leaves (one item); then z has one buyer; then b has one item; then y has one buyer, x too: nothing is left.
    events = make_events([("a", "x", 0), ("a", "y", 0), ("b", "x", 0), ("b", "z", 0), ("c", "z", 0)])
    core, passes = preprocessing.k_core(events, 2, 2)
    assert core.empty and passes > 1


# Cutoff


@FAST
@given(event_tables(), st.sampled_from(ZONES), st.integers(1, 40))
def test_default_cutoff_counts_the_shops_local_days(events, zone, test_days):
    cutoff = preprocessing.default_cutoff(make_shop(events, timezone=zone), test_days)
    days = events["timestamp"].dt.tz_convert(zone).dt.tz_localize(None).dt.normalize()
    last_days = (days.max() - cutoff.tz_localize(None)).days + 1
    whole = (days.max() - days.min()).days + 1
    assert cutoff.tz_convert("UTC") == cutoff.normalize()
    assert last_days == max(1, min(test_days, whole // 5))


def test_default_cutoff_is_midnight_utc_of_the_local_day():
    # 03:00 UTC on 2 March is still the evening of 1 March in New York.
    times = pd.date_range("2024-01-01 03:00", "2024-03-02 03:00", freq="D", tz="UTC").as_unit("us")
    events = pd.DataFrame({"user_id": "a", "item_id": "x", "timestamp": times})
    assert preprocessing.default_cutoff(make_shop(events), 2) == pd.Timestamp("2024-03-01", tz="UTC")
    local = make_shop(events, timezone="America/New_York")
    assert preprocessing.default_cutoff(local, 2) == pd.Timestamp("2024-02-29", tz="UTC")


# Splits


@FAST
@given(event_tables(min_size=2), st.integers(1, 40), st.integers(1, 3))
def test_deleting_the_future_changes_nothing_that_a_model_may_learn_from(events, hours, min_users):
    events = in_order(events)
    cutoff = START + timedelta(hours=hours)
    whole = preprocessing.split_by_time(events, cutoff, min_users=min_users, min_items=1)
    past = events[events["timestamp"] < cutoff]
    blind = preprocessing.split_by_time(past, cutoff, min_users=min_users, min_items=1)
    assert whole.items.equals(blind.items)
    columns = ["user_id", "item_id", "timestamp", "basket_id", "item"]
    pd.testing.assert_frame_equal(whole.history[columns], blind.history[columns])


@FAST
@given(event_tables(min_size=2), st.integers(1, 40), st.randoms(use_true_random=False))
def test_a_split_does_not_depend_on_the_order_of_the_rows(events, hours, random):
    events = in_order(events)
    order = list(range(len(events)))
    random.shuffle(order)
    cutoff = START + timedelta(hours=hours)
    a = preprocessing.split_by_time(events, cutoff, min_users=1, min_items=1)
    b = preprocessing.split_by_time(in_order(events.iloc[order]), cutoff, min_users=1, min_items=1)
    c = preprocessing.split_by_time(events, cutoff, min_users=1, min_items=1)
    for other in (b, c):
        assert a.items.equals(other.items) and a.users.equals(other.users)
        assert (a.answers != other.answers).nnz == 0
        assert a.answer_times.equals(other.answer_times)


def test_unsorted_events_are_put_in_order_first():
    events = make_events(
        [("a", "y", 30, "later"), ("a", "x", 20, "first"), ("a", "x", 1, "past"), ("a", "y", 2, "past")]
    )
    split = preprocessing.split_by_time(events, START + timedelta(hours=10), min_users=1, min_items=1)
    assert split.items[split.answers[0].indices].tolist() == ["x"]
    assert split.history["timestamp"].is_monotonic_increasing


def test_of_several_baskets_on_one_day_only_the_first_is_the_answer():
    rows = [("a", item, 0, "0") for item in "xyz"]
    rows += [("a", "x", 30, "morning"), ("a", "y", 30, "morning"), ("a", "z", 33, "noon"), ("a", "x", 36, "evening")]
    split = split_of(rows)
    assert split.items[split.answers[0].indices].tolist() == ["x", "y"]
    assert split.answer_times[0] == START + timedelta(hours=30)


def test_users_may_number_their_baskets_alike():
    rows = [("a", "x", 0, "1"), ("b", "y", 0, "1"), ("a", "y", 30, "2"), ("b", "x", 31, "2")]
    split = split_of(rows)
    assert split.items[split.answers.tocoo().col].tolist() == ["y", "x"]


def test_the_rest_of_a_basket_that_began_before_the_cutoff_is_no_answer():
    rows = [("a", "x", 23, "open"), ("a", "y", 25, "open"), ("b", "y", 2, "b1"), ("b", "x", 30, "b2")]
    split = split_of(rows)
    assert split.users[split.test_users].tolist() == ["b"]


def test_a_user_without_history_can_be_a_test_case():
    rows = [("old", "x", 0), ("old", "y", 0), ("new", "x", 30), ("new", "y", 30)]
    split = split_of(rows, min_items=2)
    assert split.users[split.test_users].tolist() == ["new"]
    assert split.seen().nnz == 0 and split.seen().shape == (1, 2)


def test_counts_and_seen_agree_with_the_events():
    rows = [("a", "x", 0, "1"), ("a", "x", 1, "2"), ("a", "y", 1, "2"), ("b", "y", 2, "3"), ("a", "x", 30, "4")]
    split = split_of(rows)
    assert split.counts().toarray().tolist() == [[2, 1], [0, 1]]
    assert split.seen().toarray().tolist() == [[True, True]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cutoff": pd.Timestamp("2024-02-21")}, "`cutoff` must have a time zone"),
        ({"end": pd.Timestamp("2024-03-01")}, "`end` must have a time zone"),
        ({"end": START}, "`end` must be after `cutoff`"),
    ],
)
def test_a_split_refuses_times_that_make_no_sense(change, message):
    events = make_events([("a", "x", 0), ("a", "x", 30)])
    with pytest.raises(ValueError, match=message):
        preprocessing.split_by_time(events, **({"cutoff": START + timedelta(hours=1)} | change))
