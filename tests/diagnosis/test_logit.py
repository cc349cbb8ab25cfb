"""The weights of a conditional logit are the likeliest, and use nothing but what they may."""

import numpy as np
import pytest
import scipy.sparse as sp

from recsys_kit.diagnosis import logit


def drawn(cases=400, items=30, count=300, seed=0):
    """One source tells all (weight 2), the other nothing."""
    rng = np.random.default_rng(seed)
    value, noise = rng.standard_normal((2, cases, items)).astype(np.float32)
    chance = np.exp(2 * value)
    chance /= chance.sum(axis=1, keepdims=True)
    bought = [rng.choice(items, p=one / one.sum()) for one in chance.astype(float)]
    answers = sp.coo_matrix((np.ones(cases, bool), (np.arange(cases), bought)), (cases, items)).tocsr()
    families = {"signal": lambda rows: [value[rows]], "noise": lambda rows: [noise[rows]]}
    return families, answers, logit.candidates([(families, answers, np.arange(cases))], count)


def test_a_logit_finds_the_weights_that_made_the_data():
    *_, data = drawn()
    fitted = logit.fit_logit(data, ("signal", "noise"))
    assert fitted.weights == pytest.approx([2, 0], abs=0.2)


def test_drawn_candidates_give_nearly_the_weights_of_the_whole_catalogue():
    whole, part = drawn(items=200)[2], drawn(items=200, count=100)[2]
    assert part.values.shape[1] == 100
    both = [logit.fit_logit(data, ("signal", "noise")).weights for data in (whole, part)]
    assert both[0] == pytest.approx(both[1], abs=0.15)


def test_a_logit_uses_no_family_but_those_named():
    families, answers, data = drawn()
    logits = {name: logit.fit_logit(data, (name,)) for name in ("signal", "noise")}
    assert [one.columns.tolist() for one in logits.values()] == [[0], [1]]
    found = logit.evaluated(families, logits, answers, np.arange(0, 400, 2))
    assert found.index.tolist() == list(range(0, 400, 2))
    assert found["signal"].mean() > 2 * found["noise"].mean()


def test_a_stronger_ridge_is_chosen_where_there_is_nothing_to_learn():
    told, *_ = drawn()[2:]
    rng = np.random.default_rng(1)
    answers = sp.coo_matrix((np.ones(60, bool), (np.arange(60), rng.integers(0, 30, 60))), (60, 30)).tocsr()
    noise = rng.standard_normal((8, 60, 30)).astype(np.float32)
    nothing = logit.candidates([({"noise": lambda rows: list(noise[:, rows])}, answers, np.arange(60))])
    assert logit.best_ridge(told, ("signal", "noise")) < logit.best_ridge(nothing, ("noise",))


def test_two_moments_are_as_good_as_one_with_the_cases_of_both():
    families, answers, whole = drawn()
    halves = logit.candidates([(families, answers, part) for part in (np.arange(200), np.arange(200, 400))])
    one, two = (logit.fit_logit(data, ("signal", "noise")).weights for data in (whole, halves))
    assert one == pytest.approx(two, abs=1e-3)
