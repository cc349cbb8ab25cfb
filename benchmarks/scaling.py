"""What does training cost, as a shop grows? CPU seconds an epoch and memory against events and catalogue size.

    python benchmarks/scaling.py --figure benchmarks/scaling.svg

The households of The Complete Journey are copied 1, 2, 4 and 8 times: first with the same items (more events), then
with items of their own (a larger catalogue, too). Each size is measured in a process of its own, on the second epoch,
as the first one compiles. Prints a JSON line for each, and the exponents b of seconds = a · size^b.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

FACTORS = (1, 2, 4, 8)
LAST = 40  # items of a household


def sequences(copies: int, own_items: bool):
    """Returns the households' last items, copied, as the sequences of the next-item model."""
    from recsys_kit import datasets, preprocessing
    from recsys_kit.next_item import leave_one_out

    history = preprocessing.task(datasets.load()).test.history
    rows = history.drop_duplicates(["user", "item"], keep="last").sort_values(["user", "timestamp"], kind="stable")
    rows = rows.groupby("user").tail(LAST)
    rows = rows[rows.groupby("user")["item"].transform("size") >= 4]
    item, names = pd.factorize(rows["item"])
    sizes = rows.groupby("user").size().to_numpy()
    shift = np.repeat(np.arange(copies) * len(names) * own_items, len(item))
    items = (np.tile(item, copies) + shift + 1).astype(np.int32)
    start = np.r_[0, np.tile(sizes, copies).cumsum()]
    return leave_one_out.LeaveOneOut(items, start, int(items.max()), fingerprint="")


def measure(copies: int, own_items: bool) -> dict:
    """Trains two epochs and returns what the second one cost."""
    import keras

    from recsys_kit import next_item, transformer
    from recsys_kit.neural import losses

    data = sequences(copies, own_items)
    keras.utils.set_random_seed(0)
    model = transformer.next_item_model(data.size, LAST)
    rows = next_item.NextItemBatches(data, 2, LAST, tokens=1536)
    learner = next_item.training_model(model)
    learner.compile(keras.optimizers.AdamW(4e-3), losses.mean_loss, jit_compile=False)
    learner.fit(rows, verbose=0, shuffle=False)
    began = time.process_time()  # of all threads; other work on the machine does not count
    learner.fit(rows, verbose=0, shuffle=False)
    seconds = time.process_time() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024**2 if sys.platform == "darwin" else 1024)
    return {
        "copies": copies,
        "own_items": own_items,
        "events": rows.positions,
        "items": data.size,
        "cpu_seconds": round(seconds, 2),
        "events_per_cpu_second": round(rows.positions / seconds),
        "peak_mb": round(peak),
    }


def main() -> None:
    """Measures all sizes, each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--figure", type=Path, help="draw the result to this file")
    parser.add_argument("--one", nargs=2, type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.one[0], bool(options.one[1]))))
        return
    found = []
    for own_items in (0, 1):
        for copies in FACTORS:
            command = [sys.executable, __file__, "--one", str(copies), str(own_items)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            found.append(json.loads(done.stdout.splitlines()[-1]))
            print(json.dumps(found[-1]), flush=True)
    table = pd.DataFrame(found)
    exponents = {}
    for own_items, part in table.groupby("own_items"):
        exponents[own_items] = np.polyfit(np.log(part["events"]), np.log(part["cpu_seconds"]), 1)[0]
        name = "events and catalogue" if own_items else "events"
        print(f"{name} x 1 to x {FACTORS[-1]}: CPU seconds grow with exponent {exponents[own_items]:.2f}")
    if options.figure:
        draw(table, exponents, options.figure)


def draw(table: pd.DataFrame, exponents: dict[bool, float], path: Path) -> None:
    """Draws seconds and memory against size."""
    import matplotlib.pyplot as plt

    from recsys_kit import plots

    plots.use_style()
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.2))
    names = {False: "same items", True: "each copy with its own items"}
    for own_items, part in table.groupby("own_items"):
        label = f"{names[own_items]} (exponent {exponents[own_items]:.2f})"
        axes[0].loglog(part["events"], part["cpu_seconds"], "o-", label=label)
        axes[1].semilogx(part["events"], part["peak_mb"] / 1000, "o-", label=names[own_items])
    axes[0].set(title="CPU seconds an epoch", xlabel="events", ylabel="CPU seconds")
    axes[1].set(
        title="Peak memory, loading included",
        xlabel="events",
        ylabel="GB",
        ylim=(0, 1.2 * table["peak_mb"].max() / 1000),
    )
    ticks = sorted(table["events"].unique())
    for place in axes:
        place.minorticks_off()
        place.set_xticks(ticks, [f"{events / 1000:.0f}k" for events in ticks])
    top = table["cpu_seconds"].max()
    axes[0].set_ylim(None, 4 * top)  # room for the legend
    axes[0].legend(frameon=False, fontsize=8, loc="upper left")
    figure.savefig(path)


if __name__ == "__main__":
    main()
