import datetime

import numpy as np
import pandas as pd
import pytest

from recsys_kit import datasets
from recsys_kit.localization import titles


def test_every_title_and_phrase_is_there_in_every_locale():
    table = titles.titles()
    assert table.index.is_unique and (table[list(titles.LOCALES)] != "").all(axis=None)
    assert set(table["measure"]) == {"weight", "volume", ""}
    shop = datasets.complete_journey.load()
    assert set(table.index) <= set(shop.items["category"])


@pytest.mark.parametrize("locale", titles.LOCALES)
def test_templates_fill_in_for_every_number(locale):
    for count in (0, 1, 2, 5, 11, 1_000_000):
        assert "{" not in titles.phrase("bought", locale, count)
        assert "{" not in titles.phrase("heading", locale, count, name="X")


def test_a_chinese_heading_speaks_to_the_customer():
    assert titles.phrase("heading", "zh-CN", 6, name="1509") == "为您推荐6件商品"


def test_sizes_become_metric_where_people_measure_so():
    assert titles.measure("12 OZ", "volume", "en-US") == "12 fl oz"
    assert titles.measure("12 OZ", "volume", "es-ES").replace("\xa0", " ") == "355 ml"
    assert titles.measure("12 OZ", "weight", "es-ES").replace("\xa0", " ") == "340 g"
    assert titles.measure("1 GA", "volume", "es-ES").replace("\xa0", " ") == "3,79 l"
    assert titles.measure("5 LB", "volume", "zh-CN") == titles.measure("5 LB", "weight", "zh-CN")
    assert titles.measure("12 OZ", "weight", "zh-CN") == "340克"
    assert titles.measure("3 LB", "weight", "zh-CN") == "1.36千克"
    assert titles.measure("12 OZ", "volume", "zh-CN") == "355毫升"
    assert titles.measure("20 CT/13 GAL", "volume", "zh-CN") == ""
    assert titles.measure("12 OZ", "", "zh-CN") == ""


def test_a_list_is_rendered_without_what_is_not_known():
    items = pd.DataFrame(
        {
            "title": ["Own title", "Eggs"],
            "category": ["nobody translated", "EGGS"],
            "size": ["unknown", "1 DOZ"],
            "price": [np.nan, 2.0],
            "discount": [np.nan, 0.5],
            "bought": [0, 3],
        }
    )
    day = datetime.date(2017, 12, 24)
    table = titles.render(items, "es-ES", "Ana", day, "USD")
    assert table["title"].tolist() == ["Own title", "Huevos"]
    assert table["price"].tolist()[0] == "" and "US$" in table["price"].tolist()[1]
    assert "20" in table.loc[2, "saved"] and table.attrs["until"].endswith("24 de diciembre de 2017")
    assert titles.render(items, "en-US", "Ana", day, "")["price"].tolist() == ["", ""]
    with pytest.raises(ValueError, match="`locale` must be one of"):
        titles.render(items, "xx", "Ana", day, "")
