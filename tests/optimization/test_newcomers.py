"""Promises of `newcomers`, on a sample of the shop: what is forgotten is not known."""

import numpy as np

from recsys_kit.optimization import newcomers


def test_forgetting_leaves_the_last_baskets_and_touches_nobody_else(split):
    users = split.test_users[:5]
    short = newcomers.forget(split, users, np.array([1, 2, 3, 4, 0]))
    visits = short.history.drop_duplicates(["user", "basket_id"]).groupby("user")
    assert visits.size().reindex(users, fill_value=0).tolist() == [1, 2, 3, 4, 0]
    others = ~split.history["user"].isin(users)
    assert len(short.history[~short.history["user"].isin(users)]) == others.sum()
    whole = split.history[split.history["user"] == users[0]]
    assert short.history[short.history["user"] == users[0]]["timestamp"].min() == whole["timestamp"].max()


def test_the_newcomers_own_baskets_are_not_part_of_what_the_shop_knows(shop, split, cases, episode):
    everything = newcomers.episode(split, shop.items, cases, 5)  # they keep more, and the shop learns nothing from it
    for name in ("popular", "recent", "rebuy", "share"):
        assert np.array_equal(everything.facts[name], episode.facts[name])
    assert np.array_equal(everything.seq.lately, episode.seq.lately)
    assert np.array_equal(everything.seq.basis, episode.seq.basis)
