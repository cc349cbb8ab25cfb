"""What grows how: peak memory of the course's methods against the number of users and of items.

    python benchmarks/growth.py --out benchmarks/results/growth.json

Makes shops of several sizes (users are equally active, items sell as Zipf's law says), measures each method on each
of them in a process of its own, fits how its memory grows, and writes the figures to a results file: some minutes.

    python benchmarks/growth.py --whole FOLDER --users 80000 --items 20000 --events 5000000

Writes one shop as CSV to FOLDER and takes it through entry, split, features and `recsys-kit recommend --light`.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import psutil

from recsys_kit import baselines, datasets, evaluation, features, preprocessing, results_file
from recsys_kit.cross_sell import association

SIZES = ((4_000, 2_000), (8_000, 2_000), (4_000, 4_000))
"""Users and items of the shops: a start, twice the users, twice the items."""

EVENTS, LINES, DAYS = 60, 5, 365  # events a user, rows a basket, days
TARGET = (80_000, 20_000)
_NOISE = 8.0  # megabytes that come and go without a method's doing


def events(users: int, items: int, count: int, seed: int = 0) -> pd.DataFrame:
    """Returns the events of an invented shop: uniform users, Zipf items, baskets of about five lines."""
    rng = np.random.default_rng(seed)
    baskets = max(1, count // LINES)
    owner = rng.integers(0, users, baskets)
    second = rng.integers(0, DAYS * 86_400, baskets)
    basket = np.sort(rng.integers(0, baskets, count))
    chances = 1 / np.arange(1, items + 1)
    item = np.searchsorted(np.cumsum(chances / chances.sum()), rng.random(count)).clip(0, items - 1)
    start = pd.Timestamp("2023-01-01", tz="UTC")
    return pd.DataFrame(
        {
            "user_id": pd.Series(100_000 + owner[basket]).astype("str"),
            "item_id": pd.Series(500_000 + item).astype("str"),
            "timestamp": start + pd.to_timedelta(second[basket], unit="s"),
            "basket_id": pd.Series(basket).astype("str"),
            "quantity": 1.0,
            "price": (1 + item % 50).astype(float),
        }
    )


def catalogue(items: int) -> pd.DataFrame:
    """Returns the items of an invented shop, each with a category, a product type and a brand."""
    number = np.arange(items)
    return pd.DataFrame(
        {
            "item_id": pd.Series(500_000 + number).astype("str"),
            "title": [f"thing {i}" for i in number],
            "category": [f"category {i % 20}" for i in number],
            "product_type": [f"type {i % 200}" for i in number],
            "brand": [f"brand {i % 500}" for i in number],
        }
    )


def write_shop(folder: Path, users: int, items: int, count: int, seed: int = 0) -> None:
    """Writes an invented shop in the form in which people bring their own."""
    folder.mkdir(parents=True, exist_ok=True)
    table = events(users, items, count, seed)
    table["timestamp"] = table["timestamp"].dt.strftime("%Y-%m-%d %H:%M:%S")
    table.to_csv(folder / "events.csv", index=False)
    catalogue(items).to_csv(folder / "items.csv", index=False)


def _all_lists(scorer: Callable[[preprocessing.Split], evaluation.Scorer]) -> Callable:
    """Returns a measurement of a method: it is fitted, and every case gets a list."""
    return lambda shop, task: evaluation.top_lists(scorer(task.test), len(task.test.test_users))


def _sequences(shop, task) -> None:
    from recsys_kit.training import baskets

    baskets.sequences(task.test)


def _batch(shop, task) -> None:
    from recsys_kit import training
    from recsys_kit.training import basket_batches, baskets

    basket_batches.BasketBatches(baskets.sequences(task.test), training.Settings(), task.min_items)[0]


def _association(shop, task) -> None:
    association.pair_measures(association.basket_table(task.test.history, task.test.items))


def _candidates(shop, task) -> None:
    from recsys_kit import recommendation

    recommendation.labelled(shop, task.test, recommendation.Model())


def _everybody(shop, task) -> None:
    from recsys_kit.recommendation import recommender

    recommender.everybody(task.test, events=task.events)


def _evaluate(shop, task) -> None:
    scorer = baselines.personal_frequency(task.test)
    evaluation.evaluate(scorer, task.test.answers, exclude=task.test.seen())


def _table(shop, task) -> None:
    table = features.interaction_features(task.test, task.test.answer_times)
    values = table["decayed_90"].to_numpy()
    evaluation.top_lists(features.table_scorer(task.test, table, values), len(task.test.test_users))


METHODS: dict[str, Callable] = {
    "popularity": _all_lists(baselines.popularity),
    "personal frequency": _all_lists(baselines.personal_frequency),
    "user-kNN": _all_lists(baselines.user_knn),
    "item-kNN": _all_lists(baselines.item_knn),
    "co-occurrence": _all_lists(baselines.cooccurrence),
    "ALS": _all_lists(baselines.als),
    "BPR": _all_lists(baselines.bpr),
    "evaluate": _evaluate,
    "interaction features, scorer": _table,
    "user features": lambda shop, task: features.user_features(
        task.events, shop.items, shop.users, task.test.cutoff, shop.timezone
    ),
    "item features": lambda shop, task: features.item_features(task.events, shop.items, task.test.cutoff),
    "sequences": _sequences,
    "a batch of baskets": _batch,
    "association of pairs": _association,
    "everybody": _everybody,
    "candidates with facts": _candidates,
}


@contextmanager
def peak() -> Iterator[dict[str, float]]:
    """Measures seconds, and the highest memory of this process above what it had at the start (`mb`) and in all."""
    process, found = psutil.Process(), {}
    before = highest = process.memory_info().rss
    done = threading.Event()

    def look() -> None:
        nonlocal highest
        while not done.wait(0.005):
            highest = max(highest, process.memory_info().rss)

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    began = time.perf_counter()
    try:
        yield found
    finally:
        done.set()
        watcher.join()
        highest = max(highest, process.memory_info().rss)
        found |= {
            "seconds": round(time.perf_counter() - began, 2),
            "mb": round((highest - before) / 1e6, 1),
            "all_mb": round(highest / 1e6, 1),
        }


def row(method: str, users: int, items: int) -> dict[str, object]:
    """Returns what a method takes on a shop of this size, measured in a process of its own."""
    command = [sys.executable, __file__, "--one", method, "--users", str(users), "--items", str(items)]
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": path})
    return json.loads(done.stdout.splitlines()[-1])


def rows(methods: Sequence[str], users: int, items: int) -> Iterator[dict[str, object]]:
    """Measures methods on one shop, each in a process of its own that is forked when the shop is ready."""
    tiny, large = _shop(100, 50), _shop(users, items)
    shops = [(shop, preprocessing.task(shop)) for shop in (tiny, large)]
    context = multiprocessing.get_context("fork")
    for method in methods:
        theirs, ours = context.Pipe()
        child = context.Process(target=_measure, args=(ours, METHODS[method], shops))
        child.start()
        ours.close()
        found = theirs.recv()
        child.join()
        yield {"method": method, "users": users, "items": items, "peak_mb": found["mb"]}


def _measure(pipe, method: Callable, shops: Sequence[tuple]) -> None:
    method(*shops[0])  # what it imports does not count
    with peak() as found:
        method(*shops[1])
    pipe.send(found)


def _shop(users: int, items: int) -> datasets.Shop:
    table = events(users, items, EVENTS * users)
    table = table.assign(discount=0.0, store_id="unknown", event_type=pd.Categorical(["purchase"] * len(table)))
    return datasets.Shop(
        name="invented",
        events=table,
        items=catalogue(items).assign(is_merchandise=True, department="unknown", size="unknown"),
        users=pd.DataFrame({"user_id": table["user_id"].drop_duplicates().sort_values(ignore_index=True)}),
        timezone="UTC",
        fingerprint="invented",
    )


def growth(measured: Sequence[Mapping]) -> pd.DataFrame:
    """Fits how each method's memory grows with users and with items, and what that says of a shop like `TARGET`.

    What stays below the noise counts as constant. A power of 1 is proportional, 2 is a square.
    """
    table = pd.DataFrame(measured)
    found = []
    for method, part in table.groupby("method", sort=False):
        start, more_users, more_items = part.set_index(["users", "items"])["peak_mb"].clip(lower=_NOISE)[list(SIZES)]
        powers = np.log2([more_users / start, more_items / start]).round(1)
        there = start * np.prod((np.array(TARGET) / SIZES[0]) ** powers)
        found.append((method, start, more_users, more_items, *powers, there / 1000))
    sizes = [f"{users:,} x {items:,}" for users, items in (*SIZES, TARGET)]
    names = ["method", *(f"MB at {size}" for size in sizes[:-1]), "users^", "items^", f"GB at {sizes[-1]}, reckoned"]
    return pd.DataFrame(found, columns=names)


def whole(folder: Path, users: int, items: int, count: int, steps: Sequence[str]) -> None:
    """Takes one large shop through the first steps, each in a process of its own, and prints what each took."""
    if not (folder / "events.csv").exists():
        write_shop(folder, users, items, count)
    for step in steps:
        began = time.perf_counter()
        command = [sys.executable, __file__, "--whole", str(folder), "--step", step]
        if step == "recommend":
            command = [
                sys.executable,
                "-c",
                "from recsys_kit.cli import app; app()",
                "recommend",
                "--light",
                "--data",
                str(folder),
            ]
            command += ["--workspace", str(folder / "workspace"), "--out", str(folder / "lists.parquet")]
        child = psutil.Popen(command, stdout=subprocess.PIPE, text=True)
        for line in child.stdout:
            print("  ", line.rstrip(), flush=True)
        _, status, usage = os.wait4(child.pid, 0)
        seconds, own = time.perf_counter() - began, usage.ru_utime + usage.ru_stime
        memory = usage.ru_maxrss / 1e6
        print(f"{step}: exit {status}, {seconds:.0f} s ({own:.0f} s of CPU), peak {memory:.2f} GB", flush=True)


def prepare(folder: Path) -> None:
    """Entry, split and features of a shop in one process."""
    with peak() as found:
        shop = datasets.load(str(folder))
    print("entry", found, flush=True)
    with peak() as found:
        task = preprocessing.task(shop)
    print("split", found, flush=True)
    split = task.test
    for name, make in (
        ("interaction features", lambda: features.interaction_features(split, None, shop.timezone)),
        ("item features", lambda: features.item_features(task.events, shop.items, split.cutoff)),
        (
            "user features",
            lambda: features.user_features(task.events, shop.items, shop.users, split.cutoff, shop.timezone),
        ),
    ):
        with peak() as found:
            make()
        print(name, found, flush=True)


def main() -> None:
    """Measures one method, all of them, or one large shop."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, metavar="FILE", help="measure all methods, write the figures here")
    parser.add_argument("--one", metavar="METHOD", choices=METHODS)
    parser.add_argument("--whole", type=Path, metavar="FOLDER")
    parser.add_argument("--step", choices=("prepare", "recommend"))
    parser.add_argument("--users", type=int, default=TARGET[0])
    parser.add_argument("--items", type=int, default=TARGET[1])
    parser.add_argument("--events", type=int, default=5_000_000)
    options = parser.parse_args()
    if (options.one or options.out) and "MALLOC_MMAP_THRESHOLD_" not in os.environ:
        # Freed arrays go back to the system at once, or else a method would hide in what was freed before it.
        environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536"}
        os.execve(sys.executable, [sys.executable, *sys.argv], environment)
    if options.one:
        print(json.dumps(next(rows([options.one], options.users, options.items))))
    elif options.whole and options.step == "prepare":
        prepare(options.whole)
    elif options.whole:
        whole(options.whole, options.users, options.items, options.events, ("prepare", "recommend"))
    elif options.out:
        found = []
        for size in SIZES:
            for one in rows(list(METHODS), *size):
                found.append(one)
                print(json.dumps(one), flush=True)
        results_file.write(
            options.out,
            found,
            command=f"python benchmarks/growth.py --out {options.out.as_posix()}",
            row="benchmarks/growth.py:row",
            cheapest={"method": "user-kNN", "users": SIZES[0][0], "items": SIZES[0][1]},
            data="",
            seeds=[0],
        )
        print(growth(found).round(2).to_string(index=False))
    else:
        parser.error("give --out FILE or --whole FOLDER")


if __name__ == "__main__":
    main()
