import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_kit.pricing import suggestions
from recsys_kit.pricing.suggestions import Rules


def products(elasticities, prices=None, error=0.1, category="A"):
    count = len(elasticities)
    table = {"item_id": [f"i{n}" for n in range(count)], "category": category, "units": 10.0, "error": error}
    return pd.DataFrame(table | {"elasticity": elasticities, "price": prices or [2.0] * count})


prices = st.integers(30, 3000).map(lambda cents: cents / 100)
rows = st.lists(st.tuples(st.floats(-4, -0.1), prices), min_size=1, max_size=8)


@settings(max_examples=40, deadline=None)
@given(rows, st.floats(0, 0.95), st.floats(0.01, 0.5), st.integers(-1, 9), st.sampled_from([None, 0.05, 0.3, 0.6]))
def test_every_constraint_holds(some, cost, largest, ending, floor):
    rules = Rules(cost, largest, ending, floor)
    table = products([e for e, _ in some], [p for _, p in some])
    table["category"] = [f"C{n % 2}" for n in range(len(table))]
    found = suggestions.suggest(table, rules, draws=60)
    assert (found["change"].abs() <= largest + 1e-9).all()
    moved = found[found["change"] != 0]
    cents = (moved["new_price"] * 100).round().astype(int)
    assert ending < 0 or (cents % 10 == ending).all()
    for _, part in found.groupby("category"):
        today = 1 - cost  # every product has the same cost share today
        kept = part["new_margin"].sum() / part["new_revenue"].sum() >= (today if floor is None else floor) - 1e-6
        assert kept or (part["change"] == 0).all()


def test_a_change_must_be_likely_to_pay():
    sure = suggestions.suggest(products([-0.5], error=0.01), Rules())
    unsure = suggestions.suggest(products([-3.3], error=2.0), Rules())
    assert sure["change"].item() > 0 and sure["gain_low"].item() > 0
    assert unsure["change"].item() == 0 and unsure["note"].item() == "no change is sure to pay"


def test_the_monopoly_price_is_found_where_there_is_one():
    # cost .5, elasticity -3: best price = cost x e / (1 + e) = .5 x 1.5 = .75 of the present one
    rules = Rules(cost=0.5, largest=0.4, ending=-1, margin_floor=0.0)
    found = suggestions.suggest(products([-3.0], [10.0], error=1e-6), rules)
    assert found["new_price"].item() == pytest.approx(7.5, abs=0.02)


def test_with_little_elasticity_only_the_rules_stop_the_price():
    found = suggestions.suggest(products([-0.5], [10.0], error=0.01), Rules(ending=-1))
    assert found["change"].item() == pytest.approx(0.1) and found["note"].item() == "as far as the rules allow"


def test_a_floor_on_the_margin_keeps_a_price_from_falling():
    table, wide = products([-6.0], [10.0], error=0.01), {"cost": 0.5, "largest": 0.3, "ending": -1}
    free = suggestions.suggest(table, Rules(**wide, margin_floor=0.0))
    held = suggestions.suggest(table, Rules(**wide))
    assert free["change"].item() < 0 <= held["change"].item()


def test_the_same_seed_suggests_the_same():
    table = products([-1.5, -0.8])
    pd.testing.assert_frame_equal(suggestions.suggest(table, Rules()), suggestions.suggest(table, Rules()))


def test_outcomes_match_numbers_worked_by_hand():
    units, revenue, margin = suggestions.outcomes(2.0, np.array([4.0]), 8.0, np.array([-1.0]), 0.25)
    assert (units.item(), revenue.item(), margin.item()) == (4.0, 16.0, 14.0)


@pytest.mark.parametrize(
    ("name", "value"), [("cost", 1.0), ("largest", 0.0), ("ending", 10), ("margin_floor", 1.0), ("confidence", 0.2)]
)
def test_a_rule_out_of_its_range_is_refused(name, value):
    with pytest.raises(ValueError, match=f"`{name}` must be"):
        Rules(**{name: value})
