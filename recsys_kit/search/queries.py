"""Judged shopping queries in five languages, and the worth of a ranking (notebook 10).

Letters for shapes: Q queries, P item types (an item type is a pair of category and product type).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from recsys_kit import evaluation
from recsys_kit.datasets.texts import DATA, read

__all__ = [
    "JUDGED_COLUMNS",
    "LANGUAGES",
    "QUERY_KINDS",
    "grades",
    "interval",
    "judged",
    "scores",
    "texts",
]

JUDGED_COLUMNS = (
    "query_id",
    "intent_id",
    "language",
    "query",
    "kind",
    "split",
    "product_category",
    "product_type",
    "grade",
)
_QUERY, _JUDGMENT = JUDGED_COLUMNS[:6], JUDGED_COLUMNS[6:]
LANGUAGES = ("en", "zh", "es", "fr", "de")
QUERY_KINDS = ("product", "need", "occasion", "attribute", "misspelt", "brand_size")


def judged(path: str | Path | None = None) -> pd.DataFrame:
    """Returns the judged queries: one row for each query and item type that is relevant to it.

    Args:
        path: A file with the same columns; None for the kit's own queries, whose judgments stand once for all languages
            of an intent (`data/queries.csv`, `data/judgments.csv`).

    Returns:
        `JUDGED_COLUMNS`: the same intent has one `intent_id` in all languages, and lies in one `split` (dev or test);
        `grade` is 2 (what was meant) or 1 (also useful). What is not listed is not relevant.

    Raises:
        ValueError: If a column is missing.
    """
    if path:
        table = read(path, JUDGED_COLUMNS)
    else:
        asked = read(DATA / "queries.csv", _QUERY)
        table = asked.merge(read(DATA / "judgments.csv", ("intent_id", *_JUDGMENT)), "left", "intent_id")
    return table.assign(grade=table["grade"].astype(int))


def texts(table: pd.DataFrame) -> pd.DataFrame:
    """Returns one row a query, without its judgments: query_id, intent_id, language, query, kind, split."""
    return table.drop_duplicates("query_id")[list(_QUERY)].reset_index(drop=True)


def grades(table: pd.DataFrame, item_types: pd.DataFrame) -> np.ndarray:
    """Returns the (Q, P) grades of all item types, 0 where nothing was judged; rows as in `texts`.

    Args:
        table: Judged queries.
        item_types: P rows with the columns category and product_type.
    """
    place = pd.MultiIndex.from_frame(item_types[["category", "product_type"]])
    column = place.get_indexer(pd.MultiIndex.from_frame(table[["product_category", "product_type"]]))
    row = pd.factorize(table["query_id"])[0]
    known = column >= 0  # a sample of the shop may lack an item type
    matrix = np.zeros((table["query_id"].nunique(), len(item_types)), np.int8)
    matrix[row[known], column[known]] = table["grade"].to_numpy()[known]
    return matrix


def scores(ranking: np.ndarray, grade: np.ndarray, k: int = 10, depth: int = 50) -> pd.DataFrame:
    """Scores rankings of the kinds of product against graded judgments; equal scores count against the ranking.

    Args:
        ranking: (Q, P) scores, larger is better, -inf for what is not found.
        grade: (Q, P) grades 0, 1, 2.
        k: Length of the list for NDCG and MRR.
        depth: Length of the list for recall.

    Returns:
        One row a query: `ndcg` (a kind of grade g is worth 2^g - 1, divided by what the best order is worth), `mrr`
        (one over the place of the first kind of grade 2, 0 if it is not among the first k), `recall` (the part of all
        relevant kinds among the first `depth`, divided by min(depth, relevant)).

    Example:
        >>> table = scores(np.array([[0.9, 0.8, 0.1]]), np.array([[0, 2, 1]]))
        >>> round(float(table.loc[0, "ndcg"]), 3), float(table.loc[0, "mrr"]), float(table.loc[0, "recall"])
        (0.659, 0.5, 1.0)
    """
    ranking, grade = np.asarray(ranking, np.float64), np.asarray(grade)
    order = evaluation.best_first(ranking, grade, max(k, depth))  # among equals the less relevant first
    found = np.take_along_axis(ranking, order, 1) > -np.inf
    placed = np.where(found, np.take_along_axis(grade, order, 1), 0)
    top = placed[:, :k] == 2
    relevant = np.minimum((grade > 0).sum(1), depth)
    return pd.DataFrame(
        {
            "ndcg": np.nan_to_num(evaluation.graded_ndcg(ranking, 2.0**grade - 1, k)),
            "mrr": np.where(top.any(1), 1 / (top.argmax(1) + 1), 0.0),
            "recall": (placed[:, :depth] > 0).sum(1) / np.maximum(relevant, 1),
        }
    )


def interval(values: pd.Series, intents: pd.Series, level: float = 0.95, draws: int = 2000) -> tuple[float, float]:
    """Returns the bootstrap interval of a mean over queries, drawing whole intents.

    The languages of one intent share their judgments, so they are no independent cases: an intent is drawn with all of
    them, and counts by their mean.
    """
    return evaluation.bootstrap_interval(values.groupby(intents.to_numpy()).mean().to_numpy(), level, draws)
