"""Exports of shop systems and of web analytics become shops with the right counts, money, times and reasons."""

import json

import foreign_exports
import pandas as pd
import pytest
import shop_exports
from converted_shop import check, converted

from recsys_kit.conversion.shop_recipes import SHOP_RECIPES

WRITERS = {
    "online_retail_ii": foreign_exports.online_retail_ii,
    "olist": shop_exports.olist,
    "shopify": shop_exports.shopify,
    "woocommerce": shop_exports.woocommerce,
    "ga4": shop_exports.ga4,
}


@pytest.mark.parametrize("name", WRITERS)
def test_an_export_is_recognised_and_converted_as_it_was_made(tmp_path, name):
    check(*converted(tmp_path, WRITERS[name], name))


def test_the_first_online_retail_has_american_dates_and_an_older_encoding(tmp_path):
    def write(folder):
        want = foreign_exports.online_retail_ii(folder)
        path = folder / "online_retail_II.csv"
        frame = pd.read_csv(path, dtype="str")
        frame["InvoiceDate"] = pd.to_datetime(frame["InvoiceDate"]).dt.strftime("%m/%d/%Y %H:%M")
        frame["Description"] = frame["Description"].str.replace("red", "£")
        new = {"Invoice": "InvoiceNo", "Price": "UnitPrice", "Customer ID": "CustomerID"}
        frame.rename(columns=new).to_csv(folder / "data.csv", index=False, encoding="cp1252")
        path.unlink()
        want.title = want.title.replace("red", "£")
        return want

    check(*converted(tmp_path, write, "online_retail"))


def test_days_of_analytics_are_one_table_though_each_leaves_out_what_it_lacks(tmp_path):
    def write(folder):
        want = shop_exports.ga4(folder)
        lines = (folder / "events_20210101.json").read_text().splitlines(keepends=True)
        (folder / "events_20210101.json").write_text("".join(lines[:300]))
        rest = [json.loads(line) for line in lines[300:]]
        foreign_exports.json_lines(folder / "events_20210102.json", [{**row, "geo": {"country": "IT"}} for row in rest])
        return want

    check(*converted(tmp_path, write, "ga4"))


@pytest.mark.parametrize("name", ["shopify", "woocommerce"])
def test_no_address_is_left_in_a_table(tmp_path, name):
    converted(tmp_path, WRITERS[name], name)
    for path in (tmp_path / "shop").glob("*.parquet"):
        text = pd.read_parquet(path).astype("str").to_csv().lower()
        assert "@" not in text and "customer1" not in text


def test_every_recipe_says_what_it_leaves_out():
    for recipe in SHOP_RECIPES.values():
        steps = [step for part in recipe["tables"].values() for step in part.get("steps", ())]
        assert all("why" in step for step in steps if "drop" in step)
