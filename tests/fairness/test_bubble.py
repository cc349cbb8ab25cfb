import numpy as np
import pandas as pd
import pytest
from unseen_shop import write_unseen_shop

from recsys_kit import datasets, preprocessing
from recsys_kit.fairness import bubble


@pytest.fixture(scope="module")
def small():
    """Thirty households, each fond of a few of 60 items in 12 categories."""
    rng = np.random.default_rng(0)
    taste = rng.dirichlet(np.full(60, 0.2), 30)
    return bubble.World(taste, 20 * taste, np.arange(60) % 12, purchases=6, k=5)


@pytest.mark.parametrize("arm", bubble.ARMS)
def test_the_simulation_is_the_same_under_the_same_seed(small, arm):
    one, two = (bubble.simulate(small, arm, 0.4, rounds=3, seed=7) for _ in range(2))
    pd.testing.assert_frame_equal(one, two)
    assert not one.equals(bubble.simulate(small, arm, 0.4, rounds=3, seed=8))


def test_the_recommender_learns_from_what_was_chosen_and_not_from_its_start_alone(small):
    fresh = bubble.World(small.taste, np.zeros_like(small.start), small.category, purchases=6, k=5)
    ndcg = bubble.simulate(fresh, "counting", rounds=12)["ndcg"]
    assert ndcg.iloc[-3:].mean() > ndcg.iloc[0] + 0.1


def test_lists_by_chance_are_the_worst_and_those_by_taste_the_best(small):
    ndcg = {arm: bubble.simulate(small, arm, rounds=8)["ndcg"].mean() for arm in ("random", "counting", "oracle")}
    assert ndcg["random"] < ndcg["counting"] < ndcg["oracle"] + 0.01


def test_without_attention_a_list_changes_nothing(small):
    blind = bubble.World(small.taste, small.start, small.category, attention=0.0, purchases=6, k=5)
    listed = bubble.simulate(blind, "counting", rounds=10)["entropy"].iloc[-1]
    free = bubble.simulate(blind, "no list", rounds=10)["entropy"].iloc[-1]
    assert abs(listed - free) < 0.1


def test_what_is_regained_is_nothing_for_counting_and_all_without_lists():
    index = pd.MultiIndex.from_product([["no list", "counting", "MMR"], [0.0], [0, 1]])
    last = pd.DataFrame({"entropy": [4, 4, 3, 2, 3.5, 3.5], "ndcg": [1, 1, 0.5, 0.5, 0.4, 0.5]}, index=index)
    found = bubble.kept_of(last).droplevel(1)
    assert found["regained"].to_dict() == {"no list": 1, "counting": 0, "MMR": 0.625}
    assert found.loc["MMR", ["ndcg_kept", "kept_least", "regained_least"]].tolist() == [0.9, 0.8, 0.5]


def test_a_world_is_made_from_a_shop_of_three_columns(tmp_path):
    shop = datasets.load(str(write_unseen_shop(tmp_path / "shop")))
    split = preprocessing.task(shop).test
    world = bubble.world(split, pd.Series("unknown", index=split.items), households=10, items=30)
    assert np.allclose(world.taste.sum(1), 1)
    assert len(bubble.simulate(world, "MMR", 0.3, rounds=2)) == 2


def test_an_unknown_arm_is_refused(small):
    with pytest.raises(ValueError, match="arm='best'"):
        bubble.simulate(small, "best")
