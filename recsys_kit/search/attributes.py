"""What a query asks a product to have or to lack: "sugar free cookies", "cat food, not dry", 无糖饼干 (notebook 10).

Letters for shapes: Q queries, P documents.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recsys_kit.datasets import texts
from recsys_kit.search import cedict, spelling, translation, word_lists

__all__ = ["Wish", "in_english", "last_noun", "read", "traits", "worth"]

HAS, LACKS, WITHOUT = 0.25, 0.15, 0.25
"""What it is worth to have the attribute that was asked for, to have its opposite, and to be what was not wanted, in
units of the fused score; chosen on the dev queries."""

_PIECE = re.compile(r"[\w'&%]+")


@dataclass(frozen=True)
class Wish:
    """What a query says.

    Attributes:
        head: The product, without what was said about it; empty if nothing else was said.
        attributes: What it should be, as `data/attributes.csv` names it ("sugar" for free of sugar, "organic").
        without: What it should not be, in English words; empty if that is no attribute of the table or nothing.
    """

    head: str
    attributes: tuple[str, ...] = ()
    without: str = ""


@functools.cache
def _table() -> dict[str, dict[str, str]]:
    """Returns, for each role, the attribute that a text stands for."""
    table = texts.read(texts.DATA / "attributes.csv", ("attribute", "role", "language", "text"))
    return {role: dict(zip(rows["text"], rows["attribute"], strict=True)) for role, rows in table.groupby("role")}


def read(text: str) -> Wish:
    """Reads a query.

    Example:
        >>> read("sugar free cookies"), read("无糖饼干").head, read("cat food, not dry").without
        (Wish(head='cookies', attributes=('sugar',), without=''), '饼干', 'dry')
    """
    return _chinese(text) if cedict.CHINESE.search(text) else _spaced(text)


def _spaced(text: str) -> Wish:
    """Reads a query in a language with spaces."""
    nouns, said = _table()["noun"], _table()["word"]
    marks, free, joining = (word_lists.words(name) for name in ("without", "free", "joining"))
    left, found, without = _PIECE.findall(text.lower()), [], []
    at = 0
    while at < len(left):
        pair = " ".join(left[at : at + 2])
        for size, key in ((3, " ".join(left[at : at + 3])), (2, pair), (1, left[at])):
            if key in said:
                found.append(said[key])
                del left[at : at + size]
                break
        else:
            word = left[at]
            ending = next((end for end in ("less", *sorted(free, key=len, reverse=True)) if word.endswith(end)), "")
            stem = word[: -len(ending)] if ending else ""
            if stem in nouns:  # boneless, zuckerfreie
                found.append(nouns[stem])
                del left[at]
            elif word in nouns and left[at + 1 : at + 2] and left[at + 1] in free:  # sugar free
                found.append(nouns[word])
                del left[at : at + 2]
            elif word in marks:
                rest = [each for each in left[at + 1 :] if each not in joining]
                if not rest:
                    break
                if rest[0] in nouns:
                    found.append(nouns[rest[0]])
                    left = left[:at] + rest[1:]
                elif at:
                    without, left = rest, left[:at]
                else:  # what a query begins with is rather a name: "no bake cheesecake"
                    at += 1
            else:
                at += 1
    while left and left[-1] in joining:
        left.pop()
    if not found and not without:
        return Wish(text)
    return Wish(" ".join(left), tuple(dict.fromkeys(found)), " ".join(without))


def _chinese(text: str) -> Wish:
    """Reads a query with Chinese in it, which has no spaces."""
    nouns, said = _table()["noun"], _table()["word"]
    left, found, without = text, [], ""
    for word in sorted(filter(cedict.CHINESE.search, said), key=len, reverse=True):
        if word in left:
            found.append(said[word])
            left = left.replace(word, "")
    marks = "|".join(map(re.escape, word_lists.words("without", "zh")))
    known = "|".join(sorted(filter(cedict.CHINESE.search, nouns), key=len, reverse=True))
    match = re.search(f"(?:{marks})({known})的?", left)
    if match:
        found.append(nouns[match[1]])
        left = left.replace(match[0], "")
    elif match := re.search(f"(?:{marks})(\\w+?)的", left):
        without = translation.by_glossary(match[1])[0]
        left = left.replace(match[0], "")
    elif (match := re.search("(?:不要|不是)(\\w+)$", left)) and match.start():
        without = translation.by_glossary(match[1])[0]
        left = left[: match.start()]
    if not found and not without:
        return Wish(text)
    return Wish(left.strip(" 的"), tuple(dict.fromkeys(found)), without)


def last_noun(text: str) -> str:
    """Returns the last noun of a query of two or three words: what it asks for, where the rest says which.

    English, German and Chinese put it last, and a Chinese one is given in English; of Spanish and French nothing is
    returned.

    Example:
        >>> last_noun("egg noodles"), last_noun("冷冻披萨"), last_noun("vin rouge"), last_noun("noodles")
        ('noodles', 'pizza', '', '')
    """
    if cedict.CHINESE.search(text):
        known = translation.dictionary()
        ends = (text[-size:] for size in range(min(4, len(text) - 1), 0, -1))
        return next((known[end] for end in ends if end in known), "")
    words = _PIECE.findall(text)
    if not 2 <= len(words) <= 3:
        return ""
    likely = spelling.tongue(text)
    return words[-1] if max(likely, key=likely.get) in ("en", "de") else ""


def in_english(text: str) -> str:
    """Returns a Chinese text in English if the glossary knows all of it, else the text.

    Example:
        >>> in_english("冷冻披萨"), in_english("pizza")
        ('frozen pizza', 'pizza')
    """
    english, part = translation.by_glossary(text) if cedict.CHINESE.search(text) else ("", 0.0)
    return english if part == 1 else text


def traits(documents: Sequence[str]) -> dict[str, np.ndarray]:
    """Returns for each attribute which documents have it (1) and which have its opposite (-1), each (P,).

    Args:
        documents: P readable English texts.

    Example:
        >>> traits(["tea unsweetened", "tea sweetened", "milk"])["sugar"].tolist()
        [1, -1, 0]
    """
    padded = [f" {' '.join(_PIECE.findall(text.lower()))} " for text in documents]
    found = {name: np.zeros(len(padded), np.int8) for name in {*_table()["noun"].values(), *_table()["word"].values()}}
    for role, sign in (("lacks", -1), ("has", 1)):  # what has it and its opposite ("non dairy fluid milk") has it
        for text, name in _table()[role].items():
            found[name][[f" {text} " in each for each in padded]] = sign
    return found


def worth(wish: Wish, trait: dict[str, np.ndarray], documents: Sequence[str], unwanted: np.ndarray) -> np.ndarray:
    """Returns what the documents are worth more or less for what was said about the product, (P,).

    Args:
        wish: What was said.
        trait: What `traits` returned.
        documents: P readable English texts.
        unwanted: (P,) how much each document is what was not wanted, 0 to 1; read if `wish.without` is not empty.
    """
    result = np.zeros(len(documents))
    for name in wish.attributes:
        result += np.where(trait[name] > 0, HAS, np.where(trait[name] < 0, -LACKS, 0.0))
    if wish.without:
        says_no = [any(f"non {word}" in text for word in wish.without.split()) for text in documents]
        result += np.where(says_no, HAS, -WITHOUT * unwanted)
    return result
