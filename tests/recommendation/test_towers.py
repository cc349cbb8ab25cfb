"""Towers: what they read, what padding does, and that an item between two tastes needs two vectors."""

import copy
import dataclasses

import keras
import light_shop
import numpy as np
import pytest

from recsys_kit import recommendation
from recsys_kit.recommendation import towers
from recsys_kit.training import baskets


@pytest.fixture(scope="module")
def seq():
    return baskets.sequences(light_shop.task().validation)


def test_the_newest_items_come_first_and_nothing_after_the_basket_is_seen(seq):
    user = int(np.argmax(seq.baskets()))
    end = seq.basket_start[user] + 3
    found = towers.recent(seq, np.array([user]), np.array([end]), length=60)[0]
    rows = seq.row_item[seq.row_start[seq.basket_start[user]] : seq.row_start[end]]
    expected = seq.items[seq.item_start[user] + rows][::-1]
    assert found[: len(expected)].tolist() == expected.tolist()
    assert not found[len(expected) :].any()


def test_an_example_is_in_its_basket_and_new_where_it_can_be(seq):
    users, places, items = towers.examples(seq, 1000, np.random.default_rng(0))
    assert len(np.unique(places)) == len(places)
    for user, basket, item in list(zip(users, places, items, strict=True))[::25]:
        rows = slice(seq.row_start[basket], seq.row_start[basket + 1])
        content = seq.items[seq.item_start[user] + seq.row_item[rows]]
        assert item in content and basket > seq.basket_start[user]
        before = slice(seq.row_start[seq.basket_start[user]], seq.row_start[basket])
        old = set(seq.items[seq.item_start[user] + seq.row_item[before]])
        assert item not in old or set(content) <= old


def test_sequences_at_hand_give_the_same_lists_are_not_made_again_and_stay_as_they_are(seq, monkeypatch):
    shop, split = light_shop.shop(), recommendation.everybody(light_shop.task().validation)
    tower = towers.tower(baskets.item_groups(shop.items, split.items), 2, width=8)
    model = dataclasses.replace(light_shop.model(), towers={"tower": tower})
    made = recommendation.Recommender(shop, split, model).recommend(k=5)
    before = copy.deepcopy(seq)
    monkeypatch.setattr(baskets, "sequences", None)
    handed = recommendation.Recommender(shop, split, model, seq=seq).recommend(k=5)
    assert handed.equals(made)
    for field in dataclasses.fields(seq):
        np.testing.assert_array_equal(getattr(seq, field.name), getattr(before, field.name))


@pytest.mark.parametrize("interests", [1, 3])
def test_padding_changes_nothing(interests):
    model = towers.tower([[0, 1, 1, 2, 2]], interests, width=6)
    none = np.zeros(1, np.int32)
    short, long = np.array([[2, 4]]), np.array([[2, 4, 0, 0, 0]])
    np.testing.assert_allclose(
        model.predict_on_batch([short, none])[0], model.predict_on_batch([long, none])[0], atol=1e-5
    )
    assert np.isfinite(model.predict_on_batch([np.zeros((1, 3), np.int32), none])[0]).all()


def test_the_best_of_several_vectors_counts():
    vectors = np.array([[[1.0, 0.0], [0.0, 1.0]]], "float32")
    items = np.array([[1.0, 0.0], [0.0, 1.0], [0.6, 0.6]], "float32")
    assert towers.vector_scorer(vectors, items)(np.array([0])).tolist() == [[1.0, 1.0, 0.6000000238418579]]
    mean = vectors.mean(1, keepdims=True)
    assert towers.vector_scorer(mean, items)(np.array([0])).argmax() == 2  # one vector prefers what is in between


def test_the_loss_is_that_of_the_interest_that_likes_the_item_best():
    states = np.array([[[2.0, 0.0], [0.0, 1.0]]], "float32")
    items = np.eye(2, dtype="float32")
    loss = towers.RetrievalLoss()(states, items, np.array([[1]]), np.zeros(2, "float32"))
    assert float(loss[0]) == pytest.approx(-np.log(np.exp(1) / (np.exp(0) + np.exp(1))), rel=1e-5)


@pytest.mark.slow
def test_a_trained_tower_is_saved_and_finds_more_than_an_untrained_one(tmp_path):
    split, shop = light_shop.task().validation, light_shop.shop()
    groups = baskets.item_groups(shop.items, split.items)
    settings = towers.Settings(interests=2, width=8, epochs=4, days=1000, negatives=30, batch_size=64)
    model, _ = towers.train(groups, split, settings)
    model.save(tmp_path / "tower.keras")
    back = keras.models.load_model(tmp_path / "tower.keras")
    seq = baskets.sequences(split)
    users = towers.user_vectors(model, seq, split.test_users)
    assert users.shape == (len(split.test_users), 2, 9)
    np.testing.assert_allclose(users, towers.user_vectors(back, seq, split.test_users), atol=1e-5)
    answers = split.answers.toarray()

    def lead(tower):
        vectors = towers.user_vectors(tower, seq, split.test_users)
        scores = towers.vector_scorer(vectors, towers.item_vectors(tower))(np.arange(len(answers)))
        return scores[answers].mean() - scores[~answers].mean()

    assert lead(model) > lead(towers.tower(groups, 2, 8)) + 0.1


@pytest.mark.slow
def test_a_tower_learns_the_same_from_sequences_at_hand(seq):
    split, shop = light_shop.task().validation, light_shop.shop()
    groups, settings = baskets.item_groups(shop.items, split.items), towers.Settings(width=8, epochs=1, negatives=30)
    one, other = (towers.train(groups, split, settings, at_hand).model for at_hand in (None, seq))
    np.testing.assert_array_equal(towers.item_vectors(one), towers.item_vectors(other))
