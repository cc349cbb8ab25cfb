"""Promises of the feature tables: nothing from the future, local time, honest blanks, numbers worked by hand."""

import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_kit import features, preprocessing

START = pd.Timestamp("2023-03-01 00:00", tz="UTC")
CUTOFF = START + pd.Timedelta(days=30)
LATE = START + pd.Timedelta(days=90)
FAST = settings(max_examples=25, deadline=None)
ITEMS = pd.DataFrame({"item_id": ["tea", "milk", "bread", "jam"]}).assign(
    title=lambda t: t["item_id"],
    category=["drinks", "drinks", "food", "food"],
    product_type="any",
    department=["drinks", "drinks", "food", "food"],
    brand="own",
)
USERS = pd.DataFrame(
    {"user_id": ["ann", "bob", "cy", "dee"], "age": ["30s", None, "50s", None], "kids": [1, None, 0, 2]}
)


def make_events(rows: list[tuple]) -> pd.DataFrame:
    """Makes events from (user, item, days after START[, quantity, price, discount])."""
    rows = [row + (1.0, 2.0, 0.0)[len(row) - 3 :] for row in rows]
    table = pd.DataFrame(rows, columns=["user_id", "item_id", "day", "quantity", "price", "discount"])
    table["timestamp"] = START + pd.to_timedelta(table.pop("day") * 86400, unit="s").dt.round("s")
    table["basket_id"] = table["user_id"] + table["timestamp"].dt.strftime(" %m-%d %H:%M")
    types = {"user_id": "str", "item_id": "str", "quantity": float, "price": float, "discount": float}
    return table.astype(types).sort_values("timestamp", kind="stable").reset_index(drop=True)


ROWS = st.lists(
    st.tuples(
        st.sampled_from(USERS["user_id"].tolist()),
        st.sampled_from(ITEMS["item_id"].tolist()),
        st.integers(0, 60 * 24).map(lambda hour: hour / 24),
        st.sampled_from([1.0, 2.0, 5.0]),
        st.sampled_from([0.5, 2.0, 3.0]),
        st.sampled_from([0.0, 1.0]),
    ),
    min_size=1,
    max_size=60,
)


def other_futures(events: pd.DataFrame, seed: int) -> list[pd.DataFrame]:
    """Returns the same past with the future deleted, and with every column of the future altered."""
    rng = np.random.default_rng(seed)
    past, future = events[events["timestamp"] < CUTOFF], events[events["timestamp"] >= CUTOFF]
    altered = future.assign(
        user_id=rng.permutation(future["user_id"].to_numpy()),
        item_id=rng.permutation(future["item_id"].to_numpy()),
        timestamp=future["timestamp"] + pd.Timedelta(days=3),
        price=future["price"] * 100 + 7,
        discount=future["discount"] + 50,
        quantity=future["quantity"] * 9,
    )
    return [past, pd.concat([past, altered])]


def test_no_table_looks_past_the_cutoff():
    tables = {
        "users": lambda events: features.user_features(events, ITEMS, USERS, CUTOFF, "America/New_York"),
        "profile": lambda events: features.category_profile(events, ITEMS, CUTOFF),
        "items": lambda events: features.item_features(events, ITEMS, CUTOFF),
    }

    @FAST
    @given(ROWS, st.integers(0, 100))
    def check(rows, seed):
        events = make_events(rows)
        for build in tables.values():
            expected = build(events)
            for other in other_futures(events, seed):
                pd.testing.assert_frame_equal(build(other), expected)

    check()


def by_id(split: preprocessing.Split, table: pd.DataFrame) -> pd.DataFrame:
    """Names users and items by their ids: positions of users may change with the test cases."""
    ids = table.assign(user=split.users[table["user"]], item=split.items[table["item"]])
    return ids.sort_values(["user", "item"]).reset_index(drop=True)


@FAST
@given(ROWS, st.integers(0, 100))
def test_interaction_features_do_not_look_past_the_cutoff(rows, seed):
    events = make_events(rows)
    expected = None
    for version in (events, *other_futures(events, seed)):
        split = preprocessing.split_by_time(version, CUTOFF, min_users=1, min_items=1)
        table = by_id(split, features.interaction_features(split, timezone="Asia/Kolkata"))
        if expected is not None:
            pd.testing.assert_frame_equal(table, expected)
        expected = table


@FAST
@given(ROWS, st.integers(0, 100))
def test_ranking_features_do_not_read_the_answers(rows, seed):
    split = preprocessing.split_by_time(make_events(rows), CUTOFF, min_users=1, min_items=1)
    answers = split.answers[np.random.default_rng(seed).permutation(split.answers.shape[0])][:, ::-1].tocsr()
    other = replace(split, answers=answers, end=split.end + pd.Timedelta(days=9))
    expected = features.ranking_features(split, "UTC")
    pd.testing.assert_frame_equal(features.ranking_features(other, "UTC"), expected)
    assert set(features.RANKING_COLUMNS) <= set(expected.columns)


@FAST
@given(ROWS)
def test_interactions_count_what_a_plain_group_by_counts(rows):
    events = make_events(rows)
    split = preprocessing.split_by_time(events, CUTOFF, min_users=1, min_items=1)
    table = by_id(split, features.interaction_features(split)).set_index(["user", "item"])
    past = events[events["timestamp"] < CUTOFF].drop_duplicates(["user_id", "item_id", "basket_id"])
    age = (CUTOFF - past["timestamp"]) / pd.Timedelta(days=1)
    groups = age.groupby([past["user_id"], past["item_id"]])
    assert len(table) == groups.ngroups
    for name, expected in (
        ("count", groups.size()),
        ("recency_days", groups.min()),
        ("decayed_30", np.exp(-age / 30).groupby([past["user_id"], past["item_id"]]).sum()),
    ):
        np.testing.assert_allclose(table[name], expected.reindex(table.index), rtol=1e-5)


def test_an_interaction_matches_one_worked_by_hand():
    rows = [("ann", "tea", 0), ("ann", "tea", 10), ("ann", "tea", 20), ("ann", "jam", 25), ("bob", "jam", 3)]
    split = preprocessing.split_by_time(make_events(rows), CUTOFF, min_users=1)
    table = by_id(split, features.interaction_features(split)).set_index(["user", "item"])
    tea = table.loc[("ann", "tea")]
    assert tea[["count", "recency_days", "gap_days", "overdue", "visits_since"]].tolist() == [3, 10, 10, 1, 1]
    assert tea["basket_share"] == 0.75  # 3 of 4 baskets
    assert tea["decayed_30"] == pytest.approx(np.exp([-30 / 30, -20 / 30, -10 / 30]).sum(), rel=1e-6)
    assert np.isnan(table.loc[("bob", "jam"), ["gap_days", "overdue"]].astype(float)).all()  # bought once: no gap


def test_features_are_seen_from_the_moment_a_user_comes_back():
    rows = [("ann", "tea", 0), ("ann", "tea", 10), ("ann", "tea", 35), ("bob", "tea", 1), ("cy", "jam", 2)]
    rows += [("bob", "jam", 40)]
    split = preprocessing.split_by_time(make_events(rows), CUTOFF, min_users=1, min_items=1)
    table = features.interaction_features(split, split.answer_times)
    assert table["recency_days"].tolist() == [25, 39]  # ann came on day 35, bob on day 40
    assert table["case"].tolist() == [0, 1]
    assert features.labels(split, table).tolist() == [True, False]  # bob never bought jam before: no row for it
    with pytest.raises(ValueError, match="`at` must hold one moment for each test case, none before the cutoff"):
        features.interaction_features(split, split.answer_times - pd.Timedelta(days=20))


def test_a_cutoff_without_a_time_zone_is_refused():
    with pytest.raises(ValueError, match="`cutoff` must have a time zone"):
        features.item_features(make_events([("ann", "tea", 0)]), ITEMS, pd.Timestamp("2023-03-31"))


def test_hours_are_averaged_on_the_circle():
    hour, focus = features.circular_hour(np.array([23.0, 1.0, 6.0, 18.0]), np.array([0, 0, 2, 2]), 3)
    assert min(hour[0], 24 - hour[0]) < 1e-9  # 23 h and 1 h make midnight, not noon
    assert np.isnan(hour[1]) and np.isnan(focus[1])  # nobody in this group
    assert focus[0] > 0.9 and focus[2] < 1e-9  # 6 h and 18 h cancel out


def test_hours_are_local_and_know_daylight_saving():
    events = make_events([("ann", "tea", 10 + 23 / 24), ("ann", "tea", 13 + 22 / 24), ("bob", "tea", 13 + 22 / 24)])
    table = features.user_features(events, ITEMS, USERS, CUTOFF, "America/New_York")
    assert table.loc["ann", "hour"] == pytest.approx(18)  # 11 March 23 h UTC and 14 March 22 h UTC: both 18 h there
    assert table.loc["ann", "hour_focus"] == pytest.approx(1)


def test_user_features_match_a_user_worked_by_hand():
    rows = [
        ("ann", "tea", 10, 2, 3.0, 0.0),
        ("ann", "bread", 10, 1, 4.0, 1.0),
        ("ann", "bread", 28, 1, 2.0, 0.0),
        ("bob", "tea", 28, 1, 1.5, 0.0),
        ("bob", "tea", 29, 1, 3.0, 0.0),
    ]
    table = features.user_features(make_events(rows), ITEMS, USERS, CUTOFF, "UTC")
    ann = table.loc["ann"]
    assert ann[["recency_days", "tenure_days", "frequency", "monetary", "kinds"]].tolist() == [2, 20, 2, 12, 2]
    assert ann["promotion_affinity"] == pytest.approx(4 / 12)
    assert ann["basket_size"] == 1.5
    # drinks: median 3, paid 3; food: median 3, paid 4 and 2
    assert ann["price_level"] == pytest.approx((3 / 3 * 4 / 3 * 2 / 3) ** (1 / 3))
    assert table["age"].tolist() == ["30s", "unknown", "50s", "unknown"]
    assert table["attributes_known"].tolist() == [1, 0, 1, 0.5]
    assert table.loc["dee", "frequency"] == 0 and np.isnan(table.loc["dee", "recency_days"])  # no history: a blank


def test_item_features_match_an_item_worked_by_hand():
    rows = [("ann", "tea", 0, 1, 3.0, 1.0), ("ann", "tea", 1, 1, 4.0, 0.0), ("bob", "tea", 2, 2, 4.0, 0.0)]
    table = features.item_features(make_events(rows), ITEMS, CUTOFF)
    tea = table.loc["tea"]
    assert tea[["price", "units", "buyers", "age_days"]].tolist() == [4, 4, 2, 30]
    assert tea["discount_depth"] == pytest.approx(1 / 16)
    assert tea["promoted_share"] == pytest.approx(1 / 3)
    assert tea["repeat_rate"] == pytest.approx((1 + 10 * 0.5) / (2 + 10))  # 1 of 2 buyers came back, mean 0.5
    assert table.loc["jam", "units"] == 0 and np.isnan(table.loc["jam", "price"])


def test_a_shop_with_three_columns_gets_the_same_tables_with_blanks():
    events = make_events([("ann", "tea", 1), ("ann", "jam", 2), ("bob", "tea", 3), ("bob", "tea", 33)])
    events = events.assign(price=np.nan, discount=np.nan)
    items = ITEMS[["item_id"]].assign(title=ITEMS["item_id"], category="unknown", department="unknown")
    users = features.user_features(events, items, USERS[["user_id"]], CUTOFF, "UTC")
    item = features.item_features(events, items, CUTOFF)
    assert users[["monetary", "price_level", "promotion_affinity", "attributes_known"]].isna().all().all()
    assert item[["price", "discount_depth", "promoted_share"]].isna().all().all()
    assert users["frequency"].tolist() == [2, 1, 0, 0]
    assert features.category_profile(events, items, CUTOFF)["unknown"].tolist() == [1, 1]
    split = preprocessing.split_by_time(events, CUTOFF, min_users=1, min_items=1)
    assert len(features.ranking_features(split, "UTC")) == 1


def test_an_attribute_named_like_a_feature_replaces_nothing():
    users = USERS.assign(frequency="often")
    table = features.user_features(make_events([("ann", "tea", 1)]), ITEMS, users, CUTOFF, "UTC")
    assert table.loc["ann", "frequency"] == 1 and table.loc["ann", "frequency_attribute"] == "often"


@FAST
@given(ROWS)
def test_category_profiles_sum_to_one(rows):
    profile = features.category_profile(make_events(rows), ITEMS, CUTOFF)
    np.testing.assert_allclose(profile.sum(axis=1), 1)


def test_each_distinct_title_is_encoded_once():
    asked = []

    def encode(texts: list[str]) -> np.ndarray:
        asked.extend(texts)
        return np.array([[len(text), 1.0] for text in texts])

    vectors = features.text_embeddings(["tea", "milk", "tea", None], encode, block=2)
    assert asked == ["tea", "milk", ""]
    assert vectors[:, 0].tolist() == [3, 4, 3, 0]


def test_the_pretrained_encoder_puts_like_with_like_in_two_languages():
    vectors = features.text_embeddings(["toothpaste", "牙膏", "frozen pizza"])
    assert vectors.shape == (3, 512)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-3)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2]


def test_a_table_scorer_ranks_the_history_by_value_and_the_rest_by_popularity():
    rows = [("ann", "tea", 1), ("ann", "milk", 2), ("bob", "jam", 3), ("cy", "jam", 4), ("cy", "bread", 5)]
    split = preprocessing.split_by_time(
        make_events([*rows, ("ann", "tea", 40), ("bob", "jam", 41)]), CUTOFF, min_users=1, min_items=1
    )
    table = features.interaction_features(split, split.answer_times)  # bread, jam, milk, tea
    value = np.where(table["item"] == 2, 5.0, np.nan)
    ann = features.table_scorer(split, table, value)(np.array([0]))[0]
    assert split.items[np.argsort(-ann)].tolist() == ["milk", "tea", "jam", "bread"]


@pytest.mark.slow
def test_a_million_rows_take_seconds():
    rng = np.random.default_rng(0)
    size = 1_000_000
    history = pd.DataFrame({"user": rng.integers(0, 2000, size), "item": rng.integers(0, 10_000, size)})
    history["timestamp"] = START + pd.to_timedelta(np.sort(rng.integers(0, 30 * 86400, size)), unit="s")
    history["basket_id"] = history["timestamp"].dt.day_of_year.astype("str")
    split = preprocessing.split_by_time(make_events([("ann", "tea", 1)]), CUTOFF, min_users=1)
    split = replace(split, history=history, users=pd.RangeIndex(2000), items=pd.RangeIndex(10_000))
    start = time.perf_counter()
    table = features.interaction_features(split)
    assert len(table) > 900_000
    assert time.perf_counter() - start < 15


def test_a_column_that_is_the_same_everywhere_is_left_out_and_so_is_one_that_is_nowhere_known():
    table = pd.DataFrame(
        {"count": [1, 2, 2], "hour": [0.5, 0.5 + 1e-9, np.nan], "gap": [np.nan] * 3, "new": [True, False, True]}
    )
    assert features.varying(table, ["new", "hour", "gap", "count"]) == ["new", "count"]


@FAST
@given(ROWS, st.integers(1, 4))
def test_baskets_are_counted_as_by_hand_whoever_shares_an_id_or_a_moment(rows, ids):
    events = make_events(rows)
    events["basket_id"] = [str(number % ids) for number in range(len(events))]  # shared by users and by moments
    history = events.assign(
        user=pd.factorize(events["user_id"], sort=True)[0], item=pd.factorize(events["item_id"], sort=True)[0]
    )
    users, items = pd.Index(sorted(set(events["user_id"]))), pd.Index(sorted(set(events["item_id"])))
    answers, times = sp.csr_matrix((0, len(items)), dtype=bool), pd.DatetimeIndex([], tz="UTC")
    split = preprocessing.Split(LATE, LATE, items, users, history, np.array([], int), answers, times)
    found, counts = features.interaction_features(split), features.user_baskets(split)
    for user, own in history.groupby("user"):
        starts = own.drop_duplicates("basket_id").sort_values("timestamp", kind="stable")["basket_id"].tolist()
        lines = own.drop_duplicates(["basket_id", "item"])
        assert counts.loc[user].tolist() == [len(starts), len(lines)]
        for row in found[found["user"] == user].itertuples():
            mine = lines.loc[lines["item"] == row.item, "basket_id"]
            latest = max(starts.index(basket) for basket in mine)
            assert (row.count, row.visits_since) == (len(mine), len(starts) - 1 - latest)
            assert row.basket_share == pytest.approx(len(mine) / len(starts))


@FAST
@given(ROWS)
def test_buyers_are_counted_as_by_hand_in_both_tables(rows):
    events = make_events(rows)
    for cutoff in (CUTOFF, LATE):  # at the later one some purchases are older than 60 days
        past = events[events["timestamp"] < cutoff]
        often = past.groupby(["item_id", "user_id"])["basket_id"].nunique() > 1
        late = past[past["timestamp"] >= cutoff - pd.Timedelta(days=60)].groupby("item_id")["user_id"].nunique()
        mean = often.mean() if len(often) else 0.0
        table = features.item_features(events, ITEMS, cutoff)
        for item, row in table.iterrows():
            mine = often[often.index.get_level_values("item_id") == item]
            assert (row["buyers"], row["buyers_60d"]) == (len(mine), late.get(item, 0))
            assert row["repeat_rate"] == pytest.approx((mine.sum() + 10 * mean) / (len(mine) + 10))
    split = preprocessing.split_by_time(events, CUTOFF, min_users=1, min_items=1)
    ranked = features.ranking_features(split, "UTC")
    table = features.item_features(events, ITEMS, CUTOFF)
    same = table.loc[split.items[ranked["item"]], ["buyers_60d", "repeat_rate"]].to_numpy()
    np.testing.assert_array_equal(ranked[["buyers_60d", "repeat_rate"]].to_numpy(), same)
