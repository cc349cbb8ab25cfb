"""The simulated shops of the diagnosis hold what their names promise, and the file of results is sound."""

import diagnosis as shops
import numpy as np
import pytest

from recsys_kit import results_file
from recsys_kit.diagnosis import verdicts


@pytest.fixture(scope="module")
def made():
    return results_file.read(shops.OUT)


def test_a_row_of_the_file_comes_out_again():
    kept, again = results_file.recompute(shops.OUT)
    assert kept == again


def test_no_shop_of_noise_was_told_that_a_model_is_worth_it(made):
    noise = made.table.query("name == 'noise'")
    assert len(noise) >= 8 and (noise["verdict"] != shops.WORTH).all()


def test_each_verdict_of_the_file_follows_from_its_interval(made):
    told = made.table.dropna(subset=["gain"])
    worth = (told["low"] > 0) & (told["gain"] > verdicts.THRESHOLDS.least * told["rival"])
    assert ((told["verdict"] == shops.WORTH) == worth).all()


def test_the_table_counts_judged_shops_only(made):
    table = shops.table(made.rows)
    said = table[[shops.WORTH, shops.ENOUGH, shops.LITTLE]].sum(axis=1)
    assert (said == table["shops"]).all()
    judged = [one for one in made.rows if one["true"] is not None and one["seed"]]
    assert table["shops"].sum() == len(judged)


def test_in_the_shop_of_texts_nobody_buys_a_thing_twice():
    shop, plan = shops.shop("texts", 20, 3)
    assert plan is None and not shop.events.duplicated(["user_id", "item_id"]).any()


def test_the_list_that_knows_the_truth_is_twice_as_good_as_chance_where_pairs_decide():
    assert shops.ceiling("pairs", 1000, 3) == pytest.approx(2 * shops.NOISE_LIST, rel=0.1)
    assert shops.NOISE_LIST == pytest.approx((1 / np.log2(1 + np.arange(1, 11))).sum() / 48, rel=1e-3)
