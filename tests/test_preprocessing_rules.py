"""Cleaning, audit, filters and cutoffs agree with the same rules worked out row by row."""

from dataclasses import replace
from datetime import timedelta

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shop_by_hand import START, make_events, make_shop

from recsys_kit import preprocessing

FAST = settings(max_examples=30, deadline=None)
STEPS = {
    "duplicates": "the same row twice",
    "not a purchase": "views and clicks are no baskets",
    "unknown item": "item_id is not in items",
    "not merchandise": "fuel, coupons, stamps, donations",
    "quantity": "quantity is 0 or less: returns, corrections",
    "price": "price is 0: given away, or a correction",
}
ROW = st.tuples(
    st.sampled_from("abc"),
    st.sampled_from(["u", "v", "w", "z", None]),  # u is not sold, z is not in the items
    st.integers(0, 3),
    st.sampled_from("12"),
    st.sampled_from(["purchase", "purchase", "purchase", "cart", "view"]),
    st.sampled_from([1.0, 0.5, 0.0, -1.0, 500.0, None]),
    st.sampled_from([2.0, 0.01, 0.0, -0.5, None]),
)


def shop_of(rows):
    """Makes a shop from (user, item, hour, basket, event type, quantity, price)."""
    events = make_events([(user, item or "w", hour, basket) for user, item, hour, basket, *_ in rows])
    events["item_id"] = pd.Series([row[1] for row in rows], dtype="str")
    events = events.assign(event_type=[row[4] for row in rows])
    for place, name in ((5, "quantity"), (6, "price")):
        events[name] = pd.Series([row[place] for row in rows], dtype="float64")
    made = make_shop(events.assign(item_id=events["item_id"].fillna("w")), not_sold=("u",), unknown=("z",))
    return replace(made, events=made.events.assign(item_id=events["item_id"]))


def first_broken(row, before):
    """Returns the step under which `clean` counts a row; empty if it is kept."""
    _, item, _, _, event_type, quantity, price = row
    broken = {
        "duplicates": row in before,
        "not a purchase": event_type != "purchase",
        "unknown item": item in ("z", None),
        "not merchandise": item == "u",
        "quantity": quantity is not None and quantity <= 0,
        "price": price is not None and price <= 0,
    }
    return next((step for step, is_so in broken.items() if is_so), "")


# Cleaning


@settings(max_examples=60, deadline=None)
@given(st.lists(ROW, min_size=1, max_size=25))
def test_cleaning_removes_each_row_for_the_first_rule_that_it_breaks_and_keeps_all_others(rows):
    shop = shop_of(rows)
    events, report = preprocessing.clean(shop)
    steps = [first_broken(row, rows[:place]) for place, row in enumerate(rows)]
    assert report.columns.tolist() == ["step", "why", "rows_before", "removed"]
    assert dict(zip(report["step"], report["why"], strict=True)) == STEPS
    assert report["removed"].tolist() == [steps.count(step) for step in STEPS]
    assert report["rows_before"].tolist() == (len(rows) + report["removed"] - report["removed"].cumsum()).tolist()
    kept = [row for row, step in zip(rows, steps, strict=True) if not step]
    kept.sort(key=lambda row: (row[2], row[0], row[3]))
    found = zip(events["user_id"], events["item_id"], events["timestamp"], events["basket_id"], strict=True)
    assert events.index.tolist() == list(range(len(kept)))
    assert list(found) == [(user, item, START + timedelta(hours=hour), bill) for user, item, hour, bill, *_ in kept]


@FAST
@given(st.lists(st.tuples(st.sampled_from("ab"), st.just("x"), st.integers(0, 2), st.sampled_from("12")), min_size=1))
def test_events_of_one_instant_come_by_user_then_by_basket_then_as_they_stand(rows):
    events = make_events(rows).assign(number=range(len(rows)))
    found = preprocessing.clean(make_shop(events))[0]
    order = sorted(range(len(rows)), key=lambda n: (rows[n][2], rows[n][0], rows[n][3]))
    assert found["number"].tolist() == order
    assert found.index.tolist() == list(range(len(rows)))


# Audit


@FAST
@given(st.lists(ROW, min_size=1, max_size=25))
def test_an_audit_counts_rows_and_shares_check_by_check(rows):
    rows = [("a", "w", 0, "1", "purchase", 1.0, 2.0), *rows]
    shop = shop_of(rows)
    quantities = shop.events["quantity"]
    usual = quantities.quantile(0.95)
    items, sold = shop.items, {row[1] for row in rows}
    found = preprocessing.audit(shop)
    events = [
        sum(row in rows[:place] for place, row in enumerate(rows)),
        sum(row[1] in ("z", None) for row in rows),
        sum(row[5] is not None and row[5] <= 0 for row in rows),
        sum(row[5] is not None and row[5] > 10 * usual for row in rows),
        sum(row[6] is None for row in rows),
        sum(row[6] == 0 for row in rows),
    ]
    never = sum(item not in sold for item in items["item_id"])
    assert found["rows"].tolist() == [*events, 0, 0, len(items), never, len(shop.users)]
    sizes = [len(rows)] * 6 + [len(items)] * 4 + [len(shop.users)]
    assert found["share"].tolist() == pytest.approx(
        [count / size for count, size in zip(found["rows"], sizes, strict=True)]
    )
    assert found["table"].tolist() == ["events"] * 6 + ["items"] * 4 + ["users"]
    assert found.columns.tolist() == ["table", "check", "rows", "share"]


def test_an_audit_calls_many_what_is_more_than_ten_times_the_95th_percentile():
    events = make_events([("a", "x", hour) for hour in range(101)])
    quantities = [1.5] * 99 + [15.0, 15.1]
    found = preprocessing.audit(make_shop(events.assign(quantity=quantities))).set_index("check")["rows"]
    assert found["quantity above 15 (10 x the 95th percentile)"] == 1
    events = events.iloc[:21].assign(quantity=[float(n) for n in range(20)] + [191.0])
    found = preprocessing.audit(make_shop(events)).set_index("check")["rows"]
    assert found["quantity above 190 (10 x the 95th percentile)"] == 1


def test_an_audit_compares_items_by_all_that_is_known_of_them_but_their_ids_and_whether_they_are_sold():
    shop = make_shop(make_events([("a", item, 0) for item in "wxyz"]), not_sold=("z",))
    items = shop.items.assign(title=["Tea", "Tea", "Tea", "Jam"], brand=["A", "A", "B", "A"], category="food")
    items.loc[1, "category"] = items.loc[0, "category"] = "drinks"
    for alike in (items, items.assign(is_merchandise=[True, False, True, True])):
        found = preprocessing.audit(replace(shop, items=alike)).set_index("check")["rows"]
        assert found["all attributes equal an earlier item's"] == 1
        assert found["category is not known"] == 0 and found["item_id twice"] == 0 and found["never sold"] == 0
    twice = pd.concat([items, items.iloc[[0]].assign(title="Coffee")], ignore_index=True)
    found = preprocessing.audit(replace(shop, items=twice)).set_index("check")["rows"]
    assert found["item_id twice"] == 1 and found["all attributes equal an earlier item's"] == 1


def test_an_audit_counts_the_users_of_whom_nothing_is_known():
    shop = make_shop(make_events([(user, "x", 0) for user in "abcd"]))
    users = shop.users.assign(age=[None, 3, None, None], town=[None, None, "Kiel", None])
    found = preprocessing.audit(replace(shop, users=users)).set_index("check")
    assert found.loc["no attribute is known", ["rows", "share"]].tolist() == [2, 0.5]


# Filters


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("vwxyz")), max_size=14),
    st.integers(0, 3),
    st.integers(0, 3),
)
def test_a_k_core_is_what_repeated_passes_leave_and_their_number(pairs, min_users, min_items):
    events = pd.DataFrame(pairs, columns=["user_id", "item_id"], dtype="str").assign(number=range(len(pairs)))
    left, passes = events, 0
    while True:
        users = left.groupby("item_id")["user_id"].nunique()
        items = left.groupby("user_id")["item_id"].nunique()
        keep = left["item_id"].isin(users.index[users >= min_users])
        keep &= left["user_id"].isin(items.index[items >= min_items])
        if keep.all():
            break
        left, passes = left[keep], passes + 1
    core, found = preprocessing.k_core(events, min_users, min_items)
    assert (core["number"].tolist(), found) == (left["number"].tolist(), passes)


def test_a_k_core_counts_different_items_also_in_a_shop_of_one_item_or_none():
    events = pd.DataFrame({"user_id": list("abb"), "item_id": list("xxx")})
    assert preprocessing.k_core(events, 2, 1)[0].equals(events)
    assert preprocessing.k_core(events, 3, 1)[0].empty and preprocessing.k_core(events, 2, 2)[0].empty
    core, passes = preprocessing.k_core(events.iloc[:0], 2, 2)
    assert core.empty and passes == 0


# Cutoffs


@pytest.mark.parametrize(
    ("days", "wanted", "expected"),
    [(1, 31, 1), (9, 31, 1), (10, 31, 2), (14, 31, 2), (15, 31, 3), (400, None, 31), (154, None, 30), (155, None, 31)],
)
def test_the_test_period_is_31_days_or_what_is_wanted_or_a_fifth_of_a_short_history(days, wanted, expected):
    shop = make_shop(make_events([("a", "x", 0), ("a", "x", 24 * (days - 1))]))
    cutoff = preprocessing.default_cutoff(shop, *([] if wanted is None else [wanted]))
    assert cutoff == START.normalize() + timedelta(days=days - expected)


@pytest.mark.parametrize("test_days", [0, -1])
def test_a_test_of_one_day_is_the_shortest(test_days):
    shop = make_shop(make_events([("a", "x", 24 * day) for day in range(50)]))
    assert preprocessing.default_cutoff(shop, 1) == START.normalize() + timedelta(days=49)
    with pytest.raises(ValueError, match=rf"`test_days` must be at least 1. Received: test_days={test_days}\."):
        preprocessing.default_cutoff(shop, test_days)
