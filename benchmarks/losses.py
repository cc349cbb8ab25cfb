"""Which loss for a model of single items? One model under four losses, three seeds each, as notebook 05 shows them.

    python benchmarks/losses.py --out benchmarks/results/losses.json

The task: which type of item does a household of The Complete Journey buy for the first time next? A minute a seed; an
interrupted run goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
from functools import cache
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from recsys_kit import datasets, next_item, preprocessing, results_file, transformer
from recsys_kit.datasets import items
from recsys_kit.neural import losses
from recsys_kit.next_item import leave_one_out

LAST = 20  # first purchases that a household is known by
SEEDS, EPOCHS = (0, 1, 2), 2


@cache
def first_purchases() -> leave_one_out.LeaveOneOut:
    """Returns the types of items in the order in which each household first bought them, at most the `LAST`."""
    shop = datasets.load()
    history = preprocessing.task(shop).validation.history
    rows = pd.DataFrame(
        {
            "user": history["user"],
            "type": items.item_types(shop.items, history["item_id"]).to_numpy(),
            "when": history["timestamp"],
            "order": np.random.default_rng(0).random(len(history)),  # inside a basket there is none
        }
    )
    rows = rows.sort_values(["user", "when", "order"]).drop_duplicates(["user", "type"]).groupby("user").tail(LAST)
    rows = rows[rows.groupby("user")["type"].transform("size") >= 4]
    code, names = pd.factorize(rows["type"])
    start = np.r_[0, rows.groupby("user").size().cumsum()]
    return leave_one_out.LeaveOneOut((code + 1).astype(np.int32), start, len(names), fingerprint="")


def row(loss: str, seed: int) -> dict[str, object]:
    """Returns what the model reaches under a loss, or the best-sellers: a row of `results/losses.json`."""
    data = first_purchases()
    if loss == "popularity":
        often = np.bincount(data.events(2)[2], minlength=data.size).astype(float)
        found = leave_one_out.judge(lambda users: np.tile(often, (len(users), 1)), data, 2)
    else:
        keras.utils.set_random_seed(seed)
        model = transformer.next_item_model(data.size, LAST, width=64, blocks=1)
        batches = next_item.NextItemBatches(data, 2, LAST, loss, tokens=1024, candidates=1088, seed=seed)
        learner = next_item.training_model(model, loss)
        learner.compile(keras.optimizers.AdamW(4e-3), losses.mean_loss, jit_compile=False)
        learner.fit(batches, epochs=EPOCHS, verbose=0, shuffle=False)
        found = leave_one_out.judge(next_item.NextItemScores(model, data, LAST).scorer(2), data, 2)
    return {"loss": loss, "seed": seed, "types": int(data.size), **{k: round(float(v), 6) for k, v in found.items()}}


def main() -> None:
    """Trains under each loss with each seed, and writes the results file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="the results file")
    parser.add_argument("--part", type=Path, default=Path("workspace/losses.jsonl"), help="the rows made so far")
    options = parser.parse_args()
    options.part.parent.mkdir(parents=True, exist_ok=True)
    lines = options.part.read_text(encoding="utf-8").splitlines() if options.part.exists() else []
    rows = [json.loads(line) for line in lines]
    there = {(made["loss"], made["seed"]) for made in rows}
    for loss, seed in [("popularity", 0), *((loss, seed) for seed in SEEDS for loss in losses.LOSSES)]:
        if (loss, seed) not in there:
            rows.append(row(loss, seed))
            with options.part.open("a", encoding="utf-8") as file:
                file.write(json.dumps(rows[-1]) + "\n")
            print(json.dumps(rows[-1]), flush=True)
    results_file.write(
        options.out,
        rows,
        command=f"python benchmarks/losses.py --out {options.out.as_posix()}",
        row="benchmarks/losses.py:row",
        cheapest={"loss": "popularity", "seed": 0},
        data=datasets.load().fingerprint,
        seeds=SEEDS,
    )


if __name__ == "__main__":
    main()
