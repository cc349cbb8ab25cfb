import numpy as np
import pytest
from two_tastes import make_split

from recsys_kit import evaluation
from recsys_kit.baselines import lstm


def test_a_history_is_padded_on_the_right_and_keeps_the_newest():
    split = make_split([("u", 9, "a"), ("u", 5, "b"), ("u", 2, "c"), ("v", 1, "c")], [("u", "a")])
    assert lstm.histories(split, 2).tolist() == [[2, 3], [3, 0]]


def test_examples_never_show_the_basket_that_is_asked_for():
    split = make_split([("u", 30 - day, [item]) for day, item in enumerate("abcdefgh")], [("u", "a")])
    past, items, labels = lstm.examples(split, 50, length=10, items=3, negatives=2)
    bought = items[:, 0]
    assert labels[:, 0].all() and not labels[:, 1:].any()
    assert (past[np.arange(50), (past > 0).sum(1) - 1] == bought - 1).all()
    assert not (past == bought[:, None]).any()


def test_a_shop_without_second_baskets_is_refused_in_words():
    with pytest.raises(ValueError, match="at least two baskets"):
        lstm.examples(make_split([("u", 3, "ab"), ("v", 2, "b")], [("u", "a")]), 4)


def test_scores_of_the_whole_catalogue_order_items_as_the_model_does(shop):
    model, losses = lstm.train(shop, count=256, epochs=1, width=8, length=6)
    logits = lstm.scorer(model, shop)(np.arange(5))
    past = lstm.histories(shop, 6)[shop.test_users[:5]]
    every = np.tile(np.arange(1, len(shop.items) + 1, dtype="int32"), (5, 1))
    probability = lstm.probabilities(model, past, every)
    assert len(losses) == 1
    assert np.allclose(lstm.scorer(model, shop, np.ones(11))(np.arange(5)), logits + 1, atol=1e-5)
    assert np.allclose(1 / (1 + np.exp(-logits)), probability, atol=1e-5)


def test_padding_does_not_change_a_prediction():
    model = lstm.model(5, length=8, width=4)
    short, long = np.array([[1, 2, 0, 0, 0, 0, 0, 0]]), np.array([[1, 2, 0, 0]])
    other = lstm.model(5, length=4, width=4)
    other.set_weights(model.get_weights())
    item = np.array([[3]])
    assert lstm.probabilities(model, short, item) == pytest.approx(lstm.probabilities(other, long, item))


def test_the_model_learns_the_two_tastes(shop):
    model, losses = lstm.train(shop, count=3000, epochs=8, width=8, length=6)
    known = np.arange(1, len(shop.test_users))
    assert losses["loss"].iloc[-1] < 0.5 < losses["loss"].iloc[0]
    scores = lstm.scorer(model, shop)(known)
    scores[:, shop.items.get_loc("z")] = -np.inf
    assert np.take_along_axis(shop.answers[known].toarray(), evaluation.top_k(scores, 5), 1).mean() > 0.9


def test_negatives_out_of_range_are_named_with_what_arrived(shop):
    with pytest.raises(ValueError, match=r"`negatives`.*Received"):
        lstm.examples(shop, 4, items=4, negatives=4)
