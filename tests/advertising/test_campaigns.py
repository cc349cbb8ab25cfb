"""Campaigns: what a shop must bring, what each problem is called, and a split by time."""

import pandas as pd
import pytest
from coupon_shop import write_coupon_shop

from recsys_kit import datasets
from recsys_kit.advertising import campaigns


@pytest.fixture
def folder(tmp_path):
    return write_coupon_shop(tmp_path / "shop")


def opened(folder):
    return campaigns.load(datasets.read_shop(folder), folder)


def test_a_campaign_starts_at_the_shops_own_midnight(folder):
    (folder / "shop.json").write_text('{"timezone": "America/New_York"}')
    assert opened(folder).plan.loc["may", "start"] == pd.Timestamp("2024-05-01 04:00", tz="UTC")


def test_rows_say_who_redeemed_what(folder):
    rows, redeemed = opened(folder).rows(), pd.read_csv(folder / "redemptions.csv")
    assert rows["redeemed"].sum() == len(redeemed)
    assert not rows.duplicated(["campaign_id", "user_id"]).any()


def test_before_knows_nothing_later(folder):
    found, when = opened(folder), pd.Timestamp("2024-05-05", tz="UTC")
    past = found.before(when)
    assert list(past.plan.index) == ["spring", "may"]
    assert past.redemptions["timestamp"].max() < when
    assert set(past.targets["campaign_id"]) == {"spring", "may"}


def test_what_is_learned_from_ended_before_the_test_begins(folder):
    found = opened(folder)
    train, test = campaigns.split(found, "summer")
    assert (train, test) == (["spring", "may"], ["summer", "autumn"])
    assert found.plan.loc[train, "end"].max() < found.plan.loc[test, "start"].min()


def test_too_few_campaigns_are_not_for_this_page(folder):
    with pytest.raises(datasets.NotForThisShop, match="2 campaigns that ended"):
        campaigns.split(opened(folder), "may")


@pytest.mark.parametrize("name", campaigns.FILES)
def test_a_missing_file_is_named_with_its_columns(folder, name):
    shop = datasets.read_shop(folder)
    (folder / f"{name}.csv").unlink()
    with pytest.raises(datasets.NotForThisShop, match=rf"{name}.csv \({', '.join(campaigns.FILES[name])}\)"):
        campaigns.load(shop, folder)


@pytest.mark.parametrize(("name", "column"), [(name, c) for name, columns in campaigns.FILES.items() for c in columns])
def test_a_missing_column_is_named(folder, name, column):
    path = folder / f"{name}.csv"
    pd.read_csv(path).drop(columns=column).to_csv(path, index=False)
    with pytest.raises(datasets.DataError, match=rf"{name}.csv: column `{column}` is missing"):
        opened(folder)


@pytest.mark.parametrize(("old", "new", "problem"), [
    ("2024-05-01", "soon", "column `start` must be a date"),
    ("may,", ",", "must not be empty"),
    ("may,", "june,", "lacks campaign 'may'"),
    ("may,", "spring,", "lacks campaign 'may'"),
])  # fmt: skip
def test_a_wrong_plan_is_refused_in_words(folder, old, new, problem):
    path = folder / "campaigns.csv"
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(datasets.DataError, match=problem):
        opened(folder)


def test_without_coupons_the_items_are_unknown_and_nothing_fails(folder):
    (folder / "coupons.csv").unlink()
    assert opened(folder).coupons.empty


def test_a_sample_of_households_keeps_their_campaigns_only(folder):
    shop = datasets.sample_users(datasets.read_shop(folder), 20)
    found = campaigns.load(shop, folder)
    assert set(found.targets["user_id"]) <= set(shop.events["user_id"])
