from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from priced_shop import START, WEEKS, priced_shop

from recsys_kit.datasets.tables import PROMOTIONS, NotForThisShop
from recsys_kit.pricing import panel


@pytest.fixture(scope="module")
def shop():
    return priced_shop()


def test_a_product_sold_by_weight_is_left_out(shop):
    assert set(panel.weekly(shop, None)["item_id"]) == {f"i{item}" for item in range(6)}


def test_units_of_a_week_add_up_and_large_quantities_are_clipped(shop):
    table = panel.weekly(shop, None).set_index(["item_id", "week"])
    of_item = shop.events[shop.events["item_id"] == "i0"]
    first = of_item[of_item["timestamp"] < START + pd.Timedelta(weeks=1)]["quantity"].clip(upper=panel.CLIP)
    assert table.loc[("i0", 0), "units"] == first.sum()
    assert set(table.index.get_level_values("week")) == set(range(WEEKS))


def test_what_comes_later_changes_nothing_before(shop):
    cut = START + pd.Timedelta(weeks=30)
    early = replace(shop, events=shop.events[shop.events["timestamp"] < cut])
    whole = panel.weekly(shop, None, until=30)
    pd.testing.assert_frame_equal(panel.weekly(early, None), whole[whole["week"] < 30].reset_index(drop=True))


def test_weeks_that_are_not_whole_are_left_out(shop):
    events = shop.events[shop.events["timestamp"] >= START + pd.Timedelta(days=3)]
    table = panel.weekly(replace(shop, events=events), None)
    assert table["week"].max() == WEEKS - 2


def test_promotions_land_in_their_week(shop):
    plan = pd.DataFrame({"item_id": ["i1"], "start": [START + pd.Timedelta(weeks=2, hours=3)], "display": [0.5]})
    table = panel.weekly(shop, plan.assign(mailer_inside=0.0, mailer_prominent=0.0))
    shown = table[table["display"] > 0]
    assert shown[["item_id", "week", "display"]].values.tolist() == [["i1", 2, 0.5]]


def test_an_empty_week_has_no_units_and_the_last_seen_price(shop):
    gone = (shop.events["item_id"] == "i2") & shop.events["timestamp"].between(
        START + pd.Timedelta(weeks=5), START + pd.Timedelta(weeks=6)
    )
    less = replace(shop, events=shop.events[~gone])
    table = panel.weekly(less, None)
    full = panel.with_empty_weeks(table, None, less).set_index(["item_id", "week"])
    assert len(full) == len(table) + 1 and full.loc[("i2", 5), "units"] == 0
    assert full.loc[("i2", 5), "price"] == full.loc[("i2", 4), "price"]


def test_a_shop_without_prices_is_told_which_column_is_missing(shop):
    with pytest.raises(NotForThisShop, match=r"events\.price is missing"):
        panel.weekly(replace(shop, events=shop.events.drop(columns="price")), None)


def test_a_short_shop_and_one_whose_prices_never_change_are_told_why(shop):
    short = shop.events[shop.events["timestamp"] < START + pd.Timedelta(weeks=5)]
    with pytest.raises(NotForThisShop, match="12 whole weeks"):
        panel.weekly(replace(shop, events=short), None)
    with pytest.raises(NotForThisShop, match="prices changed"):
        panel.weekly(replace(shop, events=shop.events.assign(price=1.0)), None)


def test_the_later_price_is_the_same_products(shop):
    table = panel.weekly(shop, None)
    later = panel.later_price(table, 3)
    row = table.index[(table["item_id"] == "i3") & (table["week"] == 10)][0]
    then = table.loc[(table["item_id"] == "i3") & (table["week"] == 13), "price"].iloc[0]
    assert later[row] == then and np.isnan(later[table["week"] == WEEKS - 1]).all()


def shelf(prices, display=None, until=3):
    """Returns the shelf of two soups and a tea; `prices` names the weeks of each."""
    rows = [(item, week, price) for item, part in prices.items() for week, price in enumerate(part)]
    table = pd.DataFrame(rows, columns=["item_id", "week", "price"])
    table["item_type"] = np.where(table["item_id"].str.startswith("soup"), "soup", "tea")
    table = table.assign(**dict.fromkeys(PROMOTIONS, 0.0))
    if display:
        table.loc[(table["item_id"] == display[0]) & (table["week"] == display[1]), "display"] = 0.5
    return panel.with_shelf(table, until).set_index(["item_id", "week"])


def test_a_cut_is_told_from_the_weeks_before_and_a_rise_is_none():
    found = shelf({"soup a": [2.0, 2.0, 2.0, 1.0, 3.0, 1.95]})
    assert found["cut"].to_numpy() == pytest.approx([0, 0, 0, np.log(2), 0, np.log(2 / 1.95)])
    assert found["cheap"].tolist() == [0, 0, 0, 1, 0, 0]


def test_later_weeks_tell_nothing_of_what_is_usual():
    one, other = (shelf({"soup a": [2.0, 2.0, 2.0, 1.0, last]}) for last in (1.0, 9.0))
    assert one["cut"].loc[("soup a", 3)] == other["cut"].loc[("soup a", 3)]


def test_the_others_are_those_of_the_type_and_not_the_product_itself():
    found = shelf({"soup a": [2.0] * 4, "soup b": [4.0, 4, 4, 2], "tea": [1.0, 1, 1, 5]}, display=("soup b", 3))
    assert found.loc[("soup a", 3), "others"] == pytest.approx(-np.log(2))
    assert found.loc[("soup a", 3), "others_display"] == 0.5
    assert found.loc[("soup b", 3), ["others", "others_display"]].tolist() == [0, 0]
    assert found.loc[("tea", 3), ["others", "others_display"]].tolist() == [0, 0]  # there is no other tea


def test_of_a_product_that_is_new_no_price_is_a_cut():
    found = shelf({"soup a": [2.0] * 4}, until=0)
    assert (found[list(panel.SHELF)] == 0).all(axis=None)
