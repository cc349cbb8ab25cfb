"""The sequence model on a public next-item benchmark: leave one out, full ranking, one JSON line.

Letters for shapes: N users, B users of a block, V items.
"""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from tqdm import tqdm

from recsys_kit import evaluation
from recsys_kit.neural import devices
from recsys_kit.neural.fitting import BestInTime
from recsys_kit.next_item import cost, leave_one_out
from recsys_kit.next_item.fit import Settings, Trainer
from recsys_kit.next_item.leave_one_out import LeaveOneOut
from recsys_kit.next_item.prior import ItemPrior, popularity

__all__ = ["bench"]

_CHECKED = 10_000  # users that validation looks at, at most
_WEIGHTS = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0)  # of the prior beside the model
_TRAINING = 0.4  # share of the time limit that has to be left for training
_METRICS = ("recall@10", "ndcg@10")  # of which the ablation's differences are told


def bench(
    path: str | Path,
    seeds: tuple[int, ...] = (0,),
    time_limit: float = 900,
    epochs: int = 40,
    length: int | None = None,
    ablation: bool = False,
    say: Callable[[str], object] = print,
    hardware: devices.Hardware | None = None,
    **settings,
) -> dict:
    """Trains the next-item model on a benchmark file and judges it once on the test items.

    For each seed: train on the training part until the validation NDCG@10 has not risen for three epochs; choose on
    validation how much the co-occurrence table's log chances weigh beside the model's logits; judge on the test items,
    with and without the table. Then, as a shop would, train anew for as many epochs with the validation items too,
    count the table anew, and judge again. Every user is judged, whatever the time limit: the time for that is set
    aside first, and what is left is trained in.

    Args:
        path: The file, see `leave_one_out.read`.
        seeds: One training run each.
        time_limit: Seconds for everything.
        epochs: Most passes over the data.
        length: Longest row; None: what 98 of 100 users' histories fit in, between 50 and 200.
        ablation: Train the same without Transformer blocks beside it, and tell the paired differences.
        say: Called with the line that tells how the file was read.
        hardware: Precision, XLA and devices; None: float32 on one device.
        **settings: As of `fit.Settings`: loss, objective, width, blocks, dropout, learning_rate, …

    Returns:
        What is printed as the JSON line: the data; each method's test metrics, mean and standard deviation over seeds;
        what was chosen on validation; cost.

    Raises:
        ValueError: If the file can't be read, a setting breaks its rule, or judging alone takes most of the time.
    """
    if not seeds or min(seeds) < 0 or max(seeds) >= 2**32 or epochs < 1 or not time_limit > 0:
        raise ValueError(
            "`seeds` must hold numbers from 0 on, below 2**32, `epochs` be at least 1 and `time_limit` above 0. "
            f"Received: seeds={list(seeds)}, epochs={epochs}, time_limit={time_limit}."
        )
    chosen = Settings(**settings)
    if ablation and not chosen.blocks:
        raise ValueError("`ablation` takes the blocks away, so `blocks` must be above 0. Received: blocks=0.")
    began = time.perf_counter()
    hardware = hardware or devices.Hardware()
    with devices.use(hardware), tqdm(file=sys.stderr, leave=False, mininterval=0.5, unit=" batches") as bar:
        bar.set_description("reading the file")
        data = leave_one_out.read(path)
        bar.clear()
        say(f"{Path(path).name} was read as {data.read_as}")
        length = length or int(np.clip(np.percentile(np.diff(data.start), 98), 50, 200))
        bar.set_description("counting pairs")
        counting = time.perf_counter()
        priors = {2: ItemPrior(data, 2)}
        counting = time.perf_counter() - counting
        priors[1] = ItemPrior(data, 1)
        plan = TimePlan(priors[2].scorer(2), data, len(seeds), ablation, began, time_limit)
        bar.set_description("judging the baselines")
        scorers = _baselines(data, priors)
        baselines = {name: leave_one_out.judge(scorer, data, 1) for name, scorer in scorers.items()}
        trainers = {"transformer": Trainer(data, length, chosen)}
        if ablation:
            trainers["without_blocks"] = Trainer(data, length, replace(chosen, blocks=0))
        tables, runs = {name: [] for name in trainers}, []
        for seed in seeds:
            for name, trainer in trainers.items():
                refits = name == "transformer"
                table, run = _run(trainer, priors, epochs, seed, bar, *plan.next(refits), refits)
                tables[name].append(table)
                runs.append({"seed": seed, "model": name} | run)
    result = {
        "data": {
            "file": Path(path).name,
            "read_as": data.read_as,
            "fingerprint": data.fingerprint,
            "users": len(data.start) - 1,
            "items": data.size,
            "interactions": len(data.items),
            "judged_users": len(data.start) - 1,
        },
        "settings": asdict(chosen),
        "baselines": baselines,
        "cooccurrence_seconds": round(counting, 2),
    }
    for name in trainers:
        metrics = [{kind: each.mean().to_dict() for kind, each in run.items()} for run in tables[name]]
        result[name] = {kind: _over_seeds([run[kind] for run in metrics]) for kind in metrics[0]}
    if ablation:
        result["blocks_minus_none"] = _differences(tables["transformer"], tables["without_blocks"])
    return result | {
        "runs": runs,
        "length": length,
        "parameters": trainers["transformer"].model.count_params(),
        "total_seconds": round(time.perf_counter() - began, 1),
        "peak_memory_mb": round(_peak_memory()),
        "versions": {
            "python": platform.python_version(),
            "keras": keras.__version__,
            "backend": keras.backend.backend(),
        },
        "hardware": asdict(hardware),
    }


class TimePlan:
    """Sets the time for judging every user aside, and shares the rest out among the trainings.

    Args:
        scorer: One whose scores take as long as a model's, or longer: timed on a few users.
        data: The sequences.
        seeds: How many.
        ablation: Whether each seed is trained without blocks, too.
        began: When the clock started.
        time_limit: Seconds for everything.

    Raises:
        ValueError: If the judging would leave too little time for training.
    """

    def __init__(
        self,
        scorer: evaluation.Scorer,
        data: LeaveOneOut,
        seeds: int,
        ablation: bool,
        began: float,
        time_limit: float,
    ):
        users = np.random.default_rng(0).permutation(len(data.start) - 1)
        start = time.perf_counter()
        leave_one_out.judge(scorer, data, 2, users[:512])
        each = 2 * (time.perf_counter() - start) / min(len(users), 512)  # the model's scores come on top
        # After a training: once more for the validation that is under way, the weights, then the test, three times.
        self.testing = 3 * each * len(users)
        self.judging = self.testing + each * (len(_WEIGHTS) + 1) * min(len(users), _CHECKED)
        self.parts = ([2.0, 1.0] if ablation else [2.0]) * seeds  # one with its refitting takes twice as long
        self.end = began + time_limit
        needed = time.perf_counter() - began + 3 * each * len(users)  # so far, and for the baselines
        needed += self.judging * len(self.parts) + self.testing * seeds
        if needed > (1 - _TRAINING) * time_limit:
            raise ValueError(
                f"not enough time: to judge all {len(users):,} users takes about {needed:.0f} seconds here, and "
                f"`time_limit` is {time_limit:g}. Give at least {np.ceil(needed / (1 - _TRAINING)):.0f} seconds"
                f"{', or fewer seeds' if seeds > 1 else ''}{', or no ablation' if ablation else ''}."
            )

    def next(self, refits: bool) -> tuple[float, float]:
        """Returns when the next training has to pause for its test, and when its refitting has to."""
        now = time.perf_counter()
        share = self.parts[0] / sum(self.parts)
        self.parts = self.parts[1:]
        end = now + (self.end - now) * share
        if not refits:
            return end - self.judging, end
        training = end - now - self.judging - self.testing
        return now + 0.6 * training, end - self.testing


def _run(
    trainer: Trainer, priors: dict, epochs: int, seed: int, bar: tqdm, pause: float, end: float, refits: bool
) -> tuple[dict[str, pd.DataFrame], dict]:
    """Trains until `pause` at the latest, tests; refits until `end`, and tests again, if so wished; with one seed.

    Returns:
        The test's metrics, user by user, of the model with its prior and without; and what is told of the run.
    """
    data = trainer.data
    checked = np.random.default_rng(0).permutation(len(data.start) - 1)[:_CHECKED]
    bar.set_description(f"seed {seed}: training")
    watch = trainer.fit(2, epochs, seed, bar, pause, checked)
    bar.set_description(f"seed {seed}: weighing the prior")
    alone, prior = trainer.scores.scorer(2, checked), priors[2].scorer(2)
    scores = {w: leave_one_out.judge(_sum(alone, prior, w), data, 2, checked)["ndcg@10"] for w in _WEIGHTS}
    weight = max(scores, key=scores.get)
    bar.set_description(f"seed {seed}: testing")
    test = _test(trainer, priors[2], weight, "")
    if refits:
        bar.set_description(f"seed {seed}: refitting")
        trainer.fit(1, max(1, watch.best.epoch), seed, bar, end)
        bar.set_description(f"seed {seed}: testing")
        test |= _test(trainer, priors[1], weight, "refitted_")
    return test, {
        "validation": {f"prior_weight_{w}": round(score, 5) for w, score in scores.items()},
        "prior_weight": weight,
        "best_epoch": watch.best.epoch,
        "curve": watch.curve,
        "epoch_seconds": round(watch.seconds / len(watch.curve), 2),
    } | _speed(trainer, watch)


def _speed(trainer: Trainer, watch: BestInTime) -> dict:
    """Returns the targets a second, and what share of the core's (or card's) float32 matrix products they are.

    What stands between the share and 1: the first product of a step is as large as the one measured, but the blocks'
    are smaller and run slower; softmax, norms and dropout go through memory without multiplying; the optimizer touches
    every item's vector in each step, and its averages too; the batches' candidates are drawn in Python. The first
    batch, in which the step is traced, is left out.
    """
    seconds = max(watch.seconds - watch.first_seconds, 1e-9)
    targets = watch.positions * (watch.batches - 1) / watch.batches
    batches, settings = trainer.batches(2, 0), trainer.settings
    row = float((batches.size.astype(float) ** 2).sum() / batches.size.sum())  # of an average position
    flops = cost.flops_a_target(settings.width, settings.blocks, batches.candidates, row)
    reached, possible = flops * targets / seconds, cost.matrix_speed(batches.tokens, settings.width, batches.candidates)
    return {
        "first_batch_seconds": round(watch.first_seconds, 2),
        "target_tokens_per_second": round(targets / seconds),
        "gflops_per_target": round(flops / 1e9, 6),
        "matrix_gflops_per_second": round(possible / 1e9, 1),
        "share_of_matrix_speed": round(reached / possible, 3),
    }


def _test(trainer: Trainer, prior: ItemPrior, weight: float, prefix: str) -> dict[str, pd.DataFrame]:
    """Judges a model on the test items, with its prior and without."""
    data, alone = trainer.data, trainer.scores.scorer(1)
    return {
        prefix + "with_prior": leave_one_out.judge_each(_sum(alone, prior.scorer(1), weight), data, 1),
        prefix + "without_prior": leave_one_out.judge_each(alone, data, 1),
    }


def _sum(model: evaluation.Scorer, prior: evaluation.Scorer, weight: float) -> evaluation.Scorer:
    return lambda rows: model(rows) + weight * prior(rows) if weight else model(rows)


def _baselines(data: LeaveOneOut, priors: dict[int, ItemPrior]) -> dict[str, evaluation.Scorer]:
    popular = popularity(data, 2)
    return {
        "popularity": lambda rows: np.tile(popular, (len(rows), 1)),
        "cooccurrence": priors[2].scorer(1),
        "refitted_cooccurrence": priors[1].scorer(1),
    }


def _differences(ours: list[dict[str, pd.DataFrame]], theirs: list[dict[str, pd.DataFrame]]) -> dict:
    """Returns by how much we are above them, with the interval over users; of each user the mean over the seeds."""
    found = {}
    for kind in theirs[0]:
        a, b = (sum(run[kind] for run in runs) / len(runs) for runs in (ours, theirs))
        for name in _METRICS:
            difference = evaluation.paired_difference(a[name], b[name], draws=1000)
            found.setdefault(kind, {})[name] = {part: difference[part] for part in ("difference", "low", "high")}
    return found


def _over_seeds(metrics: list[dict[str, float]]) -> dict[str, dict[str, float]]:
    table = pd.DataFrame(metrics)
    return {"mean": table.mean().to_dict(), "std": table.std(ddof=0).to_dict()}


def _peak_memory() -> float:
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024**2 if platform.system() == "Darwin" else 1024)
