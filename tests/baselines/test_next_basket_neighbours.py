import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from two_tastes import make_split, random_split, score

from recsys_kit import baselines
from recsys_kit.baselines import neighbours, next_basket_neighbours
from recsys_kit.baselines.next_basket_neighbours import Kernel

RULES = {"TIFU-kNN": baselines.tifu_knn, "UP-CF": baselines.up_cf, "TAIW": baselines.taiw}


def test_tifu_knn_matches_an_example_worked_by_hand():
    """Three baskets a, a, b in two groups: (a, a) and (b); the only neighbour bought c once."""
    split = make_split([("u", 30, "a"), ("u", 20, "a"), ("u", 10, "b"), ("v", 10, "c")], [("u", "c")])
    found = score(baselines.tifu_knn(split, 2, 0.9, 0.7, own=0.6, neighbours=1), split, "u")
    assert found["a"] == pytest.approx(0.6 * (0.7 / 2) * (0.9 + 1) / 2, abs=1e-5)
    assert found["b"] == pytest.approx(0.6 / 2, abs=1e-5)
    assert found["c"] == pytest.approx(0.4 * 1, abs=1e-5)


def test_tifu_knn_asks_the_nearest_user_by_euclidean_distance():
    near, far = ("v", 10, "ac"), ("w", 10, "bd")
    split = make_split([("u", 10, "a"), near, far], [("u", "c")])
    found = score(baselines.tifu_knn(split, own=0.5, neighbours=1), split, "u")
    assert found["c"] == pytest.approx(0.5, abs=1e-5) and found["d"] < 1e-5


def test_up_cf_matches_an_example_worked_by_hand():
    """u bought {a, b}, v {a, c, d}; of v's last basket, c and d."""
    split = make_split([("u", 20, "a"), ("u", 10, "b"), ("v", 20, "a"), ("v", 10, "cd")], [("u", "c")])
    alike = 1 / (2**0.25 * 3**0.75)
    found = score(baselines.up_cf(split, recent=1, asymmetry=0.25, power=2), split, "u")
    assert [found[item] for item in "abcd"] == pytest.approx([0, 1, alike**2, alike**2], abs=1e-5)
    found = score(baselines.up_cf(split, recent=None, asymmetry=0.25, power=2), split, "u")
    assert [found[item] for item in "abcd"] == pytest.approx(
        [0.5 + 0.5 * alike**2, 0.5, 0.5 * alike**2, 0.5 * alike**2], abs=1e-5
    )


def test_taiw_counts_a_purchase_by_its_kernel_when_the_user_comes_back():
    """One purchase a day and ten days before: without a bump, the decay alone is left."""
    split = make_split([("u", 9, "a"), ("u", 1, "b"), ("v", 9, "c")], [("u", "c")])
    found = score(baselines.taiw(split, Kernel(10, 0, 0, 1, 0), own=0.8, neighbours=1), split, "u")
    assert found["a"] == pytest.approx(0.8 * np.exp(-1) / 2, abs=1e-5)  # looked at one day after the cutoff
    assert found["b"] == pytest.approx(0.8 * np.exp(-0.2) / 2, abs=1e-5)
    assert found["c"] == pytest.approx(0.2 * np.exp(-0.9), abs=1e-5)  # a neighbour: at the cutoff


def test_a_kernel_rises_at_the_items_own_interval():
    kernel, ages = Kernel(decay=50, by_interval=0, bump=2.0, width=0.2, repeat=0), np.array([3.0, 7.0, 14.0])
    weekly = kernel.weights(ages, np.full(3, 7.0), 7.0, np.ones(3))
    assert weekly.argmax() == 1
    assert weekly[1] == pytest.approx(np.exp(-7 / 50) + 2)


def test_an_item_bought_often_again_weighs_more_and_its_interval_is_learned():
    weekly = [("u", day, "a") for day in range(7, 71, 7)] + [("v", day, "a") for day in range(7, 71, 7)]
    once = [("u", 10, "b"), ("v", 10, "c")]
    split = make_split(weekly + once, [("u", "a")])
    user, step, item = next_basket_neighbours._purchases(split)
    day = next_basket_neighbours._days(split, user, step, item)
    interval, middle, repeat = next_basket_neighbours._rhythm(user, item, day, len(split.items))
    assert middle == pytest.approx(7) and interval == pytest.approx([7, 7, 7])
    assert repeat[0] > repeat[1] == repeat[2]


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
@given(seed=st.integers(0, 99), cells=st.sampled_from([1, 100, 2**24]))
@examples(max_examples=8, deadline=None)
def test_blocks_do_not_change_a_score(rule, seed, cells):
    split = random_split(seed)
    rows = np.arange(len(split.test_users))
    wanted = rule(split)(rows)
    before, neighbours._CELLS = neighbours._CELLS, cells
    try:
        assert np.allclose(rule(split)(rows[::-2]), wanted[::-2], atol=1e-6)
        assert rule(split)(rows[:0]).shape == (0, len(split.items))
    finally:
        neighbours._CELLS = before


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_a_user_without_history_gets_neighbours_or_popularity_and_no_error(rule):
    split = make_split([("u", 10, "ab"), ("v", 12, "ab"), ("v", 5, "a")], [("new", "a")])
    found = rule(split)(np.arange(1))[0]
    assert np.isfinite(found).all() and found.argmax() == 0


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_a_shop_of_one_user_is_ranked_by_the_own_history(rule):
    found = rule(make_split([("u", 10, "ab"), ("u", 5, "b")], [("u", "b")]))(np.arange(1))[0]
    assert found[1] > found[0] > 0
