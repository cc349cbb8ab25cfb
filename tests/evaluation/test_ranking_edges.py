"""Ranking at the edges: lengths beyond the catalogue, one rival, endless scores, memory, defaults."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_kit import evaluation
from recsys_kit.evaluation import ranking


def case(count=20, items=30, share=0.1, seed=0):
    """Returns random scores and relevant items."""
    rng = np.random.default_rng(seed)
    return rng.random((count, items)), sp.csr_matrix(rng.random((count, items)) < share)


# ---- lists


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 4), st.integers(1, 9), st.integers(1, 12), st.integers(0, 999))
def test_a_list_is_the_first_part_of_the_whole_order_however_long_it_is_asked_to_be(cases, items, k, seed):
    scores = np.random.default_rng(seed).random((cases, items)) - 0.5
    assert evaluation.top_k(scores, k).tolist() == np.argsort(-scores, axis=1)[:, :k].tolist()
    lists = evaluation.top_lists(scores, cases, k, block=2)
    assert lists.tolist() == evaluation.top_k(scores, k).tolist()


@pytest.mark.parametrize("ties", evaluation.TIES)
def test_a_large_catalogue_is_ranked_like_a_small_one(ties):
    """NumPy sorts few numbers whole where it is asked for a part: only many show which part was asked for."""
    scores, answers = case(6, 3000, 0.01)
    scores += answers.toarray() / 2
    rank = np.argsort(np.argsort(-scores, axis=1), axis=1)
    for k in (1, 7, 400):
        assert (evaluation.top_lists(scores, 6, k) == np.argsort(-scores, axis=1)[:, :k]).all()
        found = evaluation.evaluate(scores, answers, k, ties=ties)
        for number, relevant in enumerate(answers.toarray()):
            places = np.sort(rank[number, relevant])
            assert found.loc[number, "recall"] == (places < k).sum() / min(k, len(places))
            assert found.loc[number, "mrr"] == (1 / (places[0] + 1) if places[0] < k else 0)


@pytest.mark.parametrize("count", [1, 2, 40, 2999])
def test_a_sample_of_a_large_catalogue_has_the_size_that_was_asked_for(count):
    scores = np.zeros((5, 3000))
    ranking._sample(scores, sp.csr_matrix((5, 3000), dtype=bool), ranking.Negatives(count), np.random.default_rng(0))
    assert (scores == 0).sum(1).tolist() == [count] * 5


def test_lists_for_nobody_have_no_rows_and_the_length_that_was_asked_for():
    for nobody in (0, [], np.int64(0)):
        lists = evaluation.top_lists(np.zeros((3, 20)), nobody, k=7)
        assert lists.shape == (0, 7) and lists.dtype.kind == "i"


def test_without_further_words_it_is_ten_items_and_256_cases_at_a_time():
    asked = []

    def scorer(rows):
        asked.append(len(rows))
        return np.tile(np.arange(30.0), (len(rows), 1))

    assert evaluation.top_lists(scorer, np.int64(300)).shape == (300, 10)
    evaluation.evaluate(scorer, sp.csr_matrix(np.arange(30) < np.arange(301)[:, None]))
    assert asked == [256, 44, 256, 44]  # the first has nothing to find and is not asked for
    scores, answers = case()
    pd.testing.assert_frame_equal(evaluation.evaluate(scores, answers), evaluation.evaluate(scores, answers, k=10))
    for chance in ({"ties": "shuffled"}, {"negatives": 9}):
        scores = np.zeros_like(scores) if "ties" in chance else scores
        pd.testing.assert_frame_equal(
            evaluation.evaluate(scores, answers, **chance), evaluation.evaluate(scores, answers, seed=0, **chance)
        )
    graded = np.random.default_rng(0).random((2, 30))
    first_ten = evaluation.graded_ndcg(graded[::-1], graded, 10)
    assert (evaluation.graded_ndcg(graded[::-1], graded) == first_ten).all()


# ---- scores


def test_whole_numbers_that_are_close_keep_their_order():
    scores = np.array([[2**24, 2**24 + 1]])  # equal as 32-bit floats
    assert evaluation.evaluate(scores, sp.csr_matrix([[False, True]]), k=1).loc[0, "hit"] == 1
    assert evaluation.top_lists(scores, 1, k=1).tolist() == [[1]]


def test_scores_of_half_precision_and_truth_values_are_scores():
    half = np.array([[6e4, 5e4, 4e4, 3e4]], np.float16)  # their sum is beyond what half precision can hold
    answers, exclude = sp.csr_matrix([[False, True, False, False]]), sp.csr_matrix([[True, False, False, False]])
    assert evaluation.evaluate(half, answers, k=1, exclude=exclude).loc[0, "hit"] == 1
    assert evaluation.evaluate(np.array([[False, True]]), sp.csr_matrix([[0, 1]]), k=1).loc[0, "hit"] == 1


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_endless_scores_of_both_signs_are_numbers():
    scores = np.array([[np.inf, -np.inf, 0.0]])  # their sum is none
    assert evaluation.top_lists(scores, 1, k=3).tolist() == [[0, 2, -1]]
    assert evaluation.evaluate(scores, sp.csr_matrix([[True, False, False]]), k=1).loc[0, "ndcg"] == 1


def test_a_message_counts_the_cases_whose_scores_are_no_numbers():
    scores = np.zeros((4, 3))
    scores[1] = scores[3, 0] = np.nan
    with pytest.raises(ValueError, match="NaN for 2 cases"):
        evaluation.top_lists(scores, 4)
    with pytest.raises(ValueError, match=r"shape \(rows, items\). Received: \(3, 3\) for 4 rows"):
        evaluation.top_lists(lambda rows: np.zeros((3, 3)), 4)


def test_lengths_are_one_number_or_one_row_of_numbers():
    scores, answers = case()
    for k in ([[1, 2]], True, [3, 0], -1, [1.0]):
        with pytest.raises(ValueError, match="`k` must be a whole number above 0"):
            evaluation.evaluate(scores, answers, k=k)
    unsigned, plain = (evaluation.evaluate(scores, answers, k=k) for k in (np.uint8(3), 3))
    pd.testing.assert_frame_equal(unsigned, plain)
    assert list(evaluation.evaluate(scores, answers, k=[1]).columns) == [
        *(f"{name}@1" for name in ("ndcg", "recall", "mrr", "map", "hit")),
        "relevant",
    ]


def test_answers_count_once_whatever_number_stands_for_true():
    scores = np.array([[3.0, 2.0, 1.0]])
    plain = evaluation.evaluate(scores, sp.csr_matrix([[True, False, True]]))
    stored = sp.csr_matrix((np.array([5.0, 0.0, -2.0]), np.array([0, 1, 2]), np.array([0, 3])))  # a stored zero
    pd.testing.assert_frame_equal(evaluation.evaluate(scores, stored), plain)


@pytest.mark.parametrize("kind", [bool, float])
def test_what_is_stored_as_false_is_not_excluded(kind):
    scores = np.array([[3.0, 2.0, 1.0]])
    exclude = sp.csr_matrix((np.array([0, 1], kind), np.array([0, 1]), np.array([0, 2])), shape=(1, 3))
    assert evaluation.top_lists(scores, 1, 3, exclude=exclude).tolist() == [[0, 2, -1]]
    found = evaluation.evaluate(scores, sp.csr_matrix([[True, True, True]]), exclude=exclude)
    assert found.loc[0, "relevant"] == 2


# ---- ties


@pytest.mark.parametrize("seed", range(4))
def test_shuffled_ties_are_those_of_a_catalogue_in_random_order(seed):
    scores, answers = case(items=12, share=0.3)
    scores = scores.round(1)
    order = np.random.default_rng(seed).permutation(12)
    shuffled = evaluation.evaluate(scores, answers, 3, ties="shuffled", seed=seed)
    sorted_so = evaluation.evaluate(scores[:, order], answers[:, order], 3, ties="catalogue")
    pd.testing.assert_frame_equal(shuffled, sorted_so)


@pytest.mark.parametrize("ties", evaluation.TIES)
def test_the_memory_of_a_block_does_not_grow_with_its_relevant_items(ties):
    scores = np.random.default_rng(0).random((100, 4000))
    answers = sp.csr_matrix(np.arange(4000) < np.full((100, 1), 60))
    scores[:, :60] += 1  # all of them stand near the top
    tracemalloc.start()
    found = evaluation.evaluate(scores, answers, k=60, ties=ties)
    peak = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    assert found["recall"].eq(1).all()
    assert peak < 75  # the scores of every relevant item's rivals at once are 192


# ---- sampled metrics


def test_one_sampled_item_is_one_rival():
    scores, answers = np.tile(np.arange(30.0), (200, 1)), sp.csr_matrix(np.eye(200, 30, k=-5, dtype=bool))
    scores += answers.toarray() * 0.25
    one = evaluation.evaluate(scores, answers, k=2, negatives=1)
    assert (one["recall"] == 1).all()  # of two places it has one, whatever its score
    assert evaluation.evaluate(scores, answers, k=2, negatives=2)["recall"].lt(1).any()


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 9), st.integers(0, 999), st.booleans())
def test_a_sample_keeps_what_is_relevant_and_so_many_others_of_those_that_can_be_recommended(count, seed, weighted):
    rng = np.random.default_rng(seed)
    scores, truth = rng.random((6, 8)), rng.random((6, 8)) < 0.3
    scores[rng.random((6, 8)) < 0.3] = -np.inf
    weights = np.array([0, 0, 1, 1, 1, 2, 2, 9]) if weighted else None
    before, possible = scores.copy(), (scores > -np.inf) & ~truth & (True if weights is None else weights > 0)
    ranking._sample(scores, sp.csr_matrix(truth), ranking.Negatives(count, weights), np.random.default_rng(seed))
    kept = scores > -np.inf
    assert (scores[truth] == before[truth]).all() and (scores[kept] == before[kept]).all()
    assert not (kept & ~truth & ~possible).any()
    assert (kept & ~truth).sum(1).tolist() == np.minimum(count, possible.sum(1)).tolist()


def test_weights_are_chances_item_by_item_through_evaluate_too():
    scores, answers = np.tile([2.0, 1.0, 0.0], (300, 1)), sp.csr_matrix([[False, True, False]] * 300)
    strong, weak = (
        evaluation.evaluate(scores, answers, k=1, negatives=evaluation.Negatives(1, np.array(weights)))
        for weights in ([1, 1, 0], [0, 1, 1])
    )
    assert strong["hit"].eq(0).all() and weak["hit"].eq(1).all()
    half = evaluation.evaluate(scores, answers, k=1, negatives=evaluation.Negatives(1, np.array([3, 1, 1])))
    assert half["hit"].mean() == pytest.approx(0.25, abs=0.1)


# ---- graded gains


@settings(deadline=None, max_examples=40)
@given(st.integers(-9, 9), st.integers(0, 999))
def test_graded_ndcg_does_not_depend_on_the_unit_of_the_gains(power, seed):
    rng = np.random.default_rng(seed)
    scores, gains = rng.random((3, 6)), rng.integers(0, 3, (3, 6)) * 1.0
    expected = evaluation.graded_ndcg(scores, gains, 3)
    found = evaluation.graded_ndcg(scores, gains * 10.0**power, 3)
    assert found == pytest.approx(expected, nan_ok=True)
