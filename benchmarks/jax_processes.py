"""One Keras model trained by several JAX processes, as a cluster of graphics cards would: is it that of one process?

    python benchmarks/jax_processes.py --processes 1 2 --out benchmarks/results/jax_processes.json

Needs the extra `jax`. The processes find each other at an address of this machine (`jax.distributed.initialize`; the
first one is the coordinator). `keras.distribution.DataParallel` gives each of them a copy of the model; each brings its
own rows of every batch, and JAX adds the gradients up. All of them save it, and a process of its own loads a file and
predicts: in the others `predict` would have to read rows that lie with another process.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from recsys_kit import results_file

ROWS, COLUMNS, BATCH, EPOCHS = 16_384, 10, 1_024, 4
CHEAPEST = {"processes": 1}


def data() -> tuple[np.ndarray, np.ndarray]:
    """Returns (R, F) inputs and (R, 1) labels, the same in every process."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(ROWS, COLUMNS)).astype("float32")
    chance = 1 / (1 + np.exp(-(x @ rng.normal(size=(COLUMNS, 1)) - 1)))
    return x, (rng.random((ROWS, 1)) < chance).astype("float32")


def part_of_each_batch(rank: int, processes: int) -> np.ndarray:
    """Returns which rows a process brings: the same part of every batch.

    Example:
        >>> part_of_each_batch(1, 2)[[0, 511, 512]].tolist()
        [512, 1023, 1536]
    """
    return np.arange(ROWS).reshape(-1, processes, BATCH // processes)[:, rank].ravel()


def train(rank: int, processes: int, port: int, folder: Path) -> None:
    """Is one of the processes: trains and, as the first one, writes what came out."""
    import jax

    if processes > 1:
        jax.config.update("jax_cpu_collectives_implementation", "gloo")  # how CPUs talk; cards have NCCL
        jax.distributed.initialize(f"127.0.0.1:{port}", processes, rank)
    import keras

    if processes > 1:  # each process brings its own rows, so nothing is to be cut
        keras.distribution.set_distribution(
            keras.distribution.DataParallel(devices=jax.devices(), auto_shard_dataset=False)
        )
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(32, "relu"), keras.layers.Dense(1, "sigmoid")]
    model = keras.Sequential([keras.Input((COLUMNS,)), *layers])
    model.compile(keras.optimizers.Adam(3e-3), loss="binary_crossentropy")
    x, y = data()
    rows, clock = part_of_each_batch(rank, processes), [time.perf_counter()]
    tick = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: clock.append(time.perf_counter()))
    own = {"batch_size": BATCH // processes, "epochs": EPOCHS, "shuffle": False, "verbose": 0, "callbacks": [tick]}
    losses = model.fit(x[rows], y[rows], **own).history["loss"]
    model.save(folder / f"model-{rank}.keras")  # all must: one alone would wait for the others for ever
    if rank == 0:
        steps = (EPOCHS - 1) * ROWS // BATCH
        found = {"losses": losses, "devices": len(jax.devices())}
        found["step_seconds"] = (clock[-1] - clock[1]) / steps  # the first pass compiles
        (folder / "found.json").write_text(json.dumps(found), encoding="utf-8")
    (folder / f"done-{rank}").touch()


def predict(folder: Path) -> None:
    """Predicts in one process with what was saved."""
    import keras

    scores = keras.saving.load_model(folder / "model-0.keras").predict(data()[0], batch_size=BATCH, verbose=0)
    np.save(folder / "scores.npy", scores)


@functools.lru_cache
def measured(processes: int) -> tuple[dict, np.ndarray]:
    """Trains with so many processes; returns what the first one found, and the saved model's scores."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    with tempfile.TemporaryDirectory() as scratch:
        words = [[str(rank), str(processes), str(port), scratch] for rank in range(processes)]
        commands = [[sys.executable, __file__, "--train", *word] for word in words]
        running = [subprocess.Popen(one, env=environment, stdout=subprocess.DEVNULL) for one in commands]
        done = [Path(scratch, f"done-{rank}") for rank in range(processes)]
        end = time.monotonic() + 300
        try:
            while not all(path.exists() for path in done):
                codes = [one.poll() for one in running]
                if any(codes) or time.monotonic() > end:
                    raise RuntimeError(f"{processes} processes did not come to their end: {codes}")
                time.sleep(0.1)
        finally:
            for one in running:  # JAX's own way out was seen to wait for ever
                one.kill()
        subprocess.run([sys.executable, __file__, "--predict", scratch], env=environment, check=True)
        found = json.loads(Path(scratch, "found.json").read_text(encoding="utf-8"))
        return found, np.load(Path(scratch, "scores.npy"))


def row(processes: int) -> dict[str, float | str]:
    """Returns a row of the results file: a training by so many processes, held against that of one."""
    found, scores = measured(processes)
    one, wanted = (found, scores) if processes == 1 else measured(1)
    return {
        "processes": processes,
        "devices": found["devices"],
        "last_loss": found["losses"][-1],
        "losses_apart": float(np.abs(np.subtract(found["losses"], one["losses"])).max()),
        "saved_scores_apart": float(np.abs(scores - wanted).max()),
        "step_seconds": round(found["step_seconds"], 5),
    }


def main() -> None:
    """Trains with each number of processes."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    options.add_argument("--out", type=Path, help="write the rows into this file")
    options.add_argument("--train", nargs=4, help=argparse.SUPPRESS)
    options.add_argument("--predict", type=Path, help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.train:
        rank, processes, port, folder = chosen.train
        train(int(rank), int(processes), int(port), Path(folder))
        return
    if chosen.predict:
        predict(chosen.predict)
        return
    rows = []
    for processes in chosen.processes:
        rows.append(row(processes))
        print(json.dumps(rows[-1]), flush=True)
    if chosen.out:
        results_file.write(
            chosen.out,
            rows,
            command=f"python benchmarks/jax_processes.py --processes {' '.join(map(str, chosen.processes))} "
            f"--out {chosen.out}",
            row="benchmarks/jax_processes.py:row",
            cheapest=CHEAPEST,
            data="",
            seeds=[0],
            packages=("jax", "keras"),
        )


if __name__ == "__main__":
    main()
