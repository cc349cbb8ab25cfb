"""The catalogue: prices that many stand behind, and the product that a question names."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from service_shop import small_shop

from recsys_kit import workspace
from recsys_kit.customer_service import intents
from recsys_kit.customer_service.catalogue import Shelf, product_words

TABLE = intents.utterances()


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return workspace.Workspace(tmp_path_factory.mktemp("ws"))


def test_a_price_needs_a_crowd(store):
    alone = Shelf(small_shop(), store)
    assert alone.price("0") == pytest.approx(4.5)
    assert np.isnan(alone.price("10"))
    assert not alone.sells("10")


@pytest.mark.parametrize("split", ["train", "test"])
def test_the_product_is_found_in_a_question(split):
    rows = TABLE[(TABLE["product"] != "") & (TABLE["split"] == split)]
    plain = rows["product"].str.lower().str.replace(r"\W", "", regex=True)
    found = rows["text"].map(product_words).str.replace(r"\W", "", regex=True)
    assert np.mean([a in b for a, b in zip(plain, found, strict=True)]) > 0.8


@pytest.mark.parametrize(
    ("question", "product"),
    [
        ("比萨多少钱", "比萨"),
        ("拿铁咖啡有吗", "拿铁咖啡"),
        ("能量饮料多少钱", "能量饮料"),
        ("你们有无糖口香糖吗", "无糖口香糖"),
        ("面包含麸质吗", "面包"),
        ("它多少钱", ""),
        ("do you have sugar", "sugar"),
        ("is there gluten in the bread", "bread"),
        ("how much is lactose free milk", "lactose free milk"),
        ("sugar-free gum, please", "sugar-free gum"),
        ("does it contain sugar", ""),
        ("is this vegan", ""),
    ],
)
def test_no_product_is_cut_into_and_a_property_stays_with_it(question, product):
    assert product_words(question) == product


def test_a_kind_of_product_is_in_stock_by_the_buyers_of_all_its_items(store):
    shop = small_shop()
    again = shop.items[shop.items["item_id"] == "0"].assign(item_id="twin")
    events = shop.events.copy()
    rare = events["item_id"].eq("0") & (np.arange(len(events)) == events.index[events["item_id"].eq("0")][-1])
    events.loc[rare, "item_id"] = "twin"
    two = dataclasses.replace(shop, items=pd.concat([shop.items, again], ignore_index=True), events=events)
    two = dataclasses.replace(two, fingerprint="two of one title")
    assert Shelf(two, store).sells("twin")  # one customer bought it, but many its title
