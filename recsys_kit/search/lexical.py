"""Search by words: tokens in any script, BM25 with the shop's glossary, spelling, and how much of a query is known.

Letters for shapes: P documents (kinds of product), W words of the vocabulary.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

import numpy as np

from recsys_kit.search import spelling, word_lists

__all__ = ["Lexical", "stem", "tokens"]

_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
_SHORTEST = 4  # letters of a word that loses its ending: shorter ones look like too many others
_PIECE = re.compile(rf"[{_CJK}]+|[^\W_{_CJK}]+")


def stem(word: str) -> str:
    """Takes an English plural ending off: "cherries" -> "cherry", "boxes" -> "box"; other words stay.

    Source: Harman (1991), How effective is suffixing?, the S-stemmer.

    Example:
        >>> [stem(word) for word in ("cherries", "apples", "glass", "tissues", "radishes")]
        ['cherry', 'apple', 'glass', 'tissue', 'radish']
    """
    if len(word) < _SHORTEST or not word.isascii():
        return word
    if word.endswith("ies") and word[-4] not in "ae":
        return word[:-3] + "y"
    if word.endswith(("ches", "shes", "sses", "xes", "oes")):
        return word[:-2]
    if word.endswith("s") and word[-2] not in "us":
        return word[:-1]
    return word


def tokens(text: str, shop_aware: bool = True) -> list[str]:
    """Splits a text of any language into searchable words.

    Latin words lose case, accents and English plural endings; a run of Chinese characters, which has no spaces, gives
    its pairs of neighbours (and a single character itself).

    Args:
        text: Any Unicode text.
        shop_aware: False for plain lower-case words, as a search engine out of the box would make them.

    Example:
        >>> tokens("Frozen PIZZAS & Crêpes"), tokens("洗发水")
        (['frozen', 'pizza', 'crepe'], ['洗发', '发水'])
        >>> tokens("洗发水 SHAMPOOS", shop_aware=False)
        ['洗发水', 'shampoos']
    """
    text = unicodedata.normalize("NFKC", str(text)).lower()
    pieces = _PIECE.findall(text)
    if not shop_aware:
        return pieces
    found: list[str] = []
    stop = word_lists.words("stop")
    for piece in pieces:
        if re.match(f"[{_CJK}]", piece):
            found += [piece[i : i + 2] for i in range(len(piece) - 1)] or [piece]
        else:
            plain = "".join(c for c in unicodedata.normalize("NFKD", piece) if not unicodedata.combining(c))
            if plain not in stop:
                found.append(stem(plain))
    return found


class Lexical:
    """A BM25 index of documents.

    Args:
        documents: P texts.
        shop_aware: Whether `tokens` normalises documents and queries.
        spelling: Whether misspelt words of a query are put right, see `spelling.corrected`.

    Example:
        >>> index = Lexical(["frozen pizza", "pizza sauce", "dog food"])
        >>> index.scores("pizzas").round(2).tolist()[2], index.known("dog pizza xyz")
        (0.0, 0.6666666666666666)
    """

    def __init__(self, documents: Sequence[str], shop_aware: bool = True, spelling: bool = False):
        import bm25s

        self.shop_aware, self.spelling = shop_aware, spelling
        corpus = [tokens(text, shop_aware) or ["<nothing>"] for text in documents]
        self.vocabulary = Counter(word for text in corpus for word in set(text))
        self._known = frozenset(word for word in self.vocabulary if word.isascii() and word.isalpha())
        self.size = len(corpus)
        self._index = bm25s.BM25(method="lucene")
        self._index.index(corpus, show_progress=False)

    def words(self, query: str) -> list[str]:
        """Returns the words that a query is searched by."""
        return tokens(self.corrected(query) if self.spelling else query, self.shop_aware)

    def corrected(self, query: str) -> str:
        """Returns a query with its misspelt words put right."""
        return spelling.corrected(query, self._known, stem)

    def scores(self, query: str) -> np.ndarray:
        """Returns the (P,) BM25 scores; 0 where no word of the query occurs."""
        known = [word for word in self.words(query) if word in self.vocabulary]
        return self._index.get_scores(known) if known else np.zeros(self.size, np.float32)

    def known(self, query: str) -> float:
        """Returns the part of a query's words that occur in the documents, after correction if there is one."""
        found = self.words(query)
        return sum(word in self.vocabulary for word in found) / len(found) if found else 0.0
