"""Nothing fits: an answer, too. What tells a query that no shelf answers from one that some shelf does (notebook 10).

Letters for shapes: Q queries, P documents, E width of the encoder, F facts.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from recsys_kit.datasets import texts
from recsys_kit.search import lexical, queries, word_lists

__all__ = ["REFUSED", "Doubt", "examples", "facts", "fit", "held_out", "is_nonsense", "is_silent", "version"]

FILES = {"sold.csv": True, "nothing.csv": False}
"""Tables of examples, a concept a row, a column for each of `queries.LANGUAGES`; and whether a shelf answers them."""

REFUSED, SAID = 0.01, 0.8
"""Part of the judged dev queries that may be refused, each by a model that has not seen its intent (other people's are
refused more often, `benchmarks/refusals.py`); and the cosine from which a document says what was asked for, whatever
the model thinks. Chosen on the dev queries and on `benchmarks/new_queries.csv`."""

NONSENSE, UNSPEAKABLE = 0.38, 0.6
"""Without a known word, a best match (cosine of the frozen encoder) below the first is none; below the second, if the
query is nothing but letters that no word strings together."""

_STRENGTH, _NEAR, _SHARE, _FOLDS = 3.0, 2.0, 0.15, 5
"""Of the support vector machine: how freely it learns, how near an example must be to speak for a query, what a fact
weighs beside the vector, and the parts of the cross-validation that chose them."""


@dataclass(frozen=True)
class Doubt:
    """A support vector machine over a query's vector and four facts; above the limit, nothing fits.

    Attributes:
        examples: (S, E + F) the inputs of its support vectors, the examples that are hard to tell apart.
        weights: (S,) theirs.
        bias: Added to it.
        usual: Mean and spread of the facts, (2, F).
        limit: What the good queries seldom exceed.
    """

    examples: np.ndarray = field(repr=False)
    weights: np.ndarray = field(repr=False)
    bias: float
    usual: np.ndarray = field(repr=False)
    limit: float

    def score(self, vector: np.ndarray, known: np.ndarray) -> np.ndarray:
        """Maps vectors (Q, E) and facts (Q, F) to (Q,) how little fits, above the limit; -inf: it fits."""
        near = _near(_inputs(vector, known, self.usual), self.examples)  # (Q, S)
        return np.where(known[:, 0] >= SAID, -np.inf, near @ self.weights + self.bias - self.limit)

    def arrays(self) -> dict[str, np.ndarray]:
        """Returns it as arrays, for the workspace."""
        numbers = {"usual": self.usual, "bias": np.array([self.bias, self.limit])}
        return {"examples": self.examples, "weights": self.weights} | numbers

    @classmethod
    def of(cls, arrays: dict[str, np.ndarray]) -> Doubt:
        """Returns what `arrays` was made of."""
        bias, limit = (float(number) for number in arrays["bias"])
        return cls(arrays["examples"], arrays["weights"], bias, arrays["usual"], limit)


def examples() -> pd.DataFrame:
    """Returns queries that some shelf of a grocery shop answers and others: the judged dev queries, and two tables.

    Returns:
        A row a query: `query`, `language`, `concept` (the same in all languages), `fits`, and `often`, true of the
        judged ones, on which the limit is set: most of `data/sold.csv` was chosen to be rare.
    """
    judged = queries.judged()
    good = queries.texts(judged[judged["split"] == "dev"]).rename(columns={"intent_id": "concept"})
    found = [good.assign(fits=True, often=True)]
    for name, fits in FILES.items():
        table = texts.read(texts.DATA / name, queries.LANGUAGES)[list(queries.LANGUAGES)]
        rows = table.rename_axis("concept").reset_index().melt("concept", var_name="language", value_name="query")
        rows["concept"] = f"{name} " + rows["concept"].astype(str)
        found.append(rows[rows["query"] != ""].assign(fits=fits, often=False))
    columns = ["query", "language", "concept", "fits", "often"]
    return pd.concat([table[columns] for table in found], ignore_index=True)


def version() -> str:
    """Returns a short hash of the examples: what is learned from them is kept under it."""
    return hashlib.sha256(b"".join((texts.DATA / name).read_bytes() for name in FILES)).hexdigest()[:12]


def facts(meaning: np.ndarray, words: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Returns what is known of how well the catalogue answers queries, (Q, 4).

    Args:
        meaning: (Q, P) cosines.
        words: (Q, P) BM25 scores.
        known: (Q,) part of each query's words that the index knows.

    Returns:
        The best cosine, the mean of the twenty best, the known part, and the log of the best BM25 score.
    """
    most = min(20, meaning.shape[1])
    best = -np.partition(-meaning, most - 1, axis=1)[:, :most]
    return np.stack([best.max(1), best.mean(1), known, np.log1p(words.max(1))], axis=1)


def _inputs(vector: np.ndarray, known: np.ndarray, usual: np.ndarray) -> np.ndarray:
    return np.concatenate([vector, _SHARE * (known - usual[0]) / usual[1]], axis=1)


def fit(
    vector: np.ndarray, known: np.ndarray, fits: np.ndarray, groups: Sequence[str], often: np.ndarray | None = None
) -> Doubt:
    """Learns to tell queries that nothing answers from good ones.

    Args:
        vector: (Q, E) the encoder's vectors.
        known: (Q, F) what `facts` returned.
        fits: (Q,) whether some shelf answers.
        groups: (Q,) the intent or concept of each query: what it means in one language helps to judge it in others.
        often: (Q,) the good queries that the limit is set on; None: all.

    Returns:
        The model. Its limit is set on the scores of `held_out`.
    """
    held = held_out(vector, known, fits, groups)
    limit = float(np.quantile(held[fits if often is None else often], 1 - REFUSED))
    usual = _usual(known)
    x = _inputs(vector, known, usual).astype(np.float32)
    model = _model(_near(x), fits)
    return Doubt(x[model.support_], model.dual_coef_[0], float(model.intercept_[0]), usual, limit)


def held_out(
    vector: np.ndarray, known: np.ndarray, fits: np.ndarray, groups: Sequence[str], learn: np.ndarray | None = None
) -> np.ndarray:
    """Scores each query by a model that has seen none of its group.

    Args:
        vector: See `fit`.
        known: Likewise.
        fits: Likewise.
        groups: Likewise.
        learn: (Q,) the queries to learn from; None: all.

    Returns:
        (Q,) how little fits; least where a document says it.
    """
    from sklearn.model_selection import GroupKFold

    near = _near(_inputs(vector, known, _usual(known)))  # (Q, Q), once for all folds
    names = pd.factorize(np.asarray(groups))[0]
    names = np.random.default_rng(0).permutation(names.max() + 1)[names]
    held = np.empty(len(near))
    for rows, out in GroupKFold(min(_FOLDS, len(set(names)))).split(near, fits, names):
        rows = rows if learn is None else rows[learn[rows]]
        held[out] = _model(near[np.ix_(rows, rows)], fits[rows]).decision_function(near[np.ix_(out, rows)])
    held[known[:, 0] >= SAID] = held.min()
    return held


def _usual(known: np.ndarray) -> np.ndarray:
    return np.stack([known.mean(0), known.std(0) + 1e-6])


def _near(x: np.ndarray, examples: np.ndarray | None = None) -> np.ndarray:
    from sklearn.metrics.pairwise import rbf_kernel

    return rbf_kernel(x, examples, gamma=_NEAR)


def _model(near: np.ndarray, fits: np.ndarray):
    from sklearn.svm import SVC

    return SVC(C=_STRENGTH, kernel="precomputed", class_weight="balanced").fit(near, ~fits)


def is_silent(text: str) -> bool:
    """Whether a query holds nothing but numbers and little words: "the", "123".

    Example:
        >>> is_silent("the"), is_silent("12 34"), is_silent("7up"), is_silent("的")
        (True, True, False, False)
    """
    return all(word.isdigit() or word in word_lists.words("stop") for word in lexical.tokens(text, shop_aware=False))


def is_nonsense(text: str, known: float, best: float) -> bool:
    """Whether a query is made of no words: the rule where no model was trained.

    Args:
        text: The query.
        known: Part of its words that the index knows.
        best: Cosine of the best document.
    """
    # every word strings at least five Latin consonants together, as "asdfgh" does: words rarely do
    unspeakable = all(re.search("[bcdfghjklmnpqrstvwxz]{5}", word) for word in text.lower().split())
    return known <= 0 and best < (UNSPEAKABLE if unspeakable else NONSENSE)
