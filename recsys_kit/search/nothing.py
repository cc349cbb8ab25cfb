"""Nothing fits: an answer, too. What tells a query that no shelf answers from one that some shelf does (notebook 10).

Letters for shapes: Q queries, P documents, E width of the encoder, F facts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from recsys_kit.datasets import texts
from recsys_kit.search import lexical, word_lists

__all__ = ["DOUBTED", "FAR", "VERDICTS", "Doubt", "facts", "fit", "is_nonsense", "is_silent", "unanswerable"]

VERDICTS = ("fits", "doubtful", "nothing")
"""What may be said of a query: some shelf answers it; the nearest is shown, and that it may not fit; nothing fits."""

DOUBTED, FAR, SAID = 0.01, 2.5, 0.8
"""Part of the good dev queries that are doubted or refused, each judged by a model that has not seen its intent; how
much further the log-odds must go until nothing is shown, for with queries of other people the part is many times as
large (`benchmarks/refusals.py`); and the cosine from which a document says what was asked for, whatever the model
thinks. The first and the last were chosen on the dev queries, the second, in steps of a half, on
`benchmarks/new_queries.csv`: about two in a hundred of these are refused."""

NONSENSE, UNSPEAKABLE = 0.38, 0.6
"""Without a known word, a best match (cosine of the frozen encoder) below the first is none; below the second, if the
query is nothing but letters that no word strings together."""

_STRENGTH, _FOLDS, _SHARE = 30.0, 10, 1.0
"""Of the regression: how freely it learns, parts of its cross-validation, and what a fact weighs beside the vector;
chosen on the dev queries and on `benchmarks/new_queries.csv`."""


@dataclass(frozen=True)
class Doubt:
    """A logistic regression over a query's vector and four facts; above the limit it is doubted, far above refused.

    Attributes:
        weights: (E + F,) weights.
        bias: Added to it.
        usual: Mean and spread of the facts, (2, F).
        limit: What the good queries seldom exceed, in log-odds.
    """

    weights: np.ndarray = field(repr=False)
    bias: float
    usual: np.ndarray = field(repr=False)
    limit: float

    def score(self, vector: np.ndarray, known: np.ndarray) -> np.ndarray:
        """Maps vectors (Q, E) and facts (Q, F) to (Q,) how little fits, as log-odds above the limit; -inf: it fits."""
        odds = _inputs(vector, known, self.usual) @ self.weights + self.bias
        return np.where(known[:, 0] >= SAID, -np.inf, odds - self.limit)

    def verdict(self, vector: np.ndarray, known: np.ndarray) -> np.ndarray:
        """Maps vectors (Q, E) and facts (Q, F) to (Q,) one of `VERDICTS`."""
        above = self.score(vector, known)
        return np.array(VERDICTS)[(above > 0).astype(int) + (above > FAR)]

    def arrays(self) -> dict[str, np.ndarray]:
        """Returns it as arrays, for the workspace."""
        return {"weights": self.weights, "usual": self.usual, "bias": np.array([self.bias, self.limit])}

    @classmethod
    def of(cls, arrays: dict[str, np.ndarray]) -> Doubt:
        """Returns what `arrays` was made of."""
        return cls(arrays["weights"], float(arrays["bias"][0]), arrays["usual"], float(arrays["bias"][1]))


def unanswerable() -> list[str]:
    """Returns the kit's queries that no shelf of a grocery shop answers, to learn from: `data/nothing.csv`."""
    return texts.read(texts.DATA / "nothing.csv", ("language", "query"))["query"].tolist()


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


def fit(vector: np.ndarray, known: np.ndarray, groups: Sequence[str]) -> Doubt:
    """Learns to tell queries that nothing answers from good ones.

    Args:
        vector: (Q, E) the encoder's vectors.
        known: (Q, F) what `facts` returned.
        groups: (Q,) the intent of each good query, an empty text for what nothing answers.

    Returns:
        The model. Its limit is set on scores of good queries by models that saw none of their intent.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold

    bad = np.array([not group for group in groups])
    names = pd.factorize(np.array([group or f"-{row}" for row, group in enumerate(groups)]))[0]
    usual = np.stack([known.mean(0), known.std(0) + 1e-6])
    x = _inputs(vector, known, usual)

    def model():
        return LogisticRegression(C=_STRENGTH, class_weight="balanced", max_iter=1000)

    held = np.empty(len(x))
    groups = np.random.default_rng(0).permutation(names.max() + 1)[names]
    for learn, out in GroupKFold(min(_FOLDS, len(set(names)))).split(x, bad, groups):
        held[out] = model().fit(x[learn], bad[learn]).decision_function(x[out])
    done = model().fit(x, bad)
    held[known[:, 0] >= SAID] = held.min()
    limit = float(np.quantile(held[~bad], 1 - DOUBTED))
    return Doubt(done.coef_[0].astype(np.float64), float(done.intercept_[0]), usual, limit)


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
    # every word strings five Latin consonants together, as "asdfgh", or is four and no more: words rarely do
    consonants = "[bcdfghjklmnpqrstvwxz]"
    unspeakable = all(re.search(f"{consonants}{{5}}|^{consonants}{{4}}$", word) for word in text.lower().split())
    return known <= 0 and best < (UNSPEAKABLE if unspeakable else NONSENSE)
