"""What a search is measured with: the queries and their answers, and honest numbers while choosing (notebook 10).

Letters for shapes: Q queries, P documents.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from recsys_kit import workspace
from recsys_kit.datasets.shops import Shop
from recsys_kit.search import corpus, glossary, queries
from recsys_kit.search.index import RERANKER, SHORTLIST, Index, ahead, reranker_version, scores, shortlists

__all__ = ["cross_validate", "task"]


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
