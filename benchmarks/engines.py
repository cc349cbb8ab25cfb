"""Features and candidate counts of a growing shop: pandas, DuckDB, Dask; wall and CPU seconds, peak memory.

    python benchmarks/engines.py --copies 1 3 10 30 --out benchmarks/results/engines.json

The households of The Complete Journey are copied (`scaling.copies.write`). Each engine and size runs in processes of
their own, which begin with the imports. A run that needs more than 8 GB is ended, and its row says so: that is an
answer, too. Memory is the sum over the run's processes, and spill the size of the files to which an engine moved what
did not fit; both are looked at ten times a second.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from recsys_kit import datasets, preprocessing, results_file, scaling

LIMIT = 8.0  # GB
ENGINES = {
    "pandas": {},
    "duckdb": {"memory_gb": LIMIT / 4, "threads": 2},
    "duckdb, 1 thread": {"memory_gb": LIMIT / 4, "threads": 1},
    "duckdb, 1 GB": {"memory_gb": 1.0, "threads": 2},
    "dask": {"memory_gb": LIMIT / 2, "count": 2},
}
"""What is measured: an engine, and what it may use."""

CHEAPEST = {"engine": "duckdb", "copies": 1, "repeat": 0}


def compute(engine: str, folder: str, out: str) -> dict[str, int]:
    """Runs one engine on a folder; returns the rows of its tables."""
    load = scaling.copies.Workload.read(folder)
    if engine == "pandas":
        return scaling.reference.run_pandas(load, out)
    if engine.startswith("duckdb"):
        return scaling.sql.run_duckdb(load, out, **ENGINES[engine])
    with scaling.cluster.workers(**ENGINES[engine]) as client:
        return scaling.cluster.run_dask(load, out, client, parts=8 * load.copies)


def measured(command: list[str], limit_gb: float, scratch: Path) -> dict[str, float | str]:
    """Runs a command to its end; returns seconds, peak memory and spill, and whether it had to be ended."""
    began = time.perf_counter()
    environment = os.environ | {"DASK_TEMPORARY_DIRECTORY": str(scratch / "dask")}
    run = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    root, peak, spill, cpu, ended = psutil.Process(run.pid), 0.0, 0.0, {}, "ok"
    while run.poll() is None:
        memory = 0
        for process in [root, *_children(root)]:
            try:
                memory += process.memory_info().rss
                times = process.cpu_times()
                cpu[process.pid] = times.user + times.system
            except psutil.NoSuchProcess:
                continue
        peak, spill = max(peak, memory / 1e6), max(spill, _spilled(scratch))
        if peak > 1000 * limit_gb:
            ended = "out of memory"
            for process in [*_children(root), root]:
                process.kill()
        time.sleep(0.1)
    said = run.stdout.read().strip().splitlines()
    if run.returncode and ended == "ok":
        raise RuntimeError(f"{' '.join(command)} ended with {run.returncode}")
    rows = json.loads(said[-1]) if ended == "ok" else {}
    seconds = {"wall_seconds": round(time.perf_counter() - began, 1), "cpu_seconds": round(sum(cpu.values()), 1)}
    return seconds | {
        "peak_mb": round(peak, 1),
        "spill_mb": round(spill, 1),
        "ended": ended,
        **{name: rows.get(name, 0) for name in scaling.copies.TABLES},
    }


def _spilled(scratch: Path) -> float:
    """Size of what the engines moved to disk, MB; tables and a database's own file are no spill."""
    total = 0
    for folder, _, names in os.walk(scratch):  # what vanishes while it is looked at has done its work
        if "duckdb_temp" in folder or Path(folder).is_relative_to(scratch / "dask"):
            total += sum(_size(Path(folder, name)) for name in names)
    return total / 1e6


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _children(root: psutil.Process) -> list[psutil.Process]:
    try:
        return root.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def row(engine: str, copies: int, repeat: int = 0, folder: str = "") -> dict[str, float | str]:
    """Returns a row of the results file: one engine on the shop copied so often."""
    with tempfile.TemporaryDirectory() as scratch:
        if not folder:
            folder = str(Path(scratch, "shop"))
            write(copies, folder)
        events = scaling.copies.Workload.read(folder).rows
        command = [sys.executable, __file__, "--one", engine, folder, str(Path(scratch, "out"))]
        found = {"engine": engine, "copies": copies, "repeat": repeat, "events": events}
        return found | measured(command, LIMIT, Path(scratch))


def write(copies: int, folder: str) -> None:
    """Writes the kit's shop, copied."""
    shop = datasets.load()
    scaling.copies.write(shop, folder, preprocessing.default_cutoff(shop), copies=copies)


def main() -> None:
    """Measures every engine on every size; with `--out`, each row is kept as soon as it is there."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--copies", type=int, nargs="+", default=[1])
    options.add_argument("--engines", nargs="+", choices=ENGINES, default=list(ENGINES))
    options.add_argument("--repeats", type=int, default=1)
    options.add_argument("--out", type=Path, help="write the rows into this file; rows that it has are kept")
    options.add_argument("--one", nargs=3, metavar=("ENGINE", "FOLDER", "OUT"), help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.one:
        print(json.dumps(compute(*chosen.one)))
        return
    rows = results_file.read(chosen.out).rows if chosen.out and chosen.out.exists() else []
    known = {(old["engine"], old["copies"], old["repeat"]) for old in rows}
    for copies in chosen.copies:
        with tempfile.TemporaryDirectory() as folder:
            write(copies, folder)
            for repeat in range(chosen.repeats):
                for engine in chosen.engines:  # in turn, so that a busy minute meets all of them
                    if (engine, copies, repeat) not in known:
                        rows.append(row(engine, copies, repeat, folder))
                        print(json.dumps(rows[-1]), flush=True)
                        if chosen.out:
                            keep(chosen.out, rows)


def keep(path: Path, rows: list[dict]) -> None:
    """Writes the results file, as soon as the row is there that a test computes again."""
    if not any(CHEAPEST.items() <= row.items() for row in rows):
        return
    results_file.write(
        path,
        sorted(rows, key=lambda row: (row["copies"], list(ENGINES).index(row["engine"]), row["repeat"])),
        command=f"python benchmarks/engines.py --copies 1 3 10 30 --out {path}",
        row="benchmarks/engines.py:row",
        cheapest=CHEAPEST,
        data=datasets.load().fingerprint,
        packages=("pandas", "duckdb", "dask"),
    )


if __name__ == "__main__":
    main()
