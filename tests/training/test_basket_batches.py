import dataclasses

import numpy as np
import pytest

from recsys_kit import datasets, training
from recsys_kit.training import baskets

SMALL = training.Settings(width=8, blocks=1, epochs=2, positions=2, candidates=20, batch_size=24, patience=2)


@pytest.fixture(scope="module")
def batches(task):
    return training.BasketBatches(baskets.sequences(task.validation), SMALL, task.min_items)


def test_every_item_of_a_target_is_asked_for_once(batches):
    for index in range(len(batches)):
        x, y = batches[index]
        row = np.arange(len(x["items"]))[:, None]
        target = x["incidence"][row, x["position"] + 1]  # (B, P, H)
        again, new = y["repeat"][..., 0] * y["repeat"][..., 1], y["discover"][..., 0]
        assert (again.sum(-1) + new.sum(-1) == target.sum(-1)).all()
        wanted = [set(x["items"][b][target[b, p] > 0]) for b, p in np.ndindex(*x["position"].shape)]
        found = [
            set(x["items"][b][again[b, p] > 0]) | set(x["candidates"][new[b, p] > 0])
            for b, p in np.ndindex(*x["position"].shape)
        ]
        assert wanted == found


def test_known_items_and_padding_have_no_weight_among_the_candidates(batches):
    x, y = batches[len(batches) - 1]
    weight = y["discover"][..., 1]
    assert not weight[..., x["candidates"] == 0].any()
    known = baskets.known(x)
    for b, p in np.ndindex(*x["position"].shape):
        seen = x["items"][b][known[b, p]]
        assert not weight[b, p][np.isin(x["candidates"], seen)].any()
    np.testing.assert_array_equal(y["repeat"][..., 1], known)


def test_the_first_two_batches_show_keras_that_shapes_vary(task):
    seq = baskets.sequences(task.validation)
    batches = training.BasketBatches(seq, dataclasses.replace(SMALL, batch_size=8))
    shortest, longest = batches[0][0]["incidence"].shape, batches[1][0]["incidence"].shape
    assert len(batches) > 2 and shortest[1] < longest[1] and shortest[2] != longest[2]


def test_an_epoch_is_the_same_whenever_it_is_asked_for(batches):
    batches.start_epoch(3)
    first = batches[1][0]
    batches.start_epoch(0)
    other = batches[1][0]
    batches.start_epoch(3)
    again = batches[1][0]
    batches.start_epoch(0)
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert any(not np.array_equal(first[name], other[name]) for name in first)


def test_a_shop_with_nothing_to_learn_from_says_so(task):
    seq = baskets.sequences(task.validation)
    short = dataclasses.replace(seq, basket_start=np.minimum(seq.basket_start, np.arange(len(seq.basket_start))))
    with pytest.raises(datasets.NotForThisShop, match="at least 3 baskets"):
        training.BasketBatches(short, SMALL)
