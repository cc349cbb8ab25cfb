"""One search box, many languages: the best items for one query, or for many (notebook 10).

`index` answers in stages, each reading the one before: words (`lexical`), meaning (`fusion`), the two-tower model
(`two_tower`) fused with the words, and a re-ranker (`reranker`) over the shortlist. For a household, the sequence
model's view of what it buys joins in (`personal`).

Letters for shapes: Q queries, P documents.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from recsys_kit.search.index import SALES, SHORTLIST, Index, scores

__all__ = ["LONGEST_QUERY", "RESULT_COLUMNS", "check_query", "search", "search_many"]

RESULT_COLUMNS = ("query_id", "rank", "item_id", "title", "product_category", "product_type", "score")
"""The columns of a file of results."""

LONGEST_QUERY = 200  # characters of a query
NONSENSE, UNSPEAKABLE = 0.38, 0.6
"""Without a known word, a best match (cosine of the frozen encoder) below the first is none; below the second, if the
query is nothing but letters that no word strings together."""


def check_query(text: object) -> str:
    r"""Returns a query in its normal form, or says what is wrong with it.

    Raises:
        ValueError: If it is empty, holds no letter or digit, or is longer than `LONGEST_QUERY` characters.

    Example:
        >>> check_query("  dog   food\n")
        'dog food'
    """
    plain = "" if text is None or text != text else unicodedata.normalize("NFKC", str(text))
    plain = "".join(" " if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c for c in plain)
    plain = " ".join(plain.split())
    if not plain:
        raise ValueError("the query is empty: it must hold at least one word")
    if len(plain) > LONGEST_QUERY:
        raise ValueError(f"the query must be at most {LONGEST_QUERY} characters long. Received: {len(plain):,}")
    if not any(c.isalnum() for c in plain):
        raise ValueError(f"the query must hold at least one letter or digit. Received: {plain!r}")
    return plain


def search(
    index: Index,
    text: str,
    k: int = 10,
    household: Callable[[pd.Index], np.ndarray] | None = None,
    weight: float = 1.0,
) -> pd.DataFrame:
    """Finds the best items for a query.

    Args:
        index: The index.
        text: What somebody types, in any language that the encoder knows.
        k: How many items.
        household: Returns how much a household likes items, given their ids; None: how well they sell.
        weight: Weight of that.

    Returns:
        `RESULT_COLUMNS` without query_id, best first. No row if nothing fits: none of the words is known, and no
        document means anything like the query.

    Raises:
        ValueError: If the query is empty, too long, or without a letter or digit; or `k` is below 1.
    """
    return search_many(index, [check_query(text)], k, [household], weight)[0]


def search_many(
    index: Index,
    texts: Sequence[str],
    k: int = 10,
    households: Sequence[Callable[[pd.Index], np.ndarray] | None] | None = None,
    weight: float = 1.0,
) -> list[pd.DataFrame]:
    """Finds the best items for many queries that `check_query` let through; as `search`, a table for each."""
    if k < 1:
        raise ValueError(f"`k` must be 1 or more. Received: k={k}.")
    results = []
    for start in range(0, len(texts), 64):  # bounds the memory
        part = list(texts[start : start + 64])
        found = scores(index, part)
        final = found.get("reranked", found["translated"])
        best = found["meaning"].max(1)
        for i in range(len(part)):
            if found["words"][i].max() <= 0 and best[i] < (UNSPEAKABLE if _unspeakable(part[i]) else NONSENSE):
                results.append(pd.DataFrame(columns=list(RESULT_COLUMNS[1:])))
                continue
            person = households[start + i] if households else None
            results.append(_items(index, final[i], k, person, weight))
    return results


def _unspeakable(text: str) -> bool:
    """Whether every word strings at least five Latin consonants together, as "asdfgh" does: words rarely do."""
    return all(re.search("[bcdfghjklmnpqrstvwxz]{5}", word) for word in text.lower().split())


def _items(index: Index, score: np.ndarray, k: int, household, weight: float) -> pd.DataFrame:
    """Returns the best items of the best documents."""
    order = np.argsort(-score, kind="stable")[:SHORTLIST]
    place = pd.Series(score[order], index=order)
    rows = index.items[index.items["document"].isin(order)]
    text = rows["document"].map(place).to_numpy()
    liking = np.log1p(rows["sold"].to_numpy()) * SALES
    if household is not None:
        liking = liking + weight * household(pd.Index(rows["item_id"]))
    total = text + liking
    best = np.lexsort((rows["item_id"].to_numpy().astype(str), -total))[:k]
    rows = rows.iloc[best]
    document = index.documents.iloc[rows["document"]]
    return pd.DataFrame(
        {
            "rank": np.arange(1, len(rows) + 1),
            "item_id": rows["item_id"].to_numpy(),
            "title": rows["title"].to_numpy(),
            "product_category": document["category"].to_numpy(),
            "product_type": document["product_type"].to_numpy(),
            "score": np.round(total[best], 4),
        }
    )
