"""The two towers: the identity before training, log-Q by hand, and learning what the encoder does not know."""

import keras
import numpy as np
import pytest

from recsys_kit.search import two_tower


def toy(documents=40, width=16, seed=0):
    """Documents, and texts that lie in another corner of the space: a fixed rotation away."""
    rng = np.random.default_rng(seed)
    views = rng.standard_normal((documents, 2, width)).astype("float32")
    views /= np.linalg.norm(views, axis=-1, keepdims=True)
    turn = np.linalg.qr(rng.standard_normal((width, width)))[0].astype("float32")
    return views, views[:, 0] @ turn


def found(model, texts, views):
    query, document = two_tower.transform(model, texts, "query"), two_tower.transform(model, views, "document")
    best = np.max([query @ document[:, s].T for s in range(2)], axis=0)
    return (best.argmax(1) == np.arange(len(texts))).mean()


def test_an_untrained_tower_changes_nothing():
    views, texts = toy()
    model = two_tower.tower_model(16, 2)
    assert two_tower.transform(model, texts, "query") == pytest.approx(texts, abs=1e-5)
    assert two_tower.transform(model, views, "document") == pytest.approx(views, abs=1e-5)


def test_logits_are_the_best_view_by_temperature_minus_log_chance():
    layer = two_tower.Similarity(0.5)
    query, document = np.eye(2, dtype="float32"), np.array([[[1, 0], [0, 1]], [[0, 0.5], [0, 0.2]]], "float32")
    logits = np.asarray(layer(query, document, np.log(np.array([0.5, 0.25], "float32")), np.array([7, 8])))
    wanted = np.array([[1.0, 0.0], [1.0, 0.5]]) / 0.5 - np.log([0.5, 0.25])
    assert logits == pytest.approx(wanted, abs=1e-5)


def test_the_same_document_twice_in_a_batch_is_no_wrong_answer():
    layer = two_tower.Similarity(1.0)
    same = np.ones((2, 1, 2), "float32")
    logits = np.asarray(layer(np.ones((2, 2), "float32"), same, np.zeros(2, "float32"), np.array([5, 5])))
    assert logits[0, 1] == logits[1, 0] == pytest.approx(-1e9)
    assert logits[0, 0] > 0


def test_training_finds_what_the_encoder_missed_and_repeats_itself():
    views, texts = toy()
    target = np.arange(len(views))
    many = dict(epochs=30, width=32, learning_rate=2e-2, batch_size=40, dropout=0.0)
    model, curve = two_tower.train(np.tile(texts, (4, 1)), np.tile(target, 4), views, **many)
    untrained = two_tower.tower_model(16, 2)
    assert found(model, texts, views) > 0.9 > 0.3 > found(untrained, texts, views)
    assert curve["loss"].iloc[-1] < curve["loss"].iloc[0]
    again, _ = two_tower.train(np.tile(texts, (4, 1)), np.tile(target, 4), views, **many)
    assert np.allclose(two_tower.transform(model, texts, "query"), two_tower.transform(again, texts, "query"))


def test_a_saved_tower_gives_the_same_vectors(tmp_path):
    _, texts = toy()
    model = two_tower.tower_model(16, 2)
    model.save(tmp_path / "tower.keras")
    loaded = keras.models.load_model(tmp_path / "tower.keras")
    assert np.allclose(two_tower.transform(model, texts, "query"), two_tower.transform(loaded, texts, "query"))
