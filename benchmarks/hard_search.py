"""Hard queries: what the search does with slips, attributes, "without", mixed languages, and what no shelf holds.

    python benchmarks/hard_search.py                 # the dev half, to choose by
    python benchmarks/hard_search.py --split test    # the other half, to look at once
    python benchmarks/hard_search.py --split test --out benchmarks/results/hard_search.json    # and keep it
    python benchmarks/hard_search.py --negatives     # towers taught by near wrong answers, on the dev half

`hard_queries.csv` lies beside this file. Its `rule` says what answers a query: alternatives `CATEGORY > TYPE` with `;`
between them, both regular expressions, the category from its beginning (empty: any). An empty rule: nothing fits.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
from sklearn.cluster import KMeans

from recsys_kit import datasets, report, results_file, search, workspace
from recsys_kit.search import fusion, glossary, queries, two_tower
from recsys_kit.search import vectors as search_vectors

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
    """Returns for each query: `refused`, `doubted`, `ndcg` of the ten best kinds, `first` (the first item fits).

    What is doubted is shown, with a word of doubt. What is refused has an NDCG and a first of 0, as a shopper sees it.
    """
    texts = table["query"].tolist()
    lists = search.search_many(index, texts, 10)
    found = search.scores(index, texts)
    grade = np.stack([2 * fits(rule, index.documents) for rule in table["rule"]]).astype(np.int8)
    refused, doubted = _said(lists)
    ndcg = queries.scores(found.get("reranked", found["translated"]), grade)["ndcg"].to_numpy()
    kinds = [result.rename(columns={"product_category": "category"}) for result in lists]
    first = [len(one) > 0 and bool(fits(rule, one.head(1))[0]) for one, rule in zip(kinds, table["rule"], strict=True)]
    ndcg = np.where(refused, 0.0, ndcg)
    return table.assign(refused=refused, doubted=doubted, ndcg=ndcg, first=np.array(first, float))


def _said(lists: list[pd.DataFrame]) -> tuple[np.ndarray, np.ndarray]:
    """Returns which of Q answers say that nothing fits, and which say that perhaps nothing does, (Q,) each."""
    return np.array([one.empty for one in lists]), np.array([bool(one["doubtful"].any()) for one in lists])


def by_kind(result: pd.DataFrame) -> pd.DataFrame:
    """Returns a row for each kind: queries, ndcg, first, refused, doubted."""
    means = {name: (name, "mean") for name in ("ndcg", "first", "refused", "doubted")}
    rows = result.groupby("kind").agg(queries=("query", "size"), **means)
    return rows.reindex([kind for kind in KINDS if kind in rows.index])


def present(index: search.Index, split: str) -> pd.DataFrame:
    """Returns, for each language of the judged queries, ndcg and the parts refused and doubted."""
    table = queries.judged()
    table = table[table["split"] == split]
    asked, grade = queries.texts(table), queries.grades(table, index.documents)
    found = search.scores(index, asked["query"].tolist())
    ndcg = queries.scores(found.get("reranked", found["translated"]), grade)["ndcg"]
    refused, doubted = _said(search.search_many(index, asked["query"].tolist(), 1))
    rows = asked.assign(ndcg=ndcg, refused=refused, doubted=doubted).groupby("language")
    return rows.agg(queries=("query", "size"), **{name: (name, "mean") for name in ("ndcg", "refused", "doubted")})


BEFORE = {
    "misspelt": (0.634, 0.594, 0.0),
    "real word": (0.745, 0.750, 0.0),
    "attribute": (0.616, 0.458, 0.0),
    "negation": (0.613, 0.444, 0.0),
    "mixed": (0.749, 0.895, 0.0),
    "false friend": (0.417, 0.292, 0.0),
    "nothing": (0.0, 0.0, 0.049),
    "judged": (0.708, -1.0, 0.0),
}
"""What the test half came to with the search as it was when the set was written (it doubted nothing): ndcg, first,
refused."""


def row(when: str, kind: str, index: search.Index | None = None) -> dict[str, float | str]:
    """Returns a row of the results file: a kind of the test half, before or after; "judged": the judged queries."""
    names = ("queries", "ndcg", "first", "refused", "doubted")
    if when == "before":
        count = len(read("test").query("kind == @kind")) if kind in KINDS else len(judged_test())
        return {"when": when, "kind": kind} | dict(zip(names, (count, *BEFORE[kind], 0.0), strict=True))
    index = index or opened("workspace")
    if kind == "judged":
        table = present(index, "test")
        count = int(table["queries"].sum())
        mean = table.mul(table["queries"] / count, axis=0).sum()
        values = (count, mean["ndcg"], -1.0, mean["refused"], mean["doubted"])
    else:
        values = by_kind(judged(index, read("test").query("kind == @kind").reset_index(drop=True))).loc[kind].tolist()
    return {"when": when, "kind": kind} | {
        name: round(float(value), 3) for name, value in zip(names, values, strict=True)
    }


def judged_test() -> pd.DataFrame:
    """Returns the judged test queries."""
    table = queries.judged()
    return queries.texts(table[table["split"] == "test"])


class NearPairs(two_tower.Pairs):
    """Batches of which a part is pairs of documents that lie near each other: wrong answers that are hard to tell.

    Attributes:
        share: Which part of a batch comes from groups of near documents; 0: all are drawn at random.
        groups: How many groups the documents are cut into.
    """

    share, groups = 0.0, 60

    def plan(self) -> None:
        """Draws the order anew, and the groups."""
        rng = self.rng()
        order, seed = rng.permutation(len(self.target)), int(rng.integers(2**31))
        group = KMeans(self.groups, n_init=1, max_iter=20, random_state=seed).fit_predict(self.documents.mean(axis=1))
        near, rest = np.split(order, [int(self.share * len(order))])
        near = near[np.argsort(rng.permutation(self.groups)[group[self.target[near]]], kind="stable")]
        parts = zip(np.array_split(near, len(self)), np.array_split(rest, len(self)), strict=True)
        batches = [np.concatenate(part) for part in parts]
        self.order = np.concatenate([batches[place] for place in rng.permutation(len(batches))])


def negatives(folder: str, seeds: tuple[int, ...] = (0, 1, 2)) -> pd.DataFrame:
    """Returns the NDCG@10 of the towers alone on the judged dev intents, by part of near pairs and seed."""
    index, shop = opened(folder), datasets.load()
    table = queries.judged()
    table = table[table["split"] == "dev"]
    asked, grade = queries.texts(table), queries.grades(table, index.documents)
    parts = search_vectors.vectors(shop, workspace.Workspace(folder), index.documents)
    views, vector = fusion.views(parts), search_vectors.encode(asked["query"].tolist())
    text, target = search_vectors.pairs(index.documents, parts, glossary.uses_codes(shop))
    rows = {}
    for share in (0.0, 0.25, 0.5, 1.0):
        for seed in seeds:
            batches = type("Batches", (NearPairs,), {"share": share})
            with mock.patch.object(two_tower, "Pairs", batches):
                model = two_tower.train(text, target, views, 3, 3e-4, seed=seed).model
            sides = (two_tower.transform(model, part, side) for part, side in ((vector, "query"), (views, "document")))
            ndcg = queries.scores(fusion.best_view(*sides), grade)["ndcg"]
            rows[f"{share:.0%} near", seed] = ndcg.groupby(asked["intent_id"]).mean().mean()
    return pd.Series(rows).unstack().rename_axis("part of a batch").rename_axis(columns="seed")


def opened(folder: str) -> search.Index:
    """Returns the index of the kit's own shop."""
    with report.quiet():
        return search.build(datasets.load(), workspace.Workspace(folder))


def main() -> None:
    """Prints the table by kind, and that of the judged queries of the same half."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--split", choices=("dev", "test"), default="dev")
    options.add_argument("--workspace", default="workspace")
    options.add_argument("--each", action="store_true", help="print every query as well")
    options.add_argument("--out", type=Path, help="write before and after of the test half into this file")
    options.add_argument("--negatives", action="store_true", help="only towers, by how near their wrong answers lie")
    chosen = options.parse_args()
    if chosen.negatives:
        print(negatives(chosen.workspace).assign(mean=lambda table: table.mean(axis=1)).round(4).to_string())
        return
    index = opened(chosen.workspace)
    if chosen.out:
        rows = [row(when, kind, index) for kind in (*KINDS, "judged") for when in ("before", "after")]
        results_file.write(
            chosen.out,
            rows,
            command=f"python benchmarks/hard_search.py --split test --out {chosen.out.as_posix()}",
            row="benchmarks/hard_search.py:row",
            cheapest={"when": "before", "kind": "nothing"},
            data=datasets.load().fingerprint,
        )
    result, usual = judged(index, read(chosen.split)), present(index, chosen.split)
    if chosen.each:
        print(result.drop(columns=["split", "rule", "query_id"]).round(2).to_string(index=False))
    print(by_kind(result).round(3).to_string(), usual.round(3).to_string(), sep="\n\n")


if __name__ == "__main__":
    main()
