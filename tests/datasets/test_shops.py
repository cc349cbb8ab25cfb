"""Shops as canonical tables: the kit's own data and a folder of files end up in the same shape, by the same rules."""

import dataclasses
import importlib.util
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recsys_kit import datasets
from recsys_kit.datasets import tables

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "data" / "example_shop"
TABLES = ("events", "items", "users")
EVENTS = "user_id item_id timestamp event_type basket_id quantity price discount store_id".split()
ITEMS = "item_id title category product_type department brand size is_merchandise".split()


@pytest.fixture(scope="module")
def journey():
    return datasets.complete_journey()


@pytest.fixture
def example():
    return datasets.read_shop(EXAMPLE)


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


# The kit's own data


def test_the_complete_journey_keeps_the_rules_that_your_own_data_must_keep(journey):
    for name in TABLES:
        assert tables.problems(getattr(journey, name), name, name) == []
    assert list(journey.events.columns) == EVENTS
    assert set(ITEMS) <= set(journey.items.columns)


def test_the_complete_journey_is_whole_and_its_baskets_belong_to_one_user(journey):
    assert len(journey.events) == 1_469_307
    assert len(journey.users) == 2_469
    assert journey.events["basket_id"].nunique() == len(journey.events.drop_duplicates(["basket_id", "user_id"]))
    assert set(journey.events["user_id"]) == set(journey.users["user_id"])
    assert journey.is_reference
    assert journey.is_kits_own
    assert journey.currency == "USD"


def test_prices_are_per_unit(journey):
    price, quantity = journey.events["price"], journey.events["quantity"]
    assert (price.notna() == (quantity > 0)).all()
    assert 1 < price[quantity == 2].median() < 3


def test_two_loads_have_the_same_fingerprint_and_a_sample_has_another(journey):
    sample = datasets.sample_users(journey, 300, seed=1)
    assert datasets.complete_journey().fingerprint == journey.fingerprint
    assert len({journey.fingerprint, sample.fingerprint, datasets.sample_users(journey, 300, seed=2).fingerprint}) == 3
    assert datasets.sample_users(journey, 300, seed=1).fingerprint == sample.fingerprint


def test_a_sample_keeps_every_event_of_the_users_it_keeps(journey):
    sample = datasets.sample_users(journey, 300)
    assert len(sample.users) == sample.events["user_id"].nunique() == 300
    kept = journey.events["user_id"].isin(sample.users["user_id"])
    assert len(sample.events) == kept.sum()
    assert len(sample.items) == len(journey.items)
    assert not sample.is_reference
    assert sample.is_kits_own
    assert datasets.sample_users(journey, 10_000) is journey


# A folder of files


def test_the_example_shop_is_what_its_script_makes():
    spec = importlib.util.spec_from_file_location("make", EXAMPLE / "make.py")
    make = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make)
    for name, made in zip(("events", "users"), make.simulate(pd.read_csv(EXAMPLE / "items.csv")), strict=True):
        assert made.to_csv(index=False, lineterminator="\n") == (EXAMPLE / f"{name}.csv").read_text(encoding="utf-8")


def test_the_example_shop_loads_with_its_name_zone_and_currency(example):
    assert (example.name, example.timezone, example.currency) == ("Markthalle am See", "Europe/Zurich", "CHF")
    assert len(example.items) == 80
    assert len(example.users) == example.events["user_id"].nunique() == 60
    assert list(example.events.columns) == EVENTS
    assert example.items["title"].str.contains("煎茶").any()
    assert example.users["age_group"].isna().sum() >= 15
    assert example.items["price"].dtype == np.float64  # a column that the kit doesn't know, and all numbers
    hours = example.events["timestamp"].dt.tz_convert(example.timezone).dt.hour
    assert hours.between(9, 19).all()  # both sides of the change to summer time


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_the_example_shop_written_and_read_back_is_equal(tmp_path, example, suffix):
    same(datasets.read_shop(write(tmp_path, example, suffix)), example)


def test_a_sample_of_the_complete_journey_written_and_read_back_is_equal(tmp_path, journey):
    sample = datasets.sample_users(journey, 20)
    back = datasets.read_shop(write(tmp_path, sample, "parquet"))
    same(back, sample)
    csv = datasets.read_shop(write(tmp_path / "csv", sample, "csv"))
    pd.testing.assert_frame_equal(csv.events, sample.events, check_categorical=False)


IDS = st.text(
    st.characters(codec="utf-8", exclude_characters="\r\n\0", exclude_categories=["Cs"]), min_size=1, max_size=8
)


@st.composite
def shops(draw):
    users = draw(st.lists(IDS, min_size=2, max_size=4, unique=True))
    items = draw(st.lists(IDS, min_size=2, max_size=4, unique=True))
    rows = [
        *zip(users, items, strict=False),
        *draw(st.lists(st.tuples(st.sampled_from(users), st.sampled_from(items)))),
    ]
    events = pd.DataFrame(rows, columns=["user_id", "item_id"])
    many = {"min_size": len(rows), "max_size": len(rows)}
    times = st.datetimes(pd.Timestamp("1990-01-01"), pd.Timestamp("2025-12-31"))
    events["timestamp"] = pd.to_datetime(draw(st.lists(times, **many)), utc=True).astype(tables.TIMESTAMP)
    events["event_type"] = pd.Categorical(draw(st.lists(st.sampled_from(["purchase", "view"]), **many)))
    events["basket_id"] = events["user_id"] + draw(st.sampled_from(["-1", " 🧺"]))
    finite = {"allow_nan": False, "allow_infinity": False}
    events["quantity"] = np.array(draw(st.lists(st.floats(-1e6, 1e6, **finite), **many)), np.float64)
    events["price"] = np.array(draw(st.lists(st.none() | st.floats(0, 1e6, **finite), **many)), np.float64)
    events["discount"] = np.array(draw(st.lists(st.floats(0, 1e3, **finite), **many)), np.float64)
    events["store_id"] = draw(st.lists(IDS, **many))
    catalogue = pd.DataFrame({"item_id": items})
    for name in ITEMS[1:-1]:
        catalogue[name] = draw(st.lists(IDS, min_size=len(items), max_size=len(items)))
    catalogue["is_merchandise"] = draw(st.lists(st.booleans(), min_size=len(items), max_size=len(items)))
    people = pd.DataFrame(
        {"user_id": users, "visits": range(len(users)), "club_id": [f"0{n}" for n in range(len(users))]}
    )
    strings = {name: "str" for table in (events, catalogue, people) for name in table if table[name].dtype == object}
    frames = [table.astype({k: v for k, v in strings.items() if k in table}) for table in (events, catalogue, people)]
    shop = datasets.Shop("Shop", *frames, "Asia/Tokyo", "")
    return dataclasses.replace(shop, fingerprint=tables.fingerprint(shop))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(shop=shops(), suffix=st.sampled_from(["csv", "parquet"]))
def test_any_shop_written_and_read_back_is_equal(tmp_path_factory, shop, suffix):
    back = datasets.read_shop(write(tmp_path_factory.mktemp("shop"), shop, suffix))
    same(back, shop)


def least(folder, **columns):
    base = {
        "user_id": ["a", "b", "a"],
        "item_id": ["x", "x", "y"],
        "timestamp": ["2024-03-10T23:30", *["2024-03-11"] * 2],
    }
    pd.DataFrame({**base, **columns}).to_csv(folder / "events.csv", index=False)
    return folder


def test_three_columns_are_enough_and_every_canonical_column_is_filled_in(tmp_path):
    shop = datasets.read_shop(least(tmp_path))
    assert list(shop.events.columns) == EVENTS
    assert list(shop.items.columns) == ["item_id", *[name for name in ITEMS if name != "item_id"]]
    assert shop.items["title"].tolist() == shop.items["item_id"].tolist() == ["x", "y"]
    assert shop.items["category"].eq("unknown").all()
    assert shop.items["is_merchandise"].all()
    assert shop.users["user_id"].tolist() == ["a", "b"]
    assert shop.events["price"].isna().all()
    assert shop.events["quantity"].eq(1).all()
    assert shop.events["event_type"].eq("purchase").all()
    assert (shop.name, shop.timezone, shop.is_reference) == (tmp_path.name, "UTC", False)
    for name in TABLES:
        assert tables.problems(getattr(shop, name), name, name) == []


def test_what_was_assumed_is_said(tmp_path, capsys):
    shop = datasets.load(str(least(tmp_path, quantity=[2, None, None])))
    said = capsys.readouterr().out
    assert said.splitlines() == list(shop.notes)
    for part in (
        "events.csv: 2 empty values of `quantity` are filled with 1.",
        "events.csv: columns that are not there are filled in: event_type = purchase, price = unknown",
        "events.csv: the timestamps carry no time zone and are read as UTC.",
        "events.csv: 3 rows name no basket; what a user buys on one local day is one.",
        "There is no items file",
        "There is no users file",
    ):
        assert part in said


def test_a_basket_is_a_user_and_a_local_day_where_the_file_names_none(tmp_path):
    utc = datasets.read_shop(least(tmp_path)).events["basket_id"].tolist()
    assert utc == ["a 2024-03-10", "b 2024-03-11", "a 2024-03-11"]
    tokyo = datasets.read_shop(least(tmp_path), timezone="Asia/Tokyo").events["basket_id"].tolist()
    assert tokyo == ["a 2024-03-11", "b 2024-03-11", "a 2024-03-11"]
    some = datasets.read_shop(least(tmp_path, basket_id=["7", None, "8"])).events["basket_id"].tolist()
    assert some == ["7", "b 2024-03-11", "8"]


def test_a_basket_id_that_several_users_share_is_told_apart(tmp_path):
    shop = datasets.read_shop(least(tmp_path, basket_id=["1", "1", "2"]))
    assert shop.events["basket_id"].tolist() == ["a 1", "b 1", "a 2"]
    assert any("1 basket ids are used by several users" in note for note in shop.notes)


def test_offsets_become_utc_and_are_not_called_missing(tmp_path):
    times = ["2024-03-10T23:30:00+09:00", "2024-03-10 14:30Z", "2024-03-10T09:30:00.5-05:00"]
    shop = datasets.read_shop(least(tmp_path, timestamp=times))
    assert shop.events["timestamp"].dt.hour.eq(14).all()
    assert not any("no time zone" in note for note in shop.notes)


def test_items_and_users_that_the_files_do_not_know(tmp_path):
    least(tmp_path)
    (tmp_path / "items.csv").write_text("item_id,title\nx,Ex\nz,Zet\n")
    (tmp_path / "users.csv").write_text("user_id,age,zip\nb,31,00123\nc,,10000\n")
    shop = datasets.read_shop(tmp_path)
    assert len(shop.events) == 3  # the item y is not in items.csv: cleaning counts its events, reading keeps them
    assert shop.items["item_id"].tolist() == ["x", "z"]
    assert shop.users["user_id"].tolist() == ["b", "c", "a"]
    assert shop.users["age"].isna().tolist() == [False, True, True]
    assert shop.users["zip"].tolist()[:2] == ["00123", "10000"]


def test_columns_that_the_kit_does_not_know_are_kept(tmp_path):
    shop = datasets.read_shop(
        least(tmp_path, channel=["web", "app", "web"], score=[1.5, 2, None], old_id=["1", "2", "3"])
    )
    assert shop.events["channel"].tolist() == ["web", "app", "web"]
    assert shop.events["score"].tolist()[:2] == [1.5, 2.0]
    assert shop.events["old_id"].tolist() == ["1", "2", "3"]


def test_users_without_events_are_not_sampled(tmp_path):
    least(tmp_path)
    (tmp_path / "users.csv").write_text("user_id\n" + "".join(f"u{n}\n" for n in range(50)) + "a\nb\n")
    assert datasets.load(str(tmp_path), users=1).events["user_id"].nunique() == 1


@pytest.mark.slow
def test_a_shop_of_a_million_rows_is_read_in_reasonable_time(tmp_path, journey):
    import time

    write(tmp_path, journey, "parquet")
    start = time.perf_counter()
    back = datasets.read_shop(tmp_path)
    assert time.perf_counter() - start < 30
    assert len(back.events) == len(journey.events)
    assert back.fingerprint == journey.fingerprint
