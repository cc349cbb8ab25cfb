"""`shop.json` is checked before a file is read: each mistake is named by file, key and rule, with an example."""

import json

import pytest
from shop_files import folder_with

from recsys_kit.datasets import shop_json
from recsys_kit.datasets.layout import Layout
from recsys_kit.datasets.tables import DataError
from recsys_kit.datasets.timestamps import Clock


def parsed(**values):
    return shop_json.parse(values)


def test_a_folder_without_the_file_has_the_kit_s_own_settings(tmp_path):
    assert shop_json.read(tmp_path) == shop_json.Settings()


def test_every_key_arrives_where_it_is_used(tmp_path):
    text = {
        "name": "Shop",
        "currency": "EUR",
        "encoding": "cp1252",
        "columns": {"Customer ID": "user_id"},
        "event_types": {"buy": "purchase", "login": "ignore"},
        "timestamp": {"format": "%d/%m/%Y", "timezone": "Europe/London"},
        "format": {"separator": ";", "decimal": ",", "header": ["a", "b"], "compression": "gzip"},
    }
    settings = shop_json.read(folder_with(tmp_path, **{"shop.json": json.dumps(text)}), "Asia/Tokyo")
    assert (settings.name, settings.currency, settings.timezone) == ("Shop", "EUR", "Asia/Tokyo")
    for table in shop_json.TABLES:
        how = settings.readings[table]
        assert how.columns == text["columns"]
        assert how.event_types == text["event_types"]
        assert how.clock == Clock("%d/%m/%Y", timezone="Europe/London")
        assert how.layout == Layout(";", ",", encoding="cp1252", header=("a", "b"), compression="gzip")


def test_each_table_may_have_its_own_settings():
    settings = parsed(columns={"items": {"sku": "item_id"}}, format={"events": {"separator": "|"}}, encoding="cp1252")
    assert settings.readings["items"].columns == {"sku": "item_id"}
    assert settings.readings["events"].columns == {}
    assert settings.readings["events"].layout == Layout("|", encoding="cp1252")
    assert settings.readings["items"].layout == Layout(encoding="cp1252")


@pytest.mark.parametrize("key", shop_json.EXAMPLES)
def test_the_example_of_every_key_is_right(key):
    for text in shop_json.EXAMPLES[key].split(" or "):
        assert shop_json.parse({key: json.loads(text)})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"column": {}}, "`column` is no key"),
        ({"columns": {"sku": "item_id", "ean": "item_id"}}, "'sku', 'ean' all become `item_id`"),
        ({"columns": ["sku"]}, "`columns` must be an object, such as {"),
        ({"columns": {"sku": 1}}, "`columns` must be an object of texts"),
        ({"event_types": {"buy": "bought"}}, "`event_types` must say which word is a `purchase`, such as {"),
        ({"timestamp": {"unit": "m"}}, "`timestamp.unit` must be one of s, ms, us, ns, days"),
        ({"timestamp": {"unit": "s", "format": "%Y"}}, "must have a `format` or a `unit`, not both"),
        ({"timestamp": {"format": "DD.MM.YYYY"}}, 'such as "%d/%m/%Y %H:%M" for 31/05/2024 17:05'),
        ({"timestamp": {"timezone": "Paris"}}, "`timestamp.timezone` must be an IANA name"),
        ({"timestamp": {"zone": "UTC"}}, "`timestamp.zone` is no key. There are: format, unit, timezone"),
        ({"format": {"separator": ";;;"}}, "`format.separator` must be one sign, or two"),
        ({"format": {"decimal": "comma"}}, "`format.decimal` must be a point or a comma"),
        ({"format": {"quote": "<>"}}, "`format.quote` must be one sign, or empty"),
        ({"format": {"header": "a,b"}}, "`format.header` must be a list of names"),
        ({"format": {"header": ["a", "a"]}}, "`format.header` must name each column once"),
        ({"format": {"compression": "rar"}}, "`format.compression` must be one of gzip, zip, bz2, xz"),
        ({"format": {"encoding": "klingon"}}, "`encoding` must be one that Python knows"),
        ({"name": 3}, "`name` must be a text"),
        ({"convert": []}, "`convert` must be an object"),
        ([], "must be an object with the keys"),
    ],
)
def test_a_mistake_is_named_with_its_key_and_an_example(values, message):
    with pytest.raises(DataError) as caught:
        shop_json.parse(values, "there/shop.json")
    assert message in str(caught.value)
    assert "there/shop.json" in str(caught.value) or "IANA" in message
