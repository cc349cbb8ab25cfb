"""Strangers: newcomers by their attributes, new items by their text."""

import light_shop
import numpy as np
import pandas as pd
import pytest

from recsys_kit import baselines
from recsys_kit.recommendation import cold_start


@pytest.fixture(scope="module")
def newcomers():
    return cold_start.Newcomers(light_shop.task().test, light_shop.shop().users)


def test_without_attributes_the_popular_comes_first(newcomers):
    scores, used = newcomers.scores()
    assert not used and scores.argmax() == newcomers.popular.argmax()
    assert newcomers.scores({"age_group": "as old as the hills"})[1] is False


def test_an_attribute_lifts_what_its_households_buy(newcomers):
    split, users = light_shop.task().test, light_shop.shop().users
    name, value = next(iter(newcomers.lift))
    scores, used = newcomers.scores({name: value})
    lift = (scores - newcomers.popular)[newcomers.lift[name, value].argmax()]
    assert used and lift > 0
    group = set(users.loc[users[name] == value, "user_id"]) & set(split.users)
    assert newcomers.members[name, value] == len(group)


def test_a_name_is_no_group():
    split, shop = light_shop.task().test, light_shop.shop()
    users = shop.users.assign(email=[f"{number}@example.org" for number in range(len(shop.users))])
    assert "email" not in cold_start.Newcomers(split, users).attributes()


def test_a_new_item_goes_to_those_who_buy_its_like():
    split = light_shop.task().test
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(len(split.items), 8)).astype("float32")
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    counts = split.counts()[split.test_users].toarray()
    item = counts.sum(0).argmax()
    scores = cold_start.new_item_scores(split, vectors, vectors[[item]])[:, 0]
    buyers = counts[:, item] > np.median(counts[:, item])
    assert scores[buyers].mean() > scores[~buyers].mean()
    old, cosine = cold_start.nearest_titles(vectors, vectors[[item]])
    assert old[0] == item and cosine[0] == pytest.approx(1, abs=1e-5)


def test_users_without_columns_are_fine():
    split = light_shop.task().test
    newcomers = cold_start.Newcomers(split, pd.DataFrame({"user_id": ["a"]}))
    assert newcomers.attributes() == {} and newcomers.scores({"age": "9"})[1] is False


def test_a_new_item_of_a_category_goes_to_those_who_buy_of_it_most():
    split = light_shop.task().test
    groups = pd.Series(["a" if number % 2 else "b" for number in range(len(split.items))])
    scores = cold_start.group_scores(split, groups, pd.Series(["a", "b", "never sold"]))
    counts = baselines.decayed_counts(split, 120)[split.test_users].toarray()
    np.testing.assert_allclose(scores[:, 0], np.log1p(counts[:, (groups == "a").to_numpy()].sum(1)), rtol=1e-5)
    assert (scores[:, 2] == 0).all()


def test_a_place_among_others_counts_ties_as_half():
    scores = np.array([[1.0, 1.0, 1.0], [3.0, 2.0, 1.0]])
    assert cold_start.placed(scores, np.array([0, 1, 1]), np.array([0, 0, 2])).tolist() == [0.5, 1.0, 0.0]
