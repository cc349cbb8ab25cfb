"""The next-item model for a shop's own customers: from a split to sequences, to a trained model, to a scorer.

`bench` judges the model on a file; here it serves a shop, through the same interface as every other method: a function
from rows of a split's cases to scores of the whole catalogue.

Letters for shapes: U users, N cases, B of a block, V items of the catalogue.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import log_softmax
from tqdm import tqdm

from recsys_kit import evaluation
from recsys_kit.next_item import leave_one_out, prior
from recsys_kit.next_item.leave_one_out import LeaveOneOut
from recsys_kit.preprocessing import Split

if TYPE_CHECKING:
    import keras

__all__ = ["Choice", "choose", "log_odds", "scorer", "sequences", "train"]

WEIGHTS = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0)
"""Of the co-occurrence table beside the model, as `bench` tries them."""

SHARPNESS = (0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.7, 1.0)
"""What the sum of both is multiplied with, so that it says chances: both have counted the same purchases."""

_LEAST = 20  # customers with two purchases or more; with fewer there is nothing to choose by
_CHECKED = 10_000  # of them are looked at


@dataclass(frozen=True)
class Choice:
    """What was chosen by hiding everybody's last item.

    Attributes:
        epochs: Passes over the data; 0: too little to train on, counting pairs is all there is.
        weight: What the co-occurrence table's log chances weigh beside the model's logits.
        sharpness: What the sum is multiplied with, so that it says chances.
        length: Longest history that the model reads.
        seed: Seed of the training.
        ndcg: The validation NDCG@10 that it reached.
    """

    epochs: int = 0
    weight: float = 1.0
    sharpness: float = 1.0
    length: int = 50
    seed: int = 0
    ndcg: float = 0.0


def sequences(split: Split, least: int = 0) -> LeaveOneOut:
    """Returns each user's history as a sequence, in the order of `split.users`; items are columns + 1.

    Args:
        split: The split.
        least: Users with fewer items are left out.
    """
    user, item = split.history["user"].to_numpy(), split.history["item"].to_numpy()
    order = np.argsort(user, kind="stable")
    size = np.bincount(user, minlength=len(split.users))
    kept = size >= least
    items = (item[order] + 1).astype(np.int32)[np.repeat(kept, size)]
    start = np.concatenate([[0], np.cumsum(size[kept])])
    return LeaveOneOut(items, start, len(split.items), "", "a shop's history")


def choose(split: Split, seed: int = 0, epochs: int = 40) -> Choice:
    """Trains on all but everybody's last item, and chooses on these how long to train and what counting weighs.

    Args:
        split: The split; only its history is looked at.
        seed: Seed of the training.
        epochs: Most passes.
    """
    data = sequences(split, 2)
    sizes = np.diff(data.start)
    if len(sizes) < _LEAST or not (sizes >= 3).any():
        return Choice(seed=seed)
    length = int(np.clip(np.percentile(sizes + 1, 98), 50, 200))
    checked = np.random.default_rng(0).permutation(len(sizes))[:_CHECKED]
    trainer, watch = _fit(data, 1, epochs, Choice(length=length, seed=seed), checked)
    alone, counted = trainer.scores.scorer(1, checked), prior.ItemPrior(data, 1).scorer(1)
    found = {
        weight: leave_one_out.judge(_sum(alone, counted, weight), data, 1, checked)["ndcg@10"] for weight in WEIGHTS
    }
    best = max(found, key=found.get)
    sharpness = _sharpness(_sum(alone, counted, best), data, checked)
    return Choice(max(1, watch.best.epoch), best, sharpness, length, seed, found[best])


def train(split: Split, choice: Choice) -> keras.Model | None:
    """Trains on all that is known, as `choose` found best; None if that was not to train.

    Args:
        split: The split; only its history is looked at.
        choice: What `choose` returned, for this split or an earlier one.
    """
    data = sequences(split, 2)
    if not choice.epochs or not len(data.items):
        return None
    return _fit(data, 0, choice.epochs, choice)[0].model


def scorer(split: Split, model: keras.Model | None, choice: Choice) -> evaluation.Scorer:
    """Returns the function from rows (B,) of the split's cases to scores (B, V): log-odds that an item is the next one.

    Every case has an answer: one without a history is answered with what is popular.

    Args:
        split: The split; its whole history is visible.
        model: What `train` returned; None: counting pairs alone.
        choice: What `choose` returned.
    """
    data = sequences(split)
    counted = prior.ItemPrior(data, 0).scorer(0)
    if model is None:
        return lambda rows: log_odds(counted(split.test_users[rows]))
    from recsys_kit.next_item.batches import NextItemScores

    known = np.diff(data.start) > 0
    alone = NextItemScores(model, data, choice.length).scorer(0, np.intersect1d(split.test_users, known.nonzero()[0]))
    both = _sum(alone, counted, choice.weight)

    def score(rows: np.ndarray) -> np.ndarray:
        users = split.test_users[rows]
        return log_odds(np.where(known[users, None], choice.sharpness * both(users), counted(users)))

    return score


def log_odds(scores: np.ndarray) -> np.ndarray:
    """Returns (B, V) the log-odds of each item, if one of them comes next and scores are log chances up to a constant.

    Example:
        >>> log_odds(np.log([[0.5, 0.25, 0.25]])).round(2).tolist()
        [[0.0, -1.1, -1.1]]
    """
    log_chance = log_softmax(scores, axis=1)
    return log_chance - np.log1p(-np.exp(np.minimum(log_chance, -1e-6)))


def _fit(data: LeaveOneOut, held_out: int, epochs: int, choice: Choice, checked: np.ndarray | None = None):
    from recsys_kit.next_item.fit import Trainer

    trainer = Trainer(data, choice.length)
    with tqdm(file=sys.stderr, leave=False, mininterval=0.5, unit=" batches", desc="next-item model") as bar:
        watch = trainer.fit(held_out, epochs, choice.seed, bar, float("inf"), checked)
    return trainer, watch


def _sharpness(scorer: evaluation.Scorer, data: LeaveOneOut, users: np.ndarray) -> float:
    """Returns which of `SHARPNESS` makes the hidden last items most likely."""
    answers, losses = data.items[data.start[1:] - 1] - 1, np.zeros(len(SHARPNESS))
    for rows in np.array_split(users, -(-len(users) // 256)):
        scores = scorer(rows)
        for place, factor in enumerate(SHARPNESS):
            losses[place] -= log_softmax(factor * scores, axis=1)[np.arange(len(rows)), answers[rows]].sum()
    return SHARPNESS[int(losses.argmin())]


def _sum(model: evaluation.Scorer, counted: evaluation.Scorer, weight: float) -> evaluation.Scorer:
    return lambda users: model(users) + weight * counted(users) if weight else model(users)
