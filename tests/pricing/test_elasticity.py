import numpy as np
import pandas as pd
import pytest
from priced_shop import priced_table

from recsys_kit.pricing import elasticity

TRUTH = {f"C{n % 3} | T{n}": value for n, value in enumerate(np.linspace(-2.5, -0.3, 24))}


@pytest.fixture(scope="module")
def table():
    return priced_table(TRUTH)


@pytest.mark.parametrize("strength", [0.0, 1.0])
def test_a_known_elasticity_is_recovered(table, strength):
    found = elasticity.fit(table, strength=strength).table()["elasticity"]
    truth = pd.Series(TRUTH)[found.index]
    assert np.abs(found - truth).max() < 0.35 and np.abs((found - truth).mean()) < 0.05


def test_leaving_the_display_out_exaggerates(table):
    alone = elasticity.fit(table, ("log_price",)).table()["elasticity"]
    assert alone.mean() < elasticity.fit(table).table()["elasticity"].mean() - 0.1


def test_the_truth_lies_in_the_interval_as_often_as_it_says(table):
    fitted, inside = elasticity.fit(table), []
    for seed in range(12):
        drawn, truth = elasticity.simulate(table, fitted, seed=seed)
        found = elasticity.fit(drawn).table()
        inside += list((found["low"] <= truth[:, 0]) & (truth[:, 0] <= found["high"]))
    assert 0.91 <= np.mean(inside) <= 0.98


def test_without_pooling_the_fit_is_least_squares(table):
    one = table[table["item_type"] == "C0 | T0"]
    names = ("log_price", "display")
    x = elasticity.within(elasticity.facts(one, names), one["item_id"]).to_numpy()
    y = elasticity.within(np.log(one["units"]), one["item_id"]).to_numpy()
    by_hand = np.linalg.lstsq(x, y, rcond=None)[0]
    found = elasticity.fit(table, names, strength=0.0)
    assert np.allclose(found.coefficients[found.types.get_loc("C0 | T0")], by_hand, atol=1e-3)


def test_pooling_lies_between_each_by_itself_and_one_for_all(table):
    spread = [elasticity.fit(table, strength=s).table()["elasticity"].std() for s in (0.0, 1.0, 8.0, np.inf)]
    assert spread == sorted(spread, reverse=True) and spread[-1] < 1e-9


def test_a_type_that_is_not_known_gets_the_priors_mean(table):
    fitted = elasticity.fit(table)
    assert np.allclose(fitted.of(["never seen"])[0], fitted.mean)


def test_a_promotion_that_never_happened_stops_nothing(table):
    fitted = elasticity.fit(table.assign(display=0.0))
    assert np.isfinite(fitted.coefficients).all() and np.isfinite(fitted.covariance).all()


def test_a_products_level_and_the_currency_change_nothing(table):
    dearer = table.assign(price=table["price"] * 7.3)
    assert np.allclose(elasticity.fit(dearer).coefficients, elasticity.fit(table).coefficients, atol=1e-6)


def test_the_choice_of_pooling_looks_only_at_the_weeks_that_it_is_given(table):
    past, later = table[table["week"] < 30], table[table["week"] >= 30]
    found = elasticity.choose(past, later, strengths=(0.0, 1.0, np.inf))
    assert found[1.0] > found[np.inf] and found[1.0] > 0.5


def test_a_negative_strength_is_refused(table):
    with pytest.raises(ValueError, match="`strength` must be 0 or more"):
        elasticity.fit(table, strength=-1)
