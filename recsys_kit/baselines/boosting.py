"""Gradient boosting on the facts of notebook 02: the strongest rule for what a household buys again (notebook 03).

It learns from earlier windows of the same shop, as of their own first day, and ranks what each household bought before.
Letters for shapes: R rows (one a test case and item of its history), V items of the catalogue, B rows asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from recsys_kit import features
from recsys_kit.evaluation import Scorer
from recsys_kit.preprocessing import Split, Task, split_by_time

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingClassifier

__all__ = ["boosted_trees", "earlier_windows", "fit_trees", "labelled", "predict"]


def boosted_trees(
    task: Task, items: pd.DataFrame, timezone: str, windows: int = 6, negatives: float = 0.1, seed: int = 0
) -> Scorer:
    """Ranks each test household's history by boosted trees; what it never bought follows, by popularity.

    Args:
        task: The task; the trees learn from the validation weeks and from windows before them.
        items: Item table.
        timezone: Zone of the shop.
        windows: How many windows they learn from, the validation weeks included.
        negatives: Share of the "not bought" rows that they learn from.
        seed: Seed of that sample and of the trees.

    Returns:
        A scorer of `task.test`: rows (B,) of its test cases -> scores (B, V).
    """
    rng, columns = np.random.default_rng(seed), list(features.RANKING_COLUMNS)
    samples = []
    for split in earlier_windows(task, windows):
        samples.append(labelled(split, features.ranking_features(split, items, timezone), negatives, rng))
    learned, rows = pd.concat(samples, ignore_index=True), features.ranking_features(task.test, items, timezone)
    if learned.empty or rows.empty:  # nobody came back in any window: there is nothing to learn from, or to rank
        return features.table_scorer(task.test, rows, np.zeros(len(rows)))
    return features.table_scorer(task.test, rows, predict(fit_trees(learned, columns, seed), rows[columns]))


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
