"""The next-item model of a shop, from the workspace or trained now: alone, or beside the two stages (notebook 08).

Letters for shapes: V items of the catalogue.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pandas as pd

from recsys_kit import shop_kind
from recsys_kit.datasets.shops import Shop
from recsys_kit.next_item import customers
from recsys_kit.next_item.customers import Choice
from recsys_kit.preprocessing import Split, Task
from recsys_kit.recommendation import ranking
from recsys_kit.recommendation.discoveries import NextItem, choose_mix, fit_mix
from recsys_kit.recommendation.two_stages import Model, labelled, score, some_cases
from recsys_kit.workspace import Workspace

__all__ = ["PROPOSED", "alone", "among", "beside", "weighed", "with_all_items"]

PROPOSED = 200
"""New items for each customer where nothing else is proposed: rules take some away."""

_CASES = 5_000  # of the validation weeks, to learn from how much each is believed


def with_all_items(task: Task) -> Split:
    """Returns the test split with a catalogue of what was bought in the test weeks, too; its answers don't fit it."""
    bought = task.events["item_id"].unique() if task.min_users == 1 else task.test.items
    return replace(task.test, items=pd.Index(np.sort(bought), name="item_id"))


def alone(workspace: Workspace, shop: Shop, split: Split, light: bool = False, say: Callable = print) -> Model:
    """Returns the next-item model alone, from the workspace or trained now on a split's history.

    Args:
        workspace: Where it is kept.
        shop: The shop.
        split: What is known; its answers are not looked at.
        light: Count pairs only.
        say: Called with the line that says that it is trained now.
    """
    if light:
        return Model(next_item=NextItem())
    if workspace.file("next_item_choice", functools.partial(_choice, split), **_address(shop, split)) is None:
        say(f"no next-item model of this shop in {workspace.folder}: training it now, which takes a minute or a few")
    return Model(next_item=_next_item(workspace, shop, split, _chosen(workspace, shop, split)))


def beside(workspace: Workspace, shop: Shop, task: Task, model: Model, split: Split) -> Model:
    """Returns the two stages with the next-item model beside them, for a shop where both happen.

    Its settings, and how much each is believed, are chosen on what lies before the test.

    Args:
        workspace: Where it is kept.
        shop: The shop.
        task: The task; its test answers are not looked at.
        model: What `build` returned; without its Transformer, pairs are counted only.
        split: What is known when the model is asked: its history is trained on.
    """
    light = model.transformer is None
    choice = Choice() if light else _chosen(workspace, shop, task.validation)
    earlier = NextItem() if light else _next_item(workspace, shop, task.validation, choice)
    some = some_cases(task.validation, _CASES)
    table = labelled(shop, some, replace(model, next_item=earlier))
    mix = fit_mix(score(model, table), table)
    found = earlier if light else _next_item(workspace, shop, split, choice)
    return replace(model, next_item=replace(found, mix=mix))


def among(workspace: Workspace, shop: Shop, task: Task, model: Model) -> Model:
    """Returns a model with the next-item model among its sources, if the task asks what customers discover.

    Args:
        workspace: Where it is kept.
        shop: The shop.
        task: The task; the model learns from what lies before its validation weeks.
        model: What else was learned.
    """
    if task.chosen == shop_kind.NEXT_BASKET:
        return model
    choice = _chosen(workspace, shop, task.validation)
    return replace(model, next_item=_next_item(workspace, shop, task.validation, choice))


def weighed(task: Task, model: Model, table: pd.DataFrame) -> Model:
    """Returns a model that knows how much the two stages and the next-item model are believed.

    Args:
        task: The task.
        model: With a ranker; without a next-item model it is returned as it is.
        table: The labelled candidates of the validation weeks.
    """
    if model.next_item is None:
        return model
    half = "explore" if task.chosen == shop_kind.NEXT_ITEM else "all"
    stages = score(replace(model, next_item=None), table)

    def ndcg(values: np.ndarray) -> float:
        return float(ranking.judged(task.validation, table, values)[half].mean())

    return replace(model, next_item=replace(model.next_item, mix=choose_mix(stages, table, ndcg)))


def _chosen(workspace: Workspace, shop: Shop, split: Split) -> Choice:
    address = _address(shop, split)
    return Choice(**workspace.get("next_item_choice", functools.partial(_choice, split), **address))


def _choice(split: Split) -> dict[str, Any]:
    return asdict(customers.choose(split))


def _next_item(workspace: Workspace, shop: Shop, split: Split, choice: Choice) -> NextItem:
    if not choice.epochs:
        return NextItem(None, choice)
    address = _address(shop, split)
    address["params"] |= asdict(choice)
    build_model = functools.partial(customers.train, split, choice)
    return NextItem(workspace.get("next_item", build_model, **address), choice)


def _address(shop: Shop, split: Split) -> dict:
    return {"data": shop.fingerprint, "params": {"cutoff": str(split.cutoff), "items": len(split.items)}}
