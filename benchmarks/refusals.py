"""Mistakes of "nothing fits": good queries that are refused or doubted, and products for queries that none answers.

    python benchmarks/refusals.py --out benchmarks/results/refusals.json

Two files beside this one hold queries of both kinds in five languages: `refusal_queries.csv` ("first") and
`more_queries.csv` ("second"). Each was fixed before any search was run on it. The good queries of `new_queries.csv` are
those that limits were chosen on ("chosen on"). Three settings are held against each other: `before`, which judged
queries had chosen; `one limit`, which the new intents chose as well, after a tenth of them had been refused; and `now`,
with a second limit: in between, products are shown with a word of doubt.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from functools import cache
from itertools import product
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd

from recsys_kit import datasets, report, results_file, search, workspace
from recsys_kit.search import index as search_index
from recsys_kit.search import nothing

_STARTS = {"first": "refusal", "second": "more", "chosen on": "new"}
FILES = {name: Path(__file__).with_name(f"{start}_queries.csv") for name, start in _STARTS.items()}
SETTINGS = {
    "before": {"DOUBTED": 0.01, "FAR": 0.0, "_STRENGTH": 10.0, "_SHARE": 0.1},
    "one limit": {"DOUBTED": 0.002, "FAR": 0.0},
    "now": {"DOUBTED": nothing.DOUBTED, "FAR": nothing.FAR},
}
LANGUAGES = ("all", "en", "zh", "es", "fr", "de")
KINDS = ("good", "nothing")


def read(which: str = "first") -> pd.DataFrame:
    """Returns the queries of a set: query_id, language, kind, query."""
    table = pd.read_csv(FILES[which], dtype="str", keep_default_na=False)
    return table if which != "chosen on" else table.assign(kind=KINDS[0])


@cache
def index() -> search.Index:
    """Returns the index of the kit's own shop, without re-ranker."""
    with report.quiet():
        return search.build(datasets.load(), workspace.Workspace("workspace"), rerank=False)


@cache
def doubt(setting: str) -> nothing.Doubt:
    """Returns what tells queries that nothing answers, as it is with a setting."""
    built = index()  # before the settings change: what it stores belongs to those of the kit
    with mock.patch.multiple(nothing, **SETTINGS[setting]):
        return search_index.learned_doubt(built)


@cache
def verdicts(setting: str, which: str) -> np.ndarray:
    """Returns what is said of the queries of a set with a setting, (Q,): each one of `nothing.VERDICTS`."""
    doubting = replace(index(), doubt=doubt(setting))
    with mock.patch.multiple(nothing, **SETTINGS[setting]):
        return search_index.verdicts(doubting, read(which)["query"].tolist())


def row(which: str, setting: str, kind: str, language: str) -> dict[str, float | str | int]:
    """Returns the parts of a kind of queries that are refused, and doubted: a row of `results/refusals.json`."""
    table = read(which)
    some = table["kind"].eq(kind) & (table["language"].eq(language) | (language == "all"))
    said = verdicts(setting, which)[some.to_numpy()]
    shares = {"refused": float((said == "nothing").mean()), "doubted": float((said == "doubtful").mean())}
    return {"which": which, "setting": setting, "kind": kind, "language": language, "queries": int(some.sum())} | shares


def main() -> None:
    """Prints the table, and writes the results file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="results file to write")
    given = parser.parse_args()
    every = product(FILES, SETTINGS, KINDS, LANGUAGES)
    rows = [row(*each) for each in every if each[2] in set(read(each[0])["kind"])]
    results_file.write(
        given.out,
        rows,
        command=f"python benchmarks/refusals.py --out {given.out}",
        row="benchmarks/refusals.py:row",
        cheapest={"which": "first", "setting": "now", "kind": "nothing", "language": "all"},
        data=datasets.load().fingerprint,
    )
    table = pd.DataFrame(rows).pivot(index=["which", "kind", "language"], columns="setting")[["refused", "doubted"]]
    print(table.round(3).to_string())


if __name__ == "__main__":
    main()
