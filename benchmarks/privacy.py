"""What privacy costs a small repeat head (notebook 20): epsilon against quality, federated rounds, who was in it.

    python benchmarks/privacy.py --out benchmarks/results/privacy.json

Each of the rows is one training with one seed, judged on the test's households. What is there is kept with `--add`.
"""

from __future__ import annotations

import argparse
import time
from functools import cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from recsys_kit import datasets, evaluation, preprocessing, results_file
from recsys_kit.baselines import boosting
from recsys_kit.privacy import differential, federated, small_head

EPSILONS = (0.5, 1.0, 2.0, 4.0, 8.0, float("inf"))
SEEDS = (0, 1, 2)
WINDOWS = 4
DELTA = 1e-4
CLIENTS, SERVER = 500, 0.1  # households of a round; the server's rate, which falls along a cosine
ROUNDS = (5, 10, 20, 40, 70, 100)


@cache
def shop() -> datasets.Shop:
    """Returns the kit's own shop."""
    return datasets.load()


@cache
def task() -> preprocessing.Task:
    """Returns its task."""
    return preprocessing.task(shop())


@cache
def learned_from() -> small_head.Households:
    """Returns what the households teach: the validation weeks and the windows before them."""
    return small_head.households(list(boosting.earlier_windows(task(), WINDOWS)), shop().timezone)


def start(seed: int) -> keras.Model:
    """Returns the untrained head."""
    keras.utils.set_random_seed(seed)
    return small_head.build()


@cache
def _untrained() -> pd.Series:
    return _ndcg(start(0))


def _ndcg(model: keras.Model) -> pd.Series:
    return evaluation.evaluate(small_head.scorer(model, task().test, shop().timezone), task().test.answers)["ndcg"]


def _judged(model: keras.Model) -> dict[str, float]:
    """Returns a head's NDCG@10 on the test and its gain over the untrained head, household by household."""
    found = _ndcg(model)
    pair = evaluation.paired_difference(found, _untrained())
    judged = {"ndcg": found.mean(), "gain": pair["difference"], "low": pair["low"], "high": pair["high"]}
    return {name: round(float(value), 5) for name, value in judged.items()}


@cache
def _path(seed: int) -> dict[int, tuple[list[np.ndarray], float]]:
    """Returns the weights after each number of rounds, and the megabytes sent by then."""
    clients, model = [learned_from()[[one]] for one in range(len(learned_from()))], start(seed)
    server = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(SERVER, max(ROUNDS)))
    found, sent = {}, 0
    for told in federated.rounds(model, clients, max(ROUNDS), CLIENTS, server=server, seed=seed):
        sent += told.bytes
        found[told.number] = model.get_weights(), round(sent / 1e6, 2)
    return found


def run(kind: str, value: float, seed: int) -> dict[str, Any]:
    """Returns a row of the results file.

    Args:
        kind: "start": the untrained head; "private": DP-SGD; "federated": after some rounds.
        value: Of a private head epsilon (-1: without end, for JSON has no infinity), of a federated one the rounds.
        seed: Of the training.
    """
    began, row = time.process_time(), {"kind": kind, "value": value, "seed": seed}
    model = start(seed)
    if kind == "private":
        target = value if value > 0 else float("inf")
        settings = differential.Settings(seed=seed)
        row["noise"] = differential.noise_for(target, settings.rate, settings.steps, DELTA)
        differential.fit(model, learned_from(), row["noise"], settings)
    elif kind == "federated":
        weights, row["megabytes"] = _path(seed)[int(value)]
        model.set_weights(weights)
    row["seconds"] = round(time.process_time() - began, 1) if kind != "start" else 0.0  # of training; there is none
    return row | _judged(model)


def wanted() -> list[tuple[str, float, int]]:
    """Returns the arguments of all rows."""
    rows = [("start", 0.0, 0)]
    rows += [("private", -1.0 if np.isinf(one) else one, seed) for seed in SEEDS for one in EPSILONS]
    return rows + [("federated", float(one), seed) for seed in SEEDS for one in ROUNDS]


def main() -> None:
    """Trains everything and writes the results file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="the results file")
    parser.add_argument("--add", action="store_true", help="keep the rows that it has; make those that are missing")
    options = parser.parse_args()
    rows = results_file.read(options.out, shop().fingerprint).rows if options.add else []
    there = {(row["kind"], row["value"], row["seed"]) for row in rows}
    for one in wanted():
        if one in there:
            continue
        rows.append(run(*one))
        print(rows[-1], flush=True)
        results_file.write(
            options.out,
            rows,
            command=f"python benchmarks/privacy.py --out {options.out.as_posix()}",
            row="benchmarks/privacy.py:run",
            cheapest={"kind": "start", "value": 0.0, "seed": 0},
            data=shop().fingerprint,
            seeds=list(SEEDS),
        )


if __name__ == "__main__":
    main()
