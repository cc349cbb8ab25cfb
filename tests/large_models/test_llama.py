from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from keras import ops

from recsys_kit.large_models import llama


def block_weights(weights, i, name):
    return weights(f"blk.{i}.{name}.weight")


def numpy_logits(weights, sizes, ids):
    """The model written again in NumPy, from the names that the file gives its tensors."""

    def norm(x, scale):
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + sizes.epsilon) * scale

    def rotated(x):
        size = x.shape[-1]
        angle = np.arange(len(x))[:, None] * sizes.base ** (-np.arange(0, size, 2) / size)
        pairs = (x[..., 0::2] + 1j * x[..., 1::2]) * np.exp(1j * angle)[:, None]  # a turn is a complex factor
        return np.stack([pairs.real, pairs.imag], -1).reshape(x.shape)

    x, length = weights("token_embd.weight")[ids], len(ids)
    later = np.triu(np.full((length, length), -1e9), 1)
    for i in range(sizes.blocks):
        of = partial(block_weights, weights, i)
        h = norm(x, of("attn_norm"))
        query, key, value = ((h @ of(f"attn_{n}").T).reshape(length, -1, sizes.width // sizes.heads) for n in "qkv")
        query, key = rotated(query), rotated(key)
        key, value = (np.repeat(part, sizes.heads // sizes.kv_heads, 1) for part in (key, value))
        score = np.einsum("thd,shd->hts", query, key) / np.sqrt(query.shape[-1]) + later
        score = np.exp(score - score.max(-1, keepdims=True))
        mixed = np.einsum("hts,shd->thd", score / score.sum(-1, keepdims=True), value).reshape(length, -1)
        x = x + mixed @ of("attn_output").T
        h = norm(x, of("ffn_norm"))
        gate = h @ of("ffn_gate").T
        x = x + (gate / (1 + np.exp(-gate)) * (h @ of("ffn_up").T)) @ of("ffn_down").T
    return norm(x, weights("output_norm.weight")) @ weights("token_embd.weight").T


@pytest.mark.slow
def test_logits_are_those_of_a_numpy_forward_pass(real_file, real_words):
    ids = real_words.encode("The capital of France is").ids
    sizes = llama.config(real_file)
    ours = ops.convert_to_numpy(llama.load(real_file)(np.array([ids])))[0]
    assert np.abs(ours - numpy_logits(real_file.weights, sizes, ids)).max() <= 1e-3
    assert real_words.decode([int(ours[-1].argmax())]) == " Paris"


def test_walking_the_layers_is_calling_the_model(small):
    ids = np.array([[3, 1, 4, 1, 5], [9, 2, 6, 5, 3]])
    x, _ = llama.Reader(small).read(ids)
    np.testing.assert_allclose(small(ids), small.get_layer("words")(x, reverse=True), atol=1e-5)


def test_a_token_does_not_see_the_future(small):
    ids = np.array([[3, 1, 4, 1, 5]])
    changed = ids.copy()
    changed[0, 3:] = 7
    np.testing.assert_allclose(small(ids)[:, :3], small(changed)[:, :3], atol=1e-5)


def test_a_cache_changes_nothing_but_the_time(small):
    ids = np.array([[3, 1, 4, 1, 5, 9]])
    whole, _ = llama.Reader(small).read(ids)
    _, cache = llama.Reader(small).read(ids[:, :2])
    middle, cache = llama.Reader(small).read(ids[:, 2:3], cache)
    end, _ = llama.Reader(small).read(ids[:, 3:], cache)
    np.testing.assert_allclose(whole[:, 2:], np.concatenate([middle, end], 1), atol=1e-5)


def test_a_cache_of_one_text_serves_a_batch(small):
    _, cache = llama.Reader(small).read([[3, 1, 4]])
    both, _ = llama.Reader(small).read([[1, 5], [9, 2]], cache)
    alone, _ = llama.Reader(small).read([[9, 2]], cache)
    np.testing.assert_allclose(both[1:], alone, atol=1e-5)


def test_what_is_not_remembered_was_read_all_the_same(small):
    _, cache = llama.Reader(small).read([[3, 1, 4]])
    ids = np.array([[1, 5], [9, 2]])
    x, longer = llama.Reader(small).read(ids, cache)
    alone, nothing = llama.Reader(small).read(ids, cache, remember=False)
    assert nothing is None and (x == alone).all()
    assert longer.shape[3] == 5 and (longer[:, :, :, :3] == cache).all()  # the shared text, for both


def test_a_rotated_product_depends_on_the_distance_only():
    rng = np.random.default_rng(0)
    query, key = rng.normal(size=(2, 1, 1, 1, 8)).astype("float32")

    def at(i, j):
        return float(ops.sum(llama.rotate(query, i) * llama.rotate(key, j)))

    assert at(5, 2) == pytest.approx(at(9, 6), abs=1e-4)
    assert at(5, 2) != pytest.approx(at(5, 4), abs=1e-2)


def test_keys_and_values_are_shared_by_groups_of_heads(small):
    _, cache = llama.Reader(small).read([[1, 2, 3]])
    assert cache.shape == (1, 2, 2, 3, 2, 4)  # one text, two blocks, keys and values, three tokens, two heads of four


def test_heads_that_cannot_be_grouped_are_refused():
    with pytest.raises(ValueError, match="must divide"):
        llama.GroupedQueryAttention(heads=9, kv_heads=2)


def test_text_with_and_without_a_cache_is_the_same_and_ends_where_it_should(small):
    cached = list(llama.generate(llama.Reader(small), [3, 1], 6))
    assert cached == list(llama.generate(llama.Reader(small), [3, 1], 6, cached=False))
    assert list(llama.generate(llama.Reader(small), [3, 1], 6, stop=(cached[2],))) == cached[: cached.index(cached[2])]


def test_token_scores_are_entries_of_the_log_probabilities(small):
    ids = np.array([[3, 1, 4, 1]])
    x, _ = llama.Reader(small).read(ids[:, :-1])
    logs = llama.log_probabilities(small, x)
    np.testing.assert_allclose(llama.token_scores(small, x, ids[:, 1:])[0], logs[0, [0, 1, 2], ids[0, 1:]], atol=1e-5)


def test_a_model_survives_a_save(small, tmp_path):
    import keras

    small.save(tmp_path / "small.keras")
    ids = np.array([[3, 1, 4]])
    np.testing.assert_allclose(keras.models.load_model(tmp_path / "small.keras")(ids), small(ids), atol=1e-6)
