"""Learning in one part of the shop for another: pretrain, fine-tune, and what it saves (notebook 07).

Letters for shapes: U users, N test cases.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from recsys_kit import evaluation
from recsys_kit.optimization import small_task
from recsys_kit.optimization.small_task import NextTypes, Recipe

__all__ = ["curves", "gains", "store_parts"]


def store_parts(events: pd.DataFrame, users: pd.Index, target: float = 0.3, seed: int = 0) -> np.ndarray:
    """Splits the users by their main store: some stores are new to us, the others are where we have learned.

    Args:
        events: The events before the validation weeks. Without `store_id`, or with one store, users are drawn.
        users: (U,) user ids.
        target: About which part of the users belongs to the new stores.
        seed: Seed of which stores are new.

    Returns:
        (U,) booleans: whose main store is one of the new stores.
    """
    if not 0 < target < 1:
        raise ValueError(f"`target` must lie between 0 and 1. Received: target={target}.")
    rng = np.random.default_rng(seed)
    if "store_id" in events and events["store_id"].nunique() > 1:
        visits = events.groupby(["user_id", "store_id"], observed=True).size().rename("rows").reset_index()
        visits = visits.sort_values(["rows", "store_id"], ascending=[False, True], kind="stable")
        main = visits.drop_duplicates("user_id").set_index("user_id")["store_id"].reindex(users)
        size = main.value_counts(sort=False).sort_index()
        order = rng.permutation(size.index.to_numpy())
        new = order[np.cumsum(size[order].to_numpy()) <= target * size.sum()]
        part = main.isin(new).to_numpy()
        if part.any():
            return part
    return rng.permutation(len(users)) < round(target * len(users))


def curves(
    task: NextTypes,
    target: np.ndarray,
    recipe: Recipe,
    shares: Sequence[float] = (0.01, 0.1, 1.0),
    draws: Sequence[int] = (3, 3, 1),
    pretrain_epochs: int = 5,
    seed: int = 0,
) -> tuple[dict[tuple[float, str], pd.DataFrame], pd.DataFrame]:
    """Trains on a share of the new stores' households, from scratch and from what the old stores taught.

    Pretraining keeps the best epoch on the old stores' validation weeks, fine-tuning that on the new stores'; the test
    weeks are only ranked.

    Args:
        task: The task.
        target: (U,) booleans: who belongs to the new stores.
        recipe: The model; `epochs` and `patience` of each fine-tuning.
        shares: Which parts of the new stores' households may be learned from.
        draws: For each share, how many different samples of households are tried.
        pretrain_epochs: Passes over the old stores, at most.
        seed: Seed of the samples.

    Returns:
        For each share and start ("scratch", "pretrained"; share 0: the pretrained model as it is) one row a test case
        of the new stores with `ndcg`, averaged over the samples; and a table of what each run cost.
    """
    rng = np.random.default_rng(seed)
    watched, test = target[task.validation.cases], small_task.part_of(task.test, target[task.test.cases])
    old, new = np.flatnonzero(~target), np.flatnonzero(target)
    first = small_task.fit(task, replace(recipe, epochs=pretrain_epochs), users=old, watch=~watched)
    weights = first.model.get_weights()

    def look(model) -> pd.DataFrame:
        return small_task.judge(small_task.score(model, test), test)

    results = {(0.0, "pretrained"): look(first.model)}
    cost = [
        {
            "share": 0.0,
            "start": "pretrained",
            "households": len(old),
            "epochs": int(first.curve["ndcg"].argmax()) + 1,
            "seconds": first.seconds,
        }
    ]
    model = first.model
    for share, count in zip(shares, draws, strict=True):
        found: dict[str, list] = {"scratch": [], "pretrained": []}
        for draw in range(count):
            some = rng.permutation(new)[: max(1, round(share * len(new)))]
            for start, begin in (("scratch", None), ("pretrained", weights)):
                own = replace(recipe, seed=recipe.seed + draw)
                run = small_task.fit(task, own, some, begin, model, watched)
                found[start].append(look(run.model)["ndcg"])
                row = {"share": share, "start": start, "households": len(some), "seconds": run.seconds}
                cost.append(row | {"epochs": int(run.curve["ndcg"].argmax()) + 1})
        for start, parts in found.items():
            results[share, start] = pd.DataFrame({"ndcg": pd.concat(parts, axis=1).mean(axis=1)})
    table = pd.DataFrame(cost).groupby(["share", "start"], as_index=False).mean()
    return results, table


def gains(results: dict[tuple[float, str], pd.DataFrame], draws: int = 2000) -> pd.DataFrame:
    """Compares pretrained with scratch, case by case, at each share.

    Args:
        results: What `curves` returned.
        draws: Bootstrap samples.
    """
    rows = {}
    for share in sorted({share for share, start in results if start == "scratch"}):
        a, b = results[share, "pretrained"]["ndcg"], results[share, "scratch"]["ndcg"]
        rows[share] = {"scratch": b.mean(), "pretrained": a.mean()} | evaluation.paired_difference(a, b, draws=draws)
    return pd.DataFrame(rows).T.rename_axis("share")
