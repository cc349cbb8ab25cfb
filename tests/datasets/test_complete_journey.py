"""The kit's own shop keeps the rules that your own data must keep; its plan has a row an item and week."""

from shop_files import EVENTS, ITEMS, TABLES

from recsys_kit.datasets import complete_journey, tables


def test_the_complete_journey_keeps_the_rules_that_your_own_data_must_keep(journey):
    for name in TABLES:
        assert tables.problems(getattr(journey, name), name, name) == []
    assert list(journey.events.columns) == EVENTS
    assert set(ITEMS) <= set(journey.items.columns)


def test_the_complete_journey_is_whole_and_its_baskets_belong_to_one_user(journey):
    assert len(journey.events) == 1_469_307
    assert len(journey.users) == 2_469
    assert journey.events["basket_id"].nunique() == len(journey.events.drop_duplicates(["basket_id", "user_id"]))
    assert set(journey.events["user_id"]) == set(journey.users["user_id"])
    assert journey.is_reference
    assert journey.is_kits_own
    assert journey.currency == "USD"


def test_prices_are_per_unit(journey):
    price, quantity = journey.events["price"], journey.events["quantity"]
    assert (price.notna() == (quantity > 0)).all()
    assert 1 < price[quantity == 2].median() < 3


def test_the_plan_of_the_complete_journey_has_a_row_an_item_and_week():
    table = complete_journey.promotions()
    assert not table.duplicated(["item_id", "start"]).any()
    assert table["start"].nunique() == 53 and table["start"].dt.tz is not None
    shares = table[list(tables.PROMOTIONS)]
    assert (shares.ge(0) & shares.le(1)).all(axis=None) and shares.gt(0).any(axis=1).all()
