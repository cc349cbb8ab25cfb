"""Lists for households: whole, in order, within the rules."""

import dataclasses

import light_shop
import pandas as pd
import pytest

from recsys_kit import datasets, recommendation
from recsys_kit.recommendation import diversity
from recsys_kit.recommendation.rules import Rules


def test_every_household_gets_k_different_items_best_first(recommender, everyone):
    assert tuple(everyone.columns) == recommendation.LIST_COLUMNS
    assert list(everyone["user_id"].unique()) == list(recommender.place)
    for _, own in everyone.groupby("user_id"):
        assert own["rank"].tolist() == list(range(1, 9))
        assert own["item_id"].is_unique
        assert own["score"].is_monotonic_decreasing
    assert everyone["reason"].ne("").mean() > 0.9  # no reason is better than a false one
    assert everyone["item_id"].isin(recommender.split.items).all()


def test_one_household_gets_the_list_that_it_gets_in_a_batch(recommender, everyone):
    user = recommender.place[7]
    alone = recommender.recommend([user], k=8)
    together = everyone[everyone["user_id"] == user].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone, together, rtol=1e-4)
    small = recommender.recommend(k=8, block=5)
    pd.testing.assert_frame_equal(small, everyone, rtol=1e-4)


def test_lists_come_in_the_order_that_was_asked_for(recommender):
    wanted = [str(user) for user in recommender.place[[9, 2, 5]]]
    found = recommender.recommend([wanted[0], "new", *wanted[1:]], k=3, allow_new=True)
    assert found["user_id"].tolist() == [user for user in (wanted[0], "new", *wanted[1:]) for _ in range(3)]


def test_an_unknown_id_is_an_error_that_says_what_to_do(recommender):
    with pytest.raises(datasets.DataError, match=r"1 of 2 users are not known to the shop: 'nobody'.*--allow-new"):
        recommender.recommend([recommender.place[0], "nobody"])
    near = str(recommender.place[0]).replace("0", "", 1)
    with pytest.raises(datasets.DataError, match=f"{near!r} .did you mean 'kd-"):
        recommender.recommend([near])
    with pytest.raises(datasets.DataError, match="asked for once"):
        recommender.recommend([recommender.place[0]] * 2)


@pytest.mark.parametrize(
    "words", [{"k": 0}, {"diversity_weight": 1.5}, {"diversity_weight": float("nan")}, {"novelty": -1}]
)
def test_a_value_out_of_range_is_named(recommender, words):
    with pytest.raises(ValueError, match=f"`{next(iter(words))}` must"):
        recommender.recommend(**words)


def test_a_household_without_a_purchase_starts_with_what_is_popular_where_it_belongs(recommender):
    shop = light_shop.shop()
    known = shop.users.dropna().iloc[0]
    newcomer = known.to_frame().T.assign(user_id="newcomer")
    other = dataclasses.replace(shop, users=pd.concat([shop.users, newcomer], ignore_index=True))
    changed = recommendation.Recommender(other, recommender.split, light_shop.model())
    lists = changed.recommend(["newcomer", "nobody"], k=5, allow_new=True)
    reasons = lists.groupby("user_id")["reason"].first()
    assert reasons["newcomer"] == "popular with households like yours"
    assert reasons["nobody"] == "popular in the last weeks"


def test_rules_hold_for_everybody(recommender, everyone):
    shop, split = light_shop.shop(), recommender.split
    gone = everyone["item_id"].value_counts().index[:2].tolist()
    category = shop.items.set_index("item_id")["category"]
    never = category[everyone["item_id"]].value_counts().index[0]
    rules = Rules(out_of_stock=gone, never=[never], most=2)
    lists = recommender.recommend([*recommender.place, "new"], 6, rules, allow_new=True)
    assert not lists["item_id"].isin(gone).any()
    assert not (category.loc[lists["item_id"]] == never).any()
    kinds = lists.assign(category=category.loc[lists["item_id"]].to_numpy())
    assert kinds.groupby(["user_id", "category"]).size().max() <= 2
    assert lists.groupby("user_id").size().min() >= 5  # what the rules take away is filled up

    new = recommender.recommend(k=5, rules=Rules(new_only=True))
    bought = set(zip(split.history["user_id"], split.history["item_id"], strict=True))
    assert not bought & set(zip(new["user_id"], new["item_id"], strict=True))

    rested = recommender.recommend(k=5, rules=Rules(not_again_hours=72))
    late = split.history[split.history["timestamp"] > split.cutoff - pd.Timedelta(hours=72)]
    assert not set(zip(late["user_id"], late["item_id"], strict=True)) & set(
        zip(rested["user_id"], rested["item_id"], strict=True)
    )


def test_a_list_has_a_place_for_something_new_if_asked_and_nothing_of_the_last_day(recommender):
    split = recommender.split
    plain = recommender.recommend(k=5, rules=Rules(discovery=0, not_again_hours=0))
    lists = recommender.recommend(k=5, rules=Rules(discovery=1))
    bought = set(zip(split.history["user_id"], split.history["item_id"], strict=True))
    late = split.history[split.history["timestamp"] > split.cutoff - pd.Timedelta(hours=Rules().not_again_hours)]

    def news(found):
        new = [pair not in bought for pair in zip(found["user_id"], found["item_id"], strict=True)]
        return pd.Series(new).groupby(found["user_id"].to_numpy()).sum()

    assert news(plain).min() == 0
    assert news(lists).min() >= 1
    assert lists.groupby("user_id").size().eq(5).all() and not lists.duplicated(["user_id", "item_id"]).any()
    pairs = set(zip(lists["user_id"], lists["item_id"], strict=True))
    assert not pairs & set(zip(late["user_id"], late["item_id"], strict=True))


def test_a_cap_holds_for_what_is_there_to_be_discovered(recommender):
    category = light_shop.shop().items.set_index("item_id")["category"]
    lists = recommender.recommend(k=5, rules=Rules(discovery=3, most=1))
    kinds = lists.assign(category=category.loc[lists["item_id"]].to_numpy())
    assert kinds.groupby(["user_id", "category"]).size().max() == 1


def test_a_rule_with_a_typing_mistake_is_an_error(recommender):
    with pytest.raises(datasets.DataError, match="Not known: 'BRO-1'"):
        recommender.recommend(rules=Rules(out_of_stock=["BRO-1"]))
    with pytest.raises(datasets.DataError, match="`never` must hold values of `category`"):
        recommender.recommend(rules=Rules(never=["Bred"]))


@pytest.mark.parametrize("method", ["MMR", "DPP"])
def test_diversity_makes_lists_less_alike(recommender, everyone, method):
    other = recommender.recommend(k=8, diversity_weight=0.6, method=method)
    items = recommender.split.items

    def alike(lists):
        columns = items.get_indexer(lists["item_id"]).reshape(-1, 8)
        return diversity.intra_list(columns, recommender.space).mean()

    assert alike(other) > alike(everyone) + 0.02


def test_novelty_brings_rarer_items(recommender, everyone):
    rare = recommender.recommend(k=8, novelty=0.8)
    place = recommender.split.items.get_indexer
    assert recommender.rarity[place(rare["item_id"])].mean() > recommender.rarity[place(everyone["item_id"])].mean()
