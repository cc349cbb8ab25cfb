"""Two mistakes of "nothing fits": refused queries that a shelf answers, and products for queries that none does.

    python benchmarks/refusals.py --out benchmarks/results/refusals.json
    python benchmarks/refusals.py --examples    # what more examples bring, by cross-validation, no test looked at

`refusal_queries.csv` beside this file holds queries of both kinds in five languages, in two sets. Each was fixed before
any search was run on it, and nothing was chosen by it. The first set was looked at when the limit was set anew, and
again when the search learned from more examples (`data/sold.csv`, `data/nothing.csv`); the second was written for that
look and has had no other. No example asks what these queries ask. The column `before` says what was refused by a search
that had 76 examples of what no shelf answers, and a logistic regression over the same inputs.
"""

from __future__ import annotations

import argparse
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from recsys_kit import datasets, evaluation, report, results_file, search, workspace
from recsys_kit.search import index as search_index
from recsys_kit.search import nothing

FILE = Path(__file__).with_name("refusal_queries.csv")
SETS = ("first", "second")
LANGUAGES = ("all", "en", "zh", "es", "fr", "de")
KINDS = ("good", "nothing")
SETTINGS = ("before", "now")


def read() -> pd.DataFrame:
    """Returns the queries: query_id, set, language, kind, query, before (1: it was refused)."""
    return pd.read_csv(FILE, dtype="str", keep_default_na=False).astype({"before": int})


@cache
def index() -> search.Index:
    """Returns the index of the kit's own shop, without re-ranker."""
    with report.quiet():
        return search.build(datasets.load(), workspace.Workspace("workspace"), rerank=False)


@cache
def refused() -> np.ndarray:
    """Returns which of the file's queries are refused now, (Q,)."""
    return search_index.refuses(index(), read()["query"].tolist())


def row(which: str, setting: str, kind: str, language: str) -> dict[str, float | str | int]:
    """Returns the part of a kind of queries that is refused, and how much more than before: a row of the results file.

    The languages of a concept are no independent cases: the interval draws concepts (of the second set, whose queries
    come in all five; those of the first stand alone).
    """
    table = read()
    some = table["set"].eq(which) & table["kind"].eq(kind) & (table["language"].eq(language) | (language == "all"))
    before = table["before"].astype(float)[some]
    found = before if setting == "before" else pd.Series(refused(), dtype=float)[some]
    made = {"which": which, "setting": setting, "kind": kind, "language": language, "queries": int(some.sum())}
    for name, values in {"refused": found, "difference": found - before}.items():
        by_concept = values.groupby(table["query_id"].str.partition("-")[0]).mean().to_numpy()
        low, high = evaluation.bootstrap_interval(by_concept)
        made |= {name: float(values.mean()), f"{name}_low": round(low, 6), f"{name}_high": round(high, 6)}
    return made


def learning_curve() -> pd.DataFrame:
    """Returns what a part of the examples' concepts brings: queries that nothing answers and that are shown products.

    At each size the limit refuses one, two and three in a hundred of the judged dev queries, each judged by a model
    that has not seen its intent. Sizes are judged on all examples.
    """
    asked = nothing.examples()
    vector, known = search_index.evidence(index(), asked["query"].tolist())
    fits, often, concept = (asked[name].to_numpy() for name in ("fits", "often", "concept"))
    drawn = pd.Series(np.random.default_rng(1).random(asked["concept"].nunique()), asked["concept"].unique())
    found = {}
    for part in (0.125, 0.25, 0.5, 1.0):
        learn = often | (drawn[concept].to_numpy() < part)
        held = nothing.held_out(vector, known, fits, concept, learn)
        limits = {refused: np.quantile(held[often], 1 - refused) for refused in (0.01, 0.02, 0.03)}
        shown = {f"answered at {refused:.0%}": (held[~fits] <= limit).mean() for refused, limit in limits.items()}
        found[f"{part:.1%}"] = {"examples": int(learn.sum()) - int(often.sum())} | shown
    return pd.DataFrame(found).T


def main() -> None:
    """Prints the table, and writes the results file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="results file to write")
    parser.add_argument("--examples", action="store_true", help="only what more examples bring, by cross-validation")
    given = parser.parse_args()
    if given.examples:
        print(learning_curve().round(3).to_string())
        return
    rows = [
        row(which, setting, kind, language)
        for which in SETS
        for setting in SETTINGS
        for kind in KINDS
        for language in LANGUAGES
    ]
    if given.out:
        results_file.write(
            given.out,
            rows,
            command=f"python benchmarks/refusals.py --out {given.out}",
            row="benchmarks/refusals.py:row",
            cheapest={"which": "second", "setting": "now", "kind": "nothing", "language": "all"},
            data=datasets.load().fingerprint,
        )
    table = pd.DataFrame(rows).pivot(index=["which", "language"], columns=["kind", "setting"], values="refused")
    print(table.reindex(pd.MultiIndex.from_product([SETS, LANGUAGES])).round(3).to_string())
    print(pd.DataFrame(rows).query("language == 'all' and setting == 'now'").round(3).to_string(index=False))


if __name__ == "__main__":
    main()
