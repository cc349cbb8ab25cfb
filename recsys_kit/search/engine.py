"""One search box, many languages: the best items for one query, or for many (notebook 10).

`index` answers in stages, each reading the one before: words (`lexical`), meaning (`fusion`), the two-tower model
(`two_tower`) fused with the words, and a re-ranker (`reranker`) over the shortlist. For a household, the sequence
model's view of what it buys joins in (`personal`).

Letters for shapes: Q queries, P documents.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from recsys_kit.search import fusion
from recsys_kit.search.index import SALES, SHORTLIST, Index, scores, verdicts

__all__ = ["GATE", "LONGEST_QUERY", "RESULT_COLUMNS", "check_query", "search", "search_many"]

RESULT_COLUMNS = (
    "query_id",
    "rank",
    "item_id",
    "title",
    "brand",
    "product_category",
    "product_type",
    "more",
    "score",
    "doubtful",
)
"""The columns of a file of results; `more` says how many other sizes and brands of the same product there are, and
`doubtful`, in each row of a query, that these are the nearest products and may not be what was asked for."""

LONGEST_QUERY = 200  # characters of a query
GATE = 0.3
"""How much worse than the best by text a document may be, to be moved by what a household likes; notebook 10 chooses
it, and shows what other widths would do."""


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
    """Finds the best products for a query, and of each the item that is bought or liked most.

    Args:
        index: The index.
        text: What somebody types, in any language that the encoder knows.
        k: How many products.
        household: Returns how much a household likes items, given their ids; None: how well they sell.
        weight: Weight of that.

    Returns:
        `RESULT_COLUMNS` without query_id, best first. No row if nothing fits, see `nothing`.

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
        for i, verdict in enumerate(verdicts(index, part)):
            if verdict == "nothing":
                results.append(pd.DataFrame(columns=list(RESULT_COLUMNS[1:])))
                continue
            person = households[start + i] if households else None
            results.append(_items(index, final[i], k, person, weight).assign(doubtful=verdict == "doubtful"))
    return results


def _items(index: Index, score: np.ndarray, k: int, household, weight: float) -> pd.DataFrame:
    """Returns the best item of each of the best documents: a list shows one size of a product, and how many more."""
    best = np.sort(np.argsort(-score, kind="stable")[: max(SHORTLIST, k)])
    rows = index.items[index.items["document"].isin(best)]
    rows = rows.iloc[np.lexsort((rows["item_id"].to_numpy().astype(str), rows["document"].to_numpy()))]
    liking = np.log1p(rows["sold"].to_numpy()) * SALES
    if household is not None:
        liking = liking + weight * household(pd.Index(rows["item_id"]))
    there, place = np.unique(rows["document"], return_inverse=True)
    width = np.inf if household is None else GATE
    shown, total = (found[0] for found in fusion.best_of_document(score[there], place, liking[None], width))
    first = np.lexsort((rows["item_id"].to_numpy().astype(str)[shown], -total))[:k]
    rows, total = rows.iloc[shown[first]], total[first]
    document = index.documents.iloc[rows["document"]]
    return pd.DataFrame(
        {
            "rank": np.arange(1, len(rows) + 1),
            "item_id": rows["item_id"].to_numpy(),
            "title": rows["title"].to_numpy(),
            "brand": rows["brand"].to_numpy(),
            "product_category": document["category"].to_numpy(),
            "product_type": document["product_type"].to_numpy(),
            "more": document["products"].to_numpy() - 1,
            "score": np.round(total, 4),
        }
    )
