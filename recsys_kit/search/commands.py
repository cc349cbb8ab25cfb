"""The command `recsys-kit search`: one query as a table to read, or a file of queries into another (notebook 10)."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

import numpy as np
import pandas as pd

from recsys_kit import output_file
from recsys_kit.datasets.shops import Shop
from recsys_kit.datasets.tables import DataError
from recsys_kit.search.engine import RESULT_COLUMNS, check_query, search, search_many
from recsys_kit.search.index import Index, build

__all__ = ["may_not_fit", "nothing_fits", "open_index", "read_queries", "run_file", "run_one", "search_file", "to_csv"]


def read_queries(path: str | Path) -> pd.DataFrame:
    """Reads a file of queries: query_id, query and perhaps user_id.

    Raises:
        ValueError: If a column is missing, the file has no rows, or a query_id is empty or there twice.
    """
    path = Path(path).expanduser()
    if not path.exists() or path.is_dir():
        raise ValueError(f"--queries: {'a folder, not a file' if path.is_dir() else 'no such file'}: {path}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # rows longer than the header
            table = pd.read_csv(path, dtype="str", keep_default_na=False, encoding="utf-8-sig", index_col=False)
    except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.ParserWarning, pd.errors.EmptyDataError) as error:
        raise ValueError(f"{path.name}: must be a CSV file in UTF-8. Received: {error}") from None
    table.columns = table.columns.str.strip()
    for name in ("query_id", "query"):
        if name not in table:
            raise ValueError(f"{path.name}: column `{name}` is missing. Columns found: {', '.join(table.columns)}")
    if table.empty:
        raise ValueError(f"{path.name}: has no rows")
    ids = [name for name in ("query_id", "user_id") if name in table]
    table[ids] = table[ids].apply(lambda column: column.str.strip())
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
        `RESULT_COLUMNS`, in the order of the queries; and a line for each query that got no answer, or one in doubt,
        saying why.
    """
    notes, good, texts = [], [], []
    for row in range(len(table)):
        try:
            texts.append(check_query(table["query"].iloc[row]))
            good.append(row)
        except ValueError as error:
            notes.append(f"no answer: {table['query_id'].iloc[row]}: {error}")
    users = table["user_id"] if "user_id" in table else pd.Series("", index=table.index)
    persons = [(households or {}).get(users.iloc[row]) for row in good]
    parts = []
    for row, result in zip(good, search_many(index, texts, k, persons), strict=True):
        name = table["query_id"].iloc[row]
        if result.empty:
            notes.append(f"no answer: {name}: {nothing_fits(table['query'].iloc[row])}")
        elif result["doubtful"].any():
            notes.append(f"in doubt: {name}: {may_not_fit(table['query'].iloc[row])}")
        parts.append(result.assign(query_id=name))
    return pd.concat([pd.DataFrame(columns=list(RESULT_COLUMNS)), *parts])[list(RESULT_COLUMNS)].reset_index(
        drop=True
    ), notes


def open_index(
    data: str, folder: str | Path, say: Callable[[str], None] = print, user: str | None = None
) -> tuple[Shop, Index]:
    """Opens a shop and its index, building first what the workspace lacks.

    Args:
        data: Folder of the shop; empty: The Complete Journey.
        folder: The workspace.
        say: Called with each line of progress.
        user: Somebody whom the shop must know.

    Raises:
        DataError: If it does not; nothing has been built then.
    """
    from recsys_kit import datasets, report, workspace

    shop = datasets.load(data)
    if user is not None:
        from recsys_kit.search import personal

        for line in personal.unknown_users(shop, [user]).values():
            raise DataError(line)
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
    shop, index = open_index(data, folder, say, user)
    household = None
    if user is not None:
        from recsys_kit.search import personal

        household = personal.open_households(shop, folder, data, [user], say).get(user)
    result = search(index, text, k, household)
    if result.empty:
        return nothing_fits(text)
    shown = result.drop(columns="doubtful").rename(columns={"product_category": "category", "product_type": "type"})
    # how many other sizes and brands there are; most of the screen is for the titles
    shown["more"] = [f"+{count}" if count else "" for count in shown["more"]]
    lines = shown.to_string(index=False, max_colwidth=42, formatters={"score": "{:.3f}".format})
    return f"{may_not_fit(text)}\n{lines}" if result["doubtful"].any() else lines


def nothing_fits(text: str) -> str:
    """Returns the sentence for a query that nothing in the shop answers."""
    return f"nothing fits: this shop seems to have nothing like {text!r}; try the name of a product"


def may_not_fit(text: str) -> str:
    """Returns the sentence above products that may not be what a query asks for."""
    return f"perhaps nothing fits {text!r}; these are the nearest products"


def run_file(
    table: pd.DataFrame, k: int, data: str, folder: str | Path, say: Callable[[str], None] = print
) -> tuple[pd.DataFrame, list[str]]:
    """Answers a table of queries for the command line, see `search_file`; one of an unknown user gets no answer."""
    shop, index = open_index(data, folder, say)
    households, notes = None, []
    if "user_id" in table and (table["user_id"] != "").any():
        from recsys_kit.search import personal

        users = [user for user in table["user_id"].unique() if user]
        unknown = personal.unknown_users(shop, users)
        bad = table["user_id"].isin(unknown)
        notes = [f"no answer: {row.query_id}: {unknown[row.user_id]}" for row in table[bad].itertuples()]
        table, users = table[~bad], [user for user in users if user not in unknown]
        if users:
            households = personal.open_households(shop, folder, data, users, say)
    lists, others = search_file(index, table, k, households)
    return lists, notes + others


def to_csv(lists: pd.DataFrame, path: str | Path | TextIO) -> None:
    """Writes results as CSV; a text that a spreadsheet would compute (`=HYPERLINK(...)`) gets a `'` before it.

    Args:
        lists: What `search_file` returned. Its ids stay as they are: join titles by them.
        path: The file.
    """
    texts = ["title", "product_category", "product_type"]
    output_file.without_formulas(lists, texts).to_csv(path, index=False, lineterminator="\n")
