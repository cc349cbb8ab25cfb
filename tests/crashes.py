"""A laboratory for crashes: one process loads everything once, then forks for each training that is to be disturbed.

    python crashes.py FOLDER KILLS FULL_DISKS SEED

Prints a JSON line a trial: what was done to it, how it ended, and whether a later run came to the undisturbed result.
"""

import hashlib
import json
import os
import resource
import shutil
import signal
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np

warnings.simplefilter("ignore")

EPOCHS, SECONDS = 3, 60
CHANGES = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree"}


def train(folder: Path) -> str:
    """Trains a tiny model with everything that the course's training does to its folder; returns the weights' hash."""
    import keras
    import pandas as pd

    from recsys_kit.neural import backup, fitting
    from recsys_kit.workspace import Workspace

    class Batches(keras.utils.PyDataset):
        order = np.arange(24).reshape(3, 8)

        def start_epoch(self, epoch):
            self.order = np.random.default_rng(epoch).permutation(24).reshape(3, 8)

        def __len__(self):
            return 3

        def __getitem__(self, index):
            rows = np.random.default_rng(1).normal(size=(24, 4)).astype("float32")
            return rows[self.order[index]], rows[self.order[index]].sum(1, keepdims=True)

    def build():
        keras.utils.set_random_seed(0)
        layers = [keras.Input((4,)), keras.layers.Dense(64, "relu"), keras.layers.Dropout(0.2), keras.layers.Dense(1)]
        model = keras.Sequential(layers)
        model.compile(keras.optimizers.AdamW(0.01), "mse", run_eagerly=True)
        model.optimizer.build(model.trainable_variables)
        where, data = store.path("training", build), Batches()
        keep = fitting.KeepBest(data, lambda model: {"score": abs(float(model.get_weights()[0].sum()))}, 3, 0, where)
        done = keep.resume(model, EPOCHS)
        where.mkdir(exist_ok=True)
        every = [keep, backup.Backup(where)]
        model.fit(data, initial_epoch=done, epochs=EPOCHS, verbose=0, shuffle=False, callbacks=every)
        return model

    def table():
        return pd.DataFrame({"x": np.random.default_rng(0).normal(size=3000)})

    store = Workspace(folder)
    parts = [store.get("table", table)["x"].to_numpy(), *store.get("model", build).get_weights()]
    parts.append(store.get("arrays", lambda: {"a": np.arange(2000)})["a"])
    parts.append(np.array(store.get("list", lambda: list(range(500)))))
    record = backup.read_record(store.path("training", build) / "record.json")
    parts.append(np.array([[row["epoch"], row["score"]] for row in record]))
    return hashlib.sha256(b"".join(np.ascontiguousarray(part).tobytes() for part in parts)).hexdigest()[:12]


def child(folder: Path, before=None) -> tuple[int, str]:
    """Runs a training in a process of its own; returns how it ended (minus the signal), and what it said last."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        os.dup2(writer, 1)
        signal.alarm(SECONDS)
        try:
            if before is not None:
                before(folder)
            print("\n" + train(folder), flush=True)
        except BaseException as error:
            print(f"\n{type(error).__name__}: {error}", flush=True)
            os._exit(1)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        said = pipe.read()
    status = os.waitpid(pid, 0)[1]
    return os.waitstatus_to_exitcode(status), (said.strip().splitlines() or [""])[-1]


def at_change(number: int, act):
    """Does something at the n-th change of a file in the folder, just before it."""

    def before(folder):
        left = [number]

        def look(event, args):
            if event in CHANGES and str(folder) in str(args[0]):
                if event == "open" and not (isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR)):
                    return
                left[0] -= 1
                if not left[0]:
                    act()

        sys.addaudithook(look)

    return before


def kill() -> None:
    """Ends the process at once."""
    os.kill(os.getpid(), signal.SIGKILL)


def killed_after(seconds: float):
    """Kills the process after a while, wherever it is."""
    return lambda folder: threading.Timer(seconds, kill).start()


def fill(size: int) -> None:
    """Lets no file become larger than so many bytes: what a full disk does to a writer."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def main(base: Path, kills: int, full_disks: int, seed: int) -> None:
    """Runs the trials."""
    import keras  # noqa: F401  (loaded once, for all children)

    from recsys_kit.neural import fitting  # noqa: F401

    began = time.perf_counter()
    code, wanted = child(base / "whole")
    took = time.perf_counter() - began
    assert code == 0, wanted
    rng = np.random.default_rng(seed)
    for number in range(kills + full_disks):
        change, seconds, size = (int(rng.integers(1, 60)), rng.uniform(0.3, 0.9) * took, int(rng.integers(0, 3000)))
        if number >= kills:
            what, before = (
                f"full at change {change}, {size} bytes left",
                at_change(change, lambda size=size: fill(size)),
            )
        elif number % 2:
            what, before = f"killed after {seconds:.2f} s", killed_after(seconds)
        else:
            what, before = f"killed at change {change}", at_change(change, kill)
        folder = base / str(number)
        end, said = child(folder, before)
        while end == 0 and what.startswith("killed after"):  # too late: it was faster than the undisturbed one
            shutil.rmtree(folder)
            seconds /= 2
            what, (end, said) = f"killed after {seconds:.2f} s", child(folder, killed_after(seconds))
        left = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
        code, found = child(folder)
        trial = {"what": what, "end": end, "said": said, "left": left, "later": code, "found": found, "wanted": wanted}
        print(json.dumps(trial), flush=True)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:5]))
