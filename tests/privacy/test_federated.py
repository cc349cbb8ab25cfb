"""Federated averaging equals training in one place where it must, and masks hide what they should."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_homes import homes

from recsys_kit.privacy import differential, federated, small_head


def weights(model):
    return np.concatenate([w.ravel() for w in model.get_weights()])


def test_one_client_with_all_data_is_training_in_one_place():
    data, here, there = homes(), small_head.build(4), small_head.build(4)
    there.set_weights(here.get_weights())
    list(federated.rounds(here, [data], 3, 1, local=(2, 0.1, np.inf)))
    for _ in range(6):
        step = [each.mean(0) for each in differential.gradients(there.get_weights(), data)]
        there.set_weights([w - 0.1 * g for w, g in zip(there.get_weights(), step, strict=True)])
    assert np.allclose(weights(here), weights(there), atol=1e-6)


def test_one_step_at_every_client_is_one_step_on_all_data():
    data, here, there = homes(), small_head.build(4), small_head.build(4)
    there.set_weights(here.get_weights())
    uneven = [data[[0]], data[[1, 2]], data[[3, 4, 5]]]
    list(federated.rounds(here, uneven, 1, 3, local=(1, 0.1, np.inf)))
    list(federated.rounds(there, [data], 1, 1, local=(1, 0.1, np.inf)))
    assert np.allclose(weights(here), weights(there), atol=1e-6)


def test_a_client_leaves_the_model_as_it_was():
    model = small_head.build(4)
    before = weights(model)
    change = federated.local_change(model.get_weights(), homes(), 2, 0.1)
    assert np.array_equal(weights(model), before)
    assert any(np.abs(part).max() > 0 for part in change)
    short = federated.local_change(model.get_weights(), homes(), 2, 0.1, clip=1e-3)
    assert np.sqrt(sum((part**2).sum() for part in short)) == pytest.approx(1e-3, rel=1e-4)


def test_bytes_are_four_a_weight_there_and_back():
    model = small_head.build(4)
    told = next(federated.rounds(model, [homes(), homes(seed=1)], 1, 2))
    assert told.bytes == 2 * 2 * 4 * model.count_params()


@given(st.integers(1, 6), st.integers(1, 5), st.integers(0, 9))
def test_masks_cancel(clients, numbers, seed):
    changes = np.random.default_rng(seed).normal(size=(clients, numbers))
    sent = federated.masked(changes, seed)
    assert np.allclose(federated.unmasked(sent), changes.sum(0), atol=1e-5)


def test_what_one_client_sends_is_noise():
    sent = federated.masked(np.zeros((3, 4000)), seed=1)
    for each in sent:
        assert each.mean() == pytest.approx(2**31, rel=0.05)
        assert each.std() == pytest.approx(2**32 / np.sqrt(12), rel=0.05)
