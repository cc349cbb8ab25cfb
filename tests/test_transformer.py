"""The sequence model: attention and masks by hand, what a block may see, padding on either side, saving, backends."""

import functools
import zipfile

import keras
import numpy as np
import other_backend
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_kit import transformer
from recsys_kit.transformer import (
    ItemEmbedding,
    PositionEmbedding,
    SelfAttention,
    TiedLogits,
    TransformerBlock,
    attention,
    attention_mask,
    next_item_model,
    position_encoding,
)

V, L, D = 10, 6, 8
IDS = np.array([[3, 1, 4, 1, 5, 9], [2, 7, 2, 8, 6, 4]], "int32")


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def array(tensor):
    return keras.ops.convert_to_numpy(tensor)


def softmax(scores):
    e = np.exp(scores - scores.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def tiny_model(causal=True, blocks=2, seed=0):
    keras.utils.set_random_seed(seed)
    model = next_item_model(V, 12, D, blocks, 2, dropout=0.0, causal=causal)
    for number, weight in enumerate(model.weights):  # the small initial weights would hide differences
        weight.assign(weight + 0.3 * numbers(*weight.shape, seed=number))
    return model


padding_model = functools.cache(tiny_model)


def logits(model, ids):
    return array(model(np.asarray(ids, "int32")))


# Attention


def test_attention_matches_a_case_worked_by_hand():
    query, key = np.array([[2.0, 0.0]], "float32"), np.array([[np.log(2) / np.sqrt(2), 5.0], [0.0, 7.0]], "float32")
    output, weights = attention(query, key, np.array([[3.0], [6.0]], "float32"))
    np.testing.assert_allclose(array(weights), [[2 / 3, 1 / 3]], rtol=1e-5)  # exp(log 2) : exp(0)
    np.testing.assert_allclose(array(output), [[4.0]], rtol=1e-5)


@given(st.integers(1, 5), st.integers(2, 7), st.integers(1, 6), st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_attention_rows_sum_to_one_and_match_numpy(queries, keys, width, seed):
    rng = np.random.default_rng(seed)
    q, k = rng.normal(size=(2, queries, width)), rng.normal(size=(2, keys, width))
    v = rng.normal(size=(2, keys, 3))
    mask = rng.random((2, queries, keys)) < 0.6
    mask[..., 0] = True
    output, weights = attention(*(x.astype("float32") for x in (q, k, v)), mask)
    expected = softmax(np.where(mask, q @ k.swapaxes(1, 2) / np.sqrt(width), -1e9))
    np.testing.assert_allclose(array(weights).sum(-1), 1, rtol=1e-5)
    np.testing.assert_allclose(array(weights), expected, atol=1e-5)
    np.testing.assert_allclose(array(output), expected @ v, atol=1e-4)
    assert not array(weights)[~mask].any()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_masked_attention_is_finite_in_half_precision(dtype):
    x = keras.ops.cast(numbers(1, L, D), dtype)
    output, weights = attention(x, x, x, np.eye(L, dtype=bool)[None])
    assert np.isfinite(array(keras.ops.cast(output, "float32"))).all()
    np.testing.assert_array_equal(array(keras.ops.cast(weights, "float32"))[0], np.eye(L))


def test_each_head_has_its_share_of_the_width():
    layer = SelfAttention(heads=4)
    x = numbers(2, L, D)
    output, weights = layer(x, return_weights=True)
    assert tuple(weights.shape) == (2, 4, L, L)
    kernel, bias = (array(w) for w in layer.project.weights)
    q, k, v = (x @ kernel + bias).reshape(2, L, 3, 4, D // 4).transpose(2, 0, 3, 1, 4)
    expected = softmax(q @ k.swapaxes(-1, -2) / np.sqrt(D // 4))  # the scale is that of a head, not of the width
    np.testing.assert_allclose(array(weights), expected, atol=1e-5)
    joined = (expected @ v).transpose(0, 2, 1, 3).reshape(2, L, D)
    np.testing.assert_allclose(array(output), joined @ array(layer.join.kernel) + array(layer.join.bias), atol=1e-4)


def test_heads_must_divide_the_width():
    with pytest.raises(ValueError, match=r"`heads` must divide the width\. Received: heads=3, width=8"):
        SelfAttention(heads=3).build((None, L, D))
    with pytest.raises(ValueError, match=r"Received: heads=3, width=8"):
        next_item_model(V, L, D, heads=3)


# Masks and padding


@given(st.lists(st.lists(st.booleans(), min_size=4, max_size=4), min_size=1, max_size=3), st.booleans())
@settings(max_examples=25, deadline=None)
def test_mask_lets_a_position_see_real_ones_and_itself_and_if_causal_none_later(valid, causal):
    valid = np.array(valid)
    mask = array(attention_mask(valid, causal))
    for b, i, j in np.ndindex(mask.shape):
        assert mask[b, i, j] == (i == j or (valid[b, j] and (j <= i or not causal)))


@pytest.mark.parametrize("causal", [True, False])
def test_the_mask_inside_a_model_is_the_mask_outside(causal):
    ids = keras.Input((None,), dtype="int32")
    inside = keras.Model(ids, attention_mask(ids > 0, causal))
    batch = np.array([[0, 0, 3, 4], [3, 4, 0, 0], [0, 0, 0, 0]])
    np.testing.assert_array_equal(array(inside(batch)), array(attention_mask(batch > 0, causal)))


def test_causal_block_does_not_see_the_future():
    block = TransformerBlock(heads=2)
    x, valid = numbers(1, L, D), np.ones((1, L), bool)
    changed = x.copy()
    changed[:, 3:] = numbers(1, L, D, seed=1)[:, 3:]  # adding a constant would not do: the norm takes it away
    before, after = (array(block(z, attention_mask=attention_mask(valid))) for z in (x, changed))
    np.testing.assert_array_equal(before[:, :3], after[:, :3])
    assert (abs(before[:, 3:] - after[:, 3:]) > 1e-2).any(-1).all()
    without = [array(block(z, attention_mask=attention_mask(valid, causal=False))) for z in (x, changed)]
    assert (abs(without[0][:, :3] - without[1][:, :3]) > 1e-4).any(-1).all()


def test_gpt_style_sees_one_side_and_bert_style_sees_both():
    changed = IDS.copy()
    changed[:, -1] = 10
    gpt, bert = tiny_model(causal=True), tiny_model(causal=False)
    np.testing.assert_array_equal(logits(gpt, IDS)[:, :-1], logits(gpt, changed)[:, :-1])
    moved = np.abs(logits(bert, IDS) - logits(bert, changed)).max(-1)
    assert (moved > 1e-4).all()


@pytest.mark.parametrize("causal", [True, False])
@given(left=st.integers(0, 3), right=st.integers(0, 3))
@settings(max_examples=10, deadline=None)
def test_padding_does_not_change_real_positions(causal, left, right):
    model = padding_model(causal)
    padded = np.pad(IDS, ((0, 0), (left, right)))
    np.testing.assert_allclose(logits(model, padded)[:, left : left + L], logits(model, IDS), atol=2e-5)


def test_sequences_of_different_length_in_one_batch_do_not_disturb_each_other():
    model = tiny_model()
    batch = np.array([[3, 1, 4, 1, 5, 9], [2, 7, 0, 0, 0, 0], [0, 0, 0, 0, 2, 7]])
    np.testing.assert_allclose(logits(model, batch)[1, 1], logits(model, batch)[2, 5], atol=2e-5)
    np.testing.assert_allclose(logits(model, [[2, 7]])[0, 1], logits(model, batch)[1, 1], atol=2e-5)


def test_what_stands_at_padding_is_of_no_importance_to_a_block():
    block = TransformerBlock(heads=2)
    valid = np.array([[False, True, True, True, False, False]])
    x = numbers(1, L, D)
    noisy = np.where(valid[..., None], x, 1e3).astype("float32")
    for causal in (True, False):
        mask = attention_mask(valid, causal)
        before, after = (array(block(z, attention_mask=mask)) for z in (x, noisy))
        np.testing.assert_allclose(before[valid], after[valid], atol=1e-5)


# Order


def test_order_does_not_matter_without_positions_and_matters_with_them():
    model = tiny_model(causal=False)
    shuffled = [5, 2, 0, 1, 4, 3]
    assert np.abs(logits(model, IDS)[:, shuffled] - logits(model, IDS[:, shuffled])).max() > 1e-3
    table = model.get_layer("position").table
    table.assign(np.zeros(table.shape))
    np.testing.assert_allclose(logits(model, IDS)[:, shuffled], logits(model, IDS[:, shuffled]), atol=2e-5)


def test_sinusoids_start_at_zero_and_their_products_depend_on_the_distance_only():
    table = position_encoding(30, 16)
    assert table.shape == (30, 16)
    np.testing.assert_array_equal(table[0], [0, 1] * 8)
    products = table @ table.T
    for distance in (1, 5, 12):
        np.testing.assert_allclose(np.diagonal(products, distance), products[0, distance], atol=1e-4)
    assert position_encoding(4, 5).shape == (4, 5)


def test_a_sequence_longer_than_the_position_table_is_refused():
    with pytest.raises(ValueError, match=r"must not be longer than `length`=4\. Received: 6"):
        PositionEmbedding(4)(numbers(1, L, D))


# Tokens


def test_an_item_is_its_own_vector_plus_those_of_its_groups():
    layer = ItemEmbedding([[0, 1, 1, 2], [0, 1, 2, 2]], D)
    vectors = array(layer(np.arange(4)))
    own, first, second = (array(w) for w in (layer.own, *layer.shared))
    np.testing.assert_allclose(vectors[3], own[3] + first[2] + second[2], atol=1e-6)


def test_the_number_of_weights_is_the_one_counted_by_hand():
    model = next_item_model(V, L, D, blocks=3, heads=2)
    table, places = (V + 1) * D, L * D
    block = (3 * D * D + 3 * D) + (D * D + D) + 2 * 2 * D + (D * 2 * D + 2 * D) + (2 * D * D + D)
    assert model.count_params() == table + places + 3 * block + 2 * D + (V + 1)


# Saving

LAYERS = {
    "attention": (lambda: SelfAttention(heads=4, dropout=0.1), lambda layer: layer(numbers(2, L, D))),
    "block": (lambda: TransformerBlock(heads=4, dropout=0.1, expansion=3), lambda layer: layer(numbers(2, L, D))),
    "items without groups": (lambda: ItemEmbedding([], D, size=4), lambda layer: layer(np.array([[1, 3]]))),
    "positions": (lambda: PositionEmbedding(9), lambda layer: layer(numbers(2, L, D))),
    "logits": (lambda: TiedLogits(ItemEmbedding([], D, size=4)), lambda layer: layer(numbers(2, L, D))),
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_rebuilt_from_its_config_with_the_same_weights_gives_the_same(name):
    make, call = LAYERS[name]
    layer = make()
    expected = array(call(layer))
    config = layer.get_config()
    twin = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert type(twin) is type(layer)
    twin_config = twin.get_config()
    assert {k: v for k, v in twin_config.items() if k != "embedding"} == {
        k: v for k, v in config.items() if k != "embedding"
    }
    call(twin)
    assert len(twin.weights) == len(layer.weights)
    for to, source in zip(twin.weights, layer.weights, strict=True):
        to.assign(source)
    np.testing.assert_allclose(array(call(twin)), expected, atol=1e-6)


def test_an_items_groups_are_saved_with_the_weights_and_not_in_the_configuration(tmp_path):
    group = [0, *np.random.default_rng(0).integers(1, 50, 3000).tolist()]
    ids = keras.Input((None,), dtype="int32")
    model = keras.Model(ids, ItemEmbedding([group, [0, 1] + [2] * 2999], D)(ids))
    model.save(tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "model.keras") as file:
        assert file.getinfo("config.json").file_size < 5_000
    loaded, asked = keras.models.load_model(tmp_path / "model.keras"), np.array([[1, 2, 77, 3000]])
    np.testing.assert_array_equal(array(loaded(asked)), array(model(asked)))
    loaded.save_weights(tmp_path / "again.weights.h5")
    model.load_weights(tmp_path / "again.weights.h5")
    np.testing.assert_array_equal(array(loaded(asked)), array(model(asked)))


@pytest.mark.parametrize("causal", [True, False])
def test_a_saved_model_gives_the_same_and_its_item_table_is_still_shared(causal, tmp_path):
    model = tiny_model(causal)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(logits(loaded, IDS), logits(model, IDS))
    assert loaded.count_params() == model.count_params()
    assert loaded.get_layer("logits").embedding is loaded.get_layer("item")


# Learning


@pytest.mark.slow
def test_a_model_without_the_causal_mask_learns_to_copy_its_answers():
    rng = np.random.default_rng(0)
    ids = rng.integers(1, V + 1, (256, 9)).astype("int32")  # nothing to learn: the next item is a die roll
    losses = {}
    for causal in (True, False):
        keras.utils.set_random_seed(0)
        model = next_item_model(V, 8, 16, 1, 2, dropout=0.0, causal=causal)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.Adam(0.02), loss)
        losses[causal] = model.fit(ids[:, :-1], ids[:, 1:], epochs=12, batch_size=64, verbose=0).history["loss"][-1]
    assert losses[True] > 0.8 * np.log(V)
    assert losses[False] < 0.5 * losses[True]


def test_every_public_name_is_documented():
    for name in transformer.__all__:
        assert getattr(transformer, name).__doc__


# Backends


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_another_backend_gives_the_same_scores_from_the_same_file(backend, tmp_path):
    model = tiny_model()
    found = other_backend.scores(backend, model, {"ids": IDS}, tmp_path)
    np.testing.assert_allclose(found["logits"], logits(model, IDS), atol=1e-4)
