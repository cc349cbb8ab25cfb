"""A sample keeps a shop's density: random where that does, along shared items where it does not."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from recsys_kit import datasets


def shop(rows) -> datasets.Shop:
    events = pd.DataFrame(rows, columns=["user_id", "item_id", "basket_id"])
    events["timestamp"] = pd.Timestamp("2024-01-01", tz="UTC")
    users, items = (pd.DataFrame({name: events[name].unique()}) for name in ("user_id", "item_id"))
    return datasets.Shop("a shop", events, items, users, "UTC", "whole")


def grocer() -> datasets.Shop:
    """Few items, bought again and again."""
    rng = np.random.default_rng(0)
    return shop(
        (f"u{u}", f"i{i}", f"{u}-{b}") for u in range(900) for b in range(1 + u % 12) for i in rng.integers(0, 60, 4)
    )


def once() -> datasets.Shop:
    """A marketplace: one customer in twenty comes back, many items."""
    rng = np.random.default_rng(1)
    popular = rng.dirichlet(np.full(500, 0.6))
    visits = [(u, b) for u in range(3000) for b in range(2 if u % 20 == 0 else 1)]
    return shop((f"u{u}", f"i{rng.choice(500, p=popular)}", f"{u}-{b}") for u, b in visits)


def discoveries() -> datasets.Shop:
    """Tastes: who buys of one theme buys no other, and nothing twice."""
    rng = np.random.default_rng(2)
    return shop(
        (f"u{u}", f"{u // 60}-{i}", f"{u}-{b}")
        for u in range(2400)
        for b, i in enumerate(rng.choice(15, 1 + u % 8, replace=False))
    )


def facts(found: datasets.Shop) -> dict[str, float]:
    visits = found.events.groupby("user_id")["basket_id"].nunique()
    pairs = found.events.drop_duplicates(["user_id", "basket_id", "item_id"])
    buyers = found.events.groupby("item_id")["user_id"].nunique()
    return {
        "baskets": visits.mean(),
        "once": (visits == 1).mean(),
        "again": pairs.duplicated(["user_id", "item_id"]).mean(),
        "shared": (found.events["item_id"].map(buyers) >= 2).mean(),
    }


@pytest.mark.parametrize("users", [50, 300])
def test_where_a_random_sample_keeps_the_density_it_is_the_sample_and_nothing_is_said(users):
    whole = grocer()
    sample = datasets.sample_users(whole, users, seed=3)
    at_random = whole.users["user_id"].sample(users, random_state=3)
    assert set(sample.users["user_id"]) == set(at_random)
    assert sample.notes == whole.notes


@pytest.mark.parametrize("make", [once, discoveries])
def test_where_it_does_not_a_sample_shares_more_items_with_histories_as_long_as_the_wholes(make):
    whole, users = make(), 100
    sample = datasets.sample_users(whole, users, seed=3)
    ids = whole.users["user_id"].sample(users, random_state=3)
    random = facts(replace(whole, events=whole.events[whole.events["user_id"].isin(ids)]))
    found, all_of_it = facts(sample), facts(whole)
    assert len(sample.users) == sample.events["user_id"].nunique() == users
    assert found["shared"] > random["shared"] + 0.1
    assert found["baskets"] == pytest.approx(all_of_it["baskets"], rel=0.15)
    assert found["once"] == pytest.approx(all_of_it["once"], abs=0.02)
    assert found["again"] == pytest.approx(all_of_it["again"], abs=0.03)
    assert "chosen along items that they share" in sample.notes[-1]
    again = datasets.sample_users(whole, users, seed=3)
    assert again.fingerprint == sample.fingerprint
    assert datasets.sample_users(whole, users, seed=4).fingerprint != sample.fingerprint


@pytest.mark.parametrize("users", [1, 2])
def test_where_no_sample_can_keep_the_density_it_is_random_and_that_is_said(users):
    sample = datasets.sample_users(grocer(), users)
    assert len(sample.users) == users
    assert "drawn at random, and no other keeps the shop's density" in sample.notes[-1]


@pytest.mark.parametrize("users", [20, 40, 60, 150, 300])
def test_the_kits_own_samples_are_the_random_ones(journey, users):
    for seed in (0, 1):
        at_random = journey.users["user_id"].sample(users, random_state=seed)
        assert set(datasets.sample_users(journey, users, seed).users["user_id"]) == set(at_random)


def test_a_sample_larger_than_the_shop_is_the_shop():
    whole = grocer()
    assert datasets.sample_users(whole, 900) is datasets.sample_users(whole, 10_000) is whole
