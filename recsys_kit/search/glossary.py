"""The kit's glossary of shop codes, in English and Chinese: what spells documents out and translates (notebook 10)."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence

import pandas as pd

from recsys_kit.datasets import texts
from recsys_kit.datasets.tables import Shop

__all__ = ["entries", "readable", "uses_codes", "version"]


@functools.cache
def entries() -> pd.DataFrame:
    """Returns the kit's glossary of shop codes: code, english, chinese, kind ("code" or an ordinary "word").

    An empty translation means that the code says nothing to a shopper ("EXC", "MISC.").
    """
    return texts.read(texts.DATA / "glossary.csv", ("code", "english", "chinese", "kind"))


@functools.cache
def _pattern() -> re.Pattern:
    codes = sorted(entries()["code"], key=len, reverse=True)  # the longest first: SFT DRNK before DRNK
    return re.compile(r"(?<![A-Z0-9])(" + "|".join(map(re.escape, codes)) + r")(?![A-Z0-9])")


def readable(titles: Sequence[str], language: str = "english") -> list[str]:
    """Writes shop codes out: "SFT DRNK 2 LITER BTL CARB" becomes "soft drink 2 liter bottle carbonated".

    Args:
        titles: The codes, in any case.
        language: "english" or "chinese"; words that the glossary lacks stay as they are.

    Returns:
        The texts in small letters, without repeated words.

    Example:
        >>> readable(["FRZN PIZZA"]), readable(["FRZN PIZZA"], "chinese")
        (['frozen pizza'], ['冷冻 披萨'])
    """
    if language not in ("english", "chinese"):
        raise ValueError(f"`language` must be english or chinese. Received: language={language!r}.")
    table = entries().set_index("code")[language].to_dict()
    result = []
    for title in titles:
        spelt = _pattern().sub(lambda found: f" {table[found[1]]} ", str(title).upper())
        words = re.sub(r"[^\w%&.']+", " ", spelt.lower()).split()
        result.append(" ".join(dict.fromkeys(word.strip(".&") for word in words if word.strip(".&"))))
    return result


def version() -> str:
    """Returns a short hash of the glossary: what is made with another one has another address."""
    return str(int(pd.util.hash_pandas_object(entries(), index=False).sum() % 2**32))


def uses_codes(shop: Shop) -> bool:
    """Whether the shop's texts are the codes that the kit's glossary spells out."""
    return shop.is_kits_own
