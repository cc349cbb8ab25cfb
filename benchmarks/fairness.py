"""The filter bubble of notebook 22: every arm and weight, 30 rounds, the weights chosen on a seed of its own.

    python benchmarks/fairness.py --out benchmarks/results/fairness.json

Seed 100 is for choosing weights, seeds 0 to 4 for judging them. A seed draws the households, too.
"""

from __future__ import annotations

import argparse
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from recsys_kit import datasets, preprocessing, results_file
from recsys_kit.fairness import bubble

WEIGHTS = {
    "no list": (0.0,),
    "random": (0.0,),
    "oracle": (0.0,),
    "counting": (0.0,),
    "MMR": (0.05, 0.2, 0.6),
    "DPP": (0.05, 0.2, 0.6),
    "exploration": (0.1, 0.3, 0.6),
    "calibration": (0.3, 0.8, 0.97),
    "sampling": (0.2, 0.5, 1.0, 2.0),
}
"""What each arm is tried with; an arm with one weight has none."""

CHOOSE, JUDGE = (100,), (0, 1, 2, 3, 4)
ROUNDS = 30


@cache
def shop() -> datasets.Shop:
    """Returns the kit's own shop."""
    return datasets.load()


@cache
def world(seed: int) -> bubble.World:
    """Returns the world of a seed."""
    split = preprocessing.task(shop()).test
    return bubble.world(split, datasets.items.look_up(shop().items, split.items)["category"], seed=seed)


def run(arm: str, weight: float, seed: int) -> dict[str, Any]:
    """Simulates an arm; returns its last round, and its curves as lists."""
    rounds = bubble.simulate(world(seed), arm, weight, ROUNDS, seed)
    last = rounds.iloc[-1].drop("round").round(5).to_dict()
    last["ndcg"] = round(float(rounds["ndcg"].tail(10).mean()), 5)  # of ten rounds, as the entropy is
    curves = {f"{name}_curve": rounds[name].round(4).tolist() for name in ("entropy", "ndcg", "coverage", "gini")}
    return {"arm": arm, "weight": weight, "seed": seed, **last, **curves}


def write(out: Path, rows: list[dict[str, Any]]) -> None:
    """Writes the results file."""
    results_file.write(
        out,
        rows,
        command=f"python benchmarks/fairness.py --out {out.as_posix()}",
        row="benchmarks/fairness.py:run",
        cheapest={"arm": "oracle", "weight": 0.0, "seed": CHOOSE[0]},
        data=shop().fingerprint,
        seeds=sorted({row["seed"] for row in rows}),
    )


def main() -> None:
    """Simulates everything and writes the results file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="the results file")
    parser.add_argument("--add", action="store_true", help="keep the rows that it has; make those that are missing")
    options = parser.parse_args()
    rows = results_file.read(options.out, shop().fingerprint).rows if options.add else []
    there = {(row["arm"], row["weight"], row["seed"]) for row in rows}
    for seed in (*CHOOSE, *JUDGE):
        grid = [(arm, weight, seed) for arm, weights in WEIGHTS.items() for weight in weights]
        rows += [run(*one) for one in grid if one not in there]
        print(f"seed {seed} done", flush=True)
        write(options.out, rows)  # what is interrupted leaves whole seeds
    table = pd.DataFrame(rows)
    judged = table[table["seed"].isin(JUDGE)].set_index(["arm", "weight", "seed"])
    print(bubble.kept_of(judged).round(3).to_string())


if __name__ == "__main__":
    main()
