import dataclasses
from pathlib import Path

import pandas as pd
import pytest
from unseen_shop import write_unseen_shop

from recsys_kit import datasets, results_file, your_data

FILE = Path(__file__).parents[2] / "benchmarks" / "results" / "foreign_shops.json"


def changed(shop, **tables):
    return dataclasses.replace(shop, **tables)


def here(shop, folder=""):
    return your_data.pages(shop, folder).set_index("notebooks")


def test_the_kits_own_shop_can_do_everything(shop):
    assert set(your_data.pages(shop)["here"]) == {"whole"}
    assert set(your_data.columns(shop)["there"][:5]) == {"no", "yes"}  # it has no views


def test_a_column_that_is_missing_says_what_stands_in_its_place(tmp_path):
    folder = write_unseen_shop(tmp_path / "shop")
    table = your_data.columns(datasets.read_shop(folder), folder).set_index("column")
    assert set(table["there"]) == {"no"}
    assert table.loc["basket_id", "without it"] == "a customer's purchases of a day are a basket"
    assert table.loc["title", "without it"] == "an item is called by its id"


def test_a_shop_of_discoveries_is_told_that_nobody_comes_back(shop):
    table = here(changed(shop, events=shop.events.assign(user_id=shop.events["basket_id"])))
    assert table.loc["01-09", "here"] == table.loc["20-22", "here"] == "skipped"
    assert "only 0 had bought before" in table.loc["01-09", "why"]
    assert table.loc["11", "here"] == "whole"  # baskets need nobody who comes back


def test_a_shop_without_titles_is_told_what_search_will_show_instead(shop):
    table = here(changed(shop, items=shop.items.assign(title=shop.items["item_id"])))
    assert table.loc[["00", "10", "15", "16"], "here"].tolist() == ["in part"] * 4
    assert table.loc["10", "why"] == "items have no titles: it is shown on the kit's own catalogue"
    assert table.loc["01-09", "here"] == "whole"


def test_a_shop_with_a_month_of_data_is_told_how_many_weeks_are_missing(shop):
    last = shop.events["timestamp"].max() - pd.Timedelta(days=30)
    table = here(changed(shop, events=shop.events[shop.events["timestamp"] > last]))
    assert table.loc["13", "why"] == "it needs 36 whole weeks, and there are 4"
    assert table.loc["14", "why"] == "elasticities need 12 whole weeks, and there are 4"


def test_a_shop_without_prices_pictures_or_campaigns_is_told_so(tmp_path):
    folder = write_unseen_shop(tmp_path / "shop")
    table = here(datasets.read_shop(folder), folder)
    assert table.loc["14", "why"] == "prices are not known"
    assert table.loc["23", "why"] == "no item has a picture"
    assert table.loc["12", "why"] == "the folder has no campaigns, campaign_targets, redemptions"


def test_numbers_say_who_comes_back_and_what_is_bought_again():
    times = pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-10"], utc=True).as_unit("us")
    events = pd.DataFrame({"user_id": list("aaab"), "item_id": list("xxyx"), "timestamp": times})
    events = events.assign(event_type="purchase", basket_id=list("1234"), quantity=1.0, price=2.0)
    items = pd.DataFrame({"item_id": ["x", "y"], "is_merchandise": True})
    users = pd.DataFrame({"user_id": ["a", "b"]})
    found = your_data.numbers(datasets.Shop("two", events, items, users, "UTC", ""))
    assert found["days from the first event to the last"] == 10
    assert found["customers who bought"] == 2 and found["customers with three baskets or more"] == 0.5
    assert found["purchases of an item that its customer had bought"] == 0.25


@pytest.mark.skipif(not FILE.exists(), reason="no figures of benchmarks/foreign_shops.py here")
def test_what_the_report_says_is_what_the_notebooks_did_on_twelve_exports(tmp_path):
    import foreign_shops

    table = results_file.read(FILE).table
    pages = table[table["step"].isin(foreign_shops.PAGES) & (table["step"] != "25")]  # which tells, and skips nothing
    for shape, rows in pages.groupby("shape"):
        folder = foreign_shops.converted(shape)
        report = here(datasets.read_shop(folder), folder)
        said = report["here"]
        for page, status in zip(rows["step"], rows["status"], strict=True):
            expected = said[page] if page in said.index else said["01-09"]
            if f"{page} is skipped" in report.loc["01-09", "why"]:
                expected = "skipped"
            assert (status == "skipped") == (expected == "skipped"), (shape, page, status, expected)
