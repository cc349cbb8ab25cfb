"""Ranking: facts by hand for one household, lists in order, trees that learn and repeat themselves."""

import dataclasses

import light_shop
import numpy as np
import pandas as pd
import pytest

from recsys_kit import evaluation, preprocessing
from recsys_kit.datasets import promotions
from recsys_kit.recommendation import ranking


@pytest.fixture(scope="module")
def table():
    return light_shop.tables()[0]


def test_facts_are_those_counted_by_hand(table):
    split, shop = light_shop.task().validation, light_shop.shop()
    row = table[table["seen"] & (table["count"] >= 3)].iloc[5]
    user, now = split.test_users[row["case"]], split.answer_times[row["case"]]
    own = split.history[split.history["user"] == user]
    times = own.loc[own["item"] == row["item"]].drop_duplicates("basket_id")["timestamp"]
    assert row["count"] == len(times)
    assert row["recency_days"] == pytest.approx((now - times.max()) / pd.Timedelta(days=1), rel=1e-4)
    assert row["idle_days"] == pytest.approx((now - own["timestamp"].max()) / pd.Timedelta(days=1), rel=1e-4)
    assert row["frequency"] == own["basket_id"].nunique()
    details = shop.items.set_index("item_id").loc[split.items]
    kind = (details["category"] + details["product_type"]).to_numpy()
    assert row["type_count"] == (kind[own["item"]] == kind[row["item"]]).sum()


def test_what_was_never_bought_has_no_recency(table):
    fresh = table[~table["seen"]]
    assert fresh[["count", "recency_days", "gap_days"]].isna().all().all()
    assert fresh[["frequency", "buyers_60d", "sales_14d"]].notna().all().all()


def test_the_plan_of_the_week_of_the_visit_is_read(table):
    split, shop = light_shop.task().validation, light_shop.shop()
    weeks = pd.date_range(split.cutoff - pd.Timedelta(days=70), periods=20, freq="7D")
    rows = pd.DataFrame({"item_id": split.items[0], "start": weeks, "display": np.arange(20) / 20})
    rows = rows.reindex(columns=["item_id", "start", *promotions.PROMOTIONS]).fillna(0.0)
    planned = dataclasses.replace(split, plan=promotions.plan(rows, split.items))
    facts = ranking.Facts(planned, shop.items, shop.timezone).add(table[["case", "item", "seen"]])
    own = facts[facts["item"] == 0].iloc[0]
    now = np.searchsorted(weeks.asi8, split.answer_times[int(own["case"])].value // 10**3, side="right") - 1
    assert own["now_display"] == pytest.approx(now / 20)
    assert own["usual_display"] == pytest.approx(np.arange(now - 4, now).mean() / 20)
    assert (facts.loc[facts["item"] != 0, "now_display"] == 0).all()


def test_lists_are_in_order_and_padded():
    table = pd.DataFrame({"case": [0, 0, 0, 2], "item": [5, 6, 7, 5]})
    cases, items, values, rows = ranking.ordered(table, np.array([0.1, 0.3, 0.2, 0.9]), 2)
    assert cases.tolist() == [0, 2] and items.tolist() == [[6, 7], [5, -1]] and rows.tolist() == [[1, 2], [3, -1]]
    assert values[1, 1] == -np.inf


def test_what_is_no_candidate_is_never_recommended(table):
    split = light_shop.task().validation
    scores = ranking.pair_scorer(split, table, np.full(len(table), -50.0))(np.arange(len(split.test_users)))
    best = evaluation.top_k(scores, 5)
    held = set(zip(table["case"], table["item"], strict=True))
    assert all((case, item) in held for case, own in enumerate(best) for item in own)


@pytest.mark.parametrize("objective", ["binary", "lambdarank"])
def test_trees_learn_and_repeat_themselves(table, objective):
    rows = table.assign(list=table["case"])
    names = list(ranking.RANKING_FACTS)
    first = ranking.boosting(rows, names, objective, trees=20, threads=1).predict(rows[names])
    again = ranking.boosting(rows, names, objective, trees=20, threads=1).predict(rows[names])
    np.testing.assert_array_equal(first, again)
    assert first[table["label"]].mean() > first[~table["label"]].mean()


def test_what_happens_after_the_cutoff_changes_no_feature():
    shop, task = light_shop.shop(), light_shop.task()
    split, events = task.validation, task.events
    future = (events["timestamp"] >= split.cutoff).to_numpy()
    other = events.assign(price=np.where(future, 999.0, events["price"]))
    other["item_id"] = np.where(future, split.items[0], events["item_id"])  # nothing else sells from now on
    changed = preprocessing.split_by_time(other, split.cutoff, split.end, min_items=0, items=split.items)
    changed = dataclasses.replace(split, history=changed.history)
    table = light_shop.tables()[0]
    facts = ranking.Facts(changed, shop.items, shop.timezone).add(table[["case", "item", "seen"]])
    pd.testing.assert_frame_equal(facts[list(ranking.RANKING_FACTS)], table[list(ranking.RANKING_FACTS)])


@pytest.mark.parametrize("decimals", [0, 6])  # with many ties, and with few
def test_candidates_are_judged_as_a_ranking_of_the_whole_catalogue_would_be(decimals):
    split, table = light_shop.task().validation, light_shop.tables()[0]
    values = np.round(table["personal frequency"].to_numpy(float), decimals)
    scorer = ranking.pair_scorer(split, table, values)
    whole = evaluation.evaluate_halves(scorer, split.answers, split.seen(), 10)
    for half, found in ranking.judged(split, table, values, 10).items():
        pd.testing.assert_series_equal(found, whole[half]["ndcg"], check_dtype=False)
