"""What no recipe knows is proposed with reasons, and what can't be known is left to decide."""

import pandas as pd
import pytest

from recsys_kit.conversion import proposal, sources
from recsys_kit.datasets.tables import DataError


def proposed(folder, **files):
    for name, text in files.items():
        (folder / f"{name}.csv").write_text(text)
    with sources.opened(str(folder)) as source:
        return proposal.propose(source)


def orders(time="2024-05-{day:02d} 10:00", word="buy", price="2.5"):
    rows = "".join(
        f"u{i % 5},i{i % 7},{time.format(day=1 + i)},{word if i % 2 else 'view'},{price}\n" for i in range(20)
    )
    return "CustomerID,StockCode,OrderDate,event,UnitPrice\n" + rows


def test_columns_are_proposed_with_a_preview_and_known_words_translated(tmp_path):
    found = proposed(tmp_path, orders=orders())
    part = found.plan["tables"]["events"]
    assert part["columns"] == {
        "CustomerID": "user_id",
        "StockCode": "item_id",
        "OrderDate": "timestamp",
        "event": "event_type",
        "UnitPrice": "price",
    }
    assert part["event_types"] == {"view": "view", "buy": "purchase"}
    assert "  CustomerID → user_id: 5 distinct, such as 'u0'" in found.reasons
    assert found.doubts == []


def test_an_unknown_word_stays_open(tmp_path):
    found = proposed(tmp_path, orders=orders(word="zap"))
    assert found.plan["tables"]["events"]["event_types"] == {"view": "view", "zap": "?"}
    assert "what do these words of events mean" in found.doubts[0]


@pytest.mark.parametrize(
    ("time", "setting"),
    [
        ("{day:02d}/06/2024 10:00", {"format": "%d/%m/%Y %H:%M"}),
        ("06/{day:02d}/2024 10:00", {"format": "%m/%d/%Y %H:%M"}),
        ("{day:02d}.06.2024", {"format": "%d.%m.%Y"}),
        ("17170000{day:02d}", {"unit": "s"}),
        ("17170000{day:02d}000", {"unit": "ms"}),
    ],
)
def test_the_form_of_times_is_told_where_only_one_fits(tmp_path, time, setting):
    found = proposed(tmp_path, orders=orders(time))
    assert found.plan["tables"]["events"]["timestamp"] == setting
    assert found.doubts == []


def test_a_form_that_could_be_two_stays_open(tmp_path):
    text = orders("01/02/2024 {day:02d}:00")
    found = proposed(tmp_path, orders=text)
    assert "%d/%m/%Y %H:%M and %m/%d/%Y %H:%M both fit" in found.doubts[0]


def test_a_decimal_comma_is_seen(tmp_path):
    found = proposed(tmp_path, orders=orders(price='"2,50"'))
    assert found.plan["tables"]["events"]["format"] == {"decimal": ","}


def test_items_come_from_their_own_table_or_from_the_events(tmp_path):
    found = proposed(tmp_path, orders=orders(), goods="sku,product_name\ni1,Tea\ni1,Tea\n")
    part = found.plan["tables"]["items"]
    assert part["file"] == "goods.csv" and part["columns"] == {"sku": "item_id", "product_name": "title"}
    assert {"unique": "sku"} in part["steps"]
    (tmp_path / "goods.csv").unlink()
    text = orders().replace("UnitPrice", "UnitPrice,title").replace("2.5\n", "2.5,Tea\n")
    assert proposed(tmp_path, orders=text).plan["tables"]["items"]["file"] == "orders.csv"


def test_without_events_the_columns_are_shown(tmp_path):
    with pytest.raises(DataError, match=r"no table has a customer, an item and a time(.|\n)*x.csv: a, b"):
        proposed(tmp_path, x="a,b\n1,2\n")


def test_several_tables_that_could_be_the_events_are_a_doubt(tmp_path):
    found = proposed(tmp_path, orders=orders(), more=orders()[:200] + "\n")
    assert found.doubts[0].startswith("events are taken from orders.csv (20 rows); or are they ['more.csv")


def test_a_preview_counts_what_is_empty():
    frame = pd.DataFrame({"Customer ID": ["1", "2", None, "1"]})
    assert proposal.preview(frame, {"Customer ID": "user_id"}) == [
        "  Customer ID → user_id: 2 distinct, 25% empty, such as '1'"
    ]
