import numpy as np
import pytest
import scipy.sparse as sp

from recsys_kit import evaluation
from recsys_kit.fairness import shares


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_ndcg_of_lists_is_that_of_the_scores_they_come_from(rng):
    scores = rng.random((50, 80))
    answers = sp.csr_matrix(rng.random((50, 80)) < 0.1)
    wanted = evaluation.evaluate(scores, answers, 10)["ndcg"]
    found = shares.list_ndcg(evaluation.top_k(scores, 10), answers)
    assert np.allclose(found[wanted.index], wanted)


def test_exposure_weighs_a_place_as_ndcg_does():
    member = np.array([True, False, False])
    found = shares.exposure(np.array([[0, 1]]), sp.csr_matrix([[0, 1, 1]]), np.array([1, 2, 1]), {"mine": member})
    first, second = 1, 1 / np.log2(3)
    assert found["exposure"].item() == pytest.approx(first / (first + second))
    assert (found["sales"].item(), found["bought"].item()) == (0.25, 0)
    assert found["minus_bought"].item() == pytest.approx(found["exposure"].item())


def test_calibration_of_weight_0_keeps_the_order_and_1_follows_the_mix(rng):
    items, scores = np.tile(np.arange(40), (5, 1)), -np.sort(-rng.random((5, 40)), axis=1)
    category = np.arange(40) // 10
    mix = np.tile([0.5, 0.3, 0.2, 0.0], (5, 1))
    assert (shares.calibrated(items, scores, mix, category, 10, 0) == items[:, :10]).all()
    followed = shares.calibrated(items, scores, mix, category, 10, 1)
    assert np.allclose(np.bincount(category[followed[0]], minlength=4) / 10, mix[0])
    assert shares.miscalibration(followed, mix, category).max() < 1e-9


def test_the_short_form_of_the_gain_is_the_divergence_written_out(rng):
    items, scores, category = np.arange(12)[None], rng.random((1, 12)), np.arange(12) % 4
    mix, weight = rng.dirichlet(np.ones(4), 1), 0.7
    relevance = (scores[0] - scores.min()) / (scores.max() - scores.min())
    chosen: list[int] = []
    for _ in range(5):
        rest = [item for item in range(12) if item not in chosen]

        def value(item, chosen=chosen):
            divergence = shares.miscalibration(np.array([[*chosen, item]]), mix, category)[0]
            return (1 - weight) * relevance[item] - weight * divergence

        chosen = [*chosen, max(rest, key=value)]
    assert shares.calibrated(items, scores, mix, category, 5, weight)[0].tolist() == chosen


def test_re_ranking_chooses_no_item_twice_and_leaves_empty_places_empty(rng):
    items = np.array([[3, 1, 2, -1], [0, -1, -1, -1]])
    scores, mix, category = rng.random((2, 4)), np.full((2, 2), 0.5), np.array([0, 0, 1, 1])
    for lists in (
        shares.calibrated(items, scores, mix, category, 3, 0.5),
        shares.boosted(items, scores, np.array([True, False, True, False]), 3, 0.5),
    ):
        assert sorted(lists[0]) == [1, 2, 3]
        assert lists[1].tolist() == [0, -1, -1]


def test_a_boost_raises_exposure_step_by_step(rng):
    items, scores = np.tile(np.arange(100), (20, 1)), rng.random((20, 100))
    member = np.arange(100) % 5 == 0
    share = [member[shares.boosted(items, scores, member, 10, weight)].mean() for weight in (0, 0.2, 0.5, 2)]
    assert share == sorted(share)
    assert share[-1] == 1


def test_a_weight_outside_its_range_is_refused():
    with pytest.raises(ValueError, match="weight=2"):
        shares.calibrated(np.array([[0]]), np.array([[1.0]]), np.ones((1, 1)), np.array([0]), 1, 2)
