"""What a search is measured with: the queries and their answers, and honest numbers while choosing (notebook 10).

Letters for shapes: Q queries, P documents.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from recsys_kit import workspace
from recsys_kit.datasets import own_shop
from recsys_kit.datasets.entry import PURCHASE
from recsys_kit.datasets.shops import Shop
from recsys_kit.search import corpus, glossary, queries
from recsys_kit.search.engine import check_query
from recsys_kit.search.index import RERANKER, SHORTLIST, Index, ahead, reranker_version, scores, shortlists

__all__ = ["cross_validate", "logged", "task"]

CLICKED, BOUGHT = 1, 2
"""Grades of what somebody clicked on, and of what somebody bought, after a query."""


def task(shop: Shop, documents: pd.DataFrame, count: int = 300, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """Returns queries to measure with, and their grades: judged ones, or for another shop its own titles.

    Another shop has no judged queries. Its task is to find a known item again: a few words of a title, perhaps with a
    typo, are the query, and every document with just this name is what was meant.

    Args:
        shop: The shop.
        documents: The documents.
        count: How many queries are made for another shop.
        seed: Seed of their draw.

    Returns:
        The queries, see `queries.texts`, without those that have nothing to find, and their (Q, P) grades.
    """
    if glossary.uses_codes(shop):
        judged = queries.judged()
        text, grade = queries.texts(judged), queries.grades(judged, documents)
        there = (grade == 2).any(1)
        return text[there].reset_index(drop=True), grade[there]
    text, target = corpus.paraphrases(documents, False, seed + 1, least=0)
    rows = np.random.default_rng(seed).permutation(len(text))[:count]
    name = documents["name"].to_numpy()
    grade = np.stack([np.where(name == name[target[row]], 2, 0) for row in rows]).astype(np.int8)
    table = pd.DataFrame(
        {
            "query_id": [f"q{row}" for row in rows],
            "intent_id": [f"i{target[row]}" for row in rows],
            "language": "own",
            "query": [text[row] for row in rows],
            "kind": "known item",
            "split": np.where(target[rows] % 2 == 0, "dev", "test"),
        }
    )
    return table, grade


def logged(
    folder: str, items: pd.DataFrame, documents: int, count: int = 300
) -> tuple[pd.DataFrame, np.ndarray] | None:
    """Returns a shop's own queries, and what its customers clicked on and bought after them, as grades.

    Args:
        folder: The shop's folder, perhaps with the table `queries`; empty: the kit's own shop, which has no log.
        items: `item_id` and `document`, as `corpus.documents` returns them.
        documents: How many documents there are (P).
        count: So many queries at most, those that were asked most often.

    Returns:
        A row a query: `query`, `asked` (how often) and `answers` (documents that were clicked on or bought); and the
        (Q, P) grades, `CLICKED` or `BOUGHT`. None if the shop has no log. Without a click on anything that can be
        found, the table has no rows.
    """
    log = own_shop.read_table(folder, "queries") if folder else None
    if log is None:
        return None
    log = log.reindex(columns=["query_id", "query", "item_id", "event_type"])
    log = log.assign(
        query=log["query"].map(_plain), document=log["item_id"].map(items.set_index("item_id")["document"])
    )
    # An item without a word of what happened to it was clicked on: lists that were only shown are not in this table.
    log["grade"] = np.where(log["event_type"] == PURCHASE, BOUGHT, CLICKED)
    log = log[log["query"] != ""]
    answered = log[log["document"].notna() & log["event_type"].fillna("click").isin(["click", PURCHASE])]
    best = answered.groupby(["query", "document"], as_index=False)["grade"].max()
    asked = log.groupby("query")["query_id"].nunique()[best["query"].unique()]
    asked = asked.sort_values(ascending=False, kind="stable").head(count)
    best = best[best["query"].isin(asked.index)]
    grade = np.zeros((len(asked), documents), np.int8)
    grade[asked.index.get_indexer(best["query"]), best["document"].astype(int)] = best["grade"]
    table = pd.DataFrame({"query": asked.index, "asked": asked.to_numpy(), "answers": (grade > 0).sum(1)})
    return table, grade


def _plain(text: object) -> str:
    try:
        return check_query(text).lower()
    except ValueError:  # nothing that could be searched for: the log holds it, and no list could answer it
        return ""


def cross_validate(
    index: Index,
    shop: Shop,
    store: workspace.Workspace,
    asked: pd.DataFrame,
    grade: np.ndarray,
    folds: int,
    seed: int = 0,
) -> np.ndarray:
    """Re-ranks each query by a model that saw none of its intent, in any language.

    Args:
        index: An index with a tower.
        shop: The shop.
        store: Where the scores are kept.
        asked: The dev queries, see `task`.
        grade: Their (Q, P) grades.
        folds: Parts of the intents.
        seed: Seed of the parts and the models.

    Returns:
        (Q, P) scores.
    """
    from recsys_kit.search import reranker

    found = scores(index, asked["query"].tolist(), rerank=False)
    lists = reranker.shortlist(found["translated"], SHORTLIST)

    def make() -> dict[str, np.ndarray]:
        intents = asked["intent_id"].unique()
        part = pd.Series(np.random.default_rng(seed).permutation(len(intents)) % folds, index=intents)
        fold = asked["intent_id"].map(part).to_numpy()
        short, truth = shortlists(index, found), np.take_along_axis(grade, lists, 1)
        new = np.empty_like(short.base)
        for number in range(folds):
            rows, out = fold != number, fold == number
            model = reranker.train(short.of(rows), truth[rows], seed=seed, **RERANKER).model
            new[out] = reranker.adjust(model, short.of(out), RERANKER["scale"])
        return {"new": new}

    params = {"folds": folds, "seed": seed, "queries": len(asked)} | reranker_version(index)
    kept = store.get("search_folds", make, data=shop.fingerprint, params=params, uses=[task])
    return ahead(found["translated"], lists, kept["new"])
