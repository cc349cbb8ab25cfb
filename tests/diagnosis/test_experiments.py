"""A diagnosis from end to end, on small shops; what it says of known truths is in benchmarks/diagnosis.py."""

import json

import diagnosis as shops
import pytest

from recsys_kit.diagnosis import Settings, diagnose, experiments


@pytest.fixture(scope="module")
def found():
    shop, plan = shops.shop("promotion", 120, 0)
    return diagnose(shop, plan, Settings(steps=100, parts=(0.5,)), say=lambda line: None)


def test_everything_is_answered_with_an_interval(found):
    assert [one["question"] for one in found["answers"]] == [
        *("order", "combinations", "own counts", "time", "follows", "promotion")
    ]
    for one in [*found["answers"], *[{**one, "difference": one["ndcg"]} for one in found["scores"]]]:
        assert one["low"] <= one["difference"] <= one["high"]
    assert [one["part"] for one in found["curve"]] == [0.5, 1.0]
    assert found["seconds"]["sequence model, to train"] > 0


def test_where_the_plan_is_everything_it_is_found_and_told_as_the_first_thing_to_try(found):
    assert found["verdict"]["first"] == "promotion"
    assert found["verdict"]["verdict"] != "worth it"


def test_what_is_found_can_be_written_as_json(found):
    kind = json.loads(json.dumps(found))["kind"]
    assert kind["customers"] == 120 and kind["sentence"].startswith("In this shop customers")


def test_with_many_items_customers_are_asked_less_often_and_that_is_said(monkeypatch):
    monkeypatch.setattr(experiments.networks, "WHOLE", 20)
    shop, plan = shops.shop("promotion", 60, 0)
    said = diagnose(shop, plan, Settings(steps=40, parts=(0.5,), controls=False), say=lambda line: None)
    assert any("each customer is asked once" in note for note in said["notes"])
    assert [one["part"] for one in said["curve"]] == [0.5, 1.0]
    assert said["cases"] > said["customers"]  # the verdict is still judged at all moments


def test_titles_that_are_only_ids_are_not_asked(found):
    assert any("no titles" in note for note in found["notes"])


def test_the_same_seed_draws_the_same_shop():
    assert shops.shop("time", 20, 3)[0].events.equals(shops.shop("time", 20, 3)[0].events)


def test_a_shop_too_small_for_a_test_is_told_so():
    shop, plan = shops.shop("tiny", 9, 0)
    said = diagnose(shop, plan, say=lambda line: None)["verdict"]
    assert said["verdict"] == "too little to say" and "too small" in said["english"]


def test_a_large_shop_is_sampled_and_that_is_said(monkeypatch):
    monkeypatch.setattr(experiments.preprocessing, "task", refuse)
    shop, plan = shops.shop("noise", 60, 0)
    notes = diagnose(shop, plan, Settings(users=20), say=lambda line: None)["notes"]
    assert notes == ["20 of 60 customers were sampled; more may show more."]


def refuse(shop, **_):
    assert shop.events["user_id"].nunique() == 20
    raise experiments.NotForThisShop("enough seen")
