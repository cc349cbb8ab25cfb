"""Queries put into English by a dictionary, and by what a shop has itself: glossary, titles, words (notebooks 10, 15).

A translation is searched for beside the query, and the scores are mixed: the query keeps what the encoder understands,
the translation adds the English words that the index knows best.

Letters for shapes: Q queries, P documents, E width of the encoder, W known English texts.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from recsys_kit.search import cedict, corpus, glossary, lexical, word_lists
from recsys_kit.search.vectors import encode

__all__ = ["ENOUGH", "by_cedict", "by_glossary", "by_nearest", "by_words", "dictionary", "mixed", "vocabulary"]

ENOUGH = 0.75
"""Part of a query from which its translation is used; the dev queries chose it for the glossary alone (page 10)."""


@functools.cache
def dictionary() -> dict[str, str]:
    """Returns the glossary backwards: Chinese words and the English that most codes give them."""
    found: dict[str, list[str]] = {}
    for english, chinese in glossary.entries()[["english", "chinese"]].itertuples(index=False):
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
    return _longest_first("".join(str(text).split()), functools.partial(_in_glossary, spelling=spelling))


def by_cedict(
    text: str, known: Callable[[str], float], enough: float = ENOUGH, glossary: bool = True
) -> tuple[str, float]:
    """Translates a Chinese query by CC-CEDICT word by word, the longest first; by the glossary where that says nothing.

    What is not Chinese stays as it is. Where too little was read, a glossary's word may differ in one character, as in
    `by_glossary`; but not if the dictionary knows the word as it was written.

    Args:
        text: The query.
        known: Which part of an English text's words a shop knows. Of a word's meanings the first is taken that is
            known whole: a shop sells dates as fruit, not as days.
        enough: The part of the Chinese characters from which nothing is forgiven: the translation is used as it is.
        glossary: Whether the glossary is asked at all; without it nothing is forgiven.

    Returns:
        The English words, and the part of the Chinese characters that they stand for; 0 if there are none.

    Example:
        >>> everything = lambda text: 1.0
        >>> by_cedict("苹果汁", everything), by_cedict("oreo饼干", everything), by_cedict("oreo", everything)
        (('apple juice', 1.0), ('oreo biscuit', 1.0), ('', 0.0))
    """
    if not cedict.CHINESE.search(text):
        return "", 0.0

    def meaning(piece: str, spelling: bool) -> str:
        several = cedict.senses(piece) if len(piece) > 1 else ()  # one character alone may mean anything
        first = next((one for one in several if known(one) >= 1), "")
        if first or not glossary:
            return first
        return _in_glossary(piece, spelling and not cedict.senses(piece))

    exact = _by_runs(text, functools.partial(meaning, spelling=False))
    if exact[1] >= enough or not glossary:
        return exact
    return max(exact, _by_runs(text, functools.partial(meaning, spelling=True)), key=lambda found: found[1])


def _by_runs(text: str, meaning: Callable[[str], str]) -> tuple[str, float]:
    """Translates the runs of Chinese characters, and leaves all else as it is."""
    chinese, found, covered, count = cedict.CHINESE, [], 0.0, 0
    for run in re.findall(f"{chinese.pattern}+|[^\\s{chinese.pattern[1:]}+", text):
        if not chinese.match(run):
            found.append(run)
            continue
        english, part = _longest_first(run, meaning)
        found.append(english)
        covered, count = covered + part * len(run), count + len(run)
    return " ".join(filter(None, dict.fromkeys(found))), covered / count


def _in_glossary(piece: str, spelling: bool) -> str:
    known = dictionary()
    return known.get(piece) or known.get(_alike(piece) if spelling and len(piece) > 2 else "", "")


def _longest_first(text: str, meaning: Callable[[str], str]) -> tuple[str, float]:
    longest = max(map(len, dictionary()))
    found, covered, at = [], 0, 0
    while at < len(text):
        for size in range(min(longest, len(text) - at), 0, -1):
            english = meaning(text[at : at + size])
            if english:
                found.append(english)
                covered, at = covered + size, at + size
                break
        else:
            at += 1
    return " ".join(dict.fromkeys(found)), covered / max(1, len(text))


@functools.cache
def _by_beginning() -> dict[tuple[str, int], list[str]]:
    """Returns the words of the dictionary, in its order, by their first character and their length."""
    found: dict[tuple[str, int], list[str]] = {}
    for word in dictionary():
        found.setdefault((word[0], len(word)), []).append(word)
    return found


def _alike(piece: str) -> str:
    """Returns the first word of the dictionary that differs in one later character; empty if there is none."""
    for word in _by_beginning().get((piece[0], len(piece)), ()):
        if sum(a != b for a, b in zip(word, piece, strict=True)) == 1:
            return word
    return ""


def vocabulary(documents: pd.DataFrame) -> list[str]:
    """Returns the W English texts that a shop knows: its readable titles, their words, and the glossary's phrases."""
    names = corpus.texts(documents, True)["name"]
    words = {word for name in names for word in name.split() if word.isalpha() and len(word) > 2}
    return sorted(words | set(names) | set(glossary.entries()["english"]) - {""})


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
    small = word_lists.words("untranslated")
    words = [[word for word in lexical.tokens(text, shop_aware=False) if word not in small] for text in texts]
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
