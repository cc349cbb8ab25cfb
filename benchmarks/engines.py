"""Features and candidate counts of a growing shop: pandas, DuckDB, Dask; wall and CPU seconds, peak memory.

    python benchmarks/engines.py --copies 1 10 30 --out benchmarks/results/engines.json

The households of The Complete Journey are copied (`scaling.write`). Each engine and size runs in a process of its own,
with two threads or two workers. A run that needs more than `--limit` GB is ended, and its row says so: that is an
answer, too. Memory is the sum over the run's processes, looked at ten times a second.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from recsys_kit import datasets, preprocessing, results_file, scaling

ENGINES = ("pandas", "duckdb", "dask")
LIMIT = 8.0  # GB


def compute(engine: str, folder: str, out: str) -> dict[str, int]:
    """Runs one engine on a folder; returns the rows of its tables."""
    load = scaling.copies.Workload.read(folder)
    if engine == "pandas":
        return scaling.reference.run_pandas(load, out)
    if engine == "duckdb":
        return scaling.sql.run_duckdb(load, out, memory_gb=LIMIT / 2, threads=2)
    with scaling.cluster.workers(count=2, memory_gb=LIMIT / 2) as client:
        return scaling.cluster.run_dask(load, out, client, parts=8 * load.copies)


def measured(command: list[str], limit_gb: float) -> dict[str, float | str]:
    """Runs a command to its end; returns wall and CPU seconds, peak memory (GB), and whether it had to be ended."""
    began = time.perf_counter()
    run = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    root, peak, cpu, ended = psutil.Process(run.pid), 0.0, {}, "ok"
    while run.poll() is None:
        memory = 0
        for process in [root, *_children(root)]:
            try:
                memory += process.memory_info().rss
                times = process.cpu_times()
                cpu[process.pid] = times.user + times.system
            except psutil.NoSuchProcess:
                continue
        peak = max(peak, memory / 1e9)
        if peak > limit_gb:
            ended = "out of memory"
            for process in [*_children(root), root]:
                process.kill()
        time.sleep(0.1)
    said = run.stdout.read().strip().splitlines()
    if run.returncode and ended == "ok":
        raise RuntimeError(f"{' '.join(command)} ended with {run.returncode}")
    rows = json.loads(said[-1]) if ended == "ok" else {}
    seconds = {"wall_s": round(time.perf_counter() - began, 1), "cpu_s": round(sum(cpu.values()), 1)}
    return seconds | {
        "peak_gb": round(peak, 2),
        "ended": ended,
        **{name: rows.get(name, 0) for name in scaling.copies.TABLES},
    }


def _children(root: psutil.Process) -> list[psutil.Process]:
    try:
        return root.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def row(engine: str, copies: int, folder: str = "") -> dict[str, float | str]:
    """Returns a row of the results file: one engine on the shop copied so often."""
    with tempfile.TemporaryDirectory() as scratch:
        if not folder:
            folder = str(Path(scratch, "shop"))
            write(copies, folder)
        command = [sys.executable, __file__, "--one", engine, folder, str(Path(scratch, "out"))]
        return {"engine": engine, "copies": copies} | measured(command, LIMIT)


def write(copies: int, folder: str) -> None:
    """Writes the kit's shop, copied."""
    shop = datasets.load()
    scaling.copies.write(shop, folder, preprocessing.default_cutoff(shop), copies=copies)


def main() -> None:
    """Measures every engine on every size, and prints the table."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--copies", type=int, nargs="+", default=[1])
    options.add_argument("--engines", nargs="+", choices=ENGINES, default=ENGINES)
    options.add_argument("--out", type=Path, help="write the rows into this file")
    options.add_argument("--one", nargs=3, metavar=("ENGINE", "FOLDER", "OUT"), help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.one:
        print(json.dumps(compute(*chosen.one)))
        return
    rows = []
    for copies in chosen.copies:
        folder = tempfile.mkdtemp()
        write(copies, folder)
        for engine in chosen.engines:
            rows.append(row(engine, copies, folder))
            print(json.dumps(rows[-1]), flush=True)
        shutil.rmtree(folder)
    if chosen.out:
        results_file.write(
            chosen.out,
            rows,
            command=f"python benchmarks/engines.py --copies {' '.join(map(str, chosen.copies))} --out {chosen.out}",
            row="benchmarks/engines.py:row",
            cheapest={"engine": "duckdb", "copies": chosen.copies[0]},
            data=datasets.load().fingerprint,
        )


if __name__ == "__main__":
    main()
