"""Two mistakes of "nothing fits": refused queries that a shelf answers, and products for queries that none does.

    python benchmarks/refusals.py --out benchmarks/results/refusals.json

`refusal_queries.csv` beside this file holds queries of both kinds in five languages. It was fixed before any search was
run on it, and is looked at once. Two settings are held against each other: `before`, which judged queries had chosen,
and `now`, which the new intents of `new_queries.csv` chose as well, after a tenth of those had been refused.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from functools import cache
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd

from recsys_kit import datasets, report, results_file, search, workspace
from recsys_kit.search import index as search_index
from recsys_kit.search import nothing

FILE = Path(__file__).with_name("refusal_queries.csv")
SETTINGS = {
    "before": {"REFUSED": 0.01, "_STRENGTH": 10.0, "_SHARE": 0.1},
    "now": {name: getattr(nothing, name) for name in ("REFUSED", "_STRENGTH", "_SHARE")},
}
LANGUAGES = ("all", "en", "zh", "es", "fr", "de")
KINDS = ("good", "nothing")


def read() -> pd.DataFrame:
    """Returns the queries: query_id, language, kind, query."""
    return pd.read_csv(FILE, dtype="str", keep_default_na=False)


@cache
def index() -> search.Index:
    """Returns the index of the kit's own shop, without re-ranker."""
    with report.quiet():
        return search.build(datasets.load(), workspace.Workspace("workspace"), rerank=False)


@cache
def refused(setting: str) -> np.ndarray:
    """Returns which of the file's queries are refused with a setting, (Q,)."""
    built = index()  # before the settings change: what it stores belongs to those of the kit
    with mock.patch.multiple(nothing, **SETTINGS[setting]):
        doubting = replace(built, doubt=search_index.learned_doubt(built))
        return search_index.refuses(doubting, read()["query"].tolist())


def row(setting: str, kind: str, language: str) -> dict[str, float | str | int]:
    """Returns the part of a kind of queries that is refused: a row of `results/refusals.json`."""
    table = read()
    some = table["kind"].eq(kind) & (table["language"].eq(language) | (language == "all"))
    share = float(refused(setting)[some.to_numpy()].mean())
    return {"setting": setting, "kind": kind, "language": language, "queries": int(some.sum()), "refused": share}


def main() -> None:
    """Prints the table, and writes the results file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="results file to write")
    given = parser.parse_args()
    rows = [row(setting, kind, language) for setting in SETTINGS for kind in KINDS for language in LANGUAGES]
    results_file.write(
        given.out,
        rows,
        command=f"python benchmarks/refusals.py --out {given.out}",
        row="benchmarks/refusals.py:row",
        cheapest={"setting": "now", "kind": "nothing", "language": "all"},
        data=datasets.load().fingerprint,
    )
    table = pd.DataFrame(rows).pivot(index="language", columns=["kind", "setting"], values="refused")
    print(table.loc[list(LANGUAGES)].round(3).to_string())


if __name__ == "__main__":
    main()
