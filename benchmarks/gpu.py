"""How fast a graphics card trains: speed against batch, width, precision and XLA; the full profile of 05; `bench`.

    KERAS_BACKEND=jax python benchmarks/gpu.py --bench Beauty.txt

Runs on whatever backend of Keras is there (TensorFlow need not be installed), one figure after the other, each in a
process of its own, and writes every figure to `benchmarks/results/gpu.json` as soon as it is there. After `--minutes`
it stops; the same command goes on where it stopped. `--parts` chooses what is measured. A CPU is refused, as its
figures would stand for a card's: `--cpu --out FILE` measures it all the same, and `--quick` does with small sizes.

Letters for shapes: B rows of a batch, L positions, D width, C candidates.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recsys_kit import results_file

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "benchmarks" / "results" / "gpu.json"
PARTS = ("products", "step", "basket", "bench")
LENGTH, ITEMS, CANDIDATES = 50, 20_000, 2048  # L, V, C of the models whose steps are timed
BATCHES, WIDTHS, SIDES = (64, 256, 1024, 4096), (64, 256, 512), (2048, 8192)
QUICK = {"BATCHES": (4, 8), "WIDTHS": (16,), "SIDES": (256,)}
MODELS = ("next item", "blocks")
SECONDS = 3.0  # that a timed epoch takes, about
DONE = "figure: "  # begins the line on which a process tells its figure


def backend() -> str:
    """Returns the backend of Keras."""
    import keras

    return keras.backend.backend()


def card() -> str:
    """Returns the name of the graphics card that the backend uses; empty: it uses the CPU."""
    if backend() == "jax":
        import jax

        first = jax.local_devices()[0]
        return "" if first.platform == "cpu" else first.device_kind
    if backend() == "torch":
        import torch

        return torch.cuda.get_device_name() if torch.cuda.is_available() else ""
    import tensorflow as tf

    found = tf.config.list_physical_devices("GPU")
    return tf.config.experimental.get_device_details(found[0]).get("device_name", "GPU") if found else ""


def peak_memory() -> float:
    """Returns the most memory that this process has held on the card, in MB; on a CPU: that it has held at all."""
    if card() and backend() == "jax":
        import jax

        return jax.local_devices()[0].memory_stats()["peak_bytes_in_use"] / 2**20
    if card() and backend() == "torch":
        import torch

        return torch.cuda.max_memory_allocated() / 2**20
    if card():
        import tensorflow as tf

        return tf.config.experimental.get_memory_info("GPU:0")["peak"] / 2**20
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def products(side: int, precision: str) -> dict[str, Any]:
    """Returns how many products of numbers a second this machine makes of two square matrices."""
    from keras import ops

    matrix = ops.cast(np.random.default_rng(0).normal(size=(side, side)), precision)
    wait = partial(_seconds_of, lambda count: [ops.matmul(matrix, matrix) for _ in range(count)][-1])
    wait(3)
    count = int(np.clip(SECONDS / wait(3) * 3, 3, 100))
    return {"tflop_per_second": round(2 * side**3 * count / wait(count) / 1e12, 4)}


def _seconds_of(work, count: int) -> float:
    from keras import ops

    began = time.perf_counter()
    ops.convert_to_numpy(work(count)[0, 0])  # waits for all of it
    return time.perf_counter() - began


def size(model: str = "next item", width: int = 64, blocks: int = 2) -> dict[str, Any]:
    """Returns what does not depend on the machine: the parameters, and the arithmetic of a training step."""
    from recsys_kit.next_item import cost

    flops = cost.flops_a_target(width, blocks, CANDIDATES if model == "next item" else 0, LENGTH)
    return {"parameters": _model(model, width, blocks).count_params(), "mflop_a_token": flops / 1e6}


def _model(model: str, width: int, blocks: int = 2):
    """Builds the next-item model with its loss, or a plain stack of blocks; compiled."""
    import keras

    from recsys_kit import next_item, transformer
    from recsys_kit.neural import devices, losses

    keras.utils.set_random_seed(0)
    if model == "next item":
        built = next_item.training_model(transformer.next_item_model(ITEMS, LENGTH, width, blocks))
        loss = losses.mean_loss
    else:
        ids = keras.Input((None,), dtype="int32", name="ids")
        states = transformer.encoder(ids, transformer.ItemEmbedding([], width, size=257), blocks=blocks)
        built, loss = keras.Model({"ids": ids}, keras.layers.Dense(1, dtype="float32")(states)), "mse"
    built.compile(keras.optimizers.AdamW(1e-3), loss=loss, jit_compile=devices.compiled())
    return built


def _batch(model: str, rows: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Returns a batch of random ids without padding, and what belongs to it."""
    rng, tokens = np.random.default_rng(0), rows * LENGTH
    if model == "blocks":
        ids = rng.integers(1, 257, (rows, LENGTH), dtype=np.int32)
        return {"ids": ids}, rng.normal(size=(rows, LENGTH, 1)).astype(np.float32)
    candidates = np.sort(rng.permutation(ITEMS)[:CANDIDATES] + 1).astype(np.int32)
    inputs = {"ids": rng.integers(1, ITEMS + 1, (rows, LENGTH), dtype=np.int32), "candidates": candidates}
    inputs |= {"place": np.arange(tokens, dtype=np.int32), "log_chance": np.full(CANDIDATES, -2.0, np.float32)}
    inputs["columns"] = rng.integers(0, CANDIDATES, (tokens, 2), dtype=np.int32)
    return inputs, np.ones(tokens, np.float32)


def step(model: str, rows: int, width: int, precision: str, xla: bool | None) -> dict[str, Any]:
    """Times training steps of batches of one shape, the way from the processor's memory to the card's included."""
    import keras

    from recsys_kit.neural import devices

    class Same(keras.utils.PyDataset):
        """The same batch again and again."""

        def __init__(self, count):
            super().__init__()
            self.count = count

        def __len__(self):
            return self.count

        def __getitem__(self, index):
            return batch

    with devices.use(devices.Hardware(precision, xla)):
        built, batch = _model(model, width), _batch(model, rows)

        def seconds(count: int) -> float:
            began = time.perf_counter()
            built.fit(Same(count), verbose=0, shuffle=False)
            return time.perf_counter() - began

        first = seconds(1)
        once = seconds(3) / 3
        count = int(np.clip(SECONDS / once, 3, 300))
        rate = count / seconds(count)
    arithmetic = rows * LENGTH * size(model, width)["mflop_a_token"] / 1e6
    return {
        "first_step_s": round(first, 2),
        "steps_per_second": round(rate, 3),
        "sequences_per_second": round(rate * rows, 1),
        "tflop_per_second": round(arithmetic * rate, 4),
    }


def committed() -> tuple[float, float]:
    """Returns NDCG@10 on validation and on the test, as notebook 05 is committed; the best of its epochs."""
    text = (ROOT / "notebooks" / "05_training.ipynb").read_text(encoding="utf-8")
    outputs = [output for cell in json.loads(text)["cells"] for output in cell.get("outputs", ())]
    printed = ("".join(output.get("text", "")) for output in outputs)
    epochs = next(found for lines in printed if (found := re.findall(r"validation NDCG@10 (\d\.\d+)", lines)))
    (headline,) = (data for output in outputs for name, data in output.get("data", {}).items() if "headline" in name)
    return max(map(float, epochs)), float(headline["value"])


def _workspace():
    """Returns where this card's trainings are kept, so that an interrupted one is taken up."""
    from recsys_kit import workspace

    return workspace.Workspace(ROOT / "runs" / "gpu" / backend() / (card() or "CPU").replace(" ", "-"))


def basket(users: int, epochs: int, seed: int) -> dict[str, Any]:
    """Trains the next-basket model as notebook 05 does, and tests it; an interrupted training is taken up."""
    from recsys_kit import datasets, evaluation, preprocessing, training
    from recsys_kit.datasets import promotions

    shop = datasets.load()
    shop = datasets.sample_users(shop, users) if users else shop
    task = preprocessing.task(shop, promotions=promotions.load())
    settings, store = training.Settings(epochs=epochs, seed=seed), _workspace()
    model = training.trained(store, shop, task, settings)
    curve = training.history(store, shop, task, settings)
    cases, score = np.arange(len(task.test.test_users)), training.scorer(model, task.test)
    scores = np.concatenate([score(part) for part in np.array_split(cases, max(1, len(cases) // 256))])
    wanted, _ = committed()
    spent = curve["seconds"].cumsum()
    there = spent[curve["ndcg"] >= wanted]
    later = curve["seconds"].iloc[1:]  # the first epoch compiles
    return {
        "epochs_a_minute": round(60 / later.mean(), 2) if len(later) else None,
        "first_epoch_s": float(curve["seconds"].iloc[0]),
        "seconds_to_committed": round(float(there.iloc[0]), 1) if len(there) else None,
        "validation_ndcg": curve["ndcg"].round(4).tolist(),
        "committed_validation_ndcg": wanted,
        "ndcg": round(float(evaluation.evaluate(scores, task.test.answers)["ndcg"].mean()), 4),
    }


def bench(file: str, precision: str, epochs: int, seconds: float) -> dict[str, Any]:
    """Runs `recsys-kit bench` on a benchmark file, one seed."""
    from recsys_kit import next_item
    from recsys_kit.neural import devices

    found = next_item.bench.bench(
        file, time_limit=seconds, epochs=epochs, say=lambda line: None, hardware=devices.Hardware(precision)
    )
    run, scores = found["runs"][0], found["transformer"]
    metrics = {name: {key: round(value, 4) for key, value in kind["mean"].items()} for name, kind in scores.items()}
    return {
        "total_seconds": found["total_seconds"],
        "epoch_seconds": run["epoch_seconds"],
        "target_tokens_per_second": run["target_tokens_per_second"],
        "curve": run["curve"],
        "metrics": metrics,
    }


FIGURES = {"products": products, "size": size, "step": step, "basket": basket, "bench": bench}


def row(part: str, **arguments) -> dict[str, Any]:
    """Returns a figure: a row of `results/gpu.json`."""
    began = time.perf_counter()
    found = {"part": part, **arguments} | FIGURES[part](**arguments)
    if part != "size":  # which comes out the same everywhere
        found |= {"memory_mb": round(peak_memory()), "wall_s": round(time.perf_counter() - began, 1)}
    gc.collect()
    return found


def plan(options: argparse.Namespace, name: str) -> Iterator[dict[str, Any]]:
    """Yields what is measured on a backend, the cheap first."""
    chosen = {key: QUICK[key] if options.quick else globals()[key] for key in QUICK}
    batches, widths = chosen["BATCHES"], chosen["WIDTHS"]
    usual = batches[len(batches) // 2]
    yield {"part": "size"}  # that can be computed again anywhere
    if "products" in options.parts:
        for side in chosen["SIDES"]:
            yield from ({"part": "products", "side": side, "precision": each} for each in ("float32", "bfloat16"))
    if "step" in options.parts:
        xla = None if name == "torch" else True
        shapes = [("next item", rows, widths[0]) for rows in batches]
        shapes += [("next item", usual, width) for width in widths[1:]] + [("blocks", usual, width) for width in widths]
        for model, rows, width in shapes:
            for precision in ("float32", "bfloat16"):
                yield {"part": "step", "model": model, "rows": rows, "width": width, "precision": precision, "xla": xla}
        if xla:
            for model in MODELS:
                each = {"part": "step", "model": model, "rows": usual, "width": widths[0]}
                yield each | {"precision": "float32", "xla": False}
    if "bench" in options.parts and options.bench:
        for precision in ("float32", "bfloat16"):
            limits = {"epochs": 2 if options.quick else 40, "seconds": 200}
            yield {"part": "bench", "file": str(options.bench), "precision": precision} | limits
    if "basket" in options.parts:
        yield {"part": "basket", "users": 60 if options.quick else 0, "epochs": 1 if options.quick else 5, "seed": 0}


def measured(arguments: dict[str, Any], seconds: float) -> dict[str, Any] | None:
    """Returns a figure from a process of its own; None if it took too long. One that breaks says so in `error`."""
    command = [sys.executable, __file__, "--row", json.dumps(arguments)]
    paths = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))
    try:
        done = subprocess.run(
            command, env=os.environ | {"PYTHONPATH": paths}, capture_output=True, text=True, timeout=seconds
        )
    except subprocess.TimeoutExpired:
        return None
    lines = [line.removeprefix(DONE) for line in done.stdout.splitlines() if line.startswith(DONE)]
    if lines:
        return json.loads(lines[-1])
    return arguments | {"error": (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1][:300]}


def table(rows: list[dict[str, Any]]) -> str:
    """Returns the figures as text, a table for each part."""
    texts = []
    for part in PARTS:
        found = pd.DataFrame([one for one in rows if one["part"] == part])
        if len(found):
            found = found.drop(columns=["part", "curve", "metrics"], errors="ignore").dropna(axis=1, how="all")
            texts.append(f"{part}\n{found.to_string(index=False)}")
    return "\n\n".join(texts)


def main() -> int:
    """Measures what is not measured yet, and stops in time."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="what is measured")
    parser.add_argument("--bench", type=Path, metavar="FILE", help="a benchmark file, for the part bench")
    parser.add_argument("--minutes", type=float, default=8, help="stop after so long; call again to go on")
    parser.add_argument("--quick", action="store_true", help="small sizes: does it run at all?")
    parser.add_argument("--cpu", action="store_true", help="measure a CPU, too")
    parser.add_argument("--out", type=Path, default=OUT, metavar="FILE", help="a file of the repository")
    parser.add_argument("--row", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.row:
        print(DONE + json.dumps(row(**json.loads(options.row))), flush=True)
        return 0
    end, where = time.monotonic() + 60 * options.minutes, {"backend": backend(), "card": card()}
    if not where["card"] and (not options.cpu or options.out.resolve() == OUT):
        parser.error(
            f"Keras on {where['backend']} sees no graphics card, and {OUT.name} is for cards alone. "
            "To measure this CPU all the same: --cpu --out FILE, another file."
        )
    where["card"] = where["card"] or "CPU"
    rows = results_file.read(options.out).rows if options.out.exists() else []
    for arguments in plan(options, where["backend"]):
        mark = arguments if arguments["part"] == "size" else where | arguments
        if any(mark.items() <= one.items() for one in rows):
            continue
        left = end - time.monotonic()
        found = measured(arguments, left) if left > arguments.get("seconds", 0) + 10 else None
        if found is None:
            print(f"time is up; the same command goes on with {json.dumps(arguments)}")
            return 3
        one = found if arguments["part"] == "size" else where | {"date": f"{pd.Timestamp.now():%Y-%m-%d}"} | found
        rows.append(one)
        print(json.dumps(one), flush=True)
        results_file.write(
            options.out,
            rows,
            command=f"KERAS_BACKEND={where['backend']} python benchmarks/gpu.py --bench FILE",
            row="benchmarks/gpu.py:row",
            cheapest={"part": "size"},
            data="",
            seeds=[0],
        )
    print(table([one for one in rows if one.get("card") == where["card"]]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
