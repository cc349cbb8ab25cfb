"""What privacy costs a small repeat head and the whole model (notebook 20): epsilon, federated rounds, quality.

    python benchmarks/privacy.py --out benchmarks/results/privacy.json

Each of the rows is one training with one seed, judged on the test's households. What is there is kept with `--add`.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from functools import cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from recsys_kit import datasets, evaluation, preprocessing, results_file
from recsys_kit.baselines import boosting
from recsys_kit.privacy import differential, federated, small_head, whole_model
from recsys_kit.training import baskets, scorer

EPSILONS = (0.5, 1.0, 2.0, 4.0, 8.0, float("inf"))
SEEDS = (0, 1, 2)
WINDOWS = 4
DELTA = 1e-4
CLIENTS, SERVER = 500, 0.1  # households of a round; the server's rate, which falls along a cosine
ROUNDS = (5, 10, 20, 40, 70, 100)
WHOLE_EPSILONS = (1.0, 4.0, 8.0, float("inf"))
WHOLE = differential.Settings(steps=40, rate=0.2, clip=1.0, learning_rate=0.1, optimizer="SGD")
"""Of the whole model, chosen on the validation weeks with another seed"""
LONGER = 160  # steps without noise: were the steps too few?


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
def histories(split: str) -> baskets.Sequences:
    """Returns what the whole model reads before the "validation" or the "test" of the task."""
    return whole_model.sequences(getattr(task(), split))


def whole_start(seed: int) -> keras.Model:
    """Returns the untrained whole model."""
    keras.utils.set_random_seed(seed)
    return whole_model.build(shop(), task().test)


@cache
def _untrained(whole: bool) -> pd.Series:
    return _ndcg(whole_start(0) if whole else start(0), whole)


def _ndcg(model: keras.Model, whole: bool) -> pd.Series:
    test = task().test
    scores = scorer(model, test, histories("test")) if whole else small_head.scorer(model, test, shop().timezone)
    return evaluation.evaluate(scores, test.answers)["ndcg"]


def _judged(model: keras.Model, whole: bool) -> dict[str, float]:
    """Returns a model's NDCG@10 on the test and its gain over the untrained one, household by household."""
    found = _ndcg(model, whole)
    pair = evaluation.paired_difference(found, _untrained(whole))
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
        kind: "start": the untrained head; "private": DP-SGD; "federated": after some rounds; "whole start", "whole" and
            "whole longer": the whole model, untrained, by DP-SGD, and by four times the steps.
        value: Of a private model epsilon (-1: without end, for JSON has no infinity), of a federated one the rounds.
        seed: Of the training.
    """
    row: dict[str, Any] = {"kind": kind, "value": value, "seed": seed}
    whole = kind.startswith("whole")
    model = whole_start(seed) if whole else start(seed)
    began = time.process_time()
    if kind in ("private", "whole", "whole longer"):
        settings = dataclasses.replace(WHOLE if whole else differential.Settings(), seed=seed)
        if kind == "whole longer":
            settings = dataclasses.replace(settings, steps=LONGER)
        row["noise"] = differential.noise_for(
            value if value > 0 else float("inf"), settings.rate, settings.steps, DELTA
        )
        data = whole_model.Histories.of(histories("validation"), seed) if whole else learned_from()
        sums = whole_model.clipped_sums if whole else differential.clipped_sums
        differential.fit(model, data, row["noise"], settings, sums)
    elif kind == "federated":
        weights, row["megabytes"] = _path(seed)[int(value)]
        model.set_weights(weights)
    row["seconds"] = round(time.process_time() - began, 1) if "start" not in kind else 0.0  # of training; there is none
    if whole:
        row["weights"] = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    return row | _judged(model, whole)


def wanted() -> list[tuple[str, float, int]]:
    """Returns the arguments of all rows."""
    rows = [("start", 0.0, 0)]
    rows += [("private", -1.0 if np.isinf(one) else one, seed) for seed in SEEDS for one in EPSILONS]
    rows += [("federated", float(one), seed) for seed in SEEDS for one in ROUNDS]
    rows.append(("whole start", 0.0, 0))
    rows += [("whole", -1.0 if np.isinf(one) else one, seed) for seed in SEEDS for one in WHOLE_EPSILONS]
    return [*rows, ("whole longer", -1.0, 0)]


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
