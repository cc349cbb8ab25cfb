"""Promises of `short_histories`: pieces are whole, short and apart; one basket is enough to be asked for the next."""

import numpy as np
import pytest

from recsys_kit import training
from recsys_kit.optimization import short_histories
from recsys_kit.training import baskets


@pytest.fixture(scope="module")
def pieces(splits):
    return short_histories.pieces(splits.validation, 4)


def test_every_purchase_is_in_one_piece_of_a_few_consecutive_baskets_of_one_household(splits, pieces):
    before, after = splits.validation.history, pieces.history
    assert len(after) == len(before)
    assert (after["item"].to_numpy() == before["item"].to_numpy()).all()
    visits = after.drop_duplicates(["user", "basket_id"]).groupby("user").size()
    assert visits.max() == 4 and len(visits) == len(pieces.users)
    assert before["user"].groupby(after["user"].to_numpy()).nunique().max() == 1
    spans = (
        after.groupby("user")["timestamp"]
        .agg(["min", "max"])
        .assign(owner=before["user"].groupby(after["user"].to_numpy()).first())
    )
    spans = spans.sort_values(["owner", "min"])
    same = spans["owner"].to_numpy()[1:] == spans["owner"].to_numpy()[:-1]
    assert (spans["min"].to_numpy()[1:] >= spans["max"].to_numpy()[:-1])[same].all()


def test_a_piece_has_room_for_a_question(splits):
    with pytest.raises(ValueError, match=r"`size` must be at least 2.*Received: size=1"):
        short_histories.pieces(splits.validation, 1)


def test_the_second_basket_of_a_piece_is_asked_for_too(pieces):
    data = short_histories.ShortHistories(baskets.sequences(pieces), short_histories.SHORT_HISTORY_SETTINGS, count=3)
    assert len(data) == 3
    sizes = np.array([[9.0, 9.0, 0.0, 0.0], [9.0, 9.0, 9.0, 9.0]])
    position = data._positions(sizes, np.random.default_rng(0))
    assert (position[0] == 0).all() and set(position[1]) <= {0, 1, 2}
    first = data[1][0]["items"]
    data.on_epoch_end()
    assert data.epoch == 1 and len(data) == 3 and first.size


def test_training_leaves_the_plain_model_alone(shop, splits):
    plain = training.build(shop, splits.test, training.Settings())
    before = plain.get_weights()
    model = short_histories.train(plain, shop, splits, epochs=1, size=4, count=3).model
    assert all(np.array_equal(a, b) for a, b in zip(before, plain.get_weights(), strict=True))
    moved = [np.abs(a - b).max() for a, b in zip(before, model.get_weights(), strict=True)]
    assert np.isfinite(moved).all() and max(moved) > 1e-4
