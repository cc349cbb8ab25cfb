import xml.etree.ElementTree as ElementTree

import numpy as np
import pandas as pd
import pytest

from recsys_kit import preprocessing, showcase
from recsys_kit.datasets.shops import Shop


@pytest.fixture(scope="module")
def shop_and_split():
    rows = [
        # user, item, time: a bought milk three times and bread once, b bought tea; then both come back
        ("a", "milk", "2020-01-01"),
        ("a", "milk", "2020-01-03"),
        ("a", "milk", "2020-01-05"),
        ("a", "bread", "2020-01-05"),
        ("b", "tea", "2020-01-02"),
        ("a", "bread", "2020-02-01"),
        ("b", "milk", "2020-02-01"),
    ]
    events = pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp"])
    events["timestamp"] = pd.to_datetime(events["timestamp"]).dt.tz_localize("UTC")
    events["basket_id"] = events["user_id"] + events["timestamp"].dt.strftime("%m%d")
    items = pd.DataFrame({"item_id": ["milk", "bread"], "title": ["Milk & <cream>", "面包"]})  # tea has no row
    shop = Shop("tiny", events, items, pd.DataFrame({"user_id": ["a", "b"]}), "America/New_York", "x")
    cutoff = pd.Timestamp("2020-01-20", tz="UTC")
    return shop, preprocessing.split_by_time(events, cutoff, min_users=1, min_items=1)


def test_the_history_counts_baskets_and_shows_local_days(shop_and_split):
    shop, split = shop_and_split
    table = showcase.history_table(split, shop, case=0)
    assert table["bought"].tolist() == [3, 1]
    assert table["title"].tolist() == ["Milk & <cream>", "面包"]
    assert table["last_bought"].tolist() == ["2020-01-04", "2020-01-04"]  # midnight UTC is the evening before


def test_a_list_is_in_order_of_scores_ticks_the_next_basket_and_leaves_out_what_may_not_be_recommended(shop_and_split):
    shop, split = shop_and_split
    scores = np.array([{"milk": 0.9, "bread": 0.5, "tea": -np.inf}[item] for item in split.items])
    table = showcase.recommendation_table(split, shop, scores, case=0)
    assert table["item_id"].tolist() == ["milk", "bread"]
    assert table["next_basket"].tolist() == ["", "✓"]
    assert table["bought_before"].tolist() == [3, 1]
    assert table.index.tolist() == [1, 2]


def test_an_item_without_a_row_in_items_is_called_by_its_id(shop_and_split):
    shop, split = shop_and_split
    assert "tea" in showcase.recommendation_table(split, shop, np.ones(3), case=1)["title"].tolist()


def test_the_typical_case_is_the_one_nearest_to_the_mean():
    result = pd.DataFrame({"ndcg": [0.0, 0.4, 1.0]}, index=[3, 5, 8])
    assert showcase.typical_case(result) == 5


def test_the_card_is_well_formed_svg_whatever_the_titles_are(shop_and_split):
    shop, split = shop_and_split
    table = showcase.recommendation_table(split, shop, np.ones(3), case=0)
    svg = showcase.recommendation_card({"a < b": table, "c": table}, {"a < b": 0.0, "c": 0.5}, cases=2)
    root = ElementTree.fromstring(svg)
    texts = [element.text for element in root.iter() if element.tag.endswith("text")]
    assert "Milk & <cream>" in texts and "面包" in texts and "0.500" in texts
    assert texts.count("✓") == 2


def test_the_card_of_a_method_that_never_hits_is_drawn_too(shop_and_split):
    shop, split = shop_and_split
    table = showcase.recommendation_table(split, shop, np.ones(3), case=0)
    ElementTree.fromstring(showcase.recommendation_card({"a": table}, {"a": 0.0}, cases=1))


def test_a_readable_table_is_the_same_html_each_time_and_escapes_markup():
    table = pd.DataFrame({"title": ["<b>bold</b>"], "score": [0.12345]})
    html = showcase.readable(table).data
    assert html == showcase.readable(table).data
    assert "<b>" not in html and "0.12" in html and "0.123" not in html
