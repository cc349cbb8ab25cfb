import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from recsys_kit import cross_sell, evaluation

SCORES = np.log(np.array([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7]], np.float32))
ANSWERS = sp.csr_matrix(np.array([[True, False, False], [False, True, False]]))
NOTHING = sp.csr_matrix((2, 3), dtype=bool)


def scorer(rows):
    return SCORES[rows]


def test_chances_sum_to_one_and_leave_the_basket_out():
    inside = sp.csr_matrix(np.array([[False, True, False], [False, False, False]]))
    calibration = cross_sell.Calibration(0.5, 0.2, np.array([0.2, 0.6, 0.2]))
    for how in (None, calibration):
        chance = cross_sell.chances(SCORES, inside, how)
        np.testing.assert_allclose(chance.sum(1), 1, rtol=1e-6)
        assert chance[0, 1] == 0
    np.testing.assert_allclose(cross_sell.chances(SCORES, NOTHING), np.exp(SCORES), rtol=1e-6)


def test_calibration_finds_the_temperature_that_chances_were_made_with():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(3000, 6)).astype(np.float32)
    chance = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    drawn = (chance.cumsum(1) > rng.random((3000, 1))).argmax(1)
    answers = sp.csr_matrix((np.ones(3000, bool), drawn, np.arange(3001)), (3000, 6))
    nothing = sp.csr_matrix((3000, 6), dtype=np.float32)
    found = cross_sell.fit_calibration(lambda rows: logits[rows] * 0.5, answers, nothing, np.full(6, 1 / 6))
    assert found.temperature == 0.5
    assert found.background <= 0.1


def test_a_list_by_value_matches_hand_work():
    value = np.array([1.0, 10.0, 1.0])
    lists = cross_sell.value_lists(scorer, ANSWERS, NOTHING, value, (0.0, 1.0), k=1)
    assert lists[0.0]["hit"].tolist() == [1, 0]  # items 0 and 2
    assert lists[1.0]["hit"].tolist() == [0, 1]  # item 1 in both: 0.3 x 10 and 0.2 x 10
    np.testing.assert_allclose(lists[1.0]["expected"], [3, 2], rtol=1e-5)
    np.testing.assert_allclose(lists[1.0]["realised"], [0, 10])
    np.testing.assert_allclose(lists[0.0]["expected"], [0.5, 0.7], rtol=1e-5)


def test_the_full_weight_has_the_highest_expected_value():
    rng = np.random.default_rng(1)
    scores, value = rng.normal(size=(50, 30)), rng.lognormal(size=30)
    answers = sp.csr_matrix((np.ones(50, bool), rng.integers(0, 30, 50), np.arange(51)), (50, 30))
    nothing = sp.csr_matrix((50, 30), dtype=np.float32)
    lists = cross_sell.value_lists(lambda rows: scores[rows], answers, nothing, value, (0.0, 0.5, 1.0), k=5)
    expected = [lists[power]["expected"] for power in (0.0, 0.5, 1.0)]
    assert (expected[2] >= expected[1] - 1e-6).all()
    assert (expected[2] >= expected[0] - 1e-6).all()
    assert (lists[0.0]["chance"] >= lists[1.0]["chance"] - 1e-6).all()


def test_an_item_without_a_value_is_in_no_list():
    lists = cross_sell.value_lists(scorer, ANSWERS, NOTHING, np.array([np.nan, 1.0, 1.0]), (0.0, 1.0), k=1)
    assert lists[0.0]["hit"].tolist() == [0, 0]


def test_weights_are_found_on_validation():
    noise = np.random.default_rng(0).normal(size=(40, 20)).astype(np.float32)
    truth = np.arange(40) % 20
    signal = np.zeros((40, 20), np.float32)
    signal[np.arange(40), truth] = 1
    answers = sp.csr_matrix((np.ones(40, bool), truth, np.arange(41)), (40, 20))
    scorers = {"signal": lambda rows: signal[rows], "noise": lambda rows: noise[rows]}
    best, grid = cross_sell.best_weights(
        scorers, {"signal": (0.0, 10.0), "noise": (0.0, 1.0)}, answers, sp.csr_matrix((40, 20), dtype=np.float32), k=1
    )
    assert best["signal"] == 10
    assert len(grid) == 3  # nothing at all is no mixture
    both = cross_sell.mixture(scorers, {"signal": 2.0, "noise": 0.5})(np.arange(3))
    np.testing.assert_allclose(both, 2 * signal[:3] + 0.5 * noise[:3])


def test_a_mixture_of_nothing_is_refused():
    with pytest.raises(ValueError, match="`weights` must give one of signal a weight above 0"):
        cross_sell.mixture({"signal": scorer}, {"signal": 0.0})


def test_revenue_is_the_median_of_price_times_quantity():
    events = pd.DataFrame({"item_id": ["a", "a", "a"], "price": [1.0, 2.0, 9.0], "quantity": [1.0, 2.0, np.nan]})
    np.testing.assert_allclose(cross_sell.revenue(events, pd.Index(["a", "b"])), [4, np.nan])


def test_evaluated_together_scorers_get_what_they_get_alone_and_parts_are_asked_once():
    rng = np.random.default_rng(2)
    scores, asked = rng.normal(size=(2, 23, 12)).astype(np.float32), []
    answers = sp.csr_matrix((np.ones(23, bool), rng.integers(0, 12, 23), np.arange(24)), (23, 12))
    exclude = sp.csr_matrix(rng.random((23, 12)) < 0.2)  # some answers are excluded: their cases are dropped

    def part(which):
        return cross_sell.remembering(lambda rows: (asked.append((which, len(rows))), scores[which][rows])[1])

    parts = {"a": part(0), "b": part(1)}
    scorers = parts | {"sum": cross_sell.mixture(parts, {"a": 1.0, "b": 0.5})}
    found = cross_sell.evaluate_all(scorers, answers, 5, exclude=exclude, block=8)
    assert asked == [(which, size) for size in (8, 8, 7) for which in (0, 1)]
    for name, scorer in scorers.items():
        pd.testing.assert_frame_equal(found[name], evaluation.evaluate(scorer, answers, 5, exclude=exclude))


def test_what_is_remembered_is_not_changed_by_who_asks():
    remembered = cross_sell.remembering(scorer)
    remembered(np.array([0]))[:] = 7
    np.testing.assert_array_equal(remembered(np.array([0])), SCORES[[0]])
