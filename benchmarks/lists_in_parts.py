"""Lists for a growing number of customers, in parts, by two workers; killed in the middle, and taken up again.

    python benchmarks/lists_in_parts.py --customers 2461 10000 30000 100000 --out benchmarks/results/lists_in_parts.json

The parts are the pairs of The Complete Journey's households as `scaling.sql` writes them, a copy of all of them each,
with jittered memories. What writes the lists runs in processes of its own. With `kill`, all of them are ended without a
warning when a third of the parts is there, and it is started again. Then the lists are counted.
"""

from __future__ import annotations

import argparse
import functools
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil

from recsys_kit import datasets, preprocessing, results_file, scaling

K = 10
CHEAPEST = {"customers": 2461, "kill": False}


@functools.lru_cache(maxsize=1)
def pairs() -> pd.DataFrame:
    """The pairs of the kit's shop: one row a household and item."""
    shop = datasets.load()
    with tempfile.TemporaryDirectory() as folder:
        load = scaling.copies.write(shop, Path(folder, "shop"), preprocessing.default_cutoff(shop))
        scaling.sql.run_duckdb(load, Path(folder, "out"), memory_gb=2)
        return pd.read_parquet(Path(folder, "out", "pairs.parquet"), columns=["user_id", "item_id", "decayed_90"])


def write_parts(folder: Path, customers: int) -> None:
    """Writes a part for each copy of the households, the last one cut to the number of customers."""
    table, rng = pairs(), np.random.default_rng(0)
    table.groupby("item_id").size().rename("users").reset_index().to_parquet(folder / "popular.parquet")
    (folder / "pairs").mkdir()
    number = pd.factorize(table["user_id"])[0]
    households = int(number.max()) + 1
    for copy in range(-(-customers // households)):
        kept = number < customers - copy * households
        jitter = rng.uniform(0.9, 1.1, kept.sum()).astype("float32")
        part = table[kept].assign(user_id=table["user_id"].astype(str) + f"~{copy}")
        part.assign(decayed_90=part["decayed_90"] * jitter).to_parquet(folder / "pairs" / f"part-{copy:05d}.parquet")


def make(pairs: pd.DataFrame, popular: pd.Series) -> pd.DataFrame:
    """Makes the lists of a part."""
    return scaling.partitions.top_lists(pairs, popular, k=K)


def write_lists(folder: Path) -> None:
    """Writes the lists of the parts that have none yet, by two workers."""
    popular = pd.read_parquet(folder / "popular.parquet").set_index("item_id")["users"]
    todo = scaling.partitions.missing(sorted((folder / "pairs").iterdir()), folder / "lists", "v1")
    with scaling.cluster.workers(count=2, memory_gb=2) as client:
        shared = client.scatter(popular, broadcast=True)
        client.gather([client.submit(one, part, folder / "lists", shared, pure=False) for part in todo])


def one(part: Path, out: Path, popular: pd.Series) -> int:
    """Writes the lists of a part."""
    return scaling.partitions.write_lists(part, out, "v1", functools.partial(make, popular=popular))


def started(folder: Path, kill_after: int = 0) -> tuple[float, float, float]:
    """Runs `write_lists` in processes of its own; returns wall and CPU seconds and the peak of memory (MB)."""
    began, cpu, peak = time.perf_counter(), {}, 0.0
    run = subprocess.Popen([sys.executable, __file__, "--write", str(folder)])
    root = psutil.Process(run.pid)
    while run.poll() is None:
        memory = 0
        try:
            processes = [root, *root.children(recursive=True)]
        except psutil.NoSuchProcess:
            break
        for process in processes:
            try:
                memory += process.memory_info().rss
                cpu[process.pid] = sum(process.cpu_times()[:2])
            except psutil.NoSuchProcess:
                continue
        peak = max(peak, memory / 1e6)
        if kill_after and len(list((folder / "lists").glob("*/part-*.parquet"))) >= kill_after:
            for process in processes:
                process.kill()
        time.sleep(0.05)
    if run.wait() and not kill_after:
        raise RuntimeError(f"the lists ended with {run.returncode}")
    return time.perf_counter() - began, sum(cpu.values()), peak


def row(customers: int, kill: bool) -> dict[str, float]:
    """Returns a row of the results file: lists for so many customers, in one go or interrupted."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_parts(folder, customers)
        parts = len(list((folder / "pairs").iterdir()))
        seconds = [started(folder, kill_after=max(1, parts // 3))] if kill else []
        files = sorted((folder / "lists").glob("*/part-*.parquet"))
        before = {path: path.stat().st_mtime_ns for path in files}
        seconds.append(started(folder))
        files = sorted((folder / "lists").glob("*/part-*.parquet"))
        lists = pd.concat([pd.read_parquet(path, columns=["user_id"]) for path in files])["user_id"]
        found = lists.value_counts()
        wall, cpu, peak = zip(*seconds, strict=True)
        return {
            "customers": customers,
            "kill": kill,
            "parts": parts,
            "kept": sum(path.stat().st_mtime_ns == time for path, time in before.items()),
            "listed": len(found),
            "not_once": int((found != K).sum()),
            "wall_seconds": round(sum(wall), 1),
            "cpu_seconds": round(sum(cpu), 1),
            "peak_mb": round(max(peak), 1),
        }


def main() -> None:
    """Measures all sizes; the largest one with an interruption, too."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--customers", type=int, nargs="+", default=[2461])
    options.add_argument("--out", type=Path, help="write the rows into this file")
    options.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.write:
        write_lists(chosen.write)
        return
    rows = []
    for customers, kill in [*((size, False) for size in chosen.customers), (max(chosen.customers), True)]:
        rows.append(row(customers, kill))
        print(json.dumps(rows[-1]), flush=True)
    if chosen.out:
        sizes = " ".join(map(str, chosen.customers))
        results_file.write(
            chosen.out,
            rows,
            command=f"python benchmarks/lists_in_parts.py --customers {sizes} --out {chosen.out}",
            row="benchmarks/lists_in_parts.py:row",
            cheapest=CHEAPEST,
            data=datasets.load().fingerprint,
            packages=("pandas", "dask"),
        )


if __name__ == "__main__":
    main()
