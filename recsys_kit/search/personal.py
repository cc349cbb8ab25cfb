"""The same query, another household: text relevance joined with the sequence model's view of it (notebook 10).

Letters for shapes: N test cases, Q queries, P documents, V items of the catalogue, D documents of one query's
shortlist, C items of these documents.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp

from recsys_kit import baselines, evaluation
from recsys_kit.datasets.tables import DataError
from recsys_kit.preprocessing import Split
from recsys_kit.search import fusion

__all__ = [
    "Question",
    "all_scores",
    "as_liking",
    "item_documents",
    "open_households",
    "popularity",
    "questions",
    "relevance",
    "unknown_users",
    "within",
]

SCALE = 0.1
"""What a unit of the household's log-odds is worth in text score; chosen on the validation weeks, see notebook 10."""


def item_documents(split: Split, items: pd.DataFrame) -> np.ndarray:
    """Returns the (V,) document of each item of the catalogue, -1 for an item that cannot be searched for.

    Args:
        split: Gives the catalogue.
        items: What `corpus.documents` returned: item_id and document.
    """
    place = items.drop_duplicates("item_id").set_index("item_id")["document"]
    return place.reindex(split.items).fillna(-1).to_numpy(int)


def popularity(split: Split, days: float = 60) -> np.ndarray:
    """Returns the (1, V) log popularity of the last days: the liking of somebody of whom nothing is known."""
    return np.log(baselines.recent_popularity(split, days) + 0.5)[None]  # half a sale for what was not sold


def all_scores(scorer: evaluation.Scorer, split: Split, block: int = 256) -> np.ndarray:
    """Returns a scorer's (N, V) scores of all cases, in half precision."""
    rows = np.arange(len(split.test_users))
    return np.concatenate([scorer(part).astype(np.float16) for part in np.array_split(rows, 1 + len(rows) // block)])


@dataclass(frozen=True)
class Question:
    """A query's shortlist, and the items on it: what doesn't depend on any household.

    Attributes:
        documents: (D,) the documents of the shortlist that have items in the catalogue, ascending.
        text: (D,) their scores.
        answers: (D,) whether they answer the query: grade 1 or more. To buy an item of another kind answers nothing.
        items: (C,) columns of their items in the catalogue, by document.
        place: (C,) which of the D documents each of these items belongs to.
    """

    documents: np.ndarray
    text: np.ndarray
    answers: np.ndarray
    items: np.ndarray
    place: np.ndarray


def questions(document: np.ndarray, text: np.ndarray, grades: np.ndarray, shortlist: int = 50) -> list[Question]:
    """Returns each of Q queries with its shortlist, for `within` and `relevance`: found once, for all likings.

    Args:
        document: (V,) document of each item.
        text: (Q, P) scores of the queries.
        grades: (Q, P) judgments.
        shortlist: Rank so many documents, the best by text.
    """
    found = []
    for own, grade in zip(text, grades, strict=True):
        best = np.argpartition(-own, min(shortlist, len(own)) - 1)[:shortlist]
        items = np.flatnonzero(np.isin(document, best))
        items = items[np.argsort(document[items], kind="stable")]
        documents, place = np.unique(document[items], return_inverse=True)
        found.append(Question(documents, own[documents], grade[documents] > 0, items, place))
    return found


def within(
    split: Split,
    asked: Sequence[Question],
    liking: np.ndarray,
    width: float = np.inf,
    most: int = 0,
    weight: float = 1.0,
) -> pd.DataFrame:
    """Asks each query for every household that bought an item of its relevant kinds next: where is that item?

    A list shows one item of each document (`fusion.best_of_document`); what it doesn't show is not found.

    Args:
        split: The cases, and what each bought next.
        asked: The queries, see `questions`.
        liking: (N, V) scores of each case, or (1, V) the same for all.
        width: How much worse than the best by text a document may be and still be moved by liking.
        most: Look at the first so many households of a query only; 0: all.
        weight: What a unit of liking is worth in text score.

    Returns:
        One row for each case and query with a purchase: case, query, ndcg and mrr (of the first ten), items (how many
        could have been shown).
    """
    answers = split.answers.tocsc()
    parts = []
    for q, question in enumerate(asked):
        size = len(question.items)
        if size < 2:  # nothing to rank
            continue
        bought = sp.csr_matrix(answers[:, question.items].multiply(question.answers[question.place][None]))
        bought.eliminate_zeros()
        cases = np.flatnonzero(np.diff(bought.indptr))
        cases = cases[:most] if most else cases
        if not len(cases):
            continue
        item, found = _lists(question, liking, cases, width, weight)
        score = np.full((len(cases), size), -np.inf)
        np.put_along_axis(score, item, found, axis=1)
        result = evaluation.evaluate(score, bought[cases])
        row = {"case": cases[result.index], "query": q, "ndcg": result["ndcg"].to_numpy(), "items": size}
        parts.append(pd.DataFrame(row | {"mrr": result["mrr"].to_numpy()}))
    if not parts:
        return pd.DataFrame(columns=["case", "query", "ndcg", "items", "mrr"])
    return pd.concat(parts, ignore_index=True)


def _lists(question: Question, liking, cases, width, weight) -> tuple[np.ndarray, np.ndarray]:
    """Returns the item shown of each document, (cases, D), and the scores of the documents."""
    like = liking[np.ix_(cases if len(liking) > 1 else [0] * len(cases), question.items)]
    like = like.astype(np.result_type(like, np.float32)) * weight  # half precision would not do for a product
    return fusion.best_of_document(question.text, question.place, like.astype(float), width)


def relevance(
    asked: Sequence[Question],
    liking: np.ndarray,
    cases: np.ndarray,
    width: float = np.inf,
    k: int = 10,
    weight: float = 1.0,
) -> np.ndarray:
    """Returns for each query which part of the first k products answers it, the mean over households, (Q,).

    Args:
        asked: The queries, see `questions`.
        liking: (N, V) scores of each case, or (1, V) the same for all.
        cases: Whose lists are looked at, whatever they bought.
        width: How much worse than the best by text a document may be and still be moved by liking.
        k: Length of the list.
        weight: What a unit of liking is worth in text score.
    """
    found = np.empty(len(asked))
    for q, question in enumerate(asked):
        _, score = _lists(question, liking, cases, width, weight)
        top = np.argsort(-score, axis=1, kind="stable")[:, :k]
        found[q] = question.answers[top].mean()
    return found


def unknown_users(shop, users: Sequence[str]) -> dict[str, str]:
    """Returns for each user that the shop does not know a line that says so, with a similar id if there is one."""
    from recsys_kit import recommendation

    known = shop.users["user_id"]
    there = set(known)
    unknown = [user for user in users if user not in there]
    named = [recommendation.with_similar([user], known) for user in unknown[:3]]  # to look for more takes too long
    named += [repr(user) for user in unknown[3:]]
    return {user: f"the shop does not know the user {name}" for user, name in zip(unknown, named, strict=True)}


def open_households(
    shop, folder: str | Path, data: str, users: list[str], say: Callable[[str], None] = print
) -> dict[str, Callable[[pd.Index], np.ndarray]]:
    """Returns for each user how much the trained sequence model thinks of items, from all that is known of the user.

    Args:
        shop: The shop.
        folder: The workspace, where notebook 05 left the trained model; if it is not there it is trained, and said so.
        data: Folder of the shop, for its promotions; empty: The Complete Journey.
        users: Ids of the users.
        say: Called with each line of progress.

    Raises:
        DataError: If a user is not known to the shop.
    """
    from recsys_kit import preprocessing, recommendation, workspace
    from recsys_kit.datasets import promotions
    from recsys_kit.training import baskets

    unknown = unknown_users(shop, users)
    if unknown:
        raise DataError("; ".join(unknown.values()))
    task = preprocessing.task(shop, promotions=promotions.load(data), judged=False)
    store = workspace.Workspace(folder)
    settings = recommendation.default_settings(store, shop, task, say)
    from recsys_kit import training

    model = training.trained(store, shop, task, settings)
    at = task.events["timestamp"].max() + pd.Timedelta(seconds=1)
    split = recommendation.everybody(task.test, at, task.events)
    score = training.scorer(model, split, baskets.sequences(split))
    case = split.users.get_indexer(users)
    for row in np.flatnonzero(case < 0):
        say(f"user {users[row]} has bought nothing of the catalogue yet: their list is everybody's")
    known = np.flatnonzero(case >= 0)
    scores = score(case[known])  # (known users, V); the model reads many households at once
    return {users[row]: as_liking(pd.Series(own, index=split.items)) for row, own in zip(known, scores, strict=True)}


def as_liking(scores: pd.Series, scale: float = SCALE) -> Callable[[pd.Index], np.ndarray]:
    """Returns the function from item ids to liking; an item outside the catalogue is liked as the least liked one.

    Args:
        scores: A household's score of each item id.
        scale: What a unit of it is worth in text score.
    """

    def liking(ids: pd.Index) -> np.ndarray:
        return scores.reindex(ids).fillna(scores.min()).to_numpy() * scale

    return liking
