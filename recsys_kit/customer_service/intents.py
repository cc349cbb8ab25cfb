"""What a customer wants: utterances in two languages, three simple recognisers, and when to say "I'm not sure".

Letters for shapes: N utterances, M utterances to learn from, C intents, E width of the encoder.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.preprocessing import normalize

from recsys_kit.datasets import texts

__all__ = [
    "LANGUAGES",
    "OUT",
    "UTTERANCE_COLUMNS",
    "auc",
    "centroids",
    "choose_threshold",
    "confidence",
    "curve",
    "fit_words",
    "folds",
    "language_of",
    "middle",
    "nearest",
    "out_of_fold",
    "overlap",
    "utterances",
    "words",
]

UTTERANCE_COLUMNS = ("utterance_id", "intent", "language", "text", "product", "split")
LANGUAGES = ("en", "zh")
OUT = "out_of_scope"
"""The "intent" of everything that is not a shop's business."""

Recogniser = Callable[[np.ndarray, np.ndarray, np.ndarray, int], np.ndarray]
"""Maps what was learned from (M, ...), its intents (M,) as numbers, what is asked (N, ...) and C to scores (N, C)."""


def utterances(path: str | Path | None = None) -> pd.DataFrame:
    """Returns what customers say, with the intent of each.

    Args:
        path: A file with the same columns; None for the kit's own `data/intents.csv`.

    Returns:
        `UTTERANCE_COLUMNS`, and `paraphrase`: the way of asking, the same in both languages. A way of asking lies whole
        in one `split` (train or test). `product` is the part of the text that names a product, or empty.

    Raises:
        ValueError: If a column is missing.
    """
    table = texts.read(path or texts.DATA / "intents.csv", UTTERANCE_COLUMNS)
    return table.assign(paraphrase=table["utterance_id"].str.rsplit("-", n=1).str[0])


def language_of(text: str) -> str:
    """Returns the language to answer in: "zh" if there is a Chinese character, else "en".

    Example:
        >>> language_of("订单在哪"), language_of("where is it"), language_of("")
        ('zh', 'en', 'en')
    """
    return "zh" if any("\u3400" <= c <= "\u9fff" for c in text) else "en"


def overlap(a: str, b: str) -> float:
    """Returns how alike two texts look: the part of their character triples (Chinese: pairs) that both have.

    Example:
        >>> overlap("where is my order", "where is my order?"), round(overlap("where is my order", "track it"), 2)
        (1.0, 0.0)
    """
    pieces = []
    for text in (a, b):
        plain = " " + " ".join("".join(c if c.isalnum() else " " for c in text.lower()).split()) + " "
        n = 3 if plain.isascii() else 2
        pieces.append({plain[i : i + n] for i in range(len(plain) - n + 1)})
    return len(pieces[0] & pieces[1]) / max(1, len(pieces[0] | pieces[1]))


def folds(table: pd.DataFrame, parts: int = 4) -> np.ndarray:
    """Deals the ways of asking of each intent out to so many parts, whole; returns the part (N,) of each utterance."""
    order = table.drop_duplicates("paraphrase").groupby("intent").cumcount() % parts
    return table["paraphrase"].map(dict(zip(table.loc[order.index, "paraphrase"], order, strict=True))).to_numpy()


def nearest(known: np.ndarray, intent: np.ndarray, asked: np.ndarray, size: int) -> np.ndarray:
    """Scores each intent by its nearest known utterance.

    Args:
        known: (M, E) unit vectors.
        intent: (M,) numbers of their intents.
        asked: (N, E) unit vectors.
        size: C.

    Returns:
        (N, C) cosines.

    Example:
        >>> nearest(np.eye(2), np.array([0, 1]), np.array([[0.6, 0.8]]), 2).tolist()
        [[0.6, 0.8]]
    """
    cosine = asked @ known.T
    return np.stack([cosine[:, intent == c].max(1, initial=-1.0) for c in range(size)], axis=1)


def centroids(known: np.ndarray, intent: np.ndarray, asked: np.ndarray, size: int) -> np.ndarray:
    """Scores each intent by the mean of its known utterances; as `nearest`."""
    return asked @ middle(known, intent, size).T


def middle(known: np.ndarray, intent: np.ndarray, size: int) -> np.ndarray:
    """Returns the (C, E) unit vectors in the middle of each intent's utterances."""
    return normalize(np.stack([known[intent == c].sum(0) for c in range(size)]))


def words(known: Sequence[str], intent: np.ndarray, asked: Sequence[str], size: int) -> np.ndarray:
    """Scores each intent by words and pieces of words: TF-IDF and logistic regression, no encoder.

    Args:
        known: M texts.
        intent: (M,) numbers of their intents.
        asked: N texts.
        size: C.

    Returns:
        (N, C) probabilities.
    """
    model = fit_words(known, intent)
    scores = np.zeros((len(asked), size))
    scores[:, model.classes_] = model.predict_proba(list(asked))
    return scores


def fit_words(known: Sequence[str], intent: np.ndarray):
    """Returns the fitted scikit-learn pipeline of `words`."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline, make_union

    whole = TfidfVectorizer(token_pattern=r"[a-z0-9]+|[\u3400-\u9fff]", ngram_range=(1, 2), sublinear_tf=True)
    pieces = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True)
    return make_pipeline(make_union(whole, pieces), LogisticRegression(C=10, max_iter=2000, tol=1e-3)).fit(
        list(known), intent
    )


def out_of_fold(recogniser: Recogniser, known: np.ndarray, intent: np.ndarray, fold: np.ndarray, size: int):
    """Returns the (M, C) scores of each utterance by a recogniser that learned from the other folds only.

    Args:
        recogniser: Such as `nearest`.
        known: (M, ...) what it learns from.
        intent: (M,) numbers of the intents.
        fold: (M,) the part that each utterance is in.
        size: C.
    """
    scores = np.zeros((len(intent), size))
    for part in np.unique(fold):
        rest = fold != part
        scores[~rest] = recogniser(known[rest], intent[rest], known[~rest], size)
    return scores


def confidence(scores: np.ndarray, out: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Returns the best intent (N,) and its score (N,); the column `out`, if there is one, can't be the best."""
    scores = np.array(scores, np.float64)
    if out is not None:
        scores[:, out] = -np.inf
    return scores.argmax(1), scores.max(1)


def curve(sure: np.ndarray, right: np.ndarray, inside: np.ndarray, steps: int = 200) -> pd.DataFrame:
    """Returns what each threshold would do.

    Args:
        sure: (N,) confidence.
        right: (N,) whether the intent was recognised; False where an utterance is out of scope.
        inside: (N,) whether the utterance is the shop's business.
        steps: At most so many thresholds.

    Returns:
        `threshold`, `coverage` (part of the shop's utterances that are answered), `accuracy` (part of all answered
        utterances that get the right intent; an answer to something out of scope is a wrong one), `refused` (part of
        what is out of scope that is not answered).

    Example:
        >>> curve(np.array([0.9, 0.5, 0.4]), np.array([True, False, False]), np.array([True, True, False])).iloc[-1, 1:]
        coverage    0.5
        accuracy    1.0
        refused     1.0
        Name: 2, dtype: float64
    """
    levels = np.unique(np.asarray(sure, np.float64))
    if len(levels) > steps:
        levels = np.quantile(sure, np.linspace(0, 1, steps))
    rows = []
    for level in levels:
        answered = sure >= level
        refused = 1.0 if inside.all() else float((~answered[~inside]).mean())
        rows.append((level, answered[inside].mean(), right[answered].mean(), refused))
    return pd.DataFrame(rows, columns=["threshold", "coverage", "accuracy", "refused"])


def choose_threshold(table: pd.DataFrame, accuracy: float = 0.9) -> float:
    """Returns the lowest threshold from which on every one reaches an accuracy; if none does, the most accurate one.

    Args:
        table: A `curve`.
        accuracy: What must be reached.
    """
    low = table.index[table["accuracy"] < accuracy]
    if not len(low):
        return float(table["threshold"].iloc[0])
    if low[-1] == table.index[-1]:
        return float(table["threshold"][table["accuracy"].idxmax()])
    return float(table["threshold"][low[-1] + 1])


def auc(sure: np.ndarray, inside: np.ndarray) -> float:
    """Returns the chance that something of the shop's business is surer than something out of scope."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(inside, sure))
