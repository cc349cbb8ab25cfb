"""The promotion plan: what is promoted when, whoever's shop it is, and that a model sees the week it asks for."""

import numpy as np
import pandas as pd
import pytest
from unseen_shop import write_unseen_shop

from recsys_kit import datasets, preprocessing, training, workspace
from recsys_kit.datasets import promotions
from recsys_kit.training import baskets


@pytest.fixture(scope="module")
def table():
    days = pd.to_datetime(["2024-01-01", "2024-01-01", "2024-01-08"], utc=True)
    shares = {way: [0.5, 0.0, 1.0] for way in promotions.PROMOTIONS}
    return pd.DataFrame({"item_id": ["a", "b", "c"], "start": days} | shares)


def test_a_plan_has_a_row_a_week_and_a_column_an_item(table):
    plan = promotions.plan(table, pd.Index(["c", "a"]))  # b is not in the catalogue
    assert list(plan.starts.day) == [1, 8]
    assert plan.share.shape == (3, 3, 3)
    assert plan.share[:, :, 0].tolist() == [[0, 0, 0], [0, 0, 0.5], [0, 1, 0]]  # before; first week; second week


def test_a_moment_has_a_week_and_a_week_has_what_was_usual_before_it(table):
    plan = promotions.plan(table, pd.Index(["c", "a"]))
    times = pd.to_datetime(["2023-12-31", "2024-01-01", "2024-01-07", "2024-02-01"], utc=True)
    assert plan.week(times).tolist() == [0, 1, 1, 2]
    assert plan.usual()[:, :, 0].tolist() == [[0, 0, 0], [0, 0, 0], [0, 0, 0.25]]
    assert plan.usual(weeks=1)[:, :, 0].tolist() == [[0, 0, 0], [0, 0, 0], [0, 0, 0.5]]


@pytest.fixture(scope="module")
def shop_with_plan(tmp_path_factory):
    folder = write_unseen_shop(tmp_path_factory.mktemp("shop"))
    shop = datasets.load(str(folder))
    weeks = pd.date_range(shop.events["timestamp"].min(), shop.events["timestamp"].max(), freq="7D").normalize()
    rows = [(item, week) for place, item in enumerate(shop.items["item_id"]) for week in weeks[place % 3 :: 3]]
    pd.DataFrame(rows, columns=["item_id", "start"]).to_csv(folder / "promotions.csv", index=False)
    return shop, promotions.load(folder)


def test_your_own_plan_may_hold_items_and_dates_only(shop_with_plan):
    shop, table = shop_with_plan
    assert set(table["item_id"]) <= set(shop.items["item_id"])
    assert (table["display"] == 1).all() and (table["mailer_inside"] == 0).all()


def test_a_folder_without_a_plan_has_none(tmp_path):
    assert promotions.load(tmp_path) is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("item_id\na\n", "`start` is missing"),
        ("item_id,start\na,someday\n", "`start` must be a date"),
        ("item_id,start,display\na,2024-01-01,7\n", "`display` must be a part of the stores, 0 to 1"),
        ("item_id,start,display\na,2024-01-01,much\n", "`display` must be a number"),
    ],
)
def test_a_bad_plan_says_what_is_wrong(tmp_path, content, message):
    (tmp_path / "promotions.csv").write_text(content)
    with pytest.raises(datasets.DataError, match=message):
        promotions.load(tmp_path)


def test_a_model_sees_the_promotions_of_the_week_that_it_is_asked_about(shop_with_plan):
    shop, table = shop_with_plan
    task = preprocessing.task(shop, promotions=table)
    split, ways = task.validation, len(promotions.PROMOTIONS)
    seq = baskets.sequences(split)
    x, _ = training.BasketBatches(seq, training.Settings(batch_size=24, positions=2, candidates=20), task.min_items)[0]
    assert x["market"].shape[-1] == x["candidate_market"].shape[-1] == 2 + 2 * ways
    promoted = {(item, start): row for item, start, *row in table.itertuples(index=False)}
    starts = pd.DatetimeIndex(table["start"].drop_duplicates().sort_values())
    for user, at, item in np.ndindex(*x["market"].shape[:2], 3):
        when = (seq.origin + pd.Timedelta(days=float(x["target_day"][user, at]))).round("s")
        week = starts[starts.searchsorted(when, side="right") - 1]
        expected = promoted.get((split.items[x["items"][user, item] - 1], week), [0.0] * ways)
        if x["items"][user, item]:
            np.testing.assert_allclose(x["market"][user, at, item, 2 : 2 + ways], 3 * np.array(expected))


def test_a_model_trained_with_another_plan_is_another_model(shop_with_plan, tmp_path):
    shop, table = shop_with_plan
    less = table.assign(display=table["display"] / 2)
    tasks = [preprocessing.task(shop, promotions=plan) for plan in (None, table, less, table)]
    places = [training.run_folder(workspace.Workspace(tmp_path), shop, t, training.Settings()) for t in tasks]
    assert len(set(places[:3])) == 3 and places[3] == places[1]


def test_two_plans_in_one_folder_are_refused(tmp_path):
    for end in (".csv", ".parquet"):
        (tmp_path / f"promotions{end}").touch()
    with pytest.raises(datasets.DataError, match="keep one"):
        promotions.load(tmp_path)


def test_a_model_without_a_plan_has_no_inputs_for_it(shop_with_plan):
    task = preprocessing.task(shop_with_plan[0])
    x, _ = training.BasketBatches(baskets.sequences(task.validation), training.Settings(candidates=20))[0]
    assert x["market"].shape[-1] == 2
    assert training.build(shop_with_plan[0], task.test, training.Settings(width=8)).input["market"].shape[-1] == 2
