"""One search box, many languages: the best items for one query, or for a file of them (notebook 10).

`index` answers in stages, each reading the one before: words (`lexical`), meaning (`fusion`), the two-tower model
(`two_tower`) fused with the words, and a re-ranker (`reranker`) over the shortlist. For a household, the sequence
model's view of what it buys joins in (`personal`).

Letters for shapes: Q queries, P documents.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from recsys_kit.datasets.shops import Shop
from recsys_kit.search.index import SALES, SHORTLIST, STAGES, Index, build, scores
from recsys_kit.search.judging import cross_validate, task

__all__ = [
    "COLUMNS",
    "LONGEST",
    "STAGES",
    "Index",
    "build",
    "check_query",
    "cross_validate",
    "open_index",
    "read_queries",
    "run_file",
    "run_one",
    "scores",
    "search",
    "search_file",
    "search_many",
    "task",
]

COLUMNS = ("query_id", "rank", "item_id", "title", "product_category", "product_type", "score")
"""The columns of a file of results."""

LONGEST = 200  # characters of a query
NONSENSE, UNSPEAKABLE = 0.38, 0.6
"""Without a known word, a best match (cosine of the frozen encoder) below the first is none; below the second, if the
query is nothing but letters that no word strings together."""


def check_query(text: object) -> str:
    r"""Returns a query in its normal form, or says what is wrong with it.

    Raises:
        ValueError: If it is empty, holds no letter or digit, or is longer than `LONGEST` characters.

    Example:
        >>> check_query("  dog   food\n")
        'dog food'
    """
    plain = "" if text is None or text != text else unicodedata.normalize("NFKC", str(text))
    plain = "".join(" " if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c for c in plain)
    plain = " ".join(plain.split())
    if not plain:
        raise ValueError("the query is empty: it must hold at least one word")
    if len(plain) > LONGEST:
        raise ValueError(f"the query must be at most {LONGEST} characters long. Received: {len(plain):,}")
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
        `COLUMNS` without query_id, best first. No row if nothing fits: none of the words is known, and no document
        means anything like the query.

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
                results.append(pd.DataFrame(columns=list(COLUMNS[1:])))
                continue
            person = households[start + i] if households else None
            results.append(_items(index, final[i], k, person, weight))
    return results


def _unspeakable(text: str) -> bool:
    """Whether every word strings at least five Latin consonants together, as "asdfgh" does."""
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


def read_queries(path: str | Path) -> pd.DataFrame:
    """Reads a file of queries: query_id, query and perhaps user_id.

    Raises:
        ValueError: If a column is missing, the file has no rows, or a query_id is empty or there twice.
    """
    path = Path(path)
    try:
        table = pd.read_csv(path, dtype="str", keep_default_na=False, encoding="utf-8-sig")
    except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise ValueError(f"{path.name}: must be a CSV file in UTF-8. Received: {error}") from None
    for name in ("query_id", "query"):
        if name not in table:
            raise ValueError(f"{path.name}: column `{name}` is missing. Columns found: {', '.join(table.columns)}")
    if table.empty:
        raise ValueError(f"{path.name}: has no rows")
    for rule, bad in (
        ("must not be empty", table["query_id"] == ""),
        ("must be unique", table["query_id"].duplicated()),
    ):
        if bad.any():
            row = int(np.flatnonzero(bad)[0])
            raise ValueError(f"{path.name}: `query_id` {rule}. Row {row + 2}: {table['query_id'].iloc[row]!r}")
    return table


def search_file(
    index: Index,
    table: pd.DataFrame,
    k: int = 10,
    households: dict[str, Callable[[pd.Index], np.ndarray]] | None = None,
) -> tuple[pd.DataFrame, list[str]]:
    """Answers a table of queries, see `read_queries`.

    Args:
        index: The index.
        table: The queries.
        k: How many items for each.
        households: For each user_id of the table, how much it likes items.

    Returns:
        `COLUMNS`, in the order of the queries; and a line for each query that got no answer, saying why.
    """
    notes, good, texts = [], [], []
    for row in range(len(table)):
        try:
            texts.append(check_query(table["query"].iloc[row]))
            good.append(row)
        except ValueError as error:
            notes.append(f"{table['query_id'].iloc[row]}: {error}")
    users = table["user_id"] if "user_id" in table else pd.Series("", index=table.index)
    persons = [(households or {}).get(users.iloc[row]) for row in good]
    parts = []
    for row, result in zip(good, search_many(index, texts, k, persons), strict=True):
        name = table["query_id"].iloc[row]
        if result.empty:
            notes.append(f"{name}: nothing in this shop is like {table['query'].iloc[row]!r}")
        parts.append(result.assign(query_id=name))
    return pd.concat([pd.DataFrame(columns=list(COLUMNS)), *parts])[list(COLUMNS)].reset_index(drop=True), notes


def open_index(data: str, folder: str | Path, say: Callable[[str], None] = print) -> tuple[Shop, Index]:
    """Opens a shop and its index, building first what the workspace lacks.

    Args:
        data: Folder of the shop; empty: The Complete Journey.
        folder: The workspace.
        say: Called with each line of progress.
    """
    from recsys_kit import datasets, report, workspace

    shop = datasets.load(data)
    said: list[str] = []

    def announce(name: str) -> None:
        if not said:
            say(f"no search index of this shop in {folder}: building it now, which takes a minute or two")
        said.append(name)

    store = workspace.Workspace(folder, on_build=announce)
    with report.quiet():
        return shop, build(shop, store)


def run_one(
    text: str, user: str | None, k: int, data: str, folder: str | Path, say: Callable[[str], None] = print
) -> str:
    """Answers one query for the command line, as a table to read.

    Args:
        text: The query.
        user: Whose list it is; None: nobody's.
        k: How many items.
        data: Folder of the shop; empty: The Complete Journey.
        folder: The workspace.
        say: Called with each line of progress.
    """
    text = check_query(text)
    shop, index = open_index(data, folder, say)
    household = None
    if user is not None:
        from recsys_kit.search import personal

        household = personal.open_households(shop, folder, data, [user], say).get(user)
    result = search(index, text, k, household)
    if result.empty:
        return f"nothing in this shop is like {text!r}"
    shown = result.rename(columns={"product_category": "category", "product_type": "type"})
    return shown.to_string(index=False, max_colwidth=42, formatters={"score": "{:.3f}".format})


def run_file(
    table: pd.DataFrame, k: int, data: str, folder: str | Path, say: Callable[[str], None] = print
) -> tuple[pd.DataFrame, list[str]]:
    """Answers a table of queries for the command line, see `search_file`."""
    shop, index = open_index(data, folder, say)
    households = None
    if "user_id" in table and (table["user_id"] != "").any():
        from recsys_kit.search import personal

        users = [user for user in table["user_id"].unique() if user]
        households = personal.open_households(shop, folder, data, users, say)
    return search_file(index, table, k, households)
