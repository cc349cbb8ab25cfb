"""Hard queries: what the search does with slips, attributes, "without", mixed languages, and what no shelf holds.

    python benchmarks/hard_search.py                 # the dev half, to choose by
    python benchmarks/hard_search.py --split test    # the other half, to look at once

`hard_queries.csv` lies beside this file. Its `rule` says what answers a query: alternatives `CATEGORY > TYPE` with `;`
between them, both regular expressions, the category from its beginning (empty: any). An empty rule: nothing fits.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from recsys_kit import datasets, report, search, workspace
from recsys_kit.search import queries

FILE = Path(__file__).with_name("hard_queries.csv")
KINDS = ("misspelt", "real word", "attribute", "negation", "mixed", "false friend", "nothing")


def read(split: str = "") -> pd.DataFrame:
    """Returns the hard queries: query_id, kind, language, query, split, rule; of one half, or all."""
    table = pd.read_csv(FILE, dtype="str", keep_default_na=False)
    return table[table["split"].eq(split) | (not split)].reset_index(drop=True)


def fits(rule: str, item_types: pd.DataFrame) -> np.ndarray:
    """Returns which of P item types (columns category and product_type) a rule names, (P,).

    Example:
        >>> fits("CORN > CORN ; > ORGANIC CORN", pd.DataFrame({"category": ["CORN"], "product_type": ["CORN WHITE"]}))
        array([ True])
    """
    found = np.zeros(len(item_types), bool)
    for part in filter(None, rule.split(" ; ")):
        category, product_type = (each.strip() for each in part.split("> ", 1))
        here = item_types["category"].str.match(category) & item_types["product_type"].str.contains(product_type)
        found |= here.to_numpy()
    return found


def judged(index: search.Index, table: pd.DataFrame) -> pd.DataFrame:
    """Returns for each query: `refused`, `ndcg` of the ten best kinds, `first` (whether the first item fits).

    What is refused has an NDCG and a first of 0, as a shopper sees it.
    """
    texts = table["query"].tolist()
    lists = search.search_many(index, texts, 10)
    found = search.scores(index, texts)
    grade = np.stack([2 * fits(rule, index.documents) for rule in table["rule"]]).astype(np.int8)
    refused = np.array([result.empty for result in lists])
    ndcg = queries.scores(found.get("reranked", found["translated"]), grade)["ndcg"].to_numpy()
    kinds = [result.rename(columns={"product_category": "category"}) for result in lists]
    first = [len(one) > 0 and bool(fits(rule, one.head(1))[0]) for one, rule in zip(kinds, table["rule"], strict=True)]
    return table.assign(refused=refused, ndcg=np.where(refused, 0.0, ndcg), first=np.array(first, float))


def by_kind(result: pd.DataFrame) -> pd.DataFrame:
    """Returns a row for each kind: queries, ndcg, first, refused."""
    rows = result.groupby("kind").agg(
        queries=("query", "size"), ndcg=("ndcg", "mean"), first=("first", "mean"), refused=("refused", "mean")
    )
    return rows.reindex([kind for kind in KINDS if kind in rows.index])


def present(index: search.Index, split: str) -> pd.DataFrame:
    """Returns, for each language of the judged queries, ndcg and the part refused."""
    table = queries.judged()
    table = table[table["split"] == split]
    asked, grade = queries.texts(table), queries.grades(table, index.documents)
    found = search.scores(index, asked["query"].tolist())
    ndcg = queries.scores(found.get("reranked", found["translated"]), grade)["ndcg"]
    refused = [result.empty for result in search.search_many(index, asked["query"].tolist(), 1)]
    rows = asked.assign(ndcg=ndcg, refused=refused).groupby("language")
    return rows.agg(queries=("query", "size"), ndcg=("ndcg", "mean"), refused=("refused", "mean"))


def main() -> None:
    """Prints the table by kind, and that of the judged queries of the same half."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--split", choices=("dev", "test"), default="dev")
    options.add_argument("--workspace", default="workspace")
    options.add_argument("--each", action="store_true", help="print every query as well")
    chosen = options.parse_args()
    with report.quiet():
        index = search.build(datasets.load(), workspace.Workspace(chosen.workspace))
        result, usual = judged(index, read(chosen.split)), present(index, chosen.split)
    if chosen.each:
        print(result.drop(columns=["split", "rule", "query_id"]).round(2).to_string(index=False))
    print(by_kind(result).round(3).to_string(), usual.round(3).to_string(), sep="\n\n")


if __name__ == "__main__":
    main()
