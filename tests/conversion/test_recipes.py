"""Exports in the shapes of public data sets become shops with the right counts, money, times and reasons."""

import json

import foreign_exports
import pandas as pd
import pytest
from converted_shop import check, converted

from recsys_kit.conversion.recipes import RECIPES

WRITERS = {
    "instacart": foreign_exports.instacart,
    "hm": foreign_exports.hm,
    "retailrocket": foreign_exports.retailrocket,
    "yoochoose": foreign_exports.yoochoose,
    "diginetica": foreign_exports.diginetica,
    "taobao": foreign_exports.taobao,
    "movielens": foreign_exports.movielens,
}


@pytest.mark.parametrize("name", WRITERS)
def test_an_export_is_recognised_and_converted_as_it_was_made(tmp_path, name):
    check(*converted(tmp_path, WRITERS[name], name))


def test_a_search_log_becomes_the_table_of_queries(tmp_path):
    converted(tmp_path, WRITERS["diginetica"], "diginetica")
    queries = pd.read_parquet(tmp_path / "shop" / "queries.parquet")
    clicks = queries[queries["event_type"] == "click"]
    assert set(queries["event_type"]) == {"query", "click"}
    assert set(clicks["query_id"]) <= set(queries.loc[queries["event_type"] == "query", "query_id"])
    assert clicks["item_id"].eq("7").all() and clicks["query"].str.startswith("16655,").all()


def test_movielens_1m_has_two_colons_and_no_header(tmp_path):
    def write(folder):
        folder.mkdir()
        rows = [f"{1 + i // 30}::{1 + i % 40}::{1 + i % 5}::{978300760 + 5000 * i}" for i in range(2100)]
        (folder / "ratings.dat").write_text("\n".join(rows) + "\n")
        films = [f"{i}::Misérables, Les ({i}::Drama|War" for i in range(1, 41)]
        (folder / "movies.dat").write_text("\n".join(films) + "\n", encoding="latin-1")
        return foreign_exports.Expected(2100, 840, items=40, users=70, title="Misérables, Les (7")

    check(*converted(tmp_path, write, "movielens_1m"))


def test_every_recipe_is_plain_data_and_names_its_source():
    for recipe in RECIPES.values():
        assert json.loads(json.dumps(recipe)) == recipe
        assert recipe["source"].startswith("https://") and recipe["notes"]
