"""The fast metrics are the plain definitions."""

import math

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_kit import evaluation
from recsys_kit.evaluation import ranking

METRICS = ["ndcg", "recall", "mrr", "map", "hit"]


def slow_metrics(scores, relevant, excluded, k, ties="against"):
    """One case, plain Python: what each metric means, with nothing clever."""
    relevant = set(relevant) - set(excluded)
    items = [i for i, score in enumerate(scores) if i not in excluded and score > -math.inf]
    second = {
        "against": lambda i: i in relevant,
        "for": lambda i: i not in relevant,
        "catalogue": lambda i: i,
    }[ties]
    ranked = sorted(items, key=lambda i: (-scores[i], second(i)))[:k]
    reachable = min(len(relevant), k)
    dcg = precision = found = first = 0.0
    for place, item in enumerate(ranked, start=1):
        if item in relevant:
            found += 1
            first = first or 1 / place
            precision += found / place
            dcg += 1 / math.log2(place + 1)
    ideal = sum(1 / math.log2(place + 1) for place in range(1, reachable + 1))
    return {
        "ndcg": dcg / ideal,
        "recall": found / reachable,
        "mrr": first,
        "map": precision / reachable,
        "hit": float(found > 0),
        "relevant": len(relevant),
    }


@st.composite
def rankings(draw):
    """A few cases over a small catalogue; few distinct scores, so that ties are common."""
    cases, items = draw(st.integers(1, 5)), draw(st.integers(1, 9))
    some = st.sampled_from([0.0, 1.0, 2.0, 0.5, -1.0, 1.0 + 2**-23, -math.inf])
    cells = cases * items
    scores = np.array(draw(st.lists(some, min_size=cells, max_size=cells))).reshape(cases, items)
    boolean = st.lists(st.booleans(), min_size=cells, max_size=cells)
    answers, excluded = (np.array(draw(boolean)).reshape(cases, items) for _ in range(2))
    return scores.astype(draw(st.sampled_from([np.float32, np.float64]))), answers, excluded


@settings(deadline=None, max_examples=150)
@given(rankings(), st.integers(1, 12), st.sampled_from(["against", "for", "catalogue"]), st.booleans())
def test_fast_metrics_equal_a_slow_plain_python_reference(ranking, k, ties, masked):
    scores, answers, excluded = ranking
    excluded = excluded if masked else np.zeros_like(excluded)
    result = evaluation.evaluate(
        scores, sp.csr_matrix(answers), k, exclude=sp.csr_matrix(excluded) if masked else None, block=2, ties=ties
    )
    expected = {
        case: slow_metrics(scores[case], np.flatnonzero(answers[case]), set(np.flatnonzero(excluded[case])), k, ties)
        for case in range(len(scores))
        if (answers[case] & ~excluded[case]).any()
    }
    assert list(result.index) == list(expected)
    for case, metrics in expected.items():
        assert result.loc[case].to_dict() == pytest.approx(metrics)


@settings(deadline=None, max_examples=60)
@given(rankings(), st.randoms(use_true_random=False))
def test_the_order_of_the_catalogue_and_of_the_cases_changes_nothing(ranking, random):
    scores, answers, excluded = ranking
    items, cases = list(range(scores.shape[1])), list(range(len(scores)))
    random.shuffle(items), random.shuffle(cases)
    pick = np.ix_(cases, items)
    before = evaluation.evaluate(scores, sp.csr_matrix(answers), 3, exclude=sp.csr_matrix(excluded))
    after = evaluation.evaluate(scores[pick], sp.csr_matrix(answers[pick]), 3, exclude=sp.csr_matrix(excluded[pick]))
    after = after.set_index(pd.Index(np.array(cases)[after.index], name="case")).sort_index()
    pd.testing.assert_frame_equal(before, after, check_index_type=False)


@settings(deadline=None, max_examples=60)
@given(rankings(), st.integers(1, 12))
def test_every_metric_lies_between_zero_and_one_and_ties_only_help_when_they_are_for_the_model(ranking, k):
    scores, answers, _ = ranking
    tables = {
        ties: evaluation.evaluate(scores, sp.csr_matrix(answers), k, ties=ties)[METRICS] for ties in evaluation.TIES
    }
    for table in tables.values():
        assert (table >= 0).all(axis=None) and (table <= 1 + 1e-12).all(axis=None)
        assert (tables["against"] <= table + 1e-12).all(axis=None)
        assert (tables["for"] >= table - 1e-12).all(axis=None)


def test_ndcg_matches_a_list_worked_by_hand():
    # Five items, ranked C A E B D. Relevant: A (place 2) and D (place 5).
    scores = np.array([[0.8, 0.4, 0.9, 0.1, 0.5]])
    answers = sp.csr_matrix([[True, False, False, True, False]])
    result = evaluation.evaluate(scores, answers, k=5).loc[0]
    assert result["ndcg"] == pytest.approx((1 / math.log2(3) + 1 / math.log2(6)) / (1 + 1 / math.log2(3)))
    assert result["recall"] == 1
    assert result["mrr"] == 1 / 2
    assert result["map"] == pytest.approx((1 / 2 + 2 / 5) / 2)
    short = evaluation.evaluate(scores, answers, k=1).loc[0]
    assert short[METRICS].tolist() == [0, 0, 0, 0, 0]


def test_the_ideal_of_a_big_basket_is_a_full_list_of_hits():
    answers = sp.csr_matrix(np.ones((1, 20), bool))
    result = evaluation.evaluate(np.arange(20.0)[None], answers, k=5).loc[0]
    assert result[METRICS].tolist() == pytest.approx([1] * 5)
    assert result["relevant"] == 20


def test_a_model_that_says_the_same_of_every_item_earns_nothing():
    answers = sp.csr_matrix(np.eye(4, 30, dtype=bool))
    assert evaluation.evaluate(np.zeros((4, 30)), answers)["ndcg"].sum() == 0
    assert evaluation.evaluate(np.zeros((4, 30)), answers, ties="for")["ndcg"].mean() == 1
    assert evaluation.evaluate(np.zeros((4, 30)), answers, ties="catalogue")["hit"].mean() == 1  # an accident of order


def test_scores_one_float_apart_are_not_ties():
    above = np.nextafter(np.float32(1), np.float32(2))
    scores = np.array([[1.0, above]], np.float32)
    assert evaluation.evaluate(scores, sp.csr_matrix([[False, True]]), k=1).loc[0, "ndcg"] == 1
    assert evaluation.evaluate(scores, sp.csr_matrix([[True, False]]), k=2).loc[0, "mrr"] == 0.5
    close = np.array([[1.0, 1.0 + 1e-12]])  # equal in float32; a scorer that gives float64 keeps its order
    assert evaluation.evaluate(close, sp.csr_matrix([[False, True]]), k=1).loc[0, "ndcg"] == 1


def test_an_excluded_item_is_neither_recommended_nor_looked_for():
    scores = np.array([[3.0, 2.0, 1.0], [3.0, 2.0, 1.0]])
    answers = sp.csr_matrix([[True, True, False], [True, False, False]])
    exclude = sp.csr_matrix([[True, False, False], [True, False, False]])
    result = evaluation.evaluate(scores, answers, k=1, exclude=exclude)
    assert list(result.index) == [0]  # nothing is left to find for the second case
    assert result.loc[0, ["ndcg", "relevant"]].tolist() == [1, 1]


def test_an_item_scored_minus_infinity_is_never_a_hit():
    scores = np.full((1, 3), -np.inf)
    for ties in evaluation.TIES:
        assert evaluation.evaluate(scores, sp.csr_matrix([[True, False, True]]), ties=ties)["hit"].sum() == 0


def test_several_lengths_at_once_equal_one_after_the_other():
    rng = np.random.default_rng(0)
    scores, answers = rng.random((20, 40)), sp.csr_matrix(rng.random((20, 40)) < 0.1)
    together = evaluation.evaluate(scores, answers, k=[1, 5, 100])
    for k in (1, 5, 100):
        alone = evaluation.evaluate(scores, answers, k=k)[METRICS]
        pd.testing.assert_frame_equal(together[[f"{m}@{k}" for m in METRICS]].set_axis(METRICS, axis=1), alone)


def test_a_function_and_the_array_of_its_scores_give_the_same_whatever_the_block():
    rng = np.random.default_rng(0)
    scores, answers = rng.random((30, 12)), sp.csr_matrix(rng.random((30, 12)) < 0.3)
    expected = evaluation.evaluate(scores, answers)
    for block in (1, 7, 30, 1000):
        pd.testing.assert_frame_equal(evaluation.evaluate(lambda rows: scores[rows], answers, block=block), expected)


def test_evaluation_does_not_write_into_the_scores_it_is_given():
    scores = np.random.default_rng(0).random((5, 8))
    before, answers = scores.copy(), sp.csr_matrix(np.eye(5, 8, dtype=bool))
    evaluation.evaluate(scores, answers, exclude=answers[::-1])
    evaluation.evaluate(np.broadcast_to(scores[0], (5, 8)), answers)  # read-only
    evaluation.evaluate((scores * 10).astype(int), answers)
    assert (scores == before).all()


def test_memory_is_bounded_by_the_block():
    asked = []

    def scorer(rows):
        asked.append(len(rows))
        return np.zeros((len(rows), 50))

    evaluation.evaluate(scorer, sp.csr_matrix(np.ones((100, 50), bool)), block=16)
    assert max(asked) == 16 and sum(asked) == 100


def test_nothing_left_to_find_gives_an_empty_table_with_all_columns():
    empty = evaluation.evaluate(np.zeros((3, 4)), sp.csr_matrix((3, 4), dtype=bool))
    assert len(empty) == 0 and [*METRICS, "relevant"] == list(empty.columns)
    several = evaluation.evaluate(np.zeros((3, 4)), sp.csr_matrix((3, 4), dtype=bool), k=[1, 2])
    assert "ndcg@2" in several


# ---- sampled metrics


def test_sampling_more_negatives_than_items_is_the_full_ranking():
    rng = np.random.default_rng(0)
    scores, answers = rng.random((20, 30)), sp.csr_matrix(rng.random((20, 30)) < 0.1)
    exclude = sp.csr_matrix(rng.random((20, 30)) < 0.2)
    full = evaluation.evaluate(scores, answers, exclude=exclude)
    sampled = evaluation.evaluate(scores, answers, exclude=exclude, negatives=500)
    pd.testing.assert_frame_equal(full, sampled)


def test_sampled_metrics_flatter_every_model():
    rng = np.random.default_rng(0)
    answers = sp.csr_matrix(np.eye(200, 2000, k=3, dtype=bool))
    scores = rng.normal(size=(200, 2000)) + 2 * answers.toarray()
    full, sampled = (evaluation.evaluate(scores, answers, negatives=n)["ndcg"] for n in (None, 100))
    assert (sampled >= full).all() and sampled.mean() > 2 * full.mean()


def test_a_sampled_ranking_holds_the_relevant_items_and_so_many_others():
    scores, truth = np.zeros((50, 40)), sp.csr_matrix(np.eye(50, 40, dtype=bool)[::-1])
    scores[:, :5] = -np.inf  # excluded
    ranking._sample(scores, truth, ranking.Negatives(7), np.random.default_rng(0))
    relevant = truth.toarray() & (np.arange(40) >= 5)
    assert ((scores > -np.inf).sum(1) == 7 + relevant.sum(1)).all()
    assert (scores[relevant] == 0).all()


def test_weights_choose_the_sampled_items():
    weights = np.r_[np.zeros(10), np.ones(10), np.full(10, 9.0)]
    scores = np.zeros((4000, 30))
    ranking._sample(
        scores, sp.csr_matrix((4000, 30), dtype=bool), ranking.Negatives(1, weights), np.random.default_rng(0)
    )
    share = (scores > -np.inf).mean(0)
    assert share[:10].sum() == 0
    assert share[20:].sum() == pytest.approx(0.9, abs=0.02)


def test_the_same_seed_samples_the_same_items():
    rng = np.random.default_rng(0)
    scores, answers = rng.random((20, 300)), sp.csr_matrix(rng.random((20, 300)) < 0.02)
    a, b, other = (evaluation.evaluate(scores, answers, negatives=20, seed=seed) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(a, b)
    assert not a.equals(other)


# ---- errors


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"k": 0}, "`k` must be a whole number above 0.*k=0"),
        ({"k": 2.5}, "`k` must be a whole number above 0.*2.5"),
        ({"k": []}, "`k` must be"),
        ({"ties": "fair"}, "`ties` must be one of against, for, catalogue, shuffled.*fair"),
        ({"negatives": 0}, "`negatives` must be 1 or more.*0"),
        ({"scorer": np.full((2, 3), np.nan)}, "scores must be numbers. Received: NaN for 2 cases"),
        ({"scorer": np.zeros((2, 4))}, "one score an item. Received: 4 scores, 3 items"),
        ({"scorer": lambda rows: np.zeros(3)}, r"shape \(rows, items\). Received: \(3,\) for 2 rows"),
    ],
)
def test_an_error_names_the_argument_the_rule_and_what_arrived(arguments, message):
    with pytest.raises(ValueError, match=message):
        evaluation.evaluate(**{"scorer": np.zeros((2, 3)), "answers": sp.csr_matrix(np.eye(2, 3)), **arguments})


# ---- graded gains


def slow_graded(scores, gains, k):
    """One case, plain Python."""
    ranked = sorted(range(len(scores)), key=lambda i: (-scores[i], gains[i]))[:k]
    gained = sum(gains[i] / math.log2(place + 2) for place, i in enumerate(ranked) if scores[i] > -math.inf)
    ideal = sum(gain / math.log2(place + 2) for place, gain in enumerate(sorted(gains, reverse=True)[:k]))
    return gained / ideal if ideal else math.nan


@settings(deadline=None, max_examples=100)
@given(rankings(), st.integers(1, 12), st.integers(0, 99))
def test_graded_ndcg_equals_a_slow_plain_python_reference(ranking, k, seed):
    scores, answers, _ = ranking
    gains = answers * np.random.default_rng(seed).integers(1, 4, answers.shape)
    expected = [slow_graded(*case, k) for case in zip(scores.tolist(), gains.tolist(), strict=True)]
    assert evaluation.graded_ndcg(scores, gains, k) == pytest.approx(expected, nan_ok=True)


@settings(deadline=None, max_examples=60)
@given(rankings(), st.integers(1, 12))
def test_with_gains_of_zero_and_one_graded_ndcg_is_the_ndcg_of_evaluate(ranking, k):
    scores, answers, _ = ranking
    graded = evaluation.graded_ndcg(scores, answers, k)
    result = evaluation.evaluate(scores, sp.csr_matrix(answers), k)
    assert graded[result.index] == pytest.approx(result["ndcg"].to_numpy())
    assert np.isnan(graded).sum() == len(graded) - len(result)


@settings(deadline=None, max_examples=100)
@given(rankings(), st.integers(1, 12), st.integers(0, 99))
def test_the_best_first_are_those_of_a_whole_sort(ranking, k, seed):
    scores, answers, _ = ranking
    gains = answers * np.random.default_rng(seed).integers(1, 4, answers.shape)
    whole, few = np.lexsort((gains, -scores), axis=1)[:, :k], evaluation.best_first(scores, gains, k)
    for values in (scores, gains):
        np.testing.assert_array_equal(*(np.take_along_axis(values, order, 1) for order in (whole, few)))
    assert all(len(set(row)) == len(row) for row in few.tolist())


def test_what_is_not_a_number_stands_last():
    assert evaluation.best_first(np.array([[np.nan, 0.1, 0.3]]), np.zeros((1, 3)), 2).tolist() == [[2, 1]]


def test_among_equal_scores_the_item_that_is_worth_less_comes_first():
    assert evaluation.graded_ndcg(np.array([0.5, 0.5]), np.array([[3.0, 0.0]]), k=1).tolist() == [0.0]


# ---- lists


def test_lists_hold_the_best_items_that_are_not_excluded():
    rng = np.random.default_rng(0)
    scores, exclude = rng.random((30, 12)), rng.random((30, 12)) < 0.5
    lists = evaluation.top_lists(scores, 30, k=5, exclude=sp.csr_matrix(exclude), block=8)
    for case in range(30):
        allowed = [item for item in np.argsort(-scores[case]) if not exclude[case, item]][:5]
        assert lists[case].tolist() == allowed + [-1] * (5 - len(allowed))
    assert (evaluation.top_lists(scores, [4, 2], k=5) == evaluation.top_k(scores[[4, 2]], 5)).all()


@pytest.mark.parametrize("block", [1, 2, 100])
def test_both_halves_are_what_two_evaluations_give(block):
    rng = np.random.default_rng(0)
    scores, answers, seen = (rng.random((5, 30)) for _ in range(3))
    answers[3] = 1
    answers, seen = sp.csr_matrix(answers < 0.2), sp.csr_matrix(seen < 0.4)
    asked = []

    def scorer(rows):
        asked.extend(rows)
        return scores[rows]

    found = evaluation.evaluate_halves(scorer, answers, seen, block=block)
    pd.testing.assert_frame_equal(found["all"], evaluation.evaluate(scores, answers))
    pd.testing.assert_frame_equal(found["explore"], evaluation.evaluate(scores, answers, exclude=seen))
    assert asked == [0, 1, 2, 3, 4]
    assert evaluation.evaluate_halves(scorer, answers[:0], seen[:0])["explore"].empty
