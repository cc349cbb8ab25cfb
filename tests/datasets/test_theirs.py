"""A foreign file beside a `shop.json` that explains it is read as if it had been the kit's."""

import json

import pytest
from shop_files import GOOD, error, folder_with

from recsys_kit import datasets

SETTINGS = {
    "columns": {"Kunde": "user_id", "Artikel": "item_id", "Zeit": "timestamp", "Preis": "price", "Was": "event_type"},
    "event_types": {"Kauf": "purchase", "Blick": "view", "Anmeldung": "ignore"},
    "timestamp": {"format": "%d.%m.%Y %H:%M", "timezone": "Europe/Zurich"},
    "format": {"separator": ";", "decimal": ",", "encoding": "cp1252"},
}
FOREIGN = """Kunde;Artikel;Zeit;Preis;Was
Änne;Tee;01.07.2024 10:00;1.234,50;Kauf
Änne;Brot;02.07.2024 10:00;2,5;Blick
Bob;;03.07.2024 10:00;;Anmeldung
Bob;Tee;03.12.2024 10:00;3;Kauf
"""


def foreign(folder, text=FOREIGN, **changes):
    settings = json.dumps(SETTINGS | changes)
    return folder_with(folder, events=text.encode("cp1252"), **{"shop.json": settings})


def test_columns_words_times_and_numbers_are_read_as_shop_json_says(tmp_path):
    shop = datasets.read_shop(foreign(tmp_path))
    assert shop.events["user_id"].tolist() == ["Änne", "Änne", "Bob"]
    assert shop.events["event_type"].tolist() == ["purchase", "view", "purchase"]
    assert shop.events["price"].tolist() == [1234.5, 2.5, 3.0]
    hours = shop.events["timestamp"].dt.strftime("%m-%d %H:%M").tolist()
    assert hours == ["07-01 08:00", "07-02 08:00", "12-03 09:00"]  # summer time, and not
    notes = "\n".join(shop.notes)
    assert "columns renamed as shop.json says: Kunde -> user_id" in notes
    assert "1 rows are left out, as shop.json says: 'Anmeldung' (1)" in notes
    assert "read as the clock of Europe/Zurich, as shop.json says" in notes


def test_a_word_that_is_not_named_stops_the_reading_with_its_count(tmp_path):
    message = error(foreign(tmp_path, event_types={"Kauf": "purchase"}))
    assert "must name every word of `event_type`. Not named: " in message
    assert "'Blick' (1)" in message and "'Anmeldung' (1)" in message


def test_a_column_that_the_file_lacks_is_named_with_the_nearest(tmp_path):
    columns = SETTINGS["columns"] | {"Artikl": "item_id"}
    del columns["Artikel"]
    message = error(foreign(tmp_path, columns=columns))
    assert "names `Artikl`, which the file lacks. Did you mean `Artikel`?" in message


def test_two_columns_of_one_name_are_refused(tmp_path):
    message = error(foreign(tmp_path, FOREIGN.replace("Preis;", "item_id;")))
    assert "names `Preis`" in message
    columns = {key: value for key, value in SETTINGS["columns"].items() if key != "Preis"}
    message = error(foreign(tmp_path, FOREIGN.replace("Preis;", "item_id;"), columns=columns))
    assert "calls a column `item_id`, and the file has another of this name" in message


def test_words_without_their_column_are_refused(tmp_path):
    folder_with(tmp_path, events=GOOD, **{"shop.json": '{"event_types": {"buy": "purchase"}}'})
    assert "there is no column `event_type`. Name it in `columns`" in error(tmp_path)


def test_the_names_of_one_table_leave_the_others_alone(tmp_path):
    settings = json.dumps({"columns": {"sku": "item_id", "buyer": "user_id", "when": "timestamp"}})
    events = GOOD.replace("user_id,item_id,timestamp", "buyer,sku,when")
    shop = datasets.read_shop(folder_with(tmp_path, events=events, users="user_id\nann\n", **{"shop.json": settings}))
    assert shop.users["user_id"].tolist() == ["ann", "bob"]


@pytest.mark.parametrize("value", ["1,234.50", "1.23,4", "12.34", "x"])
def test_with_a_decimal_comma_a_number_with_a_point_elsewhere_is_no_number(tmp_path, value):
    assert "column `price` must be a number" in error(foreign(tmp_path, FOREIGN.replace("1.234,50", value)))


def test_promotions_are_read_as_shop_json_says(tmp_path):
    plan = {"promotions": "sku;from;display\ntea;01.02.2024;0,5\n"}
    settings = {
        "columns": {"promotions": {"sku": "item_id", "from": "start"}},
        "timestamp": {"promotions": {"format": "%d.%m.%Y"}},
        "format": {"promotions": {"decimal": ","}},
    }
    folder = folder_with(tmp_path, events=GOOD, **plan, **{"shop.json": json.dumps(settings)})
    read = datasets.promotions.load(str(folder))
    assert (read["item_id"][0], str(read["start"][0].date()), read["display"][0]) == ("tea", "2024-02-01", 0.5)
    assert len(datasets.read_shop(folder).events) == 3
