"""The re-ranker: the old order before training, a loss that looks at the top, and learning from the list as a whole."""

import keras
import numpy as np
import pytest

from recsys_kit.search import reranker

RNG = np.random.default_rng(0)


def toy(queries=32, k=6, facts=3):
    """Lists whose answer is the candidate with the largest first fact, while the base order is random."""
    known = RNG.random((queries, k, facts)).astype("float32")
    grades = (known[..., 0] == known[..., 0].max(1, keepdims=True)).astype(int) * 2
    base = RNG.random((queries, k)) * 0.01
    lists = np.stack([RNG.permutation(20)[:k] for _ in range(queries)])
    query, documents = RNG.random((queries, 8)), RNG.random((20, 8))
    return reranker.Shortlists(query, documents, lists, known, base), grades


def test_an_untrained_re_ranker_keeps_the_order():
    short, _ = toy()
    model = reranker.reranker_model(3, 8)
    new = reranker.adjust(model, short)
    assert new == pytest.approx(short.base, abs=1e-5)


@pytest.mark.parametrize("texts", [False, True])
def test_training_puts_the_answer_first(texts):
    short, grades = toy()
    model, curve = reranker.train(short, grades, epochs=60, learning_rate=1e-2, texts=texts)
    new = reranker.adjust(model, short)
    answer = grades.argmax(1)
    assert curve["loss"].iloc[-1] < curve["loss"].iloc[0]
    assert (new.argmax(1) == answer).mean() > 0.8 > (short.base.argmax(1) == answer).mean()


def test_the_loss_minds_the_first_places_more_than_the_last():
    loss = reranker.LambdaLoss(reduction=None)
    grades = np.array([[0, 2, 0, 0, 0, 0]])
    near_top = np.asarray(loss(grades, np.array([[6.0, 5, 4, 3, 2, 1]])))
    right = np.asarray(loss(grades, np.array([[1.0, 60, 4, 3, 2, 1]])))
    late = np.asarray(loss(np.array([[0, 0, 0, 0, 2, 0]]), np.array([[6.0, 5, 4, 3, 2, 1]])))
    assert right[0] < near_top[0] < late[0]
    assert np.asarray(loss(np.zeros((1, 6)), np.ones((1, 6))))[0] == 0


def test_a_shortlist_holds_the_best_in_their_order():
    assert reranker.shortlist(np.array([[0.1, 0.9, 0.5, 0.7]]), 3).tolist() == [[1, 3, 2]]
    assert reranker.shortlist(np.array([[0.1, 0.9]]), 50).shape == (1, 2)


def test_a_saved_re_ranker_gives_the_same_scores(tmp_path):
    short, grades = toy(16)
    model, _ = reranker.train(short, grades, epochs=1)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    both = [reranker.adjust(each, short) for each in (model, loaded)]
    assert both[0] == pytest.approx(both[1], abs=1e-5)


def test_a_block_of_queries_gets_the_scores_of_all_at_once():
    short, grades = toy(16)
    model, _ = reranker.train(short, grades, epochs=1)
    assert reranker.adjust(model, short, block=5) == pytest.approx(reranker.adjust(model, short), abs=1e-5)
