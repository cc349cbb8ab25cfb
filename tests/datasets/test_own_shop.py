"""A folder of files becomes the canonical tables: what is there is kept, what is not is filled in, and said."""

import dataclasses
import importlib.util
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shop_files import EVENTS, GOOD, GOOD_COLUMNS, ITEMS, TABLES, error, folder_with, least, parquet, same, write

from recsys_kit import datasets
from recsys_kit.datasets import tables

EXAMPLE = Path(__file__).parents[2] / "data" / "example_shop"


def test_a_missing_folder_and_a_file_in_its_place_are_named(tmp_path):
    assert error(tmp_path / "nowhere") == f"{tmp_path / 'nowhere'}: the folder does not exist."
    (tmp_path / "events.csv").write_text(GOOD)
    assert "is not a folder" in error(tmp_path / "events.csv")


def test_a_folder_without_events_says_what_it_holds(tmp_path):
    assert "events.csv or events.parquet is missing. The folder holds: nothing." in error(tmp_path)
    assert "The folder holds: orders.csv." in error(folder_with(tmp_path, orders=GOOD))


def test_events_in_both_formats_are_refused(tmp_path):
    folder_with(parquet(tmp_path, "events", **GOOD_COLUMNS), events=GOOD)
    assert "events.csv and events.parquet are both there: keep one." in error(tmp_path)


def test_settings_that_are_not_understood_are_refused(tmp_path):
    folder_with(tmp_path, events=GOOD)
    assert "shop.json: is not valid JSON" in error(folder_with(tmp_path, **{"shop.json": "{"}))
    message = error(folder_with(tmp_path, **{"shop.json": '{"timezon": "UTC"}'}))
    assert (
        "shop.json: `timezon` is no key." in message and 'Did you mean `timezone`, such as "Europe/Paris"?' in message
    )
    for zone in ("Paris", "Mars/Olympus", "../etc"):
        folder_with(tmp_path, **{"shop.json": f'{{"timezone": "{zone}"}}'})
        assert f"`timezone` must be an IANA name such as Europe/Paris. Received: '{zone}'." in error(tmp_path)


def test_several_problems_come_in_one_message(tmp_path):
    events = GOOD.replace("2.50", "-1").replace("2024-01-02", "2999-01-02").replace("item_id", "item")
    message = error(folder_with(tmp_path, events=events, items="item_id\ntea\ntea\n", users=b"\xff"))
    for part in (
        "column `item_id` is missing",
        "column `timestamp` must not lie in the future",
        "column `price` must be 0 or more",
        "items.csv: column `item_id` must be unique",
        "users.csv: is not in the encoding utf-8",
    ):
        assert part in message


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


TEXTS = st.text(
    st.characters(codec="utf-8", exclude_characters="\r\n\0", exclude_categories=["Cs"]), min_size=1, max_size=8
)
IDS = TEXTS.map(str.strip).filter(lambda text: text and not text.endswith(".0"))


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
    kinds = draw(st.lists(st.sampled_from(["purchase", "view"]), **many))
    events["event_type"] = pd.Categorical(["purchase", *kinds[1:]])
    events["basket_id"] = events["user_id"] + draw(st.sampled_from(["-1", " 🧺"]))
    finite = {"allow_nan": False, "allow_infinity": False}
    events["quantity"] = np.array(draw(st.lists(st.floats(-1e6, 1e6, **finite), **many)), np.float64)
    events["price"] = np.array(draw(st.lists(st.none() | st.floats(0, 1e6, **finite), **many)), np.float64)
    events["discount"] = np.array(draw(st.lists(st.floats(0, 1e3, **finite), **many)), np.float64)
    events["store_id"] = draw(st.lists(IDS, **many))
    catalogue = pd.DataFrame({"item_id": items})
    for name in ITEMS[1:-1]:
        catalogue[name] = draw(st.lists(TEXTS, min_size=len(items), max_size=len(items)))
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


def test_an_optional_column_under_another_name_is_hinted_at(tmp_path):
    notes = datasets.read_shop(least(tmp_path, UnitPrice=[1, 2, 3], InvoiceNo=[1, 2, 3])).notes
    assert any("price = unknown (is it `UnitPrice`? Then rename it)" in note for note in notes)
    assert any("(Is `InvoiceNo` the basket? Then call it `basket_id`.)" in note for note in notes)


@pytest.mark.parametrize("name", ["items.csv.zst", "Items.csv", "items.xls", "items.json", "items", "ITEMS.tsv"])
def test_a_table_in_a_form_that_is_not_read_is_not_passed_over(tmp_path, name):
    (tmp_path / name).write_text("item_id\ntea\n")
    message = error(folder_with(tmp_path, events=GOOD))
    assert f"{name}: is not read. Save it as items.csv (CSV in UTF-8) or items.parquet." in message


def test_files_of_other_names_and_forms_beside_a_table_do_no_harm(tmp_path):
    others = {"items_old.csv": "x", "users.md": "x", "events.csv.gz": "x", "items.csv": "item_id\ntea\nsoup\n"}
    assert len(datasets.read_shop(folder_with(tmp_path, events=GOOD, **others)).items) == 2


def test_a_bad_promotions_file_is_found_with_the_others(tmp_path):
    bad = {"items": "item_id\ntea\ntea\n", "promotions": "item_id,start\ntea,someday\n"}
    message = error(folder_with(tmp_path, events=GOOD, **bad))
    assert "items.csv: column `item_id` must be unique" in message
    assert "promotions.csv: column `start` must be a date and time" in message


def test_promotions_of_unknown_items_are_said(tmp_path):
    plan = "item_id,start\ntea,2024-01-01\nbread,2024-01-01\nrice,2024-01-01\n"
    files = {"items": "item_id\ntea\nsoup\n", "promotions": plan}
    notes = datasets.read_shop(folder_with(tmp_path, events=GOOD, **files)).notes
    assert any("promotions.csv: 2 of 3 rows (67%) are of 2 items" in note for note in notes)
    message = error(folder_with(tmp_path, promotions=plan.replace("tea", "TEA")))
    assert "promotions.csv: 3 of 3 rows (100%) are of 3 items" in message


def test_timestamps_of_which_some_carry_a_zone_are_counted(tmp_path):
    times = ["2024-03-10T23:30:00", "2024-03-11 10:00:00 UTC", "2024-03-11T10:00:00+02:00"]
    notes = datasets.read_shop(least(tmp_path, timestamp=times)).notes
    assert "events.csv: 1 of 3 timestamps carry no time zone and are read as UTC." in notes


def test_dates_alone_in_another_zone_are_said(tmp_path):
    least(tmp_path, timestamp=["2024-03-10", "2024-03-11", "2024-03-12"])
    assert any("are dates, read as midnight UTC" in note for note in datasets.read_shop(tmp_path, "Asia/Tokyo").notes)
    assert not any("midnight" in note for note in datasets.read_shop(tmp_path).notes)
    assert not any("midnight" in note for note in datasets.read_shop(least(tmp_path), "Asia/Tokyo").notes)


@pytest.mark.slow
def test_a_shop_of_a_million_rows_is_read_in_reasonable_time(tmp_path, journey):
    write(tmp_path, journey, "parquet")
    start = time.perf_counter()
    back = datasets.read_shop(tmp_path)
    assert time.perf_counter() - start < 30
    assert len(back.events) == len(journey.events)
    assert back.fingerprint == journey.fingerprint
