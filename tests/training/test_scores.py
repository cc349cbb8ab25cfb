"""Scores come in the order that was asked for, and each from the head that knows."""

import numpy as np

from recsys_kit import training
from recsys_kit.training import baskets, scores


def test_an_item_of_the_history_gets_the_repeat_heads_score_where_it_is_known():
    logits = {"discover": np.zeros((1, 2, 3), "float32"), "repeat": np.array([[[5.0, 7.0, 9.0], [6.0, 8.0, 9.0]]])}
    column, known = np.array([[2, 0, -1]]), np.array([[[True, False, True], [True, True, True]]])
    assert scores.joined(logits, column, known).tolist() == [[[0, 0, 5], [8, 0, 6]]]
    assert scores.joined(logits, column).tolist() == [[[7, 0, 5], [8, 0, 6]]]


def test_scores_come_in_the_order_of_the_rows_whatever_the_block(shop, task):
    model = training.build(shop, task.test, training.Settings(width=8, blocks=1))
    seq = baskets.sequences(task.test)
    rows = np.array([5, 0, 9, 3])
    one = training.scorer(model, task.test, seq, block=1)(rows)
    many = training.scorer(model, task.test, seq, block=64)(rows)
    assert one.shape == (4, len(task.test.items))
    np.testing.assert_allclose(one, many, atol=1e-3)
    np.testing.assert_allclose(training.scorer(model, task.test, seq)(rows[:1]), many[:1], atol=1e-3)
