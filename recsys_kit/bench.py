"""The sequence model on a public next-item benchmark: leave one out, full ranking, one JSON line.

Shapes: U users, B users of a block, D width, V items.
"""

from __future__ import annotations

import platform
import sys
import time
from functools import partial
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from keras import ops
from tqdm import tqdm

from recsys_kit import counting, evaluation, leave_one_out, losses, next_item, transformer
from recsys_kit.leave_one_out import LeaveOneOut

__all__ = ["Trainer", "Watch", "bench"]

_MOMENTUM = 0.98  # of the running average of the weights: about the last 50 steps
_PATIENCE = 3  # epochs without a better validation score
_CHECKED = 10_000  # users that validation looks at, at most
_WEIGHTS = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0)  # of the prior beside the model


class Watch(keras.callbacks.Callback):
    """Moves a progress bar, validates after each epoch, keeps the best weights, and stops in time.

    Args:
        bar: The bar, one step a batch.
        deadline: `time.perf_counter()` at which training stops, within an epoch if need be.
        validate: Called after each epoch, returns the score to maximise; None: no validation.
    """

    def __init__(self, bar: tqdm, deadline: float, validate=None):
        super().__init__()
        self.bar, self.deadline, self.validate = bar, deadline, validate
        self.best, self.best_epoch, self.weights, self.curve = -1.0, 0, None, []
        self.batches, self.seconds, self.began = 0, 0.0, time.perf_counter()

    def on_epoch_begin(self, epoch, logs=None):
        """Starts the epoch's clock."""
        self.epoch_began = time.perf_counter()
        self.bar.set_postfix_str(f"epoch {epoch + 1}")

    def on_train_batch_end(self, batch, logs=None):
        """Moves the bar and looks at the clock."""
        self.bar.update()
        self.batches += 1
        if time.perf_counter() > self.deadline:
            self.model.stop_training = True

    def on_epoch_end(self, epoch, logs=None):
        """Validates; stops after some epochs without a better score."""
        self.seconds += time.perf_counter() - self.epoch_began
        if self.validate is None:
            self.weights = self.model.get_weights()  # the averages; Keras takes others if training stops early
            return
        self.bar.set_postfix_str(f"epoch {epoch + 1}, validating")
        score = self.validate()
        self.curve.append({"seconds": round(time.perf_counter() - self.began, 1), "ndcg@10": round(score, 5)})
        if score > self.best:
            self.best, self.best_epoch, self.weights = score, epoch + 1, self.model.get_weights()
        if epoch + 1 - self.best_epoch >= _PATIENCE:
            self.model.stop_training = True

    def on_train_end(self, logs=None):
        """Goes back to the best weights."""
        if self.weights is not None:
            self.model.set_weights(self.weights)


class Trainer:
    """A next-item model that can be trained again and again without being traced again.

    Args:
        data: The sequences.
        length: The longest row.
        loss: A name in `losses.LOSSES`.
        width: D.
        blocks: Transformer blocks.
        dropout: Dropout.
        learning_rate: AdamW's.
    """

    def __init__(
        self,
        data: LeaveOneOut,
        length: int,
        loss: str = "sampled_softmax",
        width: int = 64,
        blocks: int = 2,
        dropout: float = 0.3,
        learning_rate: float = 4e-3,
    ):
        self.data, self.length, self.loss, self.width = data, length, loss, width
        self.build = partial(transformer.next_item_model, data.size, length, width, blocks, dropout=dropout)
        self.model = self.build()
        self.scores = next_item.NextItemScores(self.model, data, length)
        self.training = next_item.training_model(self.model, loss)
        self.optimizer = keras.optimizers.AdamW(
            learning_rate, weight_decay=0.01, clipnorm=1.0, use_ema=True, ema_momentum=_MOMENTUM
        )
        self.training.compile(self.optimizer, loss=losses.mean_loss)
        self.optimizer.build(self.training.trainable_variables)
        self.fresh = [ops.convert_to_numpy(variable).copy() for variable in self.optimizer.variables]

    def fit(
        self, held_out: int, epochs: int, seed: int, bar: tqdm, deadline: float, users: np.ndarray | None = None
    ) -> Watch:
        """Trains from scratch, that is from vectors that counting gives, and keeps the best epoch's averaged weights.

        Args:
            held_out: The last items of each user that are not trained on.
            epochs: Most passes over the data.
            seed: Seed of everything random.
            bar: Progress bar.
            deadline: See `Watch`.
            users: (N,) users to validate on, with the first hidden item; None: no validation.

        Returns:
            The record of the training.
        """
        keras.utils.set_random_seed(seed)
        for variable, new in zip(self.model.variables, self.build().variables, strict=True):
            variable.assign(new)
        for variable, value in zip(self.optimizer.variables, self.fresh, strict=True):
            variable.assign(value)
        table = self.model.get_layer("item").own
        start = ops.convert_to_numpy(table).copy()
        start[1:] += counting.cooccurrence_vectors(self.data, held_out, self.width)
        table.assign(start)
        batches = next_item.NextItemBatches(self.data, held_out, self.length, self.loss, seed=seed)
        watch = Watch(bar, deadline, None if users is None else partial(self.ndcg, held_out, users))
        bar.reset(epochs * len(batches))
        averages = keras.callbacks.SwapEMAWeights(swap_on_epoch=True)  # what is validated and kept
        self.training.fit(batches, epochs=epochs, verbose=0, callbacks=[averages, watch])
        watch.positions = batches.positions * watch.batches / len(batches)
        return watch

    def ndcg(self, held_out: int, users: np.ndarray) -> float:
        """Returns the mean NDCG@10 of the first hidden item."""
        return leave_one_out.judge(self.scores.scorer(held_out, users), self.data, held_out, users)["ndcg@10"]


def bench(
    path: str | Path,
    seeds: tuple[int, ...] = (0,),
    time_limit: float = 900,
    epochs: int = 40,
    length: int | None = None,
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
        **settings: As of `Trainer`: loss, width, blocks, dropout, learning_rate.

    Returns:
        What is printed as the JSON line: the data; each method's test metrics, mean and standard deviation over seeds;
        what was chosen on validation; cost.

    Raises:
        ValueError: If the file can't be read, or a setting breaks its rule.
    """
    if not seeds or epochs < 1 or not time_limit > 0:
        raise ValueError(
            "`seeds` must hold a number, `epochs` be at least 1 and `time_limit` above 0. "
            f"Received: seeds={list(seeds)}, epochs={epochs}, time_limit={time_limit}."
        )
    began = time.perf_counter()
    with tqdm(file=sys.stderr, leave=False, mininterval=0.5, unit=" batches") as bar:
        bar.set_description("reading the file")
        data = leave_one_out.read(path)
        length = length or int(np.clip(np.percentile(np.diff(data.start), 98), 50, 200))
        bar.set_description("counting pairs")
        priors = {held_out: counting.ItemPrior(data, held_out) for held_out in (1, 2)}
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
    trainer.fit(1, max(1, watch.best_epoch), seed, bar, end - 1.3 * testing)
    bar.set_description(f"seed {seed}: testing")
    test |= _test(trainer, priors[1], weight, users, "refitted_")
    return {
        "test": test,
        "validation": {f"prior_weight_{w}": round(score, 5) for w, score in scores.items()},
        "prior_weight": weight,
        "best_epoch": watch.best_epoch,
        "curve": watch.curve,
        "epoch_seconds": round(watch.seconds / len(watch.curve), 2),
        "target_tokens_per_second": round(watch.positions / watch.seconds),
    }


def _test(trainer: Trainer, prior: counting.ItemPrior, weight: float, users: np.ndarray, prefix: str) -> dict:
    """Judges a model on the test items, with its prior and without."""
    alone, counted = trainer.scores.scorer(1, users), prior.scorer(1)
    return {
        prefix + "with_prior": leave_one_out.judge(_sum(alone, counted, weight), trainer.data, 1, users),
        prefix + "without_prior": leave_one_out.judge(alone, trainer.data, 1, users),
    }


def _sum(model: evaluation.Scorer, prior: evaluation.Scorer, weight: float) -> evaluation.Scorer:
    return lambda rows: model(rows) + weight * prior(rows) if weight else model(rows)


def _baselines(data: LeaveOneOut, priors: dict[int, counting.ItemPrior]) -> dict[str, evaluation.Scorer]:
    popular = counting.popularity(data, 2)
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
