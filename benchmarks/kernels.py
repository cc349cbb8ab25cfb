"""Two more time kernels for the repeat head, on the validation weeks: a bump at the item's own interval, and the week.

    python benchmarks/kernels.py --seeds 0 1 2

The repeat head adds up a household's purchases of an item under exponential decays. Beside them stand here, in turn,

- `interval`: purchases as old as the item's usual gap between two purchases count most. A Gaussian of the logarithm of
  the age around that gap; the gap of each item and the width are learned, from the gaps that the history shows;
- `week`: two decays that rise and fall with seven days; their lengths are learned.

Every row is the model without blocks, trained for three epochs as notebook 05 does, and judged on the validation weeks
(NDCG@10, best epoch). A training takes about two minutes on a core, with `interval` three.
"""

from __future__ import annotations

import argparse
import tempfile
from unittest import mock

import keras
import numpy as np
import pandas as pd
from keras import ops

from recsys_kit import datasets, preprocessing, report, training
from recsys_kit.datasets import promotions
from recsys_kit.training import basket_transformer, fit
from recsys_kit.training.heads import RepeatHead

KINDS = ("as it is", "interval", "week")
LEAST = 0.02  # a count below this is as good as none, as in `heads`
LEAST_GAPS = 5  # an item with fewer gaps starts at the median of all


def usual_gaps(split: preprocessing.Split) -> np.ndarray:
    """Returns (V + 1,) the median days between two purchases of an item by one household; row 0 is padding."""
    rows = split.history.drop_duplicates(["user", "basket_id", "item"]).sort_values("timestamp")
    gap = rows.groupby(["user", "item"])["timestamp"].diff() / pd.Timedelta(days=1)
    known = gap.groupby(rows["item"]).agg(["count", "median"])
    gaps = np.full(len(split.items) + 1, gap.median(), np.float32)
    known = known[known["count"] >= LEAST_GAPS]
    gaps[known.index.to_numpy() + 1] = known["median"]
    return gaps


class MoreKernels(RepeatHead):
    """The repeat head with further facts of an item beside the market's; `gaps` and `kernels` are set before use."""

    gaps, kernels = np.zeros(1, np.float32), ""

    def build(self, states_shape, vectors_shape, market_shape, history_shape):
        """Creates the weights."""
        more = 2 if self.kernels == "week" else 1
        super().build(states_shape, vectors_shape, (*market_shape[:-1], market_shape[-1] + more), history_shape)
        if self.kernels == "week":
            self.log_tau = self.add_weight(shape=(2,), initializer="zeros", name="week_tau")
            self.log_tau.assign(np.log([30.0, 120.0]).astype("float32"))
        else:
            self.middle = self.add_weight(shape=self.gaps.shape, initializer="zeros", name="gap")
            self.middle.assign(np.log1p(self.gaps))
            self.width = self.add_weight(shape=(), initializer=keras.initializers.Constant(0.5), name="gap_width")

    def features(self, history, market):
        """Returns the facts of each item (B, P, H, F), the new ones last."""
        age = ops.maximum(history["target_day"][:, :, None] - history["days"][:, None], 0.0)  # (B, P, L)
        step = ops.cumsum(ops.ones_like(history["days"], dtype="int32"), axis=1) - 1
        past = ops.cast(step[:, None] <= history["position"][:, :, None], "float32")
        if self.kernels == "week":
            wave = past * (1 + ops.cos(age * (2 * np.pi / 7))) / 2
            waves = [wave * ops.exp(-age * ops.exp(-self.log_tau[k])) for k in range(2)]
            counts = [ops.matmul(kernel, history["incidence"]) for kernel in waves]  # (B, P, L) @ (B, L, H)
        else:
            middle = ops.take(self.middle, history["items"])[:, None, None]  # (B, 1, 1, H)
            away = (ops.log(1 + age)[..., None] - middle) / (ops.abs(self.width) + 0.05)  # (B, P, L, H)
            bump = ops.exp(-0.5 * away * away) * past[..., None] * history["incidence"][:, None]
            counts = [ops.sum(bump, axis=2)]
        more = ops.stack([ops.log(count + LEAST) for count in counts], axis=-1)
        return super().features(history, ops.concatenate([market, more], axis=-1))


def row(kind: str, seed: int, users: int = 0) -> dict[str, float | str | int]:
    """Returns what a kind of head reaches on the validation weeks: NDCG@10 over all items, and explore.

    Args:
        kind: "as it is", "interval" or "week".
        seed: Of everything random.
        users: A sample of so many households; 0: all.
    """
    shop = datasets.load("", users)
    task = preprocessing.task(shop, promotions=promotions.load())
    head = type("Head", (MoreKernels,), {"gaps": usual_gaps(task.validation), "kernels": kind})
    settings = training.Settings(blocks=0, seed=seed)
    with tempfile.TemporaryDirectory() as folder, report.quiet():
        with mock.patch.object(basket_transformer, "RepeatHead", RepeatHead if kind == "as it is" else head):
            record = fit.train(shop, task, settings, folder).curve
    best = record.loc[record["ndcg"].idxmax()]
    return {
        "kind": kind,
        "seed": seed,
        "all": round(float(best["ndcg"]), 4),
        "explore": round(float(best["explore"]), 4),
    }


def main() -> None:
    """Prints a row after each training, and the means."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--users", type=int, default=0, help="a sample of so many households; 0: all")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    given = parser.parse_args()
    rows = []
    for seed in given.seeds:
        for kind in given.kinds:
            rows.append(row(kind, seed, given.users))
            print(rows[-1], flush=True)
    print(pd.DataFrame(rows).groupby("kind")[["all", "explore"]].mean().round(4).to_string())


if __name__ == "__main__":
    main()
