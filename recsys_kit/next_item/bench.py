"""The sequence model on a public next-item benchmark: leave one out, full ranking, one JSON line.

Letters for shapes: N users, B users of a block, V items.
"""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from tqdm import tqdm

from recsys_kit import evaluation
from recsys_kit.neural import devices, losses
from recsys_kit.next_item import leave_one_out
from recsys_kit.next_item.fit import OBJECTIVES, Trainer
from recsys_kit.next_item.leave_one_out import LeaveOneOut
from recsys_kit.next_item.prior import ItemPrior, popularity

__all__ = ["bench"]

_CHECKED = 10_000  # users that validation looks at, at most
_WEIGHTS = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0)  # of the prior beside the model


def bench(
    path: str | Path,
    seeds: tuple[int, ...] = (0,),
    time_limit: float = 900,
    epochs: int = 40,
    length: int | None = None,
    say: Callable[[str], object] = print,
    hardware: devices.Hardware | None = None,
    **settings,
) -> dict:
    """Trains the next-item model on a benchmark file and judges it once on the test items.

    For each seed: train on the training part until the validation NDCG@10 has not risen for three epochs; choose on
    validation how much the co-occurrence table's log chances weigh beside the model's logits; judge on the test items,
    with and without the table. Then, as a shop would, train anew for as many epochs with the validation items too,
    count the table anew, and judge again. When time runs short, training stops early and fewer users are judged.

    Args:
        path: The file, see `leave_one_out.read`.
        seeds: One training run each.
        time_limit: Seconds for everything.
        epochs: Most passes over the data.
        length: Longest row; None: what 98 of 100 users' histories fit in, between 50 and 200.
        say: Called with the line that tells how the file was read.
        hardware: Precision, XLA and devices; None: float32 on one device.
        **settings: As of `Trainer`: loss, objective, width, blocks, dropout, learning_rate.

    Returns:
        What is printed as the JSON line: the data; each method's test metrics, mean and standard deviation over seeds;
        what was chosen on validation; cost.

    Raises:
        ValueError: If the file can't be read, or a setting breaks its rule.
    """
    if not seeds or min(seeds) < 0 or max(seeds) >= 2**32 or epochs < 1 or not time_limit > 0:
        raise ValueError(
            "`seeds` must hold numbers from 0 on, below 2**32, `epochs` be at least 1 and `time_limit` above 0. "
            f"Received: seeds={list(seeds)}, epochs={epochs}, time_limit={time_limit}."
        )
    for name, words in (("loss", losses.LOSSES), ("objective", OBJECTIVES)):
        if name in settings and settings[name] not in words:
            raise ValueError(f"`{name}` must be one of {', '.join(words)}. Received: {name}={settings[name]!r}.")
    began = time.perf_counter()
    hardware = hardware or devices.Hardware()
    with devices.use(hardware), tqdm(file=sys.stderr, leave=False, mininterval=0.5, unit=" batches") as bar:
        bar.set_description("reading the file")
        data = leave_one_out.read(path)
        bar.clear()
        say(f"{Path(path).name} was read as {data.read_as}")
        length = length or int(np.clip(np.percentile(np.diff(data.start), 98), 50, 200))
        bar.set_description("counting pairs")
        priors = {held_out: ItemPrior(data, held_out) for held_out in (1, 2)}
        users, pause = _affordable(priors[2].scorer(2), data, len(seeds), time_limit)
        bar.set_description("judging the baselines")
        scorers = _baselines(data, priors)
        baselines = {name: leave_one_out.judge(scorer, data, 1, users) for name, scorer in scorers.items()}
        trainer, runs = Trainer(data, length, **settings), []
        for i, seed in enumerate(seeds):
            now = time.perf_counter()
            end = now + (began + time_limit - now) / (len(seeds) - i)
            runs.append(_run(trainer, priors, users, epochs, seed, bar, now + 0.6 * (end - now - pause), end))
    metrics = pd.DataFrame([run.pop("test") for run in runs])
    return {
        "data": {
            "file": Path(path).name,
            "read_as": data.read_as,
            "fingerprint": data.fingerprint,
            "users": len(data.start) - 1,
            "items": data.size,
            "interactions": len(data.items),
            "judged_users": len(users),
        },
        "baselines": baselines,
        "transformer": {name: _over_seeds(metrics[name]) for name in metrics},
        "runs": [{"seed": seed} | run for seed, run in zip(seeds, runs, strict=True)],
        "length": length,
        "parameters": trainer.model.count_params(),
        "total_seconds": round(time.perf_counter() - began, 1),
        "peak_memory_mb": round(_peak_memory()),
        "versions": {
            "python": platform.python_version(),
            "keras": keras.__version__,
            "backend": keras.backend.backend(),
        },
        "hardware": asdict(hardware),
    }


def _run(
    trainer: Trainer, priors: dict, users: np.ndarray, epochs: int, seed: int, bar: tqdm, pause: float, end: float
) -> dict:
    """Trains until `pause` at the latest, tests, refits, and tests again until `end`, with one seed."""
    data, checked = trainer.data, users[:_CHECKED]
    bar.set_description(f"seed {seed}: training")
    watch = trainer.fit(2, epochs, seed, bar, pause, checked)
    bar.set_description(f"seed {seed}: weighing the prior")
    alone, prior = trainer.scores.scorer(2, checked), priors[2].scorer(2)
    scores = {w: leave_one_out.judge(_sum(alone, prior, w), data, 2, checked)["ndcg@10"] for w in _WEIGHTS}
    weight = max(scores, key=scores.get)
    bar.set_description(f"seed {seed}: testing")
    start = time.perf_counter()
    test = _test(trainer, priors[2], weight, users, "")
    testing = time.perf_counter() - start
    bar.set_description(f"seed {seed}: refitting")
    trainer.fit(1, max(1, watch.best.epoch), seed, bar, end - 1.3 * testing)
    bar.set_description(f"seed {seed}: testing")
    test |= _test(trainer, priors[1], weight, users, "refitted_")
    return {
        "test": test,
        "validation": {f"prior_weight_{w}": round(score, 5) for w, score in scores.items()},
        "prior_weight": weight,
        "best_epoch": watch.best.epoch,
        "curve": watch.curve,
        "epoch_seconds": round(watch.seconds / len(watch.curve), 2),
        "target_tokens_per_second": round(watch.positions / watch.seconds),
    }


def _test(trainer: Trainer, prior: ItemPrior, weight: float, users: np.ndarray, prefix: str) -> dict:
    """Judges a model on the test items, with its prior and without."""
    alone, counted = trainer.scores.scorer(1, users), prior.scorer(1)
    return {
        prefix + "with_prior": leave_one_out.judge(_sum(alone, counted, weight), trainer.data, 1, users),
        prefix + "without_prior": leave_one_out.judge(alone, trainer.data, 1, users),
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


def _affordable(
    scorer: evaluation.Scorer, data: LeaveOneOut, seeds: int, time_limit: float
) -> tuple[np.ndarray, float]:
    """Returns users (N,), in random order, whose judging takes a third of the time at most, and its seconds a seed."""
    users = np.random.default_rng(0).permutation(len(data.start) - 1)
    start = time.perf_counter()
    leave_one_out.judge(scorer, data, 2, users[:512])
    each = 2 * (time.perf_counter() - start) / min(len(users), 512)
    full, part = 4 * seeds + 3, (len(_WEIGHTS) + 1) * seeds  # how often all of them are judged, and up to _CHECKED
    count = time_limit / 3 / each / (full + part)
    if count > _CHECKED:
        count = (time_limit / 3 / each - part * _CHECKED) / full
    users = users[: max(1, int(count))]
    return users, each * (4 * len(users) + (len(_WEIGHTS) + 1) * min(len(users), _CHECKED))


def _over_seeds(metrics: pd.Series) -> dict[str, dict[str, float]]:
    table = pd.DataFrame(metrics.tolist())
    return {"mean": table.mean().to_dict(), "std": table.std(ddof=0).to_dict()}


def _peak_memory() -> float:
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024**2 if platform.system() == "Darwin" else 1024)
