"""Gradient boosting on the facts of notebook 02: ranks what a household bought before (notebook 03).

It learns from earlier windows of the same shop, as of their own first day, and reads the promotion plan if asked to.
Letters for shapes: R rows (one a test case and item of its history), V items of the catalogue, B rows asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from recsys_kit import features
from recsys_kit.datasets.promotions import PROMOTIONS
from recsys_kit.evaluation import Scorer
from recsys_kit.preprocessing import Split, Task, split_by_time

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingClassifier

__all__ = [
    "PLAN",
    "boosted_trees",
    "earlier_windows",
    "facts",
    "fit_trees",
    "labelled",
    "plan_facts",
    "predict",
    "read_columns",
]

PLAN = tuple(f"{when}_{way}" for when in ("now", "usual", "at_last") for way in PROMOTIONS)
"""What the promotion plan says of the week of the visit, of the four weeks before, of the week of the last purchase."""

_DAY = pd.Timedelta(days=1)


def boosted_trees(
    task: Task,
    timezone: str,
    windows: int = 6,
    negatives: float = 0.1,
    seed: int = 0,
    plan: bool = False,
) -> Scorer:
    """Ranks each test household's history by boosted trees; what it never bought follows, by popularity.

    Args:
        task: The task; the trees learn from the validation weeks and from windows before them.
        timezone: Zone of the shop.
        windows: How many windows they learn from, the validation weeks included.
        negatives: Share of the "not bought" rows that they learn from.
        seed: Seed of that sample and of the trees.
        plan: Whether they read the task's promotion plan.

    Returns:
        A scorer of `task.test`: rows (B,) of its test cases -> scores (B, V).
    """
    rng, read, samples = np.random.default_rng(seed), read_columns(plan), []
    for split in earlier_windows(task, windows):
        samples.append(labelled(split, facts(split, timezone, plan), negatives, rng))
    learned, rows = pd.concat(samples, ignore_index=True), facts(task.test, timezone, plan)
    if learned.empty or rows.empty:  # nobody came back in any window: there is nothing to learn from, or to rank
        return features.table_scorer(task.test, rows, np.zeros(len(rows)))
    return features.table_scorer(task.test, rows, predict(fit_trees(learned, read, seed), rows[read]))


def read_columns(plan: bool = False) -> list[str]:
    """Returns which columns of `facts` the trees read."""
    return [*features.RANKING_COLUMNS, *(PLAN if plan else ())]


def facts(split: Split, timezone: str, plan: bool = False) -> pd.DataFrame:
    """Returns `features.ranking_features`, and what the promotion plan says of each row.

    Args:
        split: The split.
        timezone: Zone of the shop.
        plan: Whether the columns `PLAN` are added.

    Raises:
        ValueError: If they are asked for, and the split has no plan.
    """
    table = features.ranking_features(split, timezone)
    if not plan:
        return table
    if split.plan is None:
        raise ValueError("`split` has no promotion plan: give `promotions` to `preprocessing.task`.")
    return table.assign(**plan_facts(split, table["case"], table["item"], table["recency_days"], split.plan.usual()))


def plan_facts(
    split: Split,
    case: np.ndarray | pd.Series,
    item: np.ndarray | pd.Series,
    recency_days: np.ndarray | pd.Series,
    usual: np.ndarray,
) -> dict[str, np.ndarray]:
    """Returns what the promotion plan says of pairs of a test case and an item.

    Args:
        split: The split; it has a plan.
        case: (R,) places among the test cases.
        item: (R,) columns of the catalogue.
        recency_days: (R,) days from the last purchase to the visit; NaN: never bought.
        usual: What `Plan.usual` returned.

    Returns:
        `PLAN`: (R,) parts of the stores, float32; NaN for the last purchase of what was never bought.
    """
    case, item, recency = np.asarray(case), np.asarray(item), np.asarray(recency_days, np.float32)
    starts = np.asarray((split.plan.starts - split.cutoff) / _DAY)  # in days after the cutoff
    visit = np.asarray((pd.DatetimeIndex(split.answer_times) - split.cutoff) / _DAY)
    week = split.plan.week(split.answer_times)[case]
    last = np.searchsorted(starts, visit[case] - np.nan_to_num(recency), side="right")
    then = np.where(np.isnan(recency)[:, None], np.nan, split.plan.share[last, item + 1])
    said = np.concatenate([split.plan.share[week, item + 1], usual[week, item + 1], then], axis=1)
    return dict(zip(PLAN, said.T.astype(np.float32), strict=True))


def earlier_windows(task: Task, count: int) -> Iterator[Split]:
    """Yields the validation weeks, then the windows of the same length before them, while there is history to learn.

    Args:
        task: The task; all windows share the catalogue of its validation weeks, and the promotion plan.
        count: At most so many windows.
    """
    valid = task.validation
    end, length = valid.cutoff, valid.end - valid.cutoff
    yield valid
    for _ in range(count - 1):
        split = split_by_time(task.events, end - length, end=end, min_items=1, items=valid.items)
        if len(split.history) == 0 or len(split.test_users) == 0:
            return
        yield replace(split, plan=valid.plan)
        end = split.cutoff


def labelled(split: Split, table: pd.DataFrame, negatives: float, rng: np.random.Generator) -> pd.DataFrame:
    """Returns the bought rows of `table` and a sample of the others, with `label` and a `weight` that makes up for it.

    Args:
        split: The window that the rows (`case`, `item`) are from.
        table: Features, one row a case and item.
        negatives: Share of the "not bought" rows to keep.
        rng: Draws that share.
    """
    label = features.labels(split, table)
    keep = label | (rng.random(len(table)) < negatives)
    return table[keep].assign(label=label[keep], weight=np.where(label, 1, 1 / negatives)[keep])


def fit_trees(sample: pd.DataFrame, columns: Sequence[str], seed: int = 0) -> HistGradientBoostingClassifier:
    """Fits a hundred small trees to `label` by `weight`, on one thread: two wait for each other on a busy machine."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits

    trees = HistGradientBoostingClassifier(
        max_iter=100,
        learning_rate=0.08,
        max_leaf_nodes=12,
        min_samples_leaf=max(20, min(1000, len(sample) // 100)),
        early_stopping=False,
        random_state=seed,
    )
    known = sample[list(columns)]
    empty = [name for name in columns if known[name].isna().all()]  # a sparse shop's; scikit-learn wants a value
    with threadpool_limits(1):
        return trees.fit(known.fillna(dict.fromkeys(empty, 0.0)), sample["label"], sample_weight=sample["weight"])


def predict(trees: HistGradientBoostingClassifier, table: pd.DataFrame) -> np.ndarray:
    """Returns (R,) the trees' chance that a row is bought, on one thread."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        return trees.predict_proba(table)[:, 1]
