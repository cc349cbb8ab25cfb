from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from keras import ops

from recsys_kit.large_models import llama, lora

TEXTS = ["tea, milk", "milk, tea", "tea, jam, milk", "jam, tea"]
IDS = np.array([[3, 1, 4, 1]])


def test_nothing_changes_before_the_first_step(small):
    before = np.asarray(small(IDS))
    lora.enable(small, 2)
    np.testing.assert_allclose(small(IDS), before, atol=1e-6)


def test_only_the_additions_are_trained(small, letters):
    trained = lora.enable(small, 2)
    # Two blocks; query: (16, 2) and (2, 16), value: (16, 2) and (2, 8).
    assert trained == 2 * (16 * 2 + 2 * 16 + 16 * 2 + 2 * 8) == lora.trained(small)
    words, down = small.get_layer("words"), llama.blocks(small)[0].feed_forward.down
    before = [ops.convert_to_numpy(weight) for weight in (words.table, down.kernel)]
    a_before = lora.adapter(small)["0_b"]
    lora.fit(small, letters, TEXTS, lora.Settings(steps=2, batch_size=2))
    for old, new in zip(before, (words.table, down.kernel), strict=True):
        np.testing.assert_array_equal(old, ops.convert_to_numpy(new))
    assert np.abs(lora.adapter(small)["0_b"] - a_before).max() > 0


def test_training_lowers_the_loss(small, letters):
    before = lora.loss(small, letters, TEXTS)
    lora.train_top(small, 2)
    fitted = lora.fit(small, letters, TEXTS, lora.Settings(steps=12, batch_size=4, learning_rate=1e-2))
    assert lora.loss(small, letters, TEXTS) < before
    assert len(fitted.curve) == 12


def test_the_loss_of_a_step_is_the_loss_of_the_model(small, letters):
    expected = lora.loss(small, letters, TEXTS)
    lora.enable(small, 2)
    fitted = lora.fit(small, letters, TEXTS, lora.Settings(steps=1, batch_size=4))
    assert fitted.curve["loss"].iloc[0] == pytest.approx(expected, abs=1e-4)


def test_only_the_top_blocks_are_trained(small):
    count = lora.train_top(small, 1)
    assert count == sum(int(np.prod(weight.shape)) for weight in llama.blocks(small)[1].weights)


def test_an_adapter_survives_a_save(small, letters, tmp_path):
    import keras

    lora.enable(small, 2)
    lora.fit(small, letters, TEXTS, lora.Settings(steps=3, batch_size=4))
    size = lora.save(small, tmp_path / "adapter.npz")
    assert size < 10_000
    keras.utils.set_random_seed(0)
    other = llama.build(llama.Config(20, 2, 16, 4, 2, 24, 100.0))
    lora.load(other, tmp_path / "adapter.npz")
    np.testing.assert_allclose(other(IDS), small(IDS), atol=1e-3)  # half precision


def test_a_basket_is_written_in_any_order():
    baskets = pd.Series([["tea", "milk", "jam"]])
    found = {lora.sentences(baskets, seed=seed)[0] for seed in range(9)}
    assert len(found) > 1
    assert all(sorted(text.removeprefix("Shopping list: ").split(", ")) == ["jam", "milk", "tea"] for text in found)


def test_what_is_longer_is_cut_and_what_is_shorter_is_marked(letters):
    ids, real = lora.tokens(letters, ["abcdef", "ab"], 4)
    assert ids.shape == (2, 4)
    assert real.tolist() == [[True] * 4, [True, True, False, False]]
