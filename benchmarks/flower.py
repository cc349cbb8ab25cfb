"""The federated training of notebook 20 on an engine that others use: Flower, with a process for each client.

Flower needs other versions of packages than the kit has, so it lives in an environment of its own:

    python -m venv flower-env
    flower-env/bin/pip install flwr==1.42.0 scipy lazy-loader
    python benchmarks/flower.py --flower flower-env/bin --out benchmarks/results/flower.json

A SuperLink, a SuperNode for each client, and the app of `flower_app.py`, whose clients train by the kit's own function
on NumPy. The clients are the largest stores with the households that buy most there, and the rest; all of them take
part in each round, so that plain averaging has nothing to draw. Everything speaks on this machine alone. It takes some
minutes: Flower starts a process for each client in each round.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import keras
import numpy as np

from recsys_kit import datasets, preprocessing, results_file
from recsys_kit.baselines import boosting
from recsys_kit.privacy import federated, small_head

HERE = Path(__file__).parent
CLIENTS, ROUNDS, WINDOWS, SEED = 4, 4, 3, 0
LOCAL = {"epochs": 10, "learning_rate": 3.0, "clip": 1.0}  # of `local_change`
NEAR = 1e-6  # no weight of Flower's may be further from ours; the largest is about 2, and has 32 bits
PROJECT = """[project]
name = "small-head"
version = "1.0.0"
description = "The small head of notebook 20 on Flower"
license = "MIT"
dependencies = []

[tool.flwr.app]
publisher = "recsys-kit"

[tool.flwr.app.components]
serverapp = "flower_app:server"
clientapp = "flower_app:client"
"""
CONNECTION = """[superlink]
default = "here"

[superlink.here]
address = "127.0.0.1:{port}"
insecure = true
"""


@cache
def shop() -> datasets.Shop:
    """Returns the kit's own shop."""
    return datasets.load()


@cache
def stores() -> list[small_head.Households]:
    """Returns what each client keeps: the households of the largest stores, then those of all others."""
    task = preprocessing.task(shop())
    windows = list(boosting.earlier_windows(task, WINDOWS))
    homes = small_head.households(windows, shop().timezone)
    events = task.events[["user_id", "store_id"]]
    main = events.groupby("user_id")["store_id"].agg(lambda one: one.value_counts().index[0])[windows[0].users]
    largest = main.value_counts().index[: CLIENTS - 1]
    place = largest.get_indexer(main)  # -1: another store
    return [homes[np.flatnonzero(place == one)] for one in (*range(CLIENTS - 1), -1)]


def start() -> keras.Model:
    """Returns the untrained head."""
    keras.utils.set_random_seed(SEED)
    return small_head.build()


def ours(clients: Sequence[small_head.Households], rounds: int = ROUNDS) -> list[list[np.ndarray]]:
    """Returns the weights before the first round and after each, by `federated.rounds`."""
    model = start()
    path = [model.get_weights()]
    for _ in federated.rounds(model, clients, rounds, len(clients), tuple(LOCAL.values())):
        path.append(model.get_weights())
    return path


def flowers(
    clients: Sequence[small_head.Households], programs: Path, rounds: int = ROUNDS
) -> tuple[list[list[np.ndarray]], list[dict[str, list]]]:
    """Trains with Flower.

    Args:
        clients: What each keeps.
        programs: Folder with `flower-superlink`, `flower-supernode` and `flwr`.
        rounds: How many.

    Returns:
        The weights before the first round and after each; what the clients told in each round.
    """
    folder = Path(tempfile.mkdtemp(prefix="flower-"))
    (folder / "app").mkdir()
    shutil.copy(HERE / "flower_app.py", folder / "app")
    (folder / "app" / "pyproject.toml").write_text(PROJECT)
    settings = {"clients": len(clients), "rounds": rounds, "local": LOCAL}
    (folder / "settings.json").write_text(json.dumps(settings))
    np.savez(folder / "start.npz", *start().get_weights())
    for number, data in enumerate(clients):
        np.savez(folder / f"client{number}.npz", facts=data.facts, bought=data.bought, valid=data.valid)
    try:
        _run(folder, len(clients), programs.resolve())
        told, path = json.loads((folder / "told.json").read_text()), np.load(folder / "path.npz")
        parts = len(start().get_weights())
        return [[path[f"{number}_{part}"] for part in range(parts)] for number in range(rounds + 1)], told
    finally:
        shutil.rmtree(folder)


def _run(folder: Path, clients: int, programs: Path) -> None:
    """Starts Flower's server and clients, runs the app, and stops them."""
    link, *nodes = _ports(1 + clients)
    (folder / "config.toml").write_text(CONNECTION.format(port=link))
    environment = os.environ | {
        "FLWR_HOME": str(folder),
        "FLWR_TELEMETRY_ENABLED": "0",
        "FLWR_DISABLE_UPDATE_CHECK": "1",
        "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
        "FLOWER_FOLDER": str(folder),
        "PYTHONPATH": str(HERE.parent),
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    common = {"env": environment, "cwd": folder}
    running = []
    with open(folder / "log", "wb") as log:

        def begin(name: str, *arguments: object) -> None:
            command = [programs / name, "--insecure", "--host", "127.0.0.1", *map(str, arguments)]
            running.append(subprocess.Popen(command, stdout=log, stderr=log, **common))

        try:
            begin("flower-superlink", "--port", link)
            _wait(link)
            for number, port in enumerate(nodes):
                where = ("--superlink", f"127.0.0.1:{link}", "--port", port)
                begin("flower-supernode", *where, "--node-config", f"partition-id={number}")
            done = subprocess.run([programs / "flwr", "run", folder / "app", "--stream"], capture_output=True, **common)
        finally:
            for process in running[::-1]:
                process.terminate()
            for process in running:
                process.wait(timeout=60)
    if not (folder / "path.npz").exists():
        raise RuntimeError(f"Flower did not finish:\n{done.stdout.decode()}\n{(folder / 'log').read_text()}")


def _ports(count: int) -> list[int]:
    """Returns ports of this machine that nobody listens at."""
    doors = [socket.socket() for _ in range(count)]
    for door in doors:
        door.bind(("127.0.0.1", 0))
    found = [door.getsockname()[1] for door in doors]
    for door in doors:
        door.close()
    return found


def _wait(port: int, seconds: float = 120.0) -> None:
    """Waits until somebody listens at a port."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with socket.socket() as door:
            if door.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)
    raise TimeoutError(f"nobody listens at port {port} after {seconds:.0f} s")


def apart(one: list[np.ndarray], other: list[np.ndarray]) -> float:
    """Returns the largest difference of two weights."""
    return float(max(np.abs(a - b).max() for a, b in zip(one, other, strict=True)))


def _loss(weights: list[np.ndarray]) -> float:
    """Returns the mean loss of all clients' households."""
    model = start()
    model.set_weights(weights)
    return float(np.nanmean(np.concatenate([small_head.losses(model, one) for one in stores()])))


@cache
def _ours() -> list[list[np.ndarray]]:
    return ours(stores())


@cache
def _flowers(programs: Path) -> tuple[list[list[np.ndarray]], list[dict[str, list]], float, str]:
    began = time.monotonic()
    path, told = flowers(stores(), programs)
    said = subprocess.run([programs / "flower-superlink", "--version"], capture_output=True, text=True, check=True)
    return path, told, round(time.monotonic() - began, 1), said.stdout.split()[-1]


def run(engine: str, round: int, programs: Path | None = None) -> dict[str, Any]:
    """Returns a row of the results file: `small_head` after a round.

    Args:
        engine: "recsys_kit", or "flower", which needs `programs`.
        round: Its number; 0 is before the first.
        programs: Folder with Flower's programs.
    """
    row = {"engine": engine, "round": round}
    if engine == "recsys_kit":
        weights = _ours()[round]
        return row | {"loss": float(f"{_loss(weights):.6f}"), "moved": float(f"{apart(weights, _ours()[0]):.6f}")}
    path, told, seconds, version = _flowers(programs)
    row |= {"loss": float(f"{_loss(path[round]):.6f}"), "moved": float(f"{apart(path[round], path[0]):.6f}")}
    row |= {"apart": apart(path[round], _ours()[round]), "version": version, "total_seconds": seconds}
    row["weights"] = [float(f"{w:.9g}") for part in path[round] for w in part.ravel()]
    if round:
        said = told[round - 1]
        row |= {"households": sorted(map(int, said["num-examples"]), reverse=True)}
        row |= {"processes": len(set(said["process"])), "bytes": 2 * sum(said["bytes"])}
    return row


def main() -> None:
    """Trains with both, holds the one against the other and writes the results file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--flower", type=Path, required=True, help="the folder bin of an environment with Flower")
    parser.add_argument("--out", type=Path, required=True, help="the results file")
    options = parser.parse_args()
    rows = []
    for number in range(ROUNDS + 1):
        rows += [run("recsys_kit", number), run("flower", number, options.flower)]
        print({name: value for name, value in rows[-1].items() if name != "weights"}, flush=True)
    if rows[-1]["apart"] > NEAR:
        raise SystemExit(f"Flower's weights are {rows[-1]['apart']:.1e} from ours, further than {NEAR:.0e}")
    results_file.write(
        options.out,
        rows,
        command=f"python benchmarks/flower.py --flower flower-env/bin --out {options.out.as_posix()}",
        row="benchmarks/flower.py:run",
        cheapest={"engine": "recsys_kit", "round": ROUNDS},
        data=shop().fingerprint,
        seeds=[SEED],
    )


if __name__ == "__main__":
    main()
