"""The next-basket model: it reads bags, sees nothing of the future, starts at decayed frequency, and is saved whole."""

import keras
import numpy as np
import other_backend
import pytest

from recsys_kit import training
from recsys_kit.training import baskets
from recsys_kit.training.basket_transformer import BasketTokens

L, D = 6, 8


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def array(tensor):
    return keras.ops.convert_to_numpy(tensor)


def test_a_bag_of_one_item_is_that_item_whatever_its_local_number():
    tokens = BasketTokens(D)
    vectors, days = numbers(2, L, D), np.cumsum(np.ones((2, L), "float32"), axis=1)
    plain = array(tokens(vectors, np.tile(np.eye(L, dtype="float32"), (2, 1, 1)), days))
    order = [4, 0, 5, 2, 1, 3]
    renumbered = np.tile(np.eye(L, dtype="float32")[:, order], (2, 1, 1))
    np.testing.assert_allclose(array(tokens(vectors[:, order], renumbered, days)), plain, atol=1e-5)
    more = np.concatenate([vectors, numbers(2, 3, D, seed=1)], 1)  # items of no basket, as in a padded batch
    incidence = np.pad(np.tile(np.eye(L, dtype="float32"), (2, 1, 1)), ((0, 0), (0, 0), (0, 3)))
    np.testing.assert_allclose(array(tokens(more, incidence, days)), plain, atol=1e-5)


def test_a_layer_rebuilt_from_its_config_with_the_same_weights_gives_the_same():
    layer = BasketTokens(D, dropout=0.1)
    inputs = numbers(2, L, D), np.ones((2, 3, L), "float32"), np.ones((2, 3), "float32")
    expected = array(layer(*inputs))
    twin = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert type(twin) is BasketTokens and twin.get_config() == layer.get_config()
    twin(*inputs)
    twin.set_weights(layer.get_weights())
    np.testing.assert_allclose(array(twin(*inputs)), expected, atol=1e-6)


@pytest.fixture(scope="module")
def small_shop(shop, task):
    split = task.test
    settings = training.Settings(width=D, blocks=1, heads=2)
    keras.utils.set_random_seed(0)
    return split, baskets.sequences(split), training.build(shop, split, settings)


@pytest.fixture(scope="module")
def batch(small_shop):
    split, seq, _ = small_shop
    users = np.flatnonzero(seq.baskets() >= 8)[:5]
    start = seq.basket_start[users]
    x = baskets.history_arrays(seq, users, start, start + 8)
    position = np.full((len(users), 1), 4)
    x |= baskets.position_arrays(position, x["days"][:, 5:6])
    return x | baskets.market_arrays(seq, x, np.arange(1, len(split.items) + 1, dtype=np.int32))


def heads(model, x):
    return {name: array(value) for name, value in model(x, training=False).items()}


def test_basket_model_does_not_see_baskets_after_the_position(small_shop, batch):
    changed = batch | {name: batch[name].copy() for name in ("incidence", "days")}
    changed["incidence"][:, 5:] = 1 - changed["incidence"][:, 5:]
    changed["days"][:, 5:] += 3
    before, after = heads(small_shop[2], batch), heads(small_shop[2], changed)
    for name in before:
        np.testing.assert_allclose(after[name], before[name], atol=1e-5)


def test_padding_does_not_change_the_basket_model(small_shop, batch):
    more = {"incidence": ((0, 0), (0, 5), (0, 3)), "days": ((0, 0), (0, 5)), "valid": ((0, 0), (0, 5))}
    more |= {"items": ((0, 0), (0, 3))}
    more |= {"market": ((0, 0), (0, 0), (0, 3), (0, 0))}
    padded = batch | {name: np.pad(batch[name], width) for name, width in more.items()}
    before, after = heads(small_shop[2], batch), heads(small_shop[2], padded)
    np.testing.assert_allclose(after["discover"], before["discover"], atol=1e-4)
    np.testing.assert_allclose(after["repeat"][..., :-3], before["repeat"], atol=1e-4)


def test_a_saved_basket_model_gives_the_same(small_shop, batch, tmp_path):
    model = small_shop[2]
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.count_params() == model.count_params()
    for name, value in heads(loaded, batch).items():
        np.testing.assert_array_equal(value, heads(model, batch)[name])


def test_the_untrained_repeat_head_ranks_a_history_by_decayed_frequency(small_shop):
    split, seq, model = small_shop
    rows = np.arange(12)
    scores = training.scorer(model, split, seq)(rows)
    for row in rows:
        own = split.history[split.history["user"] == split.test_users[row]]
        own = own.drop_duplicates(["basket_id", "item"])
        age = (split.answer_times[row] - own["timestamp"]) / np.timedelta64(1, "D")
        counts = np.exp(-age / 120).groupby(own["item"]).sum()
        trend = seq.trend[-1, counts.index + 1]  # settles near ties
        lead = np.subtract.outer(*2 * [np.log(counts.to_numpy() + 0.02)])  # (items, items)
        clear = lead > 0.1 * np.abs(np.subtract.outer(trend, trend)) + 1e-3
        ahead = np.subtract.outer(*2 * [scores[row, counts.index]]) > 0
        assert ahead[clear].all()
        assert clear.any() or len(counts) < 3


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_another_backend_gives_the_same_scores_from_the_same_file(backend, small_shop, batch, tmp_path):
    found, expected = other_backend.scores(backend, small_shop[2], batch, tmp_path), heads(small_shop[2], batch)
    assert set(found) == set(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, atol=1e-4)
