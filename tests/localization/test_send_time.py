import numpy as np
import pandas as pd
import pytest

from recsys_kit import datasets, preprocessing
from recsys_kit.localization import send_time
from recsys_kit.search import queries


def test_profiles_are_shares_and_become_the_chains_without_visits():
    count = np.zeros((2, send_time.CELLS))
    count[0, 5] = 4
    chain = np.full(send_time.CELLS, 1 / send_time.CELLS)
    smooth = send_time.profiles(count, 10, 1.0, chain)
    assert np.allclose(smooth.sum(1), 1)
    assert np.allclose(smooth[1], chain) and smooth[0].argmax() == 5
    assert np.allclose(send_time.profiles(count, 0, 0, chain)[0], count[0] / 4)
    assert smooth[0, 4] == pytest.approx(smooth[0, 6])  # the clock has no direction
    with pytest.raises(ValueError, match="must be 0 or more"):
        send_time.profiles(count, -1)


def test_true_chances_score_best_and_are_reliable():
    rng = np.random.default_rng(0)
    true = rng.beta(1, 20, (300, send_time.CELLS))
    happened = rng.binomial(8, true)
    scores = {name: send_time.scores(p, happened, 8).mean() for name, p in (("true", true), ("off", true * 1.7))}
    assert (scores["true"] < scores["off"]).all()
    table = send_time.reliability(true, happened, 8)
    assert np.allclose(table["said"], table["came_true"], rtol=0.1)
    assert table["cells"].sum() == true.size


def test_rates_of_unknown_households_are_the_average():
    assert send_time.rates(np.array([0.0, 20.0]), np.array([0.0, 10.0]), 4).round(2).tolist() == [2.0, 2.0]


def test_the_hit_rate_counts_visits_in_the_best_hours():
    profile, later = np.zeros((2, send_time.CELLS)), np.zeros((2, send_time.CELLS))
    profile[:, [1, 2]] = 0.5
    later[0, [1, 9]] = 1, 3
    assert send_time.hit_rate(profile, later, k=2)[0] == 0.25
    assert np.isnan(send_time.hit_rate(profile, later, k=2)[1])


def test_the_example_shop_is_told_in_its_own_time():
    shop = datasets.load("data/example_shop")
    task = preprocessing.task(shop)
    count = send_time.cell_counts(task.events, pd.Index(task.events["user_id"].unique()), shop.timezone)
    assert count.sum() == len(task.events.drop_duplicates(["user_id", "basket_id"]))
    assert not queries.judged().empty
