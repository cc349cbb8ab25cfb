"""The small repeat head knows its own household, and starts as counting."""

import keras
import numpy as np
import pytest
from small_homes import homes

from recsys_kit.privacy import small_head


def test_the_untrained_head_ranks_by_the_decayed_count():
    facts = np.zeros((1, 1, 3, len(small_head.FACTS)), np.float32)
    facts[0, 0, :, small_head.FACTS.index("decayed_90")] = [0.1, 0.5, -0.2]
    scores = np.asarray(small_head.build()(facts))[0, 0]
    assert scores.argsort().tolist() == [2, 0, 1]


def test_the_loss_is_that_of_a_list_worked_by_hand():
    scores = np.log([[[0.2, 0.3, 0.5]]]).astype("float32")
    bought = np.array([[[1, 0, 1]]], "float32")
    loss = small_head.mean_loss(scores, bought, np.ones_like(bought, bool))
    assert float(loss[0]) == pytest.approx(-(np.log(0.2) + np.log(0.5)) / 2, rel=1e-5)


def test_windows_without_a_purchase_and_items_that_are_none_count_nothing():
    data = homes(seed=3)
    model = small_head.build(4)
    model.set_weights([w + 0.1 for w in model.get_weights()])
    before = small_head.losses(model, data)
    data.facts[~data.valid] = 99
    empty = data.bought.sum(-1) == 0
    data.facts[empty] = -99
    assert np.allclose(small_head.losses(model, data), before, equal_nan=True, atol=1e-5)


def test_a_household_with_nothing_to_learn_from_has_no_loss():
    data = homes()
    data.bought[1] = 0
    assert np.isnan(small_head.losses(small_head.build(), data)[1])


def test_training_on_the_loss_lowers_it():
    data, model = homes(seed=1), small_head.build(4)
    before = np.nanmean(small_head.losses(model, data))
    optimizer = keras.optimizers.Adam(0.05)
    from recsys_kit.privacy import differential

    for _ in range(20):
        each = differential.gradients(model.get_weights(), data)
        optimizer.apply([keras.ops.convert_to_tensor(g.mean(0)) for g in each], model.trainable_weights)
    assert np.nanmean(small_head.losses(model, data)) < before
