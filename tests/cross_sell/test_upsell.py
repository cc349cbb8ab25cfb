import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_kit import preprocessing
from recsys_kit.cross_sell import upsell

OZ, LB, GAL = 28.349523, 453.59237, 3785.41178


@pytest.mark.parametrize(
    ("text", "content", "measure"),
    [
        ("16 OZ", 16 * OZ, "weight"),
        ("16  oz", 16 * OZ, "weight"),
        (".5 OZ", 0.5 * OZ, "weight"),
        ("1 LB", LB, "weight"),
        ("10 3/4 OZ", 10.75 * OZ, "weight"),
        ("1 1/8 OZ", 1.125 * OZ, "weight"),
        ("3/4 OZ", 0.75 * OZ, "weight"),
        ("1/2 GAL", GAL / 2, "volume"),
        ("GAL", GAL, "volume"),
        ("PT", GAL / 8, "volume"),
        ("QT", GAL / 4, "volume"),
        ("8 FL OZ", 8 * 29.57353, "volume"),
        ("750 ML", 750, "volume"),
        ("1.5 L", 1500, "volume"),
        ("7,5 dl", 750, "volume"),
        ("500 g", 500, "weight"),
        ("1 kg", 1000, "weight"),
        ("12 CT", 12, "count"),
        ("4 Stück", 4, "count"),
        ("1 DZ", 12, "count"),
        ("64 LOADS", 64, "loads"),
        ("12 PK/12 OZ", 144 * OZ, "weight"),
        ("12 OZ/12 PK", 144 * OZ, "weight"),
        ("6/3.5 OZ", 21 * OZ, "weight"),
        ("2/3 OZ", 6 * OZ, "weight"),
        ("4/187 ML", 748, "volume"),
        ("6 CT/15 OZ", 15 * OZ, "weight"),
        ("20 OZ PET", 20 * OZ, "weight"),
        ("P   16 OZ", 16 * OZ, "weight"),
    ],
)
def test_a_size_is_read(text, content, measure):
    value, kind = upsell.parse_size(text)
    assert kind == measure
    assert value == pytest.approx(content)


@pytest.mark.parametrize(
    "text", ["LARGE", "", "unknown", "6-4 OZ", "9X13 IN", "150 SQ FT", "1 KIT", "0 OZ", "12/CT", "1/0 OZ"]
)
def test_a_size_that_is_not_sure_is_unknown(text):
    value, kind = upsell.parse_size(text)
    assert np.isnan(value)
    assert kind == ""


@given(st.text(max_size=12))
def test_no_text_breaks_the_reader(text):
    value, kind = upsell.parse_size(text)
    assert (kind == "") == np.isnan(value)
    assert not value <= 0


@given(st.integers(1, 999), st.sampled_from(sorted(upsell.UNITS)))
def test_twice_the_number_is_twice_the_content(number, unit):
    once, kind = upsell.parse_size(f"{number} {unit}")
    assert kind == upsell.UNITS[unit][0]
    assert upsell.parse_size(f"{2 * number} {unit}")[0] == pytest.approx(2 * once)


ITEMS = pd.DataFrame(
    {
        "item_id": ["rice-s", "rice-l", "rice-fine", "juice-oz", "juice-l", "juice-gal", "steak"],
        "title": ["Rice, small", "Rice, large", "Fine rice", "Juice oz", "Juice l", "Juice gal", "Steak"],
        "category": ["Rice"] * 3 + ["Juice"] * 3 + ["Meat"],
        "product_type": ["Rice"] * 3 + ["Juice"] * 3 + ["Beef"],
        "brand": ["Private", "Private", "National", "National", "National", "National", "National"],
        "size": ["1 LB", "3 LB", "1 LB", "64 OZ", "2 L", "1 GAL", "1 LB"],
    }
)


def shop_events():
    """Households buy small rice week after week; some step up to the large pack, some try the fine brand."""
    rows = []
    start = pd.Timestamp("2025-01-01", tz="UTC")
    for user in range(12):
        for week in range(8):
            item = "rice-s"
            if user < 3 and week >= 4:
                item = "rice-l"
            elif user in (3, 4, 5) and week == 5:
                item = "rice-fine"
            price = {"rice-s": 2.0, "rice-l": 4.5, "rice-fine": 3.0}[item]
            rows.append(
                (f"u{user:02d}", f"b{user}-{week}", item, start + pd.Timedelta(days=7 * week, hours=user), price)
            )
        for item, price in (("juice-oz", 3.0), ("juice-l", 3.0), ("juice-gal", 5.0)):
            rows.append((f"u{user:02d}", f"j{user}-{item}", item, start + pd.Timedelta(days=1, hours=user), price))
        rows.append((f"u{user:02d}", f"s{user}", "steak", start + pd.Timedelta(days=2), 5 + user / 7))
    events = pd.DataFrame(rows, columns=["user_id", "basket_id", "item_id", "timestamp", "price"])
    events["discount"] = np.nan
    return events.sort_values("timestamp", kind="stable", ignore_index=True)


@pytest.fixture
def split():
    events = shop_events()
    return preprocessing.split_by_time(events, pd.Timestamp("2025-02-17", tz="UTC"), min_users=1, min_items=1)


@pytest.fixture
def prices(split):
    return upsell.price_table(shop_events(), ITEMS, split.items, min_rows=3).set_index("item_id", drop=False)


def test_unit_prices_and_what_is_sold_by_weight(prices):
    assert prices.loc["rice-s", "unit_price"] == pytest.approx(200 / LB)
    assert prices.loc["rice-l", "unit_price"] == pytest.approx(150 / LB)
    assert prices.loc["steak", "by_weight"]
    assert np.isnan(prices.loc["steak", "unit_price"])


def test_an_ounce_is_fluid_where_bottles_are_sold(prices):
    assert prices.loc["juice-oz", "measure"] == "volume"
    assert prices.loc["juice-oz", "content"] == pytest.approx(64 * 29.57353)
    assert prices.loc["rice-s", "measure"] == "weight"


def test_a_shop_without_prices_or_sizes_has_no_unit_price(split):
    events = shop_events().assign(price=np.nan)
    prices = upsell.price_table(events, ITEMS.assign(size="unknown"), split.items)
    assert prices["unit_price"].isna().all()
    steps = upsell.switches(split, prices)
    assert steps.empty
    pairs = upsell.upgrades(steps, prices)
    assert upsell.suggestions(split, pairs, prices).empty


def test_steps_are_named_and_followed(split, prices):
    steps = upsell.switches(split, prices.reset_index(drop=True))
    rice = steps[steps["item_type"] == "Rice | Rice"]
    assert (rice["step"] == "larger pack").sum() == 3
    assert (rice["step"] == "dearer brand").sum() == 3
    assert (rice["step"] == "cheaper brand").sum() == 3  # back from the fine rice
    assert upsell.next_steps(rice, "larger pack")["stays"] == 1
    assert upsell.next_steps(rice, "dearer brand")["goes back"] == 1


def test_a_suggestion_costs_more_and_was_never_bought(split, prices):
    prices = prices.reset_index(drop=True)
    pairs = upsell.upgrades(upsell.switches(split, prices), prices, min_from=5)
    assert (pairs["extra"] > 0).all()
    assert pairs.loc[pairs["step"] == "larger pack", "unit_saving"].min() > 0
    offers = upsell.suggestions(split, pairs, prices)
    assert len(offers)
    bought = split.counts()[offers["user"].to_numpy(), offers["b"].to_numpy()]
    assert not np.asarray(bought).any()
    assert "3.0 times the content, 25% less per unit" in offers["reason"].tolist()
    assert offers["user"].is_unique


def test_steps_up_and_down_are_counted_for_each_household():
    steps = pd.DataFrame(
        {"user": [3, 3, 3, 5, 5], "step": ["larger pack", "dearer brand", "cheaper brand"] + ["same item"] * 2}
    )
    found = upsell.balance(steps)
    assert found.index.tolist() == [3]
    assert found.loc[3, ["up", "down"]].tolist() == [2, 1]
    assert found.loc[3, "z"] == pytest.approx(0.5 / np.sqrt(0.75))


def test_the_rival_of_a_suggestion_is_dearer_of_the_same_kind_and_new_to_the_household(split, prices):
    prices = prices.reset_index(drop=True)
    pairs = upsell.upgrades(upsell.switches(split, prices), prices, min_from=5)
    offers = upsell.suggestions(split, pairs, prices)
    rival = upsell.dearer_rival(offers, prices, split)
    assert len(rival) == len(offers)
    for (_, offer), other in zip(offers.iterrows(), rival, strict=True):
        if other >= 0:
            assert prices["price"][other] > prices["price"][offer["a"]]
            assert prices["item_type"][other] == prices["item_type"][offer["a"]]
            assert other != offer["b"] and not split.counts()[offer["user"], other]


def test_the_harder_rival_is_the_best_seller_of_all_that_could_have_been_suggested(split, prices):
    prices = prices.reset_index(drop=True)
    pairs = upsell.upgrades(upsell.switches(split, prices), prices, min_from=5)
    offers = upsell.suggestions(split, pairs, prices)
    drawn = upsell.dearer_rival(offers, prices, split)
    suggested, differs = offers["b"].to_numpy(), []
    draws = np.random.default_rng(0).random(len(prices))
    for sold in (draws, 1 - draws):
        best = upsell.dearer_rival(offers, prices, split, sold=sold)
        assert np.array_equal(best >= 0, drawn >= 0) and (best >= 0).any()
        there = best >= 0
        assert (sold[best[there]] >= np.maximum(sold[drawn[there]], sold[suggested[there]])).all()
        differs.append((best[there] != suggested[there]).any())
    assert any(differs)  # the best seller need not be what was suggested
