"""From a trained model to lists that a shop could send (notebook 08): what is learned, and what is written.

The two stages are in `two_stages`, the lists in `recommender`.

Letters for shapes: V items of the catalogue, W text width.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recsys_kit import features, report
from recsys_kit.datasets.items import titles
from recsys_kit.datasets.shops import Shop
from recsys_kit.preprocessing import Task
from recsys_kit.recommendation.recommender import LIST_COLUMNS, Recommender, everybody
from recsys_kit.recommendation.two_stages import Model, columns, fit, labelled, windows
from recsys_kit.workspace import Workspace

__all__ = [
    "build",
    "check_path",
    "default_settings",
    "open_shop",
    "read_users",
    "text_vectors",
    "train_towers",
    "write",
]


def build(
    workspace: Workspace,
    shop: Shop,
    task: Task,
    settings,
    train_windows: int = 3,
    trees: int = 150,
    tower_epochs: int = 2,
    seed: int = 0,
) -> Model:
    """Returns everything learned, from the workspace or built now: Transformer, towers, text vectors and ranker.

    All of them learn from what lies before the validation weeks. The ranker learns from windows there, which need
    neither the Transformer nor the towers; if the shop is too young for a window, from the validation weeks.

    Args:
        workspace: Where the parts are kept.
        shop: The shop.
        task: The task; its test answers are not looked at.
        settings: `training.Settings` of the Transformer; None: do without it, the towers and the texts.
        train_windows: Two-week windows that the ranker learns from.
        trees: Trees of the ranker.
        tower_epochs: Passes of each tower.
        seed: Seed of towers and ranker.
    """
    model = Model()
    if settings is not None:
        from recsys_kit import training

        model = Model(
            training.trained(workspace, shop, task, settings),
            train_towers(workspace, shop, task, tower_epochs, seed),
            text_vectors(workspace, shop, task),
        )
    address = _address(shop, task)
    address["params"] |= {"windows": train_windows, "trees": trees, "seed": seed}
    build_ranker = functools.partial(_ranker, shop, task, train_windows, trees, seed)
    import lightgbm

    return replace(model, ranker=lightgbm.Booster(model_str=workspace.get("ranker", build_ranker, **address)["model"]))


def _ranker(shop: Shop, task: Task, train_windows: int, trees: int, seed: int) -> dict[str, str]:
    """Fits the ranker and returns it as text. It stands alone so that a change in the towers doesn't change it."""
    earlier = windows(task, train_windows) or [task.validation]
    tables = [labelled(shop, split, Model()) for split in earlier]
    return {"model": fit(tables, columns(tables[0], task.test), trees=trees, seed=seed).model_to_string()}


def train_towers(workspace: Workspace, shop: Shop, task: Task, epochs: int = 2, seed: int = 0) -> dict[str, Any]:
    """Returns the average tower and the multi-interest tower, from the workspace or trained now."""
    from recsys_kit.recommendation import towers
    from recsys_kit.training import baskets

    groups = baskets.item_groups(shop.items, task.test.items)
    found = {}
    for name, interests in (("average tower", 1), ("multi-interest", 4)):
        address = _address(shop, task)
        address["params"] |= {"interests": interests, "epochs": epochs, "seed": seed}
        found[name] = workspace.get(
            "tower",
            lambda q=interests: (
                towers.train(groups, task.validation, towers.Settings(q, epochs=epochs, seed=seed)).model
            ),
            **address,
        )
    return found


def text_vectors(workspace: Workspace, shop: Shop, task: Task) -> np.ndarray | None:
    """Returns (V, W) vectors of the catalogue's titles of length 1; None if the shop has no titles."""
    words = titles(shop.items, task.test.items).to_numpy()
    if (words == task.test.items.to_numpy()).all():
        return None
    build_vectors = functools.partial(_text_vectors, words)
    return workspace.get("text", build_vectors, **_address(shop, task), uses=[titles, Task])["vectors"]


def _text_vectors(words: np.ndarray) -> dict[str, np.ndarray]:
    return {"vectors": features.text_embeddings(words)}


def open_shop(
    data: str = "", folder: str | Path = "workspace", users: int = 0, light: bool = False, say: Callable = print
) -> Recommender:
    """Returns a recommender of all that is known of a shop up to the last event, building what is missing.

    Args:
        data: Folder with your own shop; empty: The Complete Journey.
        folder: The workspace, where notebook 05 left the trained Transformer.
        users: Random sample of so many users; 0: all.
        light: Do without the Transformer and the towers: ready in seconds, and a little less good.
        say: Called with each line of progress.
    """
    from recsys_kit import datasets, preprocessing
    from recsys_kit.datasets import promotions

    shop = datasets.load(data, users)
    task = preprocessing.task(shop, promotions=promotions.load(data), judged=False)
    store = Workspace(folder)
    settings = None
    if not light:
        settings = default_settings(store, shop, task, say)
    model = build(store, shop, task, settings)
    at = task.events["timestamp"].max() + pd.Timedelta(seconds=1)
    return Recommender(shop, everybody(task.test, at, task.events), model)


def default_settings(workspace: Workspace, shop: Shop, task: Task, say: Callable = print):
    """Returns the settings of notebook 05's Transformer, and says so if the workspace does not have it yet.

    Args:
        workspace: Where the trained model is, or will be.
        shop: The shop.
        task: The task.
        say: Called with the line.
    """
    with report.quiet():  # TensorFlow loads, and looks for hardware that most of us do not have
        import keras

        from recsys_kit import training

        keras.ops.zeros(1)
    settings = training.Settings()
    if not training.is_trained(workspace, shop, task, settings):
        say(f"no trained model of this shop in {workspace.folder}: training it now, which takes minutes")
    return settings


def check_path(path: str | Path) -> Path:
    """Returns the path of a Parquet file that can be written; complains before anything is computed."""
    path = Path(path)
    if path.suffix != ".parquet":
        raise ValueError(f"the file must end in .parquet. Received: {path.name}")
    if not path.resolve().parent.is_dir():
        raise ValueError(f"the folder of {path} does not exist")
    return path


def write(lists: pd.DataFrame, path: str | Path) -> Path:
    """Writes lists to a Parquet file: `user_id`, `rank`, `item_id`, `score`, `reason`; whole or not at all.

    Args:
        lists: What `Recommender.recommend` returned.
        path: The file; its folder must exist.
    """
    path = check_path(path)
    types = {"user_id": "str", "rank": "int32", "item_id": "str", "score": "float32", "reason": "str"}
    part = path.with_name(f".{path.name}.part")
    lists[list(LIST_COLUMNS)].astype(types).to_parquet(part, index=False)
    part.replace(path)
    return path


def read_users(words: Collection[str]) -> list[str]:
    """Returns user ids from words: ids themselves, or a file with one id a line.

    Args:
        words: What followed `--users`.
    """
    found: list[str] = []
    for word in words:
        path = Path(word)
        if path.suffix in (".txt", ".csv") and path.is_file():
            lines = path.read_text(encoding="utf-8").splitlines()
            found += [line.strip() for line in lines if line.strip() and line.strip() != "user_id"]
        else:
            found.append(word)
    return list(dict.fromkeys(found))


def _address(shop: Shop, task: Task) -> dict:
    plan = task.test.plan
    params = {"cutoff": str(task.test.cutoff), "promotions": plan.fingerprint() if plan else ""}
    return {"data": shop.fingerprint, "params": params}
