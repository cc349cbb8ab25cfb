"""Chooses the settings of TIFU-kNN, UP-CF and TAIW: a random search on the validation weeks, the test left alone.

    python benchmarks/neighbour_search.py --out benchmarks/results/neighbour_search.json

Some minutes a method. The first trial is what papers and plain sense suggest, a third of the others is drawn from wide
ranges, the rest near the best so far. An interrupted search goes on where it stopped. The defaults in
`recsys_kit.baselines` are what it chose.
"""

from __future__ import annotations

import argparse
import json
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from recsys_kit import baselines, datasets, evaluation, preprocessing, results_file
from recsys_kit.baselines.next_basket_neighbours import Kernel

CUTOFF, TRIALS, WIDE = "2017-12-01", 32, 11
KERNEL = ("decay", "by_interval", "bump", "width", "repeat")

RANGES: dict[str, dict[str, tuple]] = {
    "TIFU-kNN": {
        "groups": (2, 30, "whole"),
        "basket_decay": (0.6, 1.0, ""),
        "group_decay": (0.3, 1.0, ""),
        "own": (0.05, 0.99, ""),
        "neighbours": (20, 2000, "whole"),
    },
    "UP-CF": {"recent": (3, 300, "whole"), "asymmetry": (0.0, 1.0, ""), "power": (1.0, 200.0, "log")},
    "TAIW": {
        "decay": (20.0, 800.0, "log"),
        "by_interval": (-0.5, 1.5, ""),
        "bump": (0.01, 5.0, "log"),
        "width": (0.1, 3.0, "log"),
        "repeat": (-0.5, 2.0, ""),
        "own": (0.05, 0.99, ""),
        "neighbours": (20, 2000, "whole"),
    },
}
"""Lowest and highest value of each setting; "log" and "whole" numbers are drawn along their logarithm."""

USUAL = {
    "TIFU-kNN": {"groups": 7, "basket_decay": 0.9, "group_decay": 0.7, "own": 0.7, "neighbours": 300},
    "UP-CF": {"recent": 25, "asymmetry": 0.5, "power": 10.0},
    "TAIW": {
        "decay": 120.0,
        "by_interval": 0.0,
        "bump": 0.2,
        "width": 0.5,
        "repeat": 0.2,
        "own": 0.7,
        "neighbours": 300,
    },
}
"""Where a search begins."""


def scorer(rule: str, split: preprocessing.Split, values: dict[str, float]) -> evaluation.Scorer:
    """Returns a rule with these settings."""
    if rule == "TAIW":
        kernel = Kernel(**{name: values[name] for name in KERNEL})
        return baselines.taiw(split, kernel, values["own"], values["neighbours"])
    return {"TIFU-kNN": baselines.tifu_knn, "UP-CF": baselines.up_cf}[rule](split, **values)


@cache
def _split() -> preprocessing.Split:
    return preprocessing.task(datasets.load(), CUTOFF).validation


def trial(rule: str, values: dict[str, float]) -> dict[str, object]:
    """Returns validation NDCG@10 of a rule with these settings: a row of the results file."""
    split = _split()
    found = evaluation.evaluate_halves(scorer(rule, split, values), split.answers, split.seen())
    means = {half: round(float(result["ndcg"].mean()), 6) for half, result in found.items()}
    return {"rule": rule, "values": values, **means}


def drawn(rule: str, rows: list[dict], seed: int) -> dict[str, float]:
    """Returns the settings of the next trial: the usual ones, some from anywhere, then some near the best so far."""
    if not rows:
        return USUAL[rule]
    rng = np.random.default_rng([seed, len(rows)])
    best = max(rows, key=lambda row: row["all"])["values"] if len(rows) >= WIDE else None
    values = {}
    for name, (low, high, scale) in RANGES[rule].items():
        bend, back = (np.log, np.exp) if scale else (float, float)
        place = rng.uniform(bend(low), bend(high))
        if best:
            place = np.clip(rng.normal(bend(best[name]), 0.08 * (bend(high) - bend(low))), bend(low), bend(high))
        values[name] = round(back(place)) if scale == "whole" else round(float(back(place)), 3)
    return values


def at_the_edge(rule: str, values: dict[str, float]) -> list[str]:
    """Returns the settings whose value lies in the outer twentieth of its range: there the range was too narrow."""
    found = []
    for name, (low, high, scale) in RANGES[rule].items():
        bend = np.log if scale else float
        share = (bend(values[name]) - bend(low)) / (bend(high) - bend(low))
        found += [name] * (not 0.05 < share < 0.95)
    return found


def main() -> None:
    """Goes on with the search until each rule has its trials, then writes the results file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="the results file")
    parser.add_argument("--rules", nargs="+", default=list(RANGES), choices=list(RANGES))
    parser.add_argument(
        "--part", type=Path, default=Path("workspace/neighbour_search.jsonl"), help="the trials made so far"
    )
    options = parser.parse_args()
    options.part.parent.mkdir(parents=True, exist_ok=True)
    lines = options.part.read_text(encoding="utf-8").splitlines() if options.part.exists() else []
    rows = [json.loads(line) for line in lines]
    for rule in options.rules:
        own = [row for row in rows if row["rule"] == rule]
        while len(own) < TRIALS:
            own.append(trial(rule, drawn(rule, own, seed=0)))
            with options.part.open("a", encoding="utf-8") as file:
                file.write(json.dumps(own[-1]) + "\n")
            print(json.dumps(own[-1]), flush=True)
        rows = [row for row in rows if row["rule"] != rule] + own
    table = pd.DataFrame(rows)
    best = table.loc[table.groupby("rule")["all"].idxmax()]
    for row in best.to_dict("records"):
        print(row["rule"], row["values"], row["all"], "at the edge:", at_the_edge(row["rule"], row["values"]))
    if set(table["rule"]) == set(RANGES):
        cheapest = best[best["rule"] == "UP-CF"].iloc[0]
        results_file.write(
            options.out,
            rows,
            command=f"python benchmarks/neighbour_search.py --out {options.out.as_posix()}",
            row="benchmarks/neighbour_search.py:trial",
            cheapest={"rule": "UP-CF", "values": cheapest["values"]},
            data=datasets.load().fingerprint,
            seeds=[0],
        )


if __name__ == "__main__":
    main()
