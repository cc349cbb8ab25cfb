"""The parts of the sequence model against NumPy, with dropout on and off, and the arguments that nobody states."""

import keras
import numpy as np
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
    encoder,
    next_item_model,
    position_encoding,
)

WIDTH = 4
few = settings(deadline=None, max_examples=8)


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def array(tensor):
    return keras.ops.convert_to_numpy(tensor)


def spread(layer, seed=0):
    """Gives every weight values that are not small, zero or one, so that each has a part in what comes out."""
    for number, weight in enumerate(layer.weights):
        weight.assign(0.5 + numbers(*weight.shape, seed=seed + number))
    return layer


def weights(layer):
    return [weight.numpy() for weight in layer.weights]


def zero(dense):
    for weight in dense.weights:
        weight.assign(np.zeros(weight.shape))


def norm(x, layer):
    gamma, beta = weights(layer)
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-6) * gamma + beta


def dense(x, layer):
    kernel, bias = weights(layer)
    return x @ kernel + bias


# Attention and masks


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_where_nothing_may_be_looked_at_attention_is_even_and_finite(dtype):
    x = keras.ops.cast(numbers(1, 3, 4), dtype)
    output, shares = attention(x, x, x, np.zeros((1, 3, 3), bool))
    np.testing.assert_allclose(array(keras.ops.cast(shares, "float32")), np.full((1, 3, 3), 1 / 3), atol=2e-3)
    assert np.isfinite(array(keras.ops.cast(output, "float32"))).all()


def test_a_hidden_key_gets_nothing_however_bad_the_others_are():
    query, key = np.array([[1.0]], "float32"), np.array([[-1e6], [0.0]], "float32")
    _, shares = attention(query, key, key, np.array([[True, False]]))
    np.testing.assert_array_equal(array(shares), [[1, 0]])


def test_a_mask_hides_the_future_unless_it_is_told_not_to():
    valid = np.ones((2, 3), bool)
    np.testing.assert_array_equal(array(attention_mask(valid)), np.tril(np.ones((2, 3, 3), bool)))
    assert array(attention_mask(valid, causal=False)).all()
    assert not array(attention_mask(np.zeros((1, 3)), causal=False))[0, 0, 1:].any()  # numbers will do


def test_the_waves_are_those_of_the_paper():
    for length, width in ((2000, 6), (3, 5), (1, 1)):
        table = position_encoding(length, width)
        assert table.shape == (length, width) and table.dtype == np.float32
        for column in range(width):
            angle = np.arange(length) / 10_000 ** ((column - column % 2) / width)
            np.testing.assert_allclose(table[:, column], (np.cos if column % 2 else np.sin)(angle), atol=1e-6)


# Layers


def test_attention_hands_out_its_weights_only_when_asked():
    layer, x = SelfAttention(), numbers(2, 3, WIDTH)
    assert layer(x).shape == (2, 3, WIDTH)
    output, shares = layer(x, return_weights=True)
    assert shares.shape == (2, 2, 3, 3)  # two heads if nothing is said
    np.testing.assert_array_equal(array(output), array(layer(x)))


def plain_attention(positions, **settings):
    """Returns a layer whose weights are even and whose values are the input: it shows what is dropped."""
    layer = SelfAttention(heads=1, **settings)
    layer.build((None, positions, positions))
    eye = np.eye(positions, dtype="float32")
    zero(layer.project), zero(layer.join)
    layer.project.kernel.assign(np.hstack([0 * eye, 0 * eye, eye]))
    layer.join.kernel.assign(eye)
    return layer


def test_attention_drops_its_share_of_weights_while_training_and_only_then():
    positions = 40
    keras.utils.set_random_seed(0)
    layer, x = plain_attention(positions, dropout=0.25), np.eye(positions, dtype="float32")[None]
    even = np.full((1, positions, positions), 1 / positions)
    for silent in ({}, {"training": False}):
        np.testing.assert_allclose(array(layer(x, **silent)), even, rtol=1e-5)
    output, shares = (array(x) for x in layer(x, training=True, return_weights=True))
    np.testing.assert_allclose(shares[0], even, rtol=1e-5)  # what is handed out is whole
    assert (output == 0).mean() == pytest.approx(0.25, abs=0.05)
    np.testing.assert_allclose(output[output != 0], 1 / positions / 0.75, rtol=1e-5)
    np.testing.assert_allclose(array(plain_attention(positions)(x, training=True)), even, rtol=1e-5)  # none is stated


@pytest.mark.parametrize("expansion", [1, 3])
def test_a_block_adds_attention_and_then_a_network_each_to_what_came_in(expansion):
    block, x = TransformerBlock(heads=2, expansion=expansion), numbers(2, 5, WIDTH)
    mask = attention_mask(np.array([[True] * 5, [True] * 3 + [False] * 2]))
    block.build(x.shape)
    spread(block)
    middle = x + array(block.attention(norm(x, block.norm_1).astype("float32"), attention_mask=mask))
    wide = dense(norm(middle, block.norm_2), block.wide)
    assert wide.shape == (2, 5, expansion * WIDTH)
    gelu = array(keras.activations.gelu(wide, approximate=False))
    expected = middle + dense(gelu, block.narrow)
    np.testing.assert_allclose(array(block(x, attention_mask=mask)), expected, rtol=1e-3, atol=1e-3)


def test_the_norms_of_a_block_hardly_bend_small_numbers():
    block, x = TransformerBlock(), 0.05 * numbers(1, 3, WIDTH)
    block.build(x.shape)
    for layer in (block.norm_1, block.norm_2):
        np.testing.assert_allclose(array(layer(x)), norm(x, layer), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("branch", ["attention", "network"])
def test_a_block_drops_its_share_of_each_branch_while_training_and_only_then(branch):
    keras.utils.set_random_seed(0)
    block, x = TransformerBlock(heads=2, dropout=0.25), numbers(40, 5, 16)
    block.build(x.shape)
    zero(block.narrow if branch == "attention" else block.attention.join)
    if branch == "attention":
        zero(block.attention.project)
        block.attention.join.bias.assign(numbers(16))  # what is dropped inside makes no difference
    added = array(block(x)) - x
    np.testing.assert_allclose(array(block(x, training=False)) - x, added, atol=1e-6)
    dropped = array(block(x, training=True)) - x
    assert (dropped == 0).mean() == pytest.approx(0.25, abs=0.04)
    np.testing.assert_allclose(dropped[dropped != 0], added[dropped != 0] / 0.75, rtol=1e-3, atol=1e-4)


def test_a_block_has_two_heads_no_dropout_and_twice_the_width_if_nothing_is_said():
    block, x = TransformerBlock(), numbers(1, 3, WIDTH)
    np.testing.assert_array_equal(array(block(x, training=True)), array(block(x)))
    assert block.attention.heads == 2 and block.wide.kernel.shape == (WIDTH, 2 * WIDTH)
    told = TransformerBlock(heads=4, dropout=0.3)
    assert (told.attention.heads, told.attention.dropout) == (4, 0.3)


@few
@given(st.integers(1, 6), st.lists(st.integers(0, 3), max_size=3), st.integers(0, 999))
def test_an_items_vector_is_the_sum_of_its_own_and_of_each_of_its_groups(size, tops, seed):
    rng = np.random.default_rng(seed)
    groups = [rng.integers(0, top + 1, size).tolist() for top in tops]
    layer = ItemEmbedding(groups, WIDTH, size=None if groups else size)
    layer.build()
    spread(layer, seed)
    own, *shared = weights(layer)
    assert [len(table) for table in shared] == [max(group) + 1 for group in groups]  # no row is never used
    expected = own + sum(table[group] for table, group in zip(shared, groups, strict=True))
    np.testing.assert_allclose(array(layer(np.arange(size)[None])), [expected], atol=1e-6)
    twin = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert (twin.size, twin.width, twin.get_config()) == (size, WIDTH, layer.get_config())


def test_tables_start_small_and_biases_at_zero():
    keras.utils.set_random_seed(0)
    items = ItemEmbedding([np.arange(3000)], 8)
    logits = TiedLogits(items)
    logits(np.zeros((1, 1, 8), "float32"))
    for table in weights(items):
        assert table.std() == pytest.approx(0.02, rel=0.05) and abs(table.mean()) < 0.001
    assert weights(logits)[0].shape == (3000,) and not logits.bias.numpy().any()
    places = PositionEmbedding(2000)
    places.build((None, None, 8))
    assert places.table.shape == (2000, 8) and places.table.numpy().std() == pytest.approx(0.05, rel=0.05)


def test_places_are_counted_from_the_first_real_position_wherever_padding_is():
    layer, x = PositionEmbedding(5), numbers(2, 5, WIDTH)
    layer.build(x.shape)
    spread(layer)
    table = layer.table.numpy()
    valid = np.array([[False, False, True, True, True], [True, False, True, True, False]])
    added = array(layer(x, valid=valid)) - x
    np.testing.assert_allclose(added[0, 2:], table[[0, 1, 2]], atol=1e-6)
    np.testing.assert_allclose(added[1, [0, 2, 3]], table[[0, 1, 2]], atol=1e-6)
    np.testing.assert_allclose(array(layer(x)) - x, np.stack([table, table]), atol=1e-6)  # five is not too long
    np.testing.assert_allclose(array(layer(x[:, :3])) - x[:, :3], np.stack([table[:3]] * 2), atol=1e-6)
    assert layer.compute_output_shape((2, 5, 4), (2, 5)) == (2, 5, 4)


def test_a_score_is_the_product_with_the_items_whole_vector_plus_its_bias():
    items = ItemEmbedding([[0, 1, 1, 2]], WIDTH)
    logits, states = TiedLogits(items), numbers(2, 3, WIDTH)
    logits(states)
    spread(logits), spread(items, seed=9)
    own, shared = weights(items)
    expected = states @ (own + shared[[0, 1, 1, 2]]).T + logits.bias.numpy()
    np.testing.assert_allclose(array(logits(states)), expected, atol=1e-4)


@pytest.mark.parametrize(
    "name", ["ItemEmbedding", "PositionEmbedding", "SelfAttention", "TiedLogits", "TransformerBlock"]
)
def test_saved_models_find_the_layers_by_the_kits_name(name):
    layer = getattr(transformer, name)
    assert keras.saving.get_registered_name(layer) == f"recsys_kit.transformer>{name}"
    assert keras.saving.get_registered_object(f"recsys_kit.transformer>{name}") is layer


# Models


def model_of(**settings):
    """Returns an encoder over four items, and its layers by name."""
    ids = keras.Input((None,), dtype="int32")
    model = keras.Model(ids, encoder(ids, ItemEmbedding([], WIDTH, size=5), **settings))
    return model, {layer.name: layer for layer in model.layers}


def drops(layer):
    return [drop.rate for drop in (layer.drop, layer.attention.drop)]


def test_an_encoder_of_sets_scales_its_vectors_and_ends_in_a_norm():
    model, layers = model_of(blocks=0)
    (embedding,) = (layer for layer in model.layers if isinstance(layer, ItemEmbedding))
    spread(embedding)
    ids = np.array([[1, 2, 3, 4]])
    expected = norm(embedding.own.numpy()[ids] * 2, layers["norm"])  # the root of the width
    np.testing.assert_allclose(array(model(ids)), expected, rtol=1e-3, atol=1e-4)
    assert layers["scale"].scale == 2 and model.output_shape == (None, None, WIDTH)
    embedding.own.assign(1e-3 * embedding.own.numpy())  # so small that what the norm adds to the variance shows
    expected = norm(embedding.own.numpy()[ids] * 2, layers["norm"])
    np.testing.assert_allclose(array(model(ids)), expected, rtol=1e-2, atol=1e-3)


def test_an_encoder_has_two_causal_blocks_of_two_heads_and_no_places_or_noise_if_nothing_is_said():
    model, layers = model_of()
    assert [name for name in layers if name.startswith("block")] == ["block_0", "block_1"]
    assert {"position", "noise"}.isdisjoint(layers) and layers["drop"].rate == 0.2
    assert all(layers[f"block_{i}"].heads == 2 and drops(layers[f"block_{i}"]) == [0.2, 0.2] for i in range(2))
    spread(model)
    before, after = array(model(np.array([[1, 2, 3]]))), array(model(np.array([[1, 2, 4]])))
    np.testing.assert_array_equal(before[:, :2], after[:, :2])
    assert abs(before[:, 2] - after[:, 2]).max() > 1e-3


def test_an_encoder_passes_on_what_it_is_told():
    model, layers = model_of(length=7, blocks=3, heads=4, dropout=0.5, causal=False, noise=0.3)
    assert [name for name in layers if name.startswith("block")] == ["block_0", "block_1", "block_2"]
    assert all(layers[f"block_{i}"].heads == 4 and drops(layers[f"block_{i}"]) == [0.5, 0.5] for i in range(3))
    assert (layers["position"].length, layers["drop"].rate, layers["noise"].stddev) == (7, 0.5, 0.3)
    spread(model)
    before, after = array(model(np.array([[1, 2, 3]]))), array(model(np.array([[1, 2, 4]])))
    assert (abs(before - after).max(-1) > 1e-4).all()


def test_a_single_place_is_a_place():
    _, layers = model_of(length=1, blocks=1)
    assert layers["position"].length == 1


def test_a_model_is_causal_with_two_blocks_of_two_heads_and_width_64_if_nothing_is_said():
    model = next_item_model(9, 7)
    layers = {layer.name: layer for layer in model.layers}
    assert model.name == "gpt_style" and model.input_shape == (None, None) and model.output_shape[-1] == 10
    assert (layers["item"].size, layers["item"].width, layers["position"].length) == (10, 64, 7)
    assert [name for name in layers if name.startswith("block")] == ["block_0", "block_1"]
    assert layers["block_0"].heads == 2 and drops(layers["block_0"]) == [0.2, 0.2] and layers["drop"].rate == 0.2
    assert layers["logits"].embedding is layers["item"]


def test_a_model_for_both_sides_has_a_mask_token_and_passes_on_what_it_is_told():
    model = next_item_model(9, 7, 8, 1, 4, 0.1, causal=False)
    layers = {layer.name: layer for layer in model.layers}
    assert model.name == "bert_style" and model.output_shape[-1] == 11 and layers["item"].size == 11
    assert (layers["item"].width, layers["block_0"].heads, drops(layers["block_0"])) == (8, 4, [0.1, 0.1])
    assert "block_1" not in layers and layers["drop"].rate == 0.1


@pytest.mark.parametrize("causal", [True, False])
def test_only_ids_above_zero_are_real(causal):
    model = spread(next_item_model(9, 7, 8, 1, dropout=0.0, causal=causal))
    zeros, below = np.array([[0, 3, 4, 0]]), np.array([[-1, 3, 4, -2]])
    np.testing.assert_allclose(array(model(below))[:, 1:3], array(model(zeros))[:, 1:3], rtol=1e-4, atol=1e-4)
