"""The same intent in another language: what is lost in search, and three ways to translate a query (notebook 15).

A translation is searched for beside the query itself, and the scores are mixed: the query keeps what the encoder
understands, the translation adds the English words that the index knows best.

Letters for shapes: Q queries, P documents, E width of the encoder, W known English texts.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from recsys_kit import dense, evaluation, lexical, queries, search_index
from recsys_kit.search_vectors import encode

__all__ = [
    "by_glossary",
    "by_nearest",
    "by_words",
    "dictionary",
    "gap",
    "mixed",
    "reranked",
    "search_translations",
    "vocabulary",
]

_SMALL = frozenset(
    "a an and at for from in my me of on or the to with without de del la las le les los el en et un une der die das "
    "den ein eine fur für mit ohne und pour avec sans con sin para y du des contre gegen".split()
)


@functools.cache
def dictionary() -> dict[str, str]:
    """Returns the glossary backwards: Chinese words and the English that most codes give them."""
    found: dict[str, list[str]] = {}
    for english, chinese in queries.glossary()[["english", "chinese"]].itertuples(index=False):
        if english and chinese and " " not in chinese:
            found.setdefault(chinese, []).append(english)
    return {word: Counter(each).most_common(1)[0][0] for word, each in found.items()}


def by_glossary(text: str, spelling: bool = False) -> tuple[str, float]:
    """Translates a Chinese query word by word, the longest known word first, as Chinese has no spaces.

    Args:
        text: The query.
        spelling: Whether a word of three characters or more may differ in one of them, though not in the first: the
            usual Chinese slip is a character that sounds like the right one.

    Returns:
        The English words, and the part of the characters that they stand for.

    Example:
        >>> by_glossary("冷冻披萨"), by_glossary("洗发睡"), by_glossary("洗发睡", spelling=True)
        (('frozen pizza', 1.0), ('', 0.0), ('shampoo', 1.0))
    """
    text, known = "".join(str(text).split()), dictionary()
    longest = max(map(len, known))
    found, covered, at = [], 0, 0
    while at < len(text):
        for size in range(min(longest, len(text) - at), 0, -1):
            piece = text[at : at + size]
            word = piece if piece in known else _alike(piece) if spelling and size > 2 else ""
            if word:
                found.append(known[word])
                covered, at = covered + size, at + size
                break
        else:
            at += 1
    return " ".join(dict.fromkeys(found)), covered / max(1, len(text))


@functools.cache
def _alike(piece: str) -> str:
    """Returns the first word of the dictionary that differs in one later character; empty if there is none."""
    for word in dictionary():
        if (
            len(word) == len(piece)
            and word[0] == piece[0]
            and sum(a != b for a, b in zip(word, piece, strict=True)) == 1
        ):
            return word
    return ""


def vocabulary(documents: pd.DataFrame) -> list[str]:
    """Returns the W English texts that a shop knows: its readable titles, their words, and the glossary's phrases."""
    names = dense.texts(documents, True)["name"]
    words = {word for name in names for word in name.split() if word.isalpha() and len(word) > 2}
    return sorted(words | set(names) | set(queries.glossary()["english"]) - {""})


def by_nearest(
    vector: np.ndarray, known: Sequence[str], vectors: np.ndarray, forbidden: np.ndarray | None = None
) -> tuple[list[str], np.ndarray]:
    """Translates whole queries by the English text whose meaning lies nearest.

    Args:
        vector: (Q, E) the queries.
        known: W English texts.
        vectors: (W, E) their vectors.
        forbidden: (Q, W) texts that must not be taken, such as those of the same intent while methods are compared.

    Returns:
        Q English texts, and the cosine (Q,) of each.
    """
    near = vector @ vectors.T
    if forbidden is not None:
        near = np.where(forbidden, -1.0, near)
    best = near.argmax(1)
    return [known[i] for i in best], near[np.arange(len(best)), best]


def by_words(texts: Sequence[str], known: Sequence[str], vectors: np.ndarray) -> tuple[list[str], np.ndarray]:
    """Translates queries word by word: each word by the English text nearest to it, small words left out.

    Returns:
        Q English texts, and the cosine (Q,) of the worst of each query's words: one wrong word spoils a query.
    """
    words = [[word for word in lexical.tokens(text, shop_aware=False) if word not in _SMALL] for text in texts]
    distinct = sorted({word for each in words for word in each})
    if not distinct:
        return [""] * len(texts), np.zeros(len(texts))
    english, cosine = by_nearest(encode(distinct), known, vectors)
    table = dict(zip(distinct, zip(english, cosine, strict=True), strict=True))
    return (
        [" ".join(dict.fromkeys(table[word][0] for word in each)) for each in words],
        np.array([min((table[word][1] for word in each), default=0.0) for each in words]),
    )


def mixed(own: np.ndarray, translated: np.ndarray, sure: np.ndarray, least: float, weight: float) -> np.ndarray:
    """Mixes the scores of queries with those of their translations, where the translation is sure enough.

    Args:
        own: (Q, P) scores of the queries.
        translated: (Q, P) scores of the translations.
        sure: (Q,) how sure each translation is.
        least: Translations below are not used.
        weight: Weight of the translation, 0 to 1.

    Example:
        >>> mixed(np.array([[1.0], [1.0]]), np.array([[0.0], [0.0]]), np.array([0.9, 0.1]), 0.5, 0.5).tolist()
        [[0.5], [1.0]]
    """
    share = np.where(sure >= least, weight, 0.0)[:, None]
    return (1 - share) * own + share * translated


def reranked(index: search_index.Index, found: dict[str, np.ndarray], fused: np.ndarray) -> np.ndarray:
    """Runs the index's re-ranker over shortlists made by other scores; without a re-ranker the scores stay.

    Args:
        index: The index.
        found: What `search_index.scores` returned for the Q queries.
        fused: (Q, P) the scores to use in place of `found["fused"]`.
    """
    return search_index.reranked(index, found | {"fused": fused}) if index.rerankers else fused


def gap(value: pd.Series, asked: pd.DataFrame, by: str = "", against: str = "en", draws: int = 2000) -> pd.DataFrame:
    """Compares each language with English on the intents that both have, with paired bootstrap intervals over intents.

    Args:
        value: (Q,) a metric, rows as in `asked`.
        asked: The queries: intent_id, language and the column `by`.
        by: Compare within each value of this column, such as "kind".
        against: The language to compare with.
        draws: Bootstrap samples.

    Returns:
        One row a language (and value of `by`): intents, english, own, difference, low, high, part (own / english).
    """
    columns = ["intent_id", "language"] + ([by] if by else [])
    table = asked[columns].assign(value=np.asarray(value))
    rows = {}
    for label, part in table.groupby(by, sort=False) if by else [("", table)]:
        wide = part.pivot_table(index="intent_id", columns="language", values="value")
        for language in (name for name in queries.LANGUAGES if name != against and name in wide and against in wide):
            both = wide[[against, language]].dropna()
            if both.empty:
                continue
            low, high = evaluation.bootstrap_interval((both[language] - both[against]).to_numpy(), draws=draws)
            english, own = both[against].mean(), both[language].mean()
            row = {"intents": len(both), "english": english, "own": own, "difference": own - english}
            rows[(language, label) if by else language] = row | {"low": low, "high": high, "part": own / english}
    columns = ["intents", "english", "own", "difference", "low", "high", "part"]
    found = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    if by and len(found):
        found.index = pd.MultiIndex.from_tuples(found.index, names=["language", by])
    return found


def search_translations(index: search_index.Index, texts: Sequence[str], search: Callable | None = None) -> np.ndarray:
    """Returns the (Q, P) fused scores of translations; the same text is searched once, an empty one scores 0."""
    search = search or (lambda some: search_index.scores(index, some, rerank=False)["fused"])
    distinct = sorted({text for text in texts if text})
    result = np.zeros((len(texts), len(index.documents)))
    if distinct:
        found = search(distinct)
        place = {text: i for i, text in enumerate(distinct)}
        for row, text in enumerate(texts):
            if text:
                result[row] = found[place[text]]
    return result
