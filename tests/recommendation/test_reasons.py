"""Reasons: each sentence says what the table holds."""

import light_shop
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import two_tastes

from recsys_kit.recommendation import reasons

TITLES = np.array(["Bread", "Butter", "Jam", "Soap"])


class Nothing:
    def of(self, users, items):
        return np.where(items == 2, 1, -1), np.ones(len(items))


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ({"count": 4, "gap_days": 9.2, "recency_days": 12.4}, "you buy it every 9 days, last 12 days ago"),
        ({"count": 2, "gap_days": 1.0, "recency_days": 0.3}, "you buy it every day, last today"),
        ({"count": 1, "recency_days": 1.2}, "you bought it yesterday"),
        ({"count": 1, "recency_days": 3, "now_display": 0.5}, "you bought it 3 days ago; on promotion this week"),
        ({"item": 2}, "goes with Butter, which you bought"),
        ({"item": 3, "type_count": 3}, "similar to what you buy: soap"),
        ({"item": 2, "type_count": 3}, "similar to what you buy: jam"),  # the household's own facts come first
        ({"item": 3}, "popular in the last weeks"),
        ({"item": 1}, ""),  # no reason is better than a false one
        ({"item": 1, "now_display": 0.5}, "on promotion this week"),
    ],
)
def test_a_sentence_says_what_is_known(row, sentence):
    empty = {"user": 0, "item": 0, "count": np.nan, "gap_days": np.nan, "recency_days": np.nan, "type_count": 0}
    table = pd.DataFrame([empty | {"now_display": 0.0} | row])
    popular = np.array([False, False, True, True])
    assert reasons.sentences(table, TITLES, np.char.upper(TITLES), Nothing(), popular) == [sentence]


def baskets_of(*baskets: str) -> sp.csr_matrix:
    """Returns baskets as rows: a word a basket, a letter an item."""
    return sp.csr_matrix([[float(letter in basket) for letter in "abcdef"] for basket in baskets])


def test_a_pair_is_earned_by_more_baskets_than_chance_would_fill():
    often = baskets_of(*["ab"] * 30, *["c"] * 60, *["d"] * 60, "ef")
    earned = reasons._earned(often, least_lift=3, least_g2=30)
    assert earned[0, 1] > 0 and earned[1, 0] > 0
    assert earned[4, 5] == 0  # seen together once: a large lift, and no evidence


def test_what_lies_together_in_large_baskets_only_is_no_pair():
    # Each large basket holds everything: beside the small ones, every pair has a lift above 2 if sizes aren't counted.
    large = baskets_of(*["abcdef"] * 30, *["a", "b", "c", "d", "e", "f"] * 30)
    together, baskets = 30, large.shape[0]
    assert together * baskets / 60**2 > 1.7
    assert reasons._earned(large, least_lift=1.5, least_g2=5).nnz == 0


def test_a_companion_needs_several_households():
    split = light_shop.task().validation
    few = reasons.Companions(split, least_lift=1.5, least_g2=4, least_households=1)
    many = reasons.Companions(split, least_lift=1.5, least_g2=4, least_households=10**6)
    users, items = split.test_users[:20], np.arange(20) % len(split.items)
    assert (few.of(users, items)[0] >= 0).any()
    assert (many.of(users, items)[0] == -1).all()


def test_a_companion_was_bought_lately_by_the_household():
    split = light_shop.task().validation
    companions = reasons.Companions(split, least_lift=1.5, least_g2=4, least_households=2)
    users = split.test_users[:20]
    items = np.arange(20) % len(split.items)
    best, weight = companions.of(users, items)
    counts = split.counts()
    assert (best >= 0).any()
    for user, companion in zip(users[best >= 0], best[best >= 0], strict=True):
        assert counts[user, companion] > 0
    assert (weight[best >= 0] > 0).all()


def walks(customers: int = 40):
    """Half of the customers go from a to b, the others from c to d; x comes anywhere. `last` has just bought a."""
    baskets = []
    for number in range(customers):
        walk = ["x", "a", "b"] if number % 2 else ["c", "d", "x"]
        baskets += [(f"u{number:02}", 30 - 7 * place, item) for place, item in enumerate(walk)]
    return two_tastes.make_split([*baskets, ("last", 3, "a"), ("last", 50, "c")], [("last", "b")])


def test_what_follows_what_is_said_and_what_is_bought_anywhere_is_not():
    split = walks()
    followers = reasons.Followers(split, least_lift=1.5, least_g2=5)
    user = np.full(3, split.users.get_loc("last"))
    items = split.items.get_indexer(["b", "x", "d"])
    found = [None if place < 0 else split.items[place] for place in followers.of(user, items)]
    assert found[0] == "a" and found[2] == "c"
    assert (reasons.Followers(split, least_customers=21).of(user, items) == -1).all()


def test_the_reason_names_what_the_item_follows():
    split = walks()
    table = pd.DataFrame({"user": [split.users.get_loc("last")], "item": split.items.get_indexer(["b"])})
    table = table.assign(count=np.nan, gap_days=np.nan, recency_days=np.nan, type_count=0.0)
    followers = reasons.Followers(split, least_lift=1.5, least_g2=5)
    titles = split.items.to_numpy()
    sentence = reasons.sentences(table, titles, None, Nothing(), None, followers)
    assert sentence == ["next after a, which you bought"]
    assert reasons.sentences(table, titles, None, Nothing()) == [""]
