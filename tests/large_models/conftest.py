"""A Llama model small enough for a test, and the real one where it is installed."""

from __future__ import annotations

import keras
import pytest

from recsys_kit.large_models import gguf_file, llama

SMALL = llama.Config(words=20, blocks=2, width=16, heads=4, kv_heads=2, hidden=24, base=100.0)


class Letters:
    """A tokenizer of which each letter is a token."""

    class Encoded:
        """What it returns."""

        def __init__(self, ids):
            self.ids = ids

    def encode(self, text):
        return self.Encoded([1 + ord(letter) % 19 for letter in text])


@pytest.fixture
def small():
    """A model with random weights, small but for its words, so that its opinions differ."""
    keras.utils.set_random_seed(0)
    return llama.build(SMALL)


@pytest.fixture
def letters():
    return Letters()


@pytest.fixture(scope="session")
def real_file():
    """The language model's file; without it the test is skipped, with the line that says how to install it."""
    if gguf_file.missing():
        pytest.skip(gguf_file.missing())
    return gguf_file.read(gguf_file.model_path())


@pytest.fixture(scope="session")
def real_words(real_file):
    return gguf_file.tokenizer(real_file)
