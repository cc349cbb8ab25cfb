"""The head: the centroid recogniser before training, a save that keeps it, and what it refuses."""

import numpy as np
import pytest

from recsys_kit.customer_service import intent_head, intents


def corners(size=4, each=6, embedding=16):
    rng = np.random.default_rng(0)
    intent = np.repeat(np.arange(size), each)
    vectors = np.eye(embedding)[intent] + 0.1 * rng.standard_normal((len(intent), embedding))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True), intent


def test_an_untrained_head_is_the_centroid_recogniser():
    vectors, intent = corners()
    model = intent_head.train(vectors, intent, 4, epochs=0)
    logits = np.asarray(model(vectors.astype("float32")))
    assert np.allclose(logits, 12 * intents.centroids(vectors, intent, vectors, 4), atol=1e-4)


def test_a_trained_head_learns_survives_a_save_and_is_the_same_again(tmp_path):
    import keras

    vectors, intent = corners()
    model = intent_head.train(vectors, intent, 4, epochs=5, rate=1e-3)
    chance = intent_head.probabilities(model, vectors)
    assert np.allclose(chance.sum(1), 1, atol=1e-5)
    assert (chance.argmax(1) == intent).all()
    model.save(tmp_path / "head.keras")
    again = keras.models.load_model(tmp_path / "head.keras")
    assert np.allclose(intent_head.probabilities(again, vectors), chance, atol=1e-6)
    twin = intent_head.train(vectors, intent, 4, epochs=5, rate=1e-3)
    assert np.allclose(intent_head.probabilities(twin, vectors), chance, atol=1e-5)


def test_an_intent_without_utterances_is_refused():
    vectors, intent = corners()
    with pytest.raises(ValueError, match=r"Missing: \[4\]"):
        intent_head.train(vectors, intent, 5)


def test_a_setting_that_there_is_not_is_refused_by_name():
    vectors, intent = corners()
    with pytest.raises(TypeError, match=r"settings must be among epochs, rate.*Received: speed"):
        intent_head.train(vectors, intent, 4, speed=3)
