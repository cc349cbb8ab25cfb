"""From a trained model to lists that a shop could send (notebook 08): what is learned, and what is written.

The two stages are in `two_stages`, the lists in `recommender`.

Letters for shapes: V items of the catalogue, W text width.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recsys_kit import features, output_file, report, shop_kind
from recsys_kit.datasets.files import read_file
from recsys_kit.datasets.items import titles
from recsys_kit.datasets.shops import Shop
from recsys_kit.datasets.tables import DataError, problem
from recsys_kit.preprocessing import Task
from recsys_kit.recommendation import next_items
from recsys_kit.recommendation.recommender import LIST_COLUMNS, Recommender, everybody
from recsys_kit.recommendation.rules import Rules
from recsys_kit.recommendation.two_stages import Model, columns, fit, labelled, some_cases, windows
from recsys_kit.workspace import Workspace

__all__ = [
    "build",
    "check_path",
    "default_settings",
    "lists_to_write",
    "open_shop",
    "read_users",
    "text_vectors",
    "train_towers",
    "write",
]

_CASES = 5_000  # of each window that the ranker learns from: a candidate table of 80,000 would take gigabytes


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
    tables = [labelled(shop, some_cases(split, _CASES, seed), Model()) for split in earlier]
    return {"model": fit(tables, columns(tables[0], task.test), trees=trees, seed=seed).model_to_string()}


def train_towers(
    workspace: Workspace, shop: Shop, task: Task, epochs: int = 2, seed: int = 0, seq: Any = None
) -> dict[str, Any]:
    """Returns the average tower and the multi-interest tower, from the workspace or trained now.

    Args:
        workspace: Where they are kept.
        shop: The shop.
        task: The task; its test answers are not looked at.
        epochs: Passes of each.
        seed: Seed of both.
        seq: The `training.Sequences` of the validation split, if they are at hand.
    """
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
                towers.train(groups, task.validation, towers.Settings(q, epochs=epochs, seed=seed), seq).model
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
    data: str = "",
    folder: str | Path = "workspace",
    users: int = 0,
    light: bool = False,
    say: Callable = print,
    wanted: str = "",
) -> Recommender:
    """Returns a recommender of all that is known of a shop up to the last event, building what is missing.

    Args:
        data: Folder with your own shop; empty: The Complete Journey.
        folder: The workspace, where notebook 05 left the trained Transformer.
        users: Random sample of so many users; 0: all.
        light: Do without the Transformer and the towers: ready in seconds, and a little less good.
        say: Called with each line of progress.
        wanted: The task, one of `shop_kind.TASKS`; empty: the one that fits the shop.
    """
    from recsys_kit import datasets, preprocessing
    from recsys_kit.datasets import promotions

    shop_kind.check(wanted)
    shop = datasets.load(data, users)
    task = preprocessing.task(shop, promotions=promotions.load(data), judged=False, wanted=wanted)
    say(task.kind.sentence(wanted))
    store = Workspace(folder)
    at = task.events["timestamp"].max() + pd.Timedelta(seconds=1)
    if task.chosen == shop_kind.NEXT_ITEM:
        served = everybody(next_items.with_all_items(task), at, task.events)
        model = next_items.alone(store, shop, served, light, say)
        text = None if light else text_vectors(store, shop, replace(task, test=served))
        return Recommender(shop, served, replace(model, text=text), new=next_items.PROPOSED)
    settings = None
    if not light:
        settings = default_settings(store, shop, task, say)
    model, served = build(store, shop, task, settings), everybody(task.test, at, task.events)
    if task.chosen == shop_kind.BOTH:
        model = next_items.beside(store, shop, task, model, served)
    return Recommender(shop, served, model)


def default_settings(workspace: Workspace, shop: Shop, task: Task, say: Callable = print):
    """Returns the settings of notebook 05's Transformer, and says so if the workspace does not have it yet.

    Args:
        workspace: Where the trained model is, or will be.
        shop: The shop.
        task: The task.
        say: Called with the line.
    """
    report.load_keras()
    from recsys_kit import training

    settings = training.Settings()
    if not training.is_trained(workspace, shop, task, settings):
        say(f"no trained model of this shop in {workspace.folder}: training it now, which takes minutes")
    return settings


def check_path(path: str | Path) -> Path:
    """Returns the path of a Parquet file that can be written; complains before anything is computed."""
    return output_file.check(path, [".parquet"])


def write(lists: pd.DataFrame, path: str | Path) -> Path:
    """Writes lists to a Parquet file: `user_id`, `rank`, `item_id`, `score`, `reason`; whole or not at all.

    Args:
        lists: What `Recommender.recommend` returned.
        path: The file; its folder must exist.
    """
    types = {"user_id": "str", "rank": "int32", "item_id": "str", "score": "float32", "reason": "str"}
    table = lists[list(LIST_COLUMNS)].astype(types)
    return output_file.write(check_path(path), lambda part: table.to_parquet(part, index=False))


def lists_to_write(
    recommender: Recommender,
    users: Collection[str] | None = None,
    k: int = 10,
    rules: Rules | None = None,
    diversity_weight: float = 0.0,
    allow_new: bool = False,
    say: Callable[[str], object] = print,
    make: Callable[..., pd.DataFrame] | None = None,
) -> pd.DataFrame:
    """Returns the lists of a nightly run, and says what a reader of the file must know about them.

    Who has no history in the catalogue gets what is popular, and no `score`: popularity is no chance, and must not be
    sorted together with the chances of the others.

    Args:
        recommender: Who recommends.
        users: Their ids; None: every user that the shop knows, with a history or without.
        k: Length of a list.
        rules: What the shop insists on.
        diversity_weight: As `Recommender.recommend` takes it.
        allow_new: Whether ids that the shop does not know are new customers.
        say: Called with each line.
        make: Makes the lists; None: `recommender.recommend`, in this process.
    """
    if users is None:
        others = pd.Index(recommender.shop.users["user_id"].astype("str").unique()).difference(recommender.place)
        users = [*recommender.place, *others]
    lists = (make or recommender.recommend)(users, k, rules, diversity_weight, allow_new=allow_new)
    strange = ~lists["user_id"].isin(recommender.place)
    if strange.any():
        count, known = lists["user_id"][strange].nunique(), recommender.shop.users["user_id"]
        new = lists["user_id"][strange & ~lists["user_id"].isin(known)].drop_duplicates()
        named = f" ({len(new):,} of them not known to the shop: {_few(new)})" if len(new) else ""
        say(f"{count:,} users have no history in the catalogue{named}: they get what is popular, without a score")
    sizes = lists.groupby("user_id").size().reindex(pd.Index(users), fill_value=0)
    if (sizes < k).any():
        none = int((sizes == 0).sum())
        without = f", {none:,} of them empty" if none else ""
        why = f"the catalogue has {len(recommender.split.items):,} items, of which a household's candidates are a part"
        say(f"{(sizes < k).sum():,} lists are shorter than {k:,}{without}: {why}, and rules take more away")
    return lists.assign(score=lists["score"].where(~strange))


def read_users(words: Collection[str], say: Callable[[str], object] = print) -> list[str]:
    """Returns user ids from words: ids themselves, or files of them; each id once.

    A `.csv` (or `.parquet`) file is a table with the column `user_id`; a `.txt` file holds one id a line, as it stands.

    Args:
        words: What followed `--users`.
        say: Called with a line if ids were given twice.

    Raises:
        ValueError: If a file is missing or no such table, or an id is empty.
    """
    found: list[str] = []
    for word in words:
        path = Path(word).expanduser()
        suffix = path.suffix.lower()
        if suffix in (".txt", ".csv", ".parquet"):
            if not path.is_file():
                raise ValueError(f"--users: {'a folder, not a file' if path.is_dir() else 'no such file'}: {path}")
            found += _ids_of_lines(path) if suffix == ".txt" else _ids_of_table(path)
        elif path.is_file():
            raise ValueError(f"--users: a file of ids must end in .txt, .csv or .parquet. Received: {path.name}")
        elif not word.strip():
            raise ValueError("--users: a user id must not be empty. For all users leave --users out.")
        else:
            found.append(word.strip())
    counts = pd.Series(found, dtype="str").value_counts(sort=False)
    twice = counts.index[counts > 1]
    if len(twice):
        say(f"{len(twice):,} user ids are there more than once, and get one list each: {_few(twice)}")
    return counts.index.tolist()


def _ids_of_table(path: Path) -> list[str]:
    table = read_file(path)
    if "user_id" not in table:
        columns = ", ".join(map(repr, table.columns))
        raise DataError(
            f"{path.name}: column `user_id` is missing. Columns found: {columns}. "
            "The first line must name the columns; ids alone, one a line, belong in a .txt file."
        )
    ids = table["user_id"].astype("str").str.strip()
    empty = ids.isna() | (ids == "")
    if empty.any():
        raise DataError(problem(path.name, "user_id", "must not be empty", table["user_id"][empty], len(table)))
    if not len(ids):
        raise DataError(f"{path.name}: has no user ids.")
    return ids.tolist()


def _ids_of_lines(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise DataError(f"{path.name}: is not UTF-8 text ({error.reason} at byte {error.start:,}).") from None
    ids = [line.strip() for line in lines if line.strip()]
    if ids and ids[0] == "user_id":  # a header
        ids = ids[1:]
    elif ids and "user_id" in re.split(r"[,;\t\"]", ids[0]):
        raise DataError(f"{path.name}: is a CSV table (first line {ids[0]!r}): let its name end in .csv.")
    if not ids:
        raise DataError(f"{path.name}: has no user ids.")
    return ids


def _few(names: Collection[str], shown: int = 3) -> str:
    return ", ".join(map(repr, list(names)[:shown])) + (", ..." if len(names) > shown else "")


def _address(shop: Shop, task: Task) -> dict:
    plan = task.test.plan
    params = {"cutoff": str(task.test.cutoff), "promotions": plan.fingerprint() if plan else ""}
    return {"data": shop.fingerprint, "params": params}
