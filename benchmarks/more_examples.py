"""Do ten times as many examples tell better what no shelf answers?

    python benchmarks/more_examples.py --out benchmarks/results/more_examples.json

"Nothing fits" is learned from the judged dev queries and 76 that nothing answers (`search.nothing`). Here the same
regression and a support vector machine learn from the concepts of `more_examples.csv` as well, good ones and others,
most in five languages. Three sets judge: `refusal_queries.csv`, `more_queries.csv`, which was written for this, and the
test half of `hard_queries.csv`. Settings were chosen by cross-validation on the examples. The search's own row is the
one with a single limit, "one limit" of `refusals.py`: the others have one, too.

No example has the words of a judged query or of one of the sets, or a cosine of 0.9 or more to it, and no query of
`more_queries.csv` stands in another file. That was not so at first: queries that other files ask were taken out of that
set, and near twins out of the examples, after a first look, which had told of a gain.
"""

from __future__ import annotations

import argparse
from functools import cache
from pathlib import Path

import hard_search
import numpy as np
import pandas as pd
import refusals
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold
from sklearn.svm import SVC

from recsys_kit import datasets, evaluation, results_file
from recsys_kit.search import index as search_index
from recsys_kit.search import nothing, queries

EXAMPLES = Path(__file__).with_name("more_examples.csv")
SETS, KINDS, SEEDS = ("first", "second", "hard"), ("good", "nothing"), (0, 1, 2)
NOW, MORE, MACHINE = "76 examples", "all examples", "all examples, support vector machine"
JUDGES = {NOW: None, MORE: (3.0, 0.3), MACHINE: (3.0, 0.15)}
"""How freely a judge learns and what a fact weighs beside the vector; none: the search with one limit."""
REFUSED, DRAWS = 0.01, 1000


def read() -> pd.DataFrame:
    """Returns the concepts: kind, and a text in each language, perhaps empty."""
    return pd.read_csv(EXAMPLES, dtype="str", keep_default_na=False)


@cache
def asked() -> pd.DataFrame:
    """Returns the queries of all three sets: set, kind, query, and the `concept` that languages have in common."""
    hard = hard_search.read("test")
    hard["kind"] = np.where(hard["kind"] == "nothing", "nothing", "good")
    tables = zip(SETS, (refusals.read("first"), refusals.read("second"), hard), strict=True)
    both = pd.concat([table.assign(set=name) for name, table in tables], ignore_index=True)
    return both.assign(concept=both["query_id"].str.partition("-")[0])[["set", "kind", "query", "concept"]]


@cache
def examples() -> pd.DataFrame:
    """Returns what the new judges learn from: query, concept, fits, and `often`, true of the judged dev queries."""
    judged = queries.judged()
    dev = queries.texts(judged[judged["split"] == "dev"]).rename(columns={"intent_id": "concept"})
    few = pd.DataFrame({"query": nothing.unanswerable()})
    more = read().rename_axis("concept").reset_index().melt(["concept", "kind"], value_name="query")
    more = more[more["query"] != ""].assign(fits=lambda table: table["kind"] == "good")
    parts = [
        dev.assign(fits=True, often=True),
        few.assign(concept=few["query"], fits=False, often=False),
        more.assign(concept="more " + more["concept"].astype(str), often=False),
    ]
    return pd.concat([part[["query", "concept", "fits", "often"]] for part in parts], ignore_index=True)


@cache
def evidence(which: str) -> tuple[np.ndarray, np.ndarray]:
    """Returns vectors and facts of the "examples" or of the "queries"."""
    table = examples() if which == "examples" else asked()
    return search_index._evidence(refusals.index(), table["query"].tolist())


@cache
def scores(judge: str, seed: int) -> np.ndarray:
    """Returns how little fits each query of the sets, above the judge's limit; what a rule refuses is infinite.

    The limit refuses a part of the dev queries, each judged by a model that has not seen its intent; the seed draws the
    folds of that.
    """
    vector, known = evidence("queries")
    if judge == NOW:
        found = refusals.doubt("one limit").score(vector, known)
    else:
        found = _learned(judge, seed, vector, known)
    texts = asked()["query"]
    ruled = [nothing.is_silent(t) or nothing.is_nonsense(t, k[2], k[0]) for t, k in zip(texts, known, strict=True)]
    return np.where(ruled, np.inf, found)


def _learned(judge: str, seed: int, vector: np.ndarray, known: np.ndarray) -> np.ndarray:
    table, (mine, facts), (strength, share) = examples(), evidence("examples"), JUDGES[judge]
    fits, often = table["fits"].to_numpy(), table["often"].to_numpy()
    mean, spread = facts.mean(0), facts.std(0) + 1e-6
    x, other = (np.hstack([v, share * (k - mean) / spread]) for v, k in ((mine, facts), (vector, known)))

    def model(rows: np.ndarray) -> LogisticRegression | SVC:
        if judge == MACHINE:
            kind = SVC(C=strength, gamma=2.0, class_weight="balanced")
        else:
            kind = LogisticRegression(C=strength, class_weight="balanced", max_iter=2000)
        return kind.fit(x[rows], ~fits[rows])

    names = pd.factorize(table["concept"])[0]
    names = np.random.default_rng(seed).permutation(names.max() + 1)[names]
    held = np.empty(len(x))
    for rows, out in GroupKFold(5).split(x, fits, names):
        held[out] = model(rows).decision_function(x[out])
    held[facts[:, 0] >= nothing.SAID] = held.min()
    found = model(np.arange(len(x))).decision_function(other)
    return np.where(known[:, 0] >= nothing.SAID, -np.inf, found - np.quantile(held[often], 1 - REFUSED))


def row(which: str, measure: str, judge: str) -> dict[str, float | str | int | list[float]]:
    """Returns a row of `results/more_examples.json`; its interval draws concepts.

    Args:
        which: One of `SETS`.
        measure: "good" or "nothing", the part of these that is refused (the mean of three drawings of the folds); or
            "AUC", which knows no limit: how often a good query seems to fit better than another.
        judge: One of `JUDGES`.
    """
    table = asked()[asked()["set"] == which]
    rows = table.index.to_numpy() if measure == "AUC" else table.index[table["kind"] == measure].to_numpy()
    made = {"which": which, "measure": measure, "judge": judge, "queries": len(rows)}
    if measure == "AUC":
        return made | _order(table, judge)
    each = [(scores(judge, seed)[rows] > 0).astype(float) for seed in (SEEDS if JUDGES[judge] else SEEDS[:1])]
    mine = pd.Series(np.mean(each, axis=0), rows)
    gain = mine - (scores(NOW, 0)[rows] > 0)
    low, high = evaluation.bootstrap_interval(gain.groupby(table["concept"]).mean().to_numpy(), draws=DRAWS)
    numbers = {"value": mine.mean(), "difference": gain.mean(), "low": low, "high": high}
    return made | {name: round(float(number), 6) for name, number in numbers.items()}


def _order(table: pd.DataFrame, judge: str) -> dict[str, float]:
    bad = (table["kind"] == "nothing").to_numpy()
    pair = [np.clip(scores(name, 0)[table.index], -1e9, 1e9) for name in (judge, NOW)]
    value, now = (roc_auc_score(bad, values) for values in pair)
    places = table.reset_index().groupby("concept").indices
    kinds = [sorted(set(table["concept"][some])) for some in (bad, ~bad)]  # each is drawn for itself
    rng, found = np.random.default_rng(0), []
    for _ in range(DRAWS):
        drawn = np.concatenate([places[name] for names in kinds for name in rng.choice(names, len(names))])
        one, other = (roc_auc_score(bad[drawn], values[drawn]) for values in pair)
        found.append(one - other)
    low, high = np.quantile(found, [0.025, 0.975])
    numbers = {"value": value, "difference": value - now, "low": low, "high": high}
    return {name: round(float(number), 6) for name, number in numbers.items()}


def main() -> None:
    """Prints the table, and writes the results file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="results file to write")
    given = parser.parse_args()
    made = [row(which, measure, judge) for which in SETS for measure in (*KINDS, "AUC") for judge in JUDGES]
    results_file.write(
        given.out,
        made,
        command=f"python benchmarks/more_examples.py --out {given.out}",
        row="benchmarks/more_examples.py:row",
        cheapest={"which": "second", "measure": "nothing", "judge": NOW},
        data=datasets.load().fingerprint,
        seeds=SEEDS,
    )
    print(pd.DataFrame(made).round(3).to_string(index=False))


if __name__ == "__main__":
    main()
