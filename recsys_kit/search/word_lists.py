"""The kit's lists of little words in several languages, read from `data/words.csv` (notebooks 10, 15 and 16)."""

from __future__ import annotations

import functools
import re

from recsys_kit.datasets import texts

__all__ = ["alternatives", "words"]


@functools.cache
def words(name: str, language: str = "") -> tuple[str, ...]:
    """Returns the words of a list, each once, in the order of the file.

    Args:
        name: Which list of `data/words.csv`, such as "stop".
        language: Only those of a language, such as "en"; empty: of all.

    Raises:
        ValueError: If there is no such list.

    Example:
        >>> words("being"), words("being", "zh")
        (('is', 'was', '是', '为'), ('是', '为'))
    """
    table = texts.read(texts.DATA / "words.csv", ("list", "language", "word"))
    found = table[(table["list"] == name) & (table["language"].eq(language) | (not language))]
    if found.empty:
        raise ValueError(f"`name` must be one of {', '.join(table['list'].unique())}. Received: name={name!r}.")
    return tuple(dict.fromkeys(found["word"]))


def alternatives(name: str, language: str = "") -> str:
    r"""Returns the words of a list as alternatives of a regular expression, in the order of the file: the first wins.

    Example:
        >>> alternatives("number")
        'id|no|nr|number|编号|号码|号'
    """
    return "|".join(map(re.escape, words(name, language)))
