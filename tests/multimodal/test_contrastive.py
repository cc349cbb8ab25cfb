"""Titles and pictures in one space: what belongs together ends up together, and unseen noise does not help itself."""

import numpy as np
import pytest

from recsys_kit.multimodal import contrastive

PICTURES, EACH = 12, 4


@pytest.fixture(scope="module")
def pairs():
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(PICTURES, 6))
    pictures = (hidden @ rng.normal(size=(6, 10))).astype(np.float32)
    code = np.repeat(np.arange(PICTURES), EACH)
    titles = hidden[code] @ rng.normal(size=(6, 8)) + 0.1 * rng.normal(size=(len(code), 8))
    return pictures / pictures.std(), (titles / titles.std()).astype(np.float32), code


def test_no_picture_stands_in_a_batch_twice_and_its_title_is_its_own(pairs):
    pictures, titles, code = pairs
    data = contrastive.Pairs(pictures, titles, code, 5, 0)
    assert len(data) == 2
    seen = []
    for index in range(len(data)):
        x, _ = data[index]
        own = [int(np.flatnonzero((pictures == row).all(1))[0]) for row in x["picture"]]
        assert [int(code[(titles == row).all(1)][0]) for row in x["title"]] == own
        seen += own
    assert sorted(seen) == list(range(PICTURES))


def test_after_training_a_picture_finds_its_titles_and_before_it_does_not(pairs):
    pictures, titles, code = pairs

    def found(epochs):
        settings = contrastive.Settings(width=6, epochs=epochs, batch_size=12, learning_rate=0.02, noise=0.05)
        towers, curve = contrastive.train(pictures, titles, code, settings)
        left, right = towers["picture"].predict(pictures, verbose=0), towers["title"].predict(titles, verbose=0)
        assert np.allclose(np.linalg.norm(left, axis=1), 1, atol=1e-4)
        return contrastive.hits(left, right, code, np.arange(PICTURES), k=3).mean(), curve

    before, after = found(0)[0], found(60)
    assert after[0] >= 0.9 > before
    assert after[1]["loss"].iloc[-1] < after[1]["loss"].iloc[0] / 2


def test_hits_by_hand():
    pictures, titles = np.eye(2), np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9]])
    code, right = np.array([1, 0, 1]), np.array([0, 1])
    assert contrastive.hits(pictures, titles, code, right, k=1).tolist() == [False, True]
    assert contrastive.hits(pictures, titles, code, right, k=2).tolist() == [True, True]
