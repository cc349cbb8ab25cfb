"""What every method promises, whatever its idea."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from recsys_kit import baselines, evaluation
from recsys_kit.baselines import scorers
from recsys_kit.datasets import promotions

METHODS = {
    "popularity": baselines.popularity,
    "personal frequency": baselines.personal_frequency,
    "decayed frequency": lambda split: baselines.personal_frequency(split, decay=30),
    "user-kNN": lambda split: baselines.user_knn(split, neighbours=5),
    "item-kNN": lambda split: baselines.item_knn(split, neighbours=5),
    "co-occurrence": lambda split: baselines.cooccurrence(split, neighbours=5),
    "ALS": lambda split: baselines.als(split, factors=4),
    "BPR": lambda split: baselines.bpr(split, factors=4, iterations=100, rate=0.05),
    "SVD": lambda split: baselines.svd(split, factors=4),
    "WARP": lambda split: baselines.warp(split, factors=4),
}
EXTRA = {"SVD": "surprise", "WARP": "lightfm"}


def build(name, split):
    if name in EXTRA:
        pytest.importorskip(EXTRA[name], reason=f"{EXTRA[name]} comes with the extra `baselines`")
    return METHODS[name](split)


@pytest.mark.parametrize("name", METHODS)
def test_every_method_scores_the_whole_catalogue_with_finite_numbers(shop, name):
    scores = build(name, shop)(np.arange(len(shop.test_users)))
    assert scores.shape == shop.answers.shape
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("name", METHODS)
def test_the_same_seed_gives_the_same_scores(shop, name):
    rows = np.arange(len(shop.test_users))
    assert np.array_equal(build(name, shop)(rows), build(name, shop)(rows))


@pytest.mark.parametrize("name", METHODS)
def test_scores_do_not_depend_on_which_rows_are_asked_for_together(shop, name):
    scorer = build(name, shop)
    assert np.allclose(scorer(np.array([7, 3])), scorer(np.arange(10))[[7, 3]], atol=1e-5)


@pytest.mark.parametrize("name", [name for name in METHODS if name not in ("popularity", "SVD")])
def test_every_personal_method_finds_the_two_tastes(shop, name):
    known = np.arange(1, len(shop.test_users))  # case 0 is the user `new`
    scores = build(name, shop)(known)
    scores[:, shop.items.get_loc("z")] = -np.inf
    best = evaluation.top_k(scores, 5)
    assert np.take_along_axis(shop.answers[known].toarray(), best, 1).mean() > 0.9


@pytest.mark.parametrize("name", [name for name in METHODS if name not in ("popularity", "ALS", "BPR", "SVD", "WARP")])
def test_a_user_without_history_gets_the_popular_items(shop, name):
    case = int(np.flatnonzero(shop.users[shop.test_users] == "new")[0])
    scores = build(name, shop)(np.array([case]))[0]
    assert shop.items[np.argmax(scores)] == "z"


def test_importing_the_modules_loads_no_optional_library():
    code = (
        "import sys; from recsys_kit.baselines import factorisation, frequency, lstm, neighbours, transitions; "
        "print(*sys.modules)"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"implicit", "surprise", "lightfm", "keras", "tensorflow"} & set(loaded)


def test_popularity_breaks_ties_in_every_scorer_and_overrules_nothing():
    popular = np.array([0.1, 0.2, 1.0])
    counts = sp.csr_matrix(np.array([[1.0, 1.0, 0.0]]))
    made = [
        scorers.sum_scorer(counts, 1e-6 * popular),
        scorers.product_scorer(counts, sp.eye(3, format="csr"), popular),
        scorers.factor_scorer(counts.toarray(), np.eye(3), popular),
    ]
    assert all(np.argsort(-scorer(np.array([0]))[0]).tolist() == [1, 0, 2] for scorer in made)


def with_plan(split):
    """Gives a split a plan: the first item is displayed in every store, the second was in the week before."""
    starts = pd.DatetimeIndex([split.cutoff - pd.Timedelta(days=7), split.cutoff])
    share = np.zeros((3, len(split.items) + 1, 3), np.float32)
    share[2, 1, 0] = share[1, 2, 0] = 1
    return replace(split, plan=promotions.Plan(starts, share))


def test_what_is_promoted_in_the_week_of_the_visit_scores_more(shop):
    split = with_plan(shop)
    rows = np.arange(len(split.test_users))
    plain = baselines.popularity(split)(rows)
    once = baselines.promoted(baselines.popularity(split), split, (2, 0, 0))(rows)
    np.testing.assert_allclose(once[:, 0], 3 * plain[:, 0])
    np.testing.assert_allclose(once[:, 1:], plain[:, 1:])
    lifted = baselines.promoted(baselines.popularity(split), split, (2, 0, 0), lift=True)(rows)
    np.testing.assert_allclose(lifted[:, 0], 3 * plain[:, 0])
    np.testing.assert_allclose(lifted[:, 1], 0.02 * plain[:, 1], atol=1e-6)  # less than usual: the least factor
    np.testing.assert_allclose(lifted[:, 2:], plain[:, 2:])
    mailed = baselines.promoted(baselines.popularity(split), split, (0, 9, 9))(rows)
    np.testing.assert_allclose(mailed, plain)


def test_counting_with_the_plan_is_counts_and_popularity_each_times_what_is_promoted(shop):
    split = with_plan(shop)
    rows = np.arange(len(split.test_users))
    habits, news, weight = (1, 0, 0), (3, 0, 0), 0.5  # the first item is on display in half of the stores
    split.plan.share[2, 1, 0] = 0.5
    own, popular = baselines.personal_frequency(split, 30, 0)(rows), baselines.popularity(split)(rows)
    found = baselines.promoted_frequency(split, 30, weight, habits, news)(rows)
    np.testing.assert_allclose(found[:, 0], 1.5 * own[:, 0] + weight * 2.5 * popular[:, 0], rtol=1e-6)
    np.testing.assert_allclose(found[:, 1:], own[:, 1:] + weight * popular[:, 1:], rtol=1e-6)


def test_neighbours_hear_what_is_promoted_more_than_usual(shop):
    split = with_plan(shop)
    rows = np.arange(len(split.test_users))
    plain = baselines.user_knn(split, neighbours=5)(rows)
    found = baselines.promoted_knn(split, (2, 0, 0), neighbours=5)(rows)
    np.testing.assert_allclose(found[:, 0], 3 * plain[:, 0], rtol=1e-6)
    np.testing.assert_allclose(found[:, 1], 0.02 * plain[:, 1], atol=1e-6)
    np.testing.assert_allclose(found[:, 2:], plain[:, 2:])


def test_without_a_plan_nothing_is_promoted(shop):
    with pytest.raises(ValueError, match="no promotion plan"):
        baselines.promoted(baselines.popularity(shop), shop, (1, 1, 1))
