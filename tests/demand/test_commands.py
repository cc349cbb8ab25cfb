"""The command `recsys-kit forecast`: a file that adds up, and errors that name what is missing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from recsys_kit import cli, datasets
from recsys_kit.datasets.tables import NotForThisShop
from recsys_kit.demand import commands, forecasts

SMALL = forecasts.Settings(trees=10, least_rows=5)


@pytest.fixture(scope="module")
def made(shop, promotions):
    said = []
    table = commands.forecast(shop, promotions, 3, say=said.append, settings=SMALL)
    return table, said


def test_the_forecast_adds_up_and_its_quantiles_do_not_cross(made):
    table, said = made
    assert said == []
    sums = table.groupby(["level", "weeks_ahead"])["units"].sum().unstack("weeks_ahead")
    assert set(sums.index) == {"total", "category", "type", "store"}
    np.testing.assert_allclose(sums, np.tile(sums.loc["total"], (4, 1)), rtol=1e-3)
    quantiles = table[[f"q{q:02d}" for q in (5, 10, 25, 50, 75, 90, 95)]].to_numpy()
    assert (np.diff(quantiles, axis=1) >= 0).all() and (quantiles >= 0).all() and (table["units"] >= 0).all()


def test_the_file_says_which_series_and_which_week(made):
    table, _ = made
    assert table["week_start"].min() == pd.Timestamp("2024-07-29")
    assert set(table.loc[table["level"] == "store", "store_id"]) <= {"A", "B", "the rest"}
    assert set(table.loc[table["level"] == "category", "product_type"]) == {""}
    assert (table["reorder_point"] >= table["safety_stock"] - 1e-9).all()


def test_without_a_plan_types_stores_and_quantities_it_says_so(shop):
    said = []
    poor = replace(
        shop,
        events=shop.events.drop(columns=["store_id", "quantity"]),
        items=shop.items.drop(columns="product_type"),
    )
    table = commands.forecast(poor, None, 2, say=said.append, settings=SMALL)
    assert set(table["level"]) == {"total", "category"}
    for words in ("events.quantity", "items.product_type", "events.store_id", "promotions.csv"):
        assert any(words in line for line in said), words


def test_a_plan_that_ends_too_soon_is_not_used_and_said(shop, promotions):
    said = []
    past = promotions[promotions["start"] < pd.Timestamp("2024-07-29", tz="UTC")]
    commands.forecast(shop, past, 2, say=said.append, settings=SMALL)
    assert any("the promotion plan ends" in line for line in said)


def test_a_missing_category_is_named(shop):
    with pytest.raises(NotForThisShop, match="column `category` is missing"):
        commands.forecast(replace(shop, items=shop.items.drop(columns="category")), None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--weeks", "9"], "--weeks must be 1 to 8"),
        (["--service", "1"], "--service must be"),
        (["--lead", "4"], "--lead must be"),
        (["--out", "x.xlsx"], "must end in .parquet or .csv"),
        (["--data", "nowhere"], "nowhere"),
    ],
)
def test_what_is_wrong_is_said_before_the_work(tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    if "--data" not in options:
        monkeypatch.setattr(datasets, "load", lambda *_: pytest.fail("the work began"))
    done = CliRunner().invoke(cli.app, ["forecast", "--out", "a.csv", *options])
    assert done.exit_code == 2 and message in done.output


@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
def test_the_command_writes_a_file_of_ones_own_shop(shop, promotions, tmp_path, name):
    shop.events.to_csv(tmp_path / "events.csv", index=False)
    shop.items.to_csv(tmp_path / "items.csv", index=False)
    promotions.to_csv(tmp_path / "promotions.csv", index=False)
    out = tmp_path / name
    done = CliRunner().invoke(cli.app, ["forecast", "--weeks", "2", "--data", str(tmp_path), "--out", str(out)])
    assert done.exit_code == 0, done.output
    table = pd.read_csv(out) if name.endswith("csv") else pd.read_parquet(out)
    assert set(table["weeks_ahead"]) == {1, 2} and str(out) in done.output
