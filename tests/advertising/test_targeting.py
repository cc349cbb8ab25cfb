"""Targeting: a budget is never exceeded, the cap holds, and what is chosen is worth no less than the greedy choice."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from coupon_shop import write_coupon_shop
from hypothesis import example, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from recsys_kit import cli, datasets
from recsys_kit.advertising import campaigns, targeting

numbers = st.integers(1, 20)
OFFERS = st.lists(st.tuples(st.sampled_from("abc"), numbers, st.integers(-5, 20)), min_size=1, max_size=8)


def table(rows):
    return pd.DataFrame(rows, columns=["user_id", "cost", "value"]).astype({"cost": float, "value": float})


@settings(deadline=None, max_examples=60)  # a busy machine solves slowly
@given(OFFERS, st.integers(1, 40), st.sampled_from([None, 1, 2]), st.booleans())
def test_budget_and_cap_are_never_exceeded(rows, budget, cap, exact):
    offers = table(rows)
    chosen = offers[targeting.choose(offers, budget, cap, exact)]
    assert chosen["cost"].sum() <= budget
    assert (chosen["value"] > 0).all()
    if cap is not None and len(chosen):
        assert chosen["user_id"].value_counts().max() <= cap


@settings(deadline=None, max_examples=60)  # a busy machine solves slowly
@given(OFFERS, st.integers(1, 40), st.sampled_from([None, 1]))
@example([("a", 1, 1), ("a", 2, 2)], 2, 1)  # what costs the whole budget may be chosen
def test_the_knapsack_is_as_good_as_trying_everything(rows, budget, cap):
    offers, best = table(rows), 0.0
    for wanted in product([False, True], repeat=len(offers)):
        some = offers[np.array(wanted)]
        if some["cost"].sum() <= budget and (cap is None or not some["user_id"].duplicated().any()):
            best = max(best, some["value"].sum())
    found = offers["value"][targeting.choose(offers, budget, cap)].sum()
    assert found == pytest.approx(best, rel=1e-3)


def test_more_money_never_promises_less():
    rng = np.random.default_rng(0)
    offers = table([(str(n), rng.integers(1, 9), rng.integers(-2, 9)) for n in range(60)])
    curve = targeting.value_curve(offers, [5, 20, 80, 300], offers["value"].to_numpy())
    assert curve["promised"].is_monotonic_increasing
    assert (curve["spent"] <= curve.index).all()
    assert (curve["promised"] == curve["brought"]).all()


def test_offers_without_a_price_are_refused():
    with pytest.raises(ValueError, match="cost above 0"):
        targeting.choose(table([("a", 0, 1)]), 10)


@pytest.mark.parametrize("name", ["budget", "cost", "worth"])
@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_wishes_that_make_no_sense_are_refused(name, value):
    with pytest.raises(ValueError, match=f"`{name}` must be a number above 0"):
        targeting.Wishes(**({"budget": 10.0} | {name: value}))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_coupon_shop(tmp_path_factory.mktemp("shop") / "own")


def opened(folder):
    shop = datasets.read_shop(folder)
    return shop, campaigns.load(shop, folder)


def test_the_chosen_households_are_known_within_budget_and_ranked(folder):
    chosen = targeting.target(*opened(folder), "autumn", targeting.Wishes(7.5, cost=1.5, worth=20))
    assert 0 < len(chosen) <= 5
    assert chosen["rank"].tolist() == list(range(1, len(chosen) + 1))
    assert chosen["value"].is_monotonic_decreasing and (chosen["value"] > 0).all()


def test_a_household_with_enough_campaigns_is_left_alone(folder):
    shop, found = opened(folder)
    found.plan.loc["summer", "end"] = pd.Timestamp("2024-09-20", tz="UTC")
    chosen = targeting.target(shop, found, "autumn", targeting.Wishes(1000, cost=0.01, cap=1))
    summer = found.targets.loc[found.targets["campaign_id"] == "summer", "user_id"]
    assert len(chosen) and not set(chosen["user_id"]) & set(summer)


def test_the_first_campaigns_have_nothing_to_learn_from(folder):
    with pytest.raises(datasets.NotForThisShop, match="two campaigns that ended"):
        targeting.target(*opened(folder), "may", targeting.Wishes(10))


@pytest.mark.parametrize("name", ["list.csv", "list.parquet"])
def test_the_command_writes_the_file(folder, tmp_path, name):
    out = tmp_path / name
    words = ["target", "--campaign", "autumn", "--budget", "6", "--data", str(folder), "--out", str(out)]
    done = CliRunner().invoke(cli.app, words)
    assert done.exit_code == 0, done.output
    found = pd.read_csv(out) if name.endswith("csv") else pd.read_parquet(out)
    assert list(found) == ["rank", "user_id", "campaign_id", "chance", "cost", "value"]
    assert found["cost"].sum() <= 6 and "campaign autumn" in done.output


@pytest.mark.parametrize(("words", "problem"), [
    (["--campaign", "winter", "--budget", "6"], "there is no campaign 'winter'. Known: spring, may"),
    (["--campaign", "autumn", "--budget", "-6"], "`budget` must be a number above 0"),
    (["--campaign", "autumn", "--budget", "6", "--cap", "0"], "`cap` must be 1 or more"),
])  # fmt: skip
def test_the_command_refuses_in_words(folder, tmp_path, words, problem):
    out = tmp_path / "list.csv"
    done = CliRunner().invoke(cli.app, ["target", *words, "--data", str(folder), "--out", str(out)])
    assert done.exit_code != 0 and problem in done.output + str(done.exception)
    assert not out.exists()


def test_the_command_names_the_column_that_is_missing(tmp_path):
    folder = write_coupon_shop(tmp_path / "own")
    pd.read_csv(folder / "redemptions.csv").drop(columns="date").to_csv(folder / "redemptions.csv", index=False)
    words = ["target", "--campaign", "autumn", "--budget", "6", "--data", str(folder), "--out", str(tmp_path / "a.csv")]
    done = CliRunner().invoke(cli.app, words)
    assert "redemptions.csv: column `date` is missing" in done.output + str(done.exception)
