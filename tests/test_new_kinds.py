"""Promises of `new_kinds`, on the kit's own shop, sampled: nothing of the future is read, and a fit can be repeated."""

from dataclasses import replace

import numpy as np
import pytest
from keras import ops

from recsys_kit import datasets, new_kinds, preprocessing


@pytest.fixture(scope="module")
def shop():
    return datasets.load(users=200)


@pytest.fixture(scope="module")
def splits(shop):
    return preprocessing.task(shop)


@pytest.fixture(scope="module")
def task(shop, splits):
    return new_kinds.new_kinds(splits, shop.items, length=20)


RECIPE = new_kinds.Recipe(width=16, epochs=2)


def test_an_answer_is_a_kind_that_was_not_bought_before(task):
    for look in (task.validation, task.test):
        assert look.answers.shape == look.seen.shape == (len(look.cases), len(task.names))
        assert look.answers.multiply(look.seen).nnz == 0
        assert look.answers.nnz > 0


def test_sequences_hold_each_kind_once_and_are_padded_on_the_right(task):
    for row in task.train:
        real = row[row > 0]
        assert len(set(real)) == len(real)
        assert (row[: len(real)] > 0).all()


def test_what_is_read_before_the_validation_was_bought_before_it(task, splits):
    for case, user in enumerate(task.validation.cases[:50]):
        read = set(task.validation.ids[user][task.validation.ids[user] > 0] - 1)
        assert read <= set(task.validation.seen[case].indices)
    assert (task.train[:, -20:] > 0).any()


def test_the_newest_kinds_are_read(task):
    full = (task.train > 0).all(axis=1)
    assert full.any()
    assert (task.validation.ids[full] == task.train[full][:, 1:]).all()


def test_the_same_seed_gives_the_same_model_also_in_a_model_that_was_used_before(task):
    first = new_kinds.fit(task, RECIPE)
    weights = first.model.get_weights()
    again = new_kinds.fit(task, RECIPE, model=first.model)
    assert all(np.allclose(a, b, atol=1e-4) for a, b in zip(weights, again.model.get_weights(), strict=True))
    other = new_kinds.fit(task, replace(RECIPE, seed=1))
    assert not np.allclose(weights[0], other.model.get_weights()[0])


def test_early_stopping_keeps_the_best_epoch(task):
    run = new_kinds.fit(task, replace(RECIPE, epochs=4, patience=1, rate=1e-2))
    kept = new_kinds.judge(new_kinds.score(run.model, task.validation), task.validation)["ndcg"].mean()
    assert kept == pytest.approx(run.curve["ndcg"].max(), abs=1e-6)


def test_training_lowers_the_loss_of_the_learned(task):
    users = np.flatnonzero((task.train > 0).sum(1) > 10)
    run = new_kinds.fit(task, replace(RECIPE, epochs=3), users[:60], unseen=users[60:90])
    assert run.curve["loss"].iloc[-1] < run.curve["loss"].iloc[0] < np.log(len(task.names)) + 0.5
    assert {"epoch", "ndcg", "loss", "unseen_loss"} == set(run.curve)


def test_label_smoothing_is_the_loss_against_a_smoothed_target():
    chance = np.array([0.7, 0.2, 0.1])
    logits = np.log(np.r_[1e-9, chance])[None, None].astype("float32")
    target = 0.8 * np.array([1, 0, 0]) + 0.2 / 3
    loss = ops.convert_to_numpy(new_kinds.next_kind_loss(0.2)(np.array([[[1]]]), logits))
    assert loss[0, 0] == pytest.approx(-(target * np.log(chance)).sum(), abs=1e-4)


def test_a_shop_without_categories_has_items_as_kinds(shop, splits):
    items = shop.items[["item_id"]].assign(category="unknown", product_type="unknown")
    assert len(new_kinds.new_kinds(splits, items).names) == len(splits.test.items)
