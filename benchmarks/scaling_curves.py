"""How good gets more: the loss of the next-item model against parameters, data and training compute.

    python benchmarks/scaling_curves.py --out benchmarks/results/scaling_curves.json

Trains the next-item Transformer on product types: streams of what each household bought, one type a token, for several
widths, shares of the households and passes. The last purchases of every household are the test. Before the largest
model is trained, a law is fitted on the small ones and what it expects is written to the file. A finished point is kept
in `--parts`, so the work can be cut up: `--points 4` makes at most four that are missing.

    KERAS_BACKEND=jax python benchmarks/scaling_curves.py --large --parts workspace/scaling_large --out large.json

goes on to 100 million parameters, for a machine with a GPU; `--list` prints the points with their sizes.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import time
from functools import cache
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from keras import ops

from recsys_kit import datasets, preprocessing, results_file, transformer
from recsys_kit.large_models import curves
from recsys_kit.neural import fitting, losses
from recsys_kit.next_item import LeaveOneOut, NextItemBatches, training_model
from recsys_kit.next_item.cost import flops_a_target
from recsys_kit.workspace import atomic

LENGTH, ASKED = 64, 32  # types that a model reads, and how many last ones of each household are the test
STEPS = 600  # least steps of a training: with fewer, what counts is how short it was and not how little data it had
PARTS = Path("workspace/scaling_curves")
ARGUMENTS = ("width", "blocks", "share", "epochs", "seed")

GRID = [(width, 2, share, 1) for share in (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0) for width in (8, 16, 32, 64)]
REPEATED = [(64, 2, 1 / 16, 4), (16, 2, 1 / 4, 4)]
"""The same few households again and again: what a pass is worth that shows nothing new."""
SEEDED = [(8, 2, 1 / 16, 1), (16, 2, 1 / 4, 1), (32, 2, 1 / 2, 1)]
"""The points that are trained with three seeds."""
LARGEST = (128, 2, 1.0, 1)
LARGE = [(256, 4, 1.0, 4), (512, 8, 1.0, 4), (768, 12, 1.0, 4), (1024, 12, 1.0, 4)]
"""For a GPU, up to 100 million parameters."""
COUNTING = (0, 0, 1.0, 0, 0)
"""No model: what a household bought before, mixed with what everybody buys."""


def row(width: int, blocks: int, share: float, epochs: int, seed: int) -> dict[str, object]:
    """Trains one model and returns what it cost and what it reaches: a row of `results/scaling_curves.json`."""
    began, data, nothing = time.perf_counter(), streams(), ("predicted", "predicted_low", "predicted_high")
    found = dict(zip(ARGUMENTS, (width, blocks, share, epochs, seed), strict=True))
    if not width:
        found |= {"parameters": data.size + 1, "block_parameters": 0, "targets": 0, "flops": 0.0, "steps": 0}
        return found | {"loss": round(counted_loss(data), 5), "minutes": 1} | dict.fromkeys(nothing)
    part = households(share)
    keras.utils.set_random_seed(seed)
    model = transformer.next_item_model(data.size, LENGTH, width, blocks, max(2, width // 64), dropout=0.0)
    rows = int((np.diff(part.start) - ASKED - 1).sum())
    tokens = int(np.clip(rows * epochs // STEPS, LENGTH, 1024))
    feed = NextItemBatches(part, ASKED, LENGTH, "softmax", tokens, seed=seed)
    steps, rate = len(feed) * epochs, 5e-3 * math.sqrt(32 / width)
    training = training_model(model, "softmax")
    rate = fitting.WarmCosine(rate, steps, max(1, steps // 10))
    training.compile(keras.optimizers.AdamW(rate, weight_decay=0.01, clipnorm=1.0), loss=losses.mean_loss)
    training.fit(feed, epochs=epochs, verbose=0, shuffle=False)
    found |= sizes(width, blocks, share, epochs) | {"steps": steps}
    found |= {"loss": round(test_loss(model, data), 5), "minutes": math.ceil((time.perf_counter() - began) / 60)}
    return found | dict.fromkeys(nothing)


def sizes(width: int, blocks: int, share: float, epochs: int) -> dict[str, float]:
    """Returns what a point is made of: all parameters, those of the blocks, targets seen, operations."""
    items, body = streams().size, blocks * (8 * width**2 + 11 * width)
    targets = int((np.diff(households(share).start) - ASKED - 1).sum()) * epochs
    table = (items + 1) * (width + 1) + LENGTH * width + 2 * width
    flops = flops_a_target(width, blocks, items, LENGTH / 2) * targets
    return {"parameters": body + table, "block_parameters": body, "targets": targets, "flops": flops}


def counted_loss(data: LeaveOneOut) -> float:
    """Returns the cross-entropy of counting: a household's own types so far, mixed with all households' types.

    It reads the whole history, and its one weight is chosen on the purchases before the test.
    """
    popular = np.bincount(data.events(2 * ASKED)[2], minlength=data.size) + 0.5
    popular, chances = popular / popular.sum(), {2: [], 1: []}
    for first, end in itertools.pairwise(data.start):
        seq, count = data.items[first:end] - 1, np.zeros(data.size)
        for place, one in enumerate(seq):
            back = (len(seq) - place - 1) // ASKED + 1  # 1 in the test, 2 in the purchases before it
            if back in chances:
                chances[back].append((count[one] / place, popular[one]))
            count[one] += 1

    def loss(back, weight):
        own, everybody = np.array(chances[back]).T
        return float(-np.log(weight * own + (1 - weight) * everybody).mean())

    return loss(1, min(np.arange(0.05, 1, 0.05), key=lambda weight: loss(2, weight)))


def test_loss(model: keras.Model, data: LeaveOneOut, block: int = 64) -> float:
    """Returns the cross-entropy of the last purchases of all households, each given those before it, in nats."""
    high = data.start[1:] - 1
    windows = data.items[high[:, None] + np.arange(-LENGTH, 1)]  # (households, L + 1)
    found = []
    for part in np.array_split(windows, math.ceil(len(windows) / block)):
        logits = model.predict_on_batch(part[:, :-1])[:, -ASKED:, 1:]  # (B, 32, V)
        chances = ops.log_softmax(logits, axis=-1)
        found.append(np.take_along_axis(ops.convert_to_numpy(chances), part[:, -ASKED:, None] - 1, axis=-1))
    return float(-np.concatenate(found).mean(dtype=np.float64))


@cache
def streams() -> LeaveOneOut:
    """Returns the product types that each household bought, in the order of its baskets.

    The tables list a basket by item number. That order says nothing of a household, and a model would learn it: within
    a basket the types are put in random order.
    """
    task, kept = preprocessing.task(shop()), shop().items
    events = task.events[task.events["item_id"].isin(task.test.items)]
    types = datasets.items.item_types(kept, task.test.items)
    code = pd.Series(pd.factorize(types, sort=True)[0], task.test.items)
    table = pd.DataFrame({"user": events["user_id"].to_numpy(), "time": events["timestamp"].to_numpy()})
    table["basket"], table["code"] = events["basket_id"].to_numpy(), code[events["item_id"]].to_numpy()
    table["draw"] = np.random.default_rng(0).random(len(table))
    table = table[table.groupby("user")["code"].transform("size") > LENGTH + ASKED]
    table = table.sort_values(["user", "time", "basket", "draw"])
    user = pd.factorize(table["user"])[0]
    start = np.searchsorted(user, np.arange(user[-1] + 2))
    return LeaveOneOut((table["code"].to_numpy() + 1).astype(np.int32), start, int(code.max()) + 1, shop().fingerprint)


@cache
def households(share: float) -> LeaveOneOut:
    """Returns the streams of a share of the households; a smaller share is a part of a larger one."""
    data = streams()
    order = np.random.default_rng(1).permutation(len(data.start) - 1)
    chosen = np.sort(order[: max(1, round(share * len(order)))])
    parts = [data.items[data.start[one] : data.start[one + 1]] for one in chosen]
    start = np.cumsum([0, *map(len, parts)])
    return LeaveOneOut(np.concatenate(parts), start, data.size, data.fingerprint)


@cache
def shop() -> datasets.Shop:
    """Returns the kit's own shop."""
    return datasets.load()


def wanted(large: bool) -> list[tuple]:
    """Returns the points in the order in which they are trained; the largest is the last."""
    points = [(*point, 0) for point in (LARGE if large else GRID + REPEATED)]
    if large:
        return points
    points += [(*point, seed) for point in SEEDED for seed in (1, 2)]
    return [COUNTING, *sorted(points, key=lambda one: sizes(*one[:4])["flops"]), (*LARGEST, 0)]


def expected(rows: list[dict], point: tuple) -> dict[str, float]:
    """Returns what the law of the best points for their compute expects of another point, with its interval."""
    table = pd.DataFrame(rows)
    table = table[table["epochs"] == 1].assign(x=table["flops"])
    found = curves.forecast(curves.frontier(table), sizes(*point[:4])["flops"])
    return {"predicted": found.value, "predicted_low": found.value_low, "predicted_high": found.value_high}


def part_of(point: tuple, parts: Path) -> Path:
    """Returns where a finished point is kept."""
    return parts / f"{'-'.join(f'{one:g}' for one in point)}.json"


def stored(parts: Path, points: list[tuple]) -> list[dict]:
    """Returns the rows of the points that are finished."""
    paths = [part_of(point, parts) for point in points]
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths if path.exists()]


def keep(path: Path, what: dict) -> None:
    """Writes a part in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic(path) as part:
        part.write_text(json.dumps(what), encoding="utf-8")


def main() -> None:
    """Makes the points that are missing, and writes the results file if one is named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="the results file; left out: only the parts are made")
    parser.add_argument("--parts", type=Path, default=PARTS, help="where finished points are kept")
    parser.add_argument("--points", type=int, default=10**6, help="make so many points at most")
    parser.add_argument("--large", action="store_true", help="the points for a GPU, after those of this file")
    parser.add_argument("--list", action="store_true", help="print the points and their sizes, train nothing")
    options = parser.parse_args()
    points = wanted(options.large)
    if options.list:
        listed = [dict(zip(ARGUMENTS, one, strict=True)) | sizes(*one[:4]) for one in points if one != COUNTING]
        print(pd.DataFrame(listed).to_string())
        return
    missing = [point for point in points if not part_of(point, options.parts).exists()][: options.points]
    forecast = options.parts / "forecast.json"
    for point in missing:
        if point[:4] == LARGEST:
            if not forecast.exists():  # written before it is trained, and never again
                keep(forecast, expected(stored(options.parts, points), point))
            print("expected of the largest:", forecast.read_text(encoding="utf-8"), flush=True)
        made = row(*point)
        if point[:4] == LARGEST:
            made |= {name: round(value, 5) for name, value in json.loads(forecast.read_text(encoding="utf-8")).items()}
        keep(part_of(point, options.parts), made)
        print(made, flush=True)
    if options.out:
        rows = stored(options.parts, points)
        results_file.write(
            options.out,
            rows,
            command=f"python benchmarks/scaling_curves.py --out {options.out.as_posix()}",
            row="benchmarks/scaling_curves.py:row",
            cheapest={name: rows[0][name] for name in ARGUMENTS},
            data=shop().fingerprint,
            seeds=sorted({one["seed"] for one in rows}),
        )


if __name__ == "__main__":
    main()
