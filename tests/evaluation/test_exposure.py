import numpy as np
import pytest

from recsys_kit import evaluation


def test_lists_that_show_everything_equally_cover_the_catalogue_with_gini_zero():
    lists = np.arange(200).reshape(20, 10)
    even = evaluation.beyond_accuracy(lists, np.ones(200), 20, np.arange(200))
    assert even["coverage"] == 1 and even["gini"] == pytest.approx(0) and even["diversity"] == 1
    same = evaluation.beyond_accuracy(np.zeros((20, 1), int), np.r_[20, np.ones(199)], 20, np.arange(200))
    assert same["coverage"] == 1 / 200 and same["gini"] == pytest.approx(1, abs=0.01)
    assert same["head"] == 1 and same["novelty"] == 0


def test_an_empty_place_counts_for_nothing():
    labels = np.array(["a", "b", "b"])
    full = evaluation.beyond_accuracy(np.array([[0, 1]]), np.array([4, 2, 1]), 4, labels)
    padded = evaluation.beyond_accuracy(np.array([[0, 1, -1]]), np.array([4, 2, 1]), 4, labels)
    assert full == padded
