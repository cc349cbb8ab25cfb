"""Which task fits which shop: the pure tasks and both together, on generated shops, with paired intervals.

    PYTHONPATH=tests python benchmarks/shop_kinds.py --shop discovery
    PYTHONPATH=tests python benchmarks/shop_kinds.py --shop mixed

Each customer's last purchase is hidden, as `recsys-kit bench` does; `recsys-kit recommend` gets the rest, and its lists
are looked at once. Some minutes a shop; `--light` counts only, in seconds.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import discovery_shop
import numpy as np
import pandas as pd

from recsys_kit import evaluation, recommendation, report, shop_kind
from recsys_kit.next_item import bench

REPEATS = {"discovery": 0.0, "mixed": 0.5}
LEAST = 3  # purchases of a customer who is judged, as in `bench`


def hide_last(events: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Returns the events without each customer's last one, where there are enough, and those that are hidden."""
    events = events.sort_values("timestamp", kind="stable")
    enough = events.groupby("user_id")["item_id"].transform("size") >= LEAST
    hidden = enough & ~events.duplicated("user_id", keep="last")
    return events[~hidden], events[hidden].set_index("user_id")["item_id"]


def judged(lists: pd.DataFrame, hidden: pd.Series) -> pd.DataFrame:
    """Returns for each customer `recall` and `ndcg` of its list of ten, `new` or not, and whether it has a list.

    Args:
        lists: `user_id`, `rank`, `item_id`.
        hidden: (N,) by user, what was bought next.
    """
    found = lists[lists["item_id"] == lists["user_id"].map(hidden)].set_index("user_id")["rank"].reindex(hidden.index)
    ndcg = pd.Series(np.append(evaluation.discounts(10), 0)[found.fillna(11).astype(int) - 1], hidden.index)
    return pd.DataFrame({"recall": found.notna(), "ndcg": ndcg, "served": hidden.index.isin(lists["user_id"])}).astype(
        float
    )


def lists_of(folder: str, task: str, light: bool, new_only: bool) -> pd.DataFrame:
    """Returns the lists that `recsys-kit recommend` writes for a shop's folder; tasks share what is trained."""
    recommender = recommendation.open_shop(folder, Path(folder) / "ws", light=light, wanted=task)
    return recommendation.lists_to_write(recommender, rules=recommendation.Rules(new_only=new_only))


def refitted(events: pd.DataFrame) -> dict[str, float]:
    """Returns the test figures that `recsys-kit bench` gives the same shop, with all that is known trained on."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.csv"
        events.to_csv(path, index=False)
        return bench.bench(path)["transformer"]["refitted_with_prior"]["mean"]


def compare(kind: str, seed: int, light: bool = False, **shape) -> dict[str, pd.DataFrame]:
    """Returns for each task what `judged` says of a shop's lists; the task that fits comes first.

    Args:
        kind: A name in `REPEATS`.
        seed: Of the shop.
        light: Count only.
        shape: As `discovery_shop.events` takes it.
    """
    past, hidden = hide_last(discovery_shop.events(repeats=REPEATS[kind], seed=seed, **shape))
    fits = shop_kind.NEXT_ITEM if kind == "discovery" else shop_kind.BOTH
    pure = [task for task in shop_kind.TASKS if task != fits and (kind == "mixed" or task != shop_kind.BOTH)]
    with tempfile.TemporaryDirectory() as folder:
        past.to_csv(Path(folder) / "events.csv", index=False)
        return {task: judged(lists_of(folder, task, light, kind == "discovery"), hidden) for task in (fits, *pure)}


def main() -> None:
    """Prints a table for each metric and seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shop", choices=list(REPEATS), default="discovery")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--light", action="store_true", help="count only")
    words = parser.parse_args()
    for seed in words.seeds:
        tables = compare(words.shop, seed, words.light)
        served = {task: f"{table['served'].mean():.1%} served" for task, table in tables.items()}
        for metric in ("recall", "ndcg"):
            scores = {task: table[metric] for task, table in tables.items()}
            table = report.compare(scores, next(iter(scores)), f"{metric}@10", budget=served)
            print(f"\n{words.shop}, seed {seed}\n{table}")
            error = {task: values.std() / len(values) ** 0.5 for task, values in scores.items()}
            print("standard errors:", {task: round(value, 4) for task, value in error.items()})
        if words.shop == "discovery" and not words.light:
            print("bench, refitted:", refitted(discovery_shop.events(seed=seed)))


if __name__ == "__main__":
    main()
