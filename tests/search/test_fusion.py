"""Fusion of two rankings, views of a document, and texts made from a catalogue."""

import numpy as np

from recsys_kit.search import fusion


def test_the_better_view_of_a_document_counts():
    view = np.array([[[1.0, 0.0], [0.0, 1.0]], [[0.6, 0.8], [0.6, 0.8]]])  # (P, S, E)
    assert fusion.best_view(np.array([[0.0, 1.0]]), view).tolist() == [[1.0, 0.8]]


def test_fusion_by_rank_rewards_agreement_and_ignores_unmatched_documents():
    meaning = np.array([[0.9, 0.8, 0.1]])
    fused = fusion.reciprocal_rank(meaning, np.array([[0.0, 3.0, 0.0]]))
    assert fused[0].argmax() == 1
    assert fusion.reciprocal_rank(meaning, np.zeros((1, 3)))[0].argsort().tolist() == [2, 1, 0]


def test_a_closed_gate_leaves_the_dense_scores_exactly_as_they_were():
    meaning, words = np.random.default_rng(0).random((2, 5)), np.random.default_rng(1).random((2, 5))
    fused = fusion.gated(fusion.weighted(meaning, words, 0.5), meaning, np.array([0.2, 0.9]))
    assert (fused[0] == meaning[0]).all()
    assert not np.allclose(fused[1], meaning[1])


def test_a_query_without_any_match_is_not_divided_by_zero():
    assert np.isfinite(fusion.weighted(np.zeros((1, 3)), np.zeros((1, 3)), 0.5)).all()
    assert fusion.unit(np.zeros((1, 4))).tolist() == [[0, 0, 0, 0]]
