"""Spelling: a word that no list of real words has is read as the word that it most looks like (notebook 10).

The lists of real words and how often they are used come with `pyspellchecker`; the catalogue's own words join them.
Source of the model: Kernighan, Church and Gale (1990), A spelling correction program based on a noisy channel model.
"""

from __future__ import annotations

import functools
import gzip
import json
import math
import re
import unicodedata
from collections.abc import Collection
from importlib import resources

from spellchecker import SpellChecker

__all__ = ["LANGUAGES", "corrected", "real_words", "tongue"]

LANGUAGES = ("en", "es", "fr", "de")
"""Languages with a list of real words; the first is that of the catalogue."""

SHORTEST, LONG = 4, 6  # letters of a word that is changed at all, and of one in which two slips are looked for
SLIP, CATALOGUE, HOME = 2.2, 3.0, 1.0
"""In powers of ten: how rare a slip is, how much likelier a word of the catalogue is than its use in the language says,
and how much likelier a query is written in the language of the catalogue. Chosen on the dev queries."""
_LEAST = 0.01  # uses in a million words of a word that is on no list

_WORD = re.compile(r"[^\W\d_]+")


def plain(word: str) -> str:
    """Returns a word in small letters without accents."""
    word = word.lower()
    if word.isascii():
        return word
    return "".join(c for c in unicodedata.normalize("NFKD", word) if not unicodedata.combining(c))


@functools.cache
def real_words(language: str) -> dict[str, tuple[str, float]]:
    """Returns the words of a language without accents, and for each how it is written and its uses in a million.

    Example:
        >>> real_words("es")["champu"][0], "papper" in real_words("en")
        ('champú', False)
    """
    packed = resources.files("spellchecker").joinpath("resources", f"{language}.json.gz").read_bytes()
    counts = json.loads(gzip.decompress(packed))
    total = sum(counts.values()) / 1e6
    found: dict[str, tuple[str, float]] = {}
    for word, count in counts.items():
        bare = plain(word)
        if not bare.isalpha():
            continue
        if bare not in found or found[bare][1] < count / total:
            found[bare] = (bare if word == bare else word, count / total)  # one text in memory, not two
    return found


@functools.cache
def _slips(language: str) -> SpellChecker:
    """Returns what makes all that is one slip away from a word: of its words it knows one, with all their letters."""
    found = SpellChecker(language=None)
    found.word_frequency.load_words(["".join(sorted(set().union(*real_words(language))))])
    return found


def _uses(word: str, language: str) -> float:
    return real_words(language).get(word, ("", _LEAST))[1]


def tongue(text: str, vocabulary: Collection[str] = ()) -> dict[str, float]:
    """Returns how likely a text is written in each language, in powers of ten.

    Args:
        text: The text.
        vocabulary: Words of the catalogue, without accents: they count as ordinary ones of its language.

    Example:
        >>> max(found, key=found.get) if (found := tongue("pain complet")) else ""
        'fr'
    """
    words = [plain(word) for word in _WORD.findall(text)]
    found = {}
    for language in LANGUAGES:
        each = [_uses(word, language) for word in words]
        if language == LANGUAGES[0]:
            each = [max(use, 1.0) if word in vocabulary else use for word, use in zip(words, each, strict=True)]
        found[language] = sum(math.log10(max(use, _LEAST)) for use in each) + HOME * (language == LANGUAGES[0])
    return found


def corrected(text: str, vocabulary: Collection[str], stem=str) -> str:
    """Returns a text with its misspelt words put right; real words of any language stay.

    Args:
        text: What somebody typed.
        vocabulary: Words of the catalogue, as `stem` makes them.
        stem: Takes the ending off a word without accents.

    Example:
        >>> corrected("toilt papper", {"toilet", "paper", "pepper"}), corrected("cramps", {"cream"})
        ('toilet paper', 'cramps')
    """
    likely = tongue(text, vocabulary)

    def better(found: re.Match) -> str:
        word = found[0]
        if len(word) < SHORTEST or not plain(word).isascii():
            return word
        bare = plain(word)
        if bare in vocabulary or stem(bare) in vocabulary or _is_real(bare):
            return word
        others = {language: likely[language] - math.log10(_LEAST) for language in LANGUAGES}
        return _nearest(bare, frozenset(vocabulary), tuple(others[language] for language in LANGUAGES)) or word

    return _WORD.sub(better, text)


_ENDINGS = (("s", ""), ("es", ""), ("n", ""), ("en", ""), ("e", ""), ("a", "o"), ("as", "o"), ("aux", "al"))
"""Endings of the plural and of the feminine, and what stands in their place in a list."""


@functools.lru_cache(4096)
def _is_real(word: str) -> bool:
    """Whether a word, or what it is an inflected form of, is on a list, or two German words make it."""
    forms = [word, *(word[: -len(end)] + base for end, base in _ENDINGS if word.endswith(end))]
    if any(form in real_words(language) for form in forms for language in LANGUAGES):
        return True
    halves = [(word[:i], word[i:]) for i in range(3, len(word) - 2)]
    halves += [(first[:-1], second) for first, second in halves if first.endswith("s") and len(first) > 3]
    return len(word) > 7 and any(min(_uses(a, "de"), _uses(b, "de")) >= 1 for a, b in halves)


@functools.lru_cache(4096)
def _nearest(word: str, vocabulary: frozenset[str], likely: tuple[float, ...]) -> str:
    """Returns the likeliest word behind a misspelt one; empty if none is near.

    Two slips away only words of the catalogue are looked for: there lies too much else that somebody might have meant.
    """
    from rapidfuzz import process
    from rapidfuzz.distance import OSA

    most = 2 if len(word) >= LONG else 1
    best, found = -math.inf, ""
    for language, prior in zip(LANGUAGES, likely, strict=True):
        home = language == LANGUAGES[0]
        own = dict.fromkeys(sorted(_slips(language).edit_distance_1(word) & real_words(language).keys()), 1)
        if home:
            near = process.extract(word, list(vocabulary), scorer=OSA.distance, score_cutoff=most, limit=None)
            own |= {w: d for w, d, _ in near}
        for other, slips in own.items():
            known = home and other in vocabulary
            # slips seldom hit the first letter
            worth = math.log10(_uses(other, language)) + prior - SLIP * (slips + (other[0] != word[0]))
            worth += CATALOGUE * known
            if worth > best:
                best, found = worth, real_words(language).get(other, (other,))[0]
    return found
