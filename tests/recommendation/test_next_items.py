"""Promises to shops whose customers discover: everybody is served, with things never bought; a wish is heard."""

from dataclasses import replace

import discovery_shop
import pandas as pd
import pytest
from typer.testing import CliRunner

from recsys_kit import cli, datasets, preprocessing, recommendation, report, shop_kind
from recsys_kit.next_item import customers
from recsys_kit.recommendation import next_items, two_stages
from recsys_kit.workspace import Workspace


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A shop of discoveries; one customer is known and has bought nothing."""
    folder = discovery_shop.write(tmp_path_factory.mktemp("discoveries"), customers=200, items=150)
    users = pd.read_csv(folder / "events.csv")["user_id"].unique()
    pd.DataFrame({"user_id": [*users, "nobody yet"]}).to_csv(folder / "users.csv", index=False)
    return folder


def ask(folder, out, *words):
    common = ["recommend", "--data", str(folder), "--workspace", str(out.parent / "ws"), "--light", "--out", str(out)]
    return CliRunner().invoke(cli.app, [*common, *words])


@pytest.mark.parametrize("words", [(), ("--new-only",), ("--discovery", "3", "--diversity", "0.3")])
def test_every_customer_gets_ten_things_that_it_never_bought(folder, tmp_path, words):
    done = ask(folder, tmp_path / "lists.parquet", *words)
    assert done.exit_code == 0, done.output
    assert "0.0% of" in done.output and "The task is the next item" in done.output
    lists, events = pd.read_parquet(tmp_path / "lists.parquet"), pd.read_csv(folder / "events.csv")
    sizes = lists.groupby("user_id").size()
    assert set(sizes.index) == {*events["user_id"], "nobody yet"} and (sizes == 10).all()
    assert not lists.merge(events, on=["user_id", "item_id"]).shape[0]
    assert lists["score"].dropna().between(0, 1).all()


def test_the_task_of_the_command_is_a_wish(folder, tmp_path):
    done = ask(folder, tmp_path / "lists.parquet", "--task", "both")
    assert done.exit_code == 0, done.output
    assert "as you wish" in done.output
    done = ask(folder, tmp_path / "others.parquet", "--task", "next week")
    assert done.exit_code == 2 and "`task` must be one of next basket, next item, both" in done.output


def test_the_catalogue_of_discoveries_holds_what_only_one_bought(folder):
    shop = datasets.load(str(folder))
    task = preprocessing.task(shop, judged=False)
    assert task.chosen == shop_kind.NEXT_ITEM and task.min_users == 1
    assert set(next_items.with_all_items(task).items) == set(task.events["item_id"])


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mixed")
    return datasets.load(str(discovery_shop.write(folder / "shop", customers=400, items=150, repeats=0.5))), folder


def test_in_a_mixed_shop_both_speak_and_neither_alone_is_better(mixed):
    shop, folder = mixed
    task = preprocessing.task(shop)
    assert task.chosen == shop_kind.BOTH
    store = Workspace(folder / "ws")
    stages = recommendation.build(store, shop, task, None, train_windows=2, trees=30)
    both = next_items.beside(store, shop, task, stages, task.test)
    found = {}
    for name, model in (("next basket", stages), ("both", both)):
        table = two_stages.labelled(shop, task.test, model)
        found[name] = recommendation.ranking.judged(task.test, table, two_stages.score(model, table))["all"]
    comparison = report.compare(found, "next basket")
    assert comparison.table.loc["both", "verdict"] != "below"


def test_a_trained_model_is_kept_in_the_workspace(folder, tmp_path, monkeypatch):
    shop = datasets.load(str(folder))
    task = preprocessing.task(shop, judged=False)
    short = customers.Choice(epochs=1, length=20)
    monkeypatch.setattr(next_items.customers, "choose", lambda split: short)
    said, store = [], Workspace(tmp_path)
    first = next_items.alone(store, shop, task.test, say=said.append)
    again = next_items.alone(store, shop, task.test, say=said.append)
    assert len(said) == 1 and "training it now" in said[0]
    scores = [two_stages.sources(model, task.test)["next item"]([0, 1]) for model in (first, again)]
    assert scores[0] == pytest.approx(scores[1], abs=1e-4)


def test_where_customers_discover_the_two_stages_are_not_below_their_best_source(folder, tmp_path):
    shop = datasets.load(str(folder))
    task, store = preprocessing.task(shop, judged=False), Workspace(tmp_path)
    stages = recommendation.build(store, shop, task, None, train_windows=2, trees=20)
    counted = next_items.NextItem()
    model = replace(stages, next_item=counted)
    table = two_stages.labelled(shop, task.validation, model)
    model = next_items.weighed(task, model, table)
    found = {"two stages": two_stages.score(model, table), "next item": table["next item"]}
    found = {
        name: recommendation.ranking.judged(task.validation, table, values)["explore"] for name, values in found.items()
    }
    assert report.compare(found, "next item").table.loc["two stages", "verdict"] != "below"
    assert next_items.weighed(task, stages, table) is stages


def test_where_customers_repeat_there_is_no_next_item_model(tmp_path):
    shop = datasets.load(str(discovery_shop.write(tmp_path / "shop", customers=200, items=150, repeats=0.5)))
    task = preprocessing.task(shop, judged=False, wanted=shop_kind.NEXT_BASKET)
    model = two_stages.Model()
    assert next_items.among(Workspace(tmp_path / "ws"), shop, task, model) is model
