"""Promises of `next_types`, on a sample of the shop: nothing of the future is read, and a fit can be repeated."""

from dataclasses import replace

import numpy as np
import pytest

from recsys_kit import datasets
from recsys_kit.optimization import small_task


@pytest.fixture(scope="module")
def task(shop, splits):
    return small_task.next_types(splits, shop.items, length=20)


RECIPE = small_task.Recipe(width=16, epochs=2)


def test_an_answer_holds_what_is_in_the_basket(task, splits):
    for look, split in ((task.validation, splits.validation), (task.test, splits.test)):
        assert look.answers.shape == (len(look.cases), len(task.names))
        assert 0 < look.answers.nnz <= split.answers.nnz


def test_sequences_are_padded_on_the_right_and_hold_the_last_purchases(task, splits):
    assert (task.train[:, -20:] > 0).any()
    for row in task.train:
        assert (row[: (row > 0).sum()] > 0).all()
    history = splits.validation.history
    for case, user in enumerate(task.validation.cases[:50]):
        own = history[history["user"] == splits.validation.test_users[case]]
        read = task.validation.ids[user]
        assert (read > 0).sum() <= min(20, len(own.drop_duplicates(["basket_id", "item"])))
    assert (task.validation.ids[task.validation.cases] > 0).any(axis=1).mean() > 0.8  # who is not new was read


def test_copying_raises_what_was_bought_before_and_nothing_else():
    layer = small_task.CopyLogits()
    ids, logits = np.array([[2, 2, 1]]), np.zeros((1, 3, 4), np.float32)
    layer.build(ids.shape, logits.shape)
    assert not np.any(layer(ids, logits))  # it begins with nothing
    layer.gain.assign(0.1)
    layer.sharpness.assign(0.0)
    out = np.asarray(layer(ids, logits))[0]
    assert np.allclose(out[0], [0, 0, np.log(2), 0]) and np.allclose(out[2], [0, np.log(2), np.log(3), 0])


def test_the_frequent_types_are_those_bought_most_often(task):
    scores = small_task.frequent_types(task, task.test)
    case = int(np.argmax((task.test.ids[task.test.cases] > 0).sum(1)))
    often = np.bincount(task.test.ids[task.test.cases[case]], minlength=len(task.names) + 1)[1:]
    assert often[scores[case].argmax()] == often.max()


def test_the_newest_types_are_read(task):
    full = (task.train > 0).all(axis=1)
    assert full.any()
    assert (task.validation.ids[full] == task.train[full][:, 1:]).all()


def test_the_same_seed_gives_the_same_model_also_in_a_model_that_was_used_before(task):
    first = small_task.fit(task, RECIPE)
    weights = first.model.get_weights()
    again = small_task.fit(task, RECIPE, model=first.model)
    assert all(np.allclose(a, b, atol=1e-4) for a, b in zip(weights, again.model.get_weights(), strict=True))
    other = small_task.fit(task, replace(RECIPE, seed=1))
    assert not np.allclose(weights[0], other.model.get_weights()[0])


def test_early_stopping_keeps_the_best_epoch(task):
    run = small_task.fit(task, replace(RECIPE, epochs=4, patience=1, learning_rate=1e-2))
    kept = small_task.judge(small_task.score(run.model, task.validation), task.validation)["ndcg"].mean()
    assert kept == pytest.approx(run.curve["ndcg"].max(), abs=1e-6)


def test_training_lowers_the_loss_of_the_learned(task):
    users = np.flatnonzero((task.train > 0).sum(1) > 10)
    run = small_task.fit(task, replace(RECIPE, epochs=3), users[:60], unseen=users[60:90])
    assert run.curve["loss"].iloc[-1] < run.curve["loss"].iloc[0] < np.log(len(task.names)) + 0.5
    assert {"epoch", "ndcg", "loss", "unseen_loss"} == set(run.curve)


def test_a_shop_without_categories_has_items_as_types(shop, splits):
    items = shop.items[["item_id"]].assign(category="unknown", product_type="unknown")
    names = small_task.next_types(splits, items, most=50).names
    assert len(names) == 50 and names.isin(splits.test.items.astype("str")).all()


def test_the_decayed_count_forgets_nothing_and_agrees_with_hand_work(task, shop, splits):
    split, look = splits.test, task.test
    kind = datasets.items.item_types(shop.items, split.items).to_numpy()
    plain = small_task.decayed_types(task, split, shop.items, 0)
    faded = small_task.decayed_types(task, split, shop.items, 30)
    case = int(np.argmax(split.counts()[split.test_users].sum(1)))
    own = split.history[split.history["user"] == split.test_users[case]]
    for name in task.names[plain[case].argsort()[-3:]]:
        bought = own[kind[own["item"]] == name]
        age = (split.cutoff - bought["timestamp"]).dt.total_seconds() / 86400
        place = task.names.get_loc(name)
        assert plain[case, place] == pytest.approx(len(bought), abs=2e-3)
        assert faded[case, place] == pytest.approx(np.exp(-age / 30).sum(), abs=2e-3)
    assert plain.shape == look.answers.shape
    assert plain.sum() > small_task.frequent_types(task, look).sum()
