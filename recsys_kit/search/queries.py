"""Judged shopping queries in five languages, a glossary of shop codes, and the worth of a ranking (notebook 10).

Letters for shapes: Q queries, P kinds of product (a kind is a pair of category and product type).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from recsys_kit import evaluation
from recsys_kit.datasets import texts as tables

__all__ = [
    "COLUMNS",
    "KINDS",
    "LANGUAGES",
    "glossary",
    "grades",
    "interval",
    "judged",
    "readable",
    "scores",
    "texts",
]

COLUMNS = (
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
LANGUAGES = ("en", "zh", "es", "fr", "de")
KINDS = ("product", "need", "occasion", "attribute", "misspelt", "brand_size")


def judged(path: str | Path | None = None) -> pd.DataFrame:
    """Returns the judged queries: one row for each query and kind of product that is relevant to it.

    Args:
        path: A file with the same columns; None for the kit's own `data/queries.csv`.

    Returns:
        `COLUMNS`: the same intent has one `intent_id` in all languages, and lies in one `split` (dev or test);
        `grade` is 2 (what was meant) or 1 (also useful). What is not listed is not relevant.

    Raises:
        ValueError: If a column is missing.
    """
    table = tables.read(path or tables.DATA / "queries.csv", COLUMNS)
    return table.assign(grade=table["grade"].astype(int))


def texts(table: pd.DataFrame) -> pd.DataFrame:
    """Returns one row a query, without its judgments: query_id, intent_id, language, query, kind, split."""
    columns = ["query_id", "intent_id", "language", "query", "kind", "split"]
    return table.drop_duplicates("query_id")[columns].reset_index(drop=True)


def grades(table: pd.DataFrame, kinds: pd.DataFrame) -> np.ndarray:
    """Returns the (Q, P) grades of all kinds of product, 0 where nothing was judged; rows as in `texts`.

    Args:
        table: Judged queries.
        kinds: P rows with the columns category and product_type.
    """
    place = pd.MultiIndex.from_frame(kinds[["category", "product_type"]])
    column = place.get_indexer(pd.MultiIndex.from_frame(table[["product_category", "product_type"]]))
    row = pd.factorize(table["query_id"])[0]
    known = column >= 0  # a sample of the shop may lack a kind
    matrix = np.zeros((table["query_id"].nunique(), len(kinds)), np.int8)
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
    order = np.lexsort((grade, -ranking), axis=1)  # among equals the less relevant first
    found = np.take_along_axis(ranking, order, 1) > -np.inf
    placed = np.where(found, np.take_along_axis(grade, order, 1), 0)
    discount = 1 / np.log2(np.arange(2, k + 2))
    best = -np.sort(-grade, axis=1)[:, :k]
    ideal = ((2.0**best - 1) * discount[: best.shape[1]]).sum(1)
    gained = ((2.0 ** placed[:, :k] - 1) * discount[: best.shape[1]]).sum(1)
    top = placed[:, :k] == 2
    relevant = np.minimum((grade > 0).sum(1), depth)
    return pd.DataFrame(
        {
            "ndcg": gained / np.maximum(ideal, 1e-12),
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


@functools.cache
def glossary() -> pd.DataFrame:
    """Returns the kit's glossary of shop codes: code, english, chinese, kind ("code" or an ordinary "word").

    An empty translation means that the code says nothing to a shopper ("EXC", "MISC.").
    """
    return tables.read(tables.DATA / "glossary.csv", ("code", "english", "chinese", "kind"))


@functools.cache
def _pattern() -> re.Pattern:
    codes = sorted(glossary()["code"], key=len, reverse=True)  # the longest first: SFT DRNK before DRNK
    return re.compile(r"(?<![A-Z0-9])(" + "|".join(map(re.escape, codes)) + r")(?![A-Z0-9])")


def readable(titles: Sequence[str], language: str = "english") -> list[str]:
    """Writes shop codes out: "SFT DRNK 2 LITER BTL CARB" becomes "soft drink 2 liter bottle carbonated".

    Args:
        titles: The codes, in any case.
        language: "english" or "chinese"; words that the glossary lacks stay as they are.

    Returns:
        The texts in small letters, without repeated words.

    Example:
        >>> readable(["FRZN PIZZA"]), readable(["FRZN PIZZA"], "chinese")
        (['frozen pizza'], ['冷冻 披萨'])
    """
    if language not in ("english", "chinese"):
        raise ValueError(f"`language` must be english or chinese. Received: language={language!r}.")
    table = glossary().set_index("code")[language].to_dict()
    result = []
    for title in titles:
        spelt = _pattern().sub(lambda found: f" {table[found[1]]} ", str(title).upper())
        words = re.sub(r"[^\w%&.']+", " ", spelt.lower()).split()
        result.append(" ".join(dict.fromkeys(word.strip(".&") for word in words if word.strip(".&"))))
    return result
