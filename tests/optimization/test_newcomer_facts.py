"""Promises of `newcomer_facts`, on a sample of the shop: a lesson hides its answer."""

import numpy as np
import pytest

from recsys_kit.optimization import newcomer_facts


@pytest.fixture(scope="module")
def batch(episode, cases):
    return newcomer_facts.batch(episode, cases[:8], 5, 200, np.random.default_rng(0))


def test_a_lesson_does_not_know_its_answer(batch):
    x, _ = batch
    known, bought = x["lessons"][..., newcomer_facts.NEWCOMER_FACTS.index("known")], x["bought"]
    assert not known[:, 0].any()  # before the first basket nothing is known
    for lesson in range(1, 3):
        assert np.array_equal(known[:, lesson] > 0, bought[:, :lesson].sum(1) > 0)
    assert x["valid"].tolist() == [[1, 1, 1, 0, 0]] * 8


def test_the_query_knows_all_lessons(batch):
    x, _ = batch
    known = x["query"][..., newcomer_facts.NEWCOMER_FACTS.index("known")]
    assert np.array_equal(known > 0, x["bought"].sum(1) > 0)
    assert np.allclose(x["query"][..., newcomer_facts.NEWCOMER_FACTS.index("count")], np.log1p(x["bought"].sum(1)))


def test_all_answers_are_among_the_candidates_and_padding_weighs_nothing(episode, cases, batch):
    x, y = batch
    assert y[..., 0].sum() == episode.split.answers[cases[:8]].nnz
    assert (y[..., 0] <= y[..., 1]).all()
    assert (x["weight"] >= 0).all() and x["weight"].max() <= 30


def test_without_answers_nothing_tells_what_they_are(episode, cases):
    x, y = newcomer_facts.batch(episode, cases[:8], 5, 200, np.random.default_rng(0), with_answers=False)
    assert y[..., 0].sum() == 0
    assert x["bought"].sum() > 0


def test_facts_over_the_whole_catalogue_are_those_of_the_batch(episode, cases, batch):
    facts = newcomer_facts.query(episode, cases[:8], 5)
    whole = [np.broadcast_to(fact, (8, len(episode.split.items))) for fact in facts]
    assert len(whole) == len(newcomer_facts.NEWCOMER_FACTS) - 4
    known = whole[newcomer_facts.NEWCOMER_FACTS.index("known")]
    assert known.sum() == (batch[0]["query"][..., 0] > 0)[:, batch[0]["weight"] > 0].sum()


def test_directions_of_taste_have_length_one(episode):
    length = np.linalg.norm(newcomer_facts.vectors(episode), axis=1)
    assert np.all((np.abs(length - 1) < 1e-4) | (length == 0))
