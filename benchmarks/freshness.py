"""How fast a model ages: the same weeks, judged with models of different ages (notebook 17).

    python benchmarks/freshness.py --out benchmarks/results/freshness.json

Rows: `counting` (decayed frequency with popularity; its histories end so many days before the week), `trees, fresh
histories` (trees that learned so long ago, and read tonight's histories) and `trees, old histories` (nothing is fresh).
What is there is kept with `--add`.
"""

from __future__ import annotations

import argparse
import time
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from recsys_kit import datasets, features, preprocessing, results_file
from recsys_kit.operations import freshness

WEEKS = tuple(f"{day:%Y-%m-%d}" for day in pd.date_range("2017-06-04", periods=8, freq="28D"))
COUNTED = (0, 1, 7, 28, 84)
LEARNED = (0, 28, 84)
KINDS = ("counting", "trees, fresh histories", "trees, old histories")


@cache
def shop() -> datasets.Shop:
    """Returns the kit's own shop."""
    return datasets.load()


@cache
def events() -> pd.DataFrame:
    """Returns its cleaned events."""
    return preprocessing.clean(shop())[0]


@cache
def week(start: str) -> preprocessing.Split:
    """Returns a judged week."""
    return freshness.week(events(), pd.Timestamp(start, tz="UTC"))


@cache
def _rows(start: str) -> pd.DataFrame:
    return features.ranking_features(week(start), shop().items, shop().timezone)


@cache
def values(kind: str, start: str, age: int) -> pd.Series:
    """Returns NDCG@10 in each case of a week, by a model that is so many days old."""
    split, at = week(start), pd.Timestamp(start, tz="UTC") - pd.Timedelta(days=age)
    if kind == "counting":
        return freshness.counting(split, at)
    if kind == "trees, old histories" and not age:
        return values("trees, fresh histories", start, 0)
    model = _trees(start, age)
    if kind == "trees, fresh histories":
        return freshness.tree_values(model, split, _rows(start))
    old = freshness.aged(split, at)
    return freshness.tree_values(model, old, features.ranking_features(old, shop().items, shop().timezone))


@cache
def _trees(start: str, age: int):
    at = pd.Timestamp(start, tz="UTC") - pd.Timedelta(days=age)
    return freshness.trees(events(), shop().items, shop().timezone, at)


def run(kind: str, week: str, age: int) -> dict[str, Any]:
    """Returns a row of the results file.

    Args:
        kind: One of `KINDS`.
        week: First day of the judged week.
        age: Days since the model saw the shop.
    """
    found, young = values(kind, week, age), values(kind, week, 0)
    row = {"kind": kind, "week": week, "age": age, "cases": len(found), "ndcg": round(float(found.mean()), 5)}
    return row | {"difference": round(float((found - young).mean()), 5)}


def main() -> None:
    """Makes all rows and writes the results file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="the results file")
    parser.add_argument("--add", action="store_true", help="keep the rows that it has; make those that are missing")
    options = parser.parse_args()
    rows = results_file.read(options.out, shop().fingerprint).rows if options.add else []
    there = {(row["kind"], row["week"], row["age"]) for row in rows}
    wanted = [(KINDS[0], start, age) for start in WEEKS for age in COUNTED]
    wanted += [(kind, start, age) for start in WEEKS for age in LEARNED for kind in KINDS[1:]]  # week by week
    for one in wanted:
        if one in there:
            continue
        began = time.process_time()
        rows.append(run(*one))
        print(rows[-1], f"{time.process_time() - began:.1f} s", flush=True)
        results_file.write(
            options.out,
            rows,
            command=f"python benchmarks/freshness.py --out {options.out.as_posix()}",
            row="benchmarks/freshness.py:run",
            cheapest={"kind": KINDS[0], "week": WEEKS[0], "age": 0},
            data=shop().fingerprint,
            seeds=[0],
        )


if __name__ == "__main__":
    main()
