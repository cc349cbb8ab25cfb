"""The sequence models of a diagnosis: a small Transformer, a twin that adds up, and histories without order.

Letters for shapes: U users, B users of a block, L positions, D width, V items (ids 1..V; V + 1 ends a basket, 0 is
padding).
"""

from __future__ import annotations

import time
from collections.abc import Callable

import keras
import numpy as np
from keras import layers

from recsys_kit import baselines, transformer
from recsys_kit.evaluation import Scorer
from recsys_kit.neural import devices, fitting, losses
from recsys_kit.neural.ranges import ragged
from recsys_kit.next_item import LeaveOneOut, NextItemBatches, NextItemScores, additive, leave_one_out, training_model
from recsys_kit.preprocessing import Split

__all__ = ["WHOLE", "Network", "sequences"]

_WIDTH = 32
_NEAR = 4  # items that a position sees at once, by how far back each lies
_EPOCHS = 40  # most passes over the data, where all items are scored
WHOLE = 2000  # items; up to here all of them are scored at each step
_DRAWN = 1024  # candidates of a step beyond
_PATIENCE = 5  # there, one in so many epochs in a row may bring nothing better
_TOKENS = 512  # places of a batch, at least: below, a step costs hardly less
_BURST = 50  # steps that run without a look back into Python


def sequences(
    split: Split, baskets: bool, newest: int = 200, shuffle: bool = False, learners: np.ndarray | None = None
) -> LeaveOneOut:
    """Returns each user's history as a sequence of items.

    Inside a basket there is no order, so one is drawn: the file's order tells of departments, and is a leak.

    Args:
        split: The split.
        baskets: Whether the end of a basket is an item of its own, V + 1. There the model is asked what comes next.
        newest: At most so many of a user's last places are kept.
        shuffle: Put each user's baskets into random order.
        learners: (U,) users to keep; the others' sequences are empty. None: all.
    """
    user, step = split.history["user"].to_numpy(np.int64), baselines.basket_steps(split.history)
    item, size = split.history["item"].to_numpy() + 1, len(split.items)
    if learners is not None:
        kept = learners[user]
        user, step, item = user[kept], step[kept], item[kept]
    rng = np.random.default_rng(0)
    visits = np.unique(np.stack([user, step]), axis=1)
    key = user * (step.max(initial=0) + 1) + step
    if shuffle:
        place = np.lexsort((rng.random(visits.shape[1]), visits[0]))
        moved = np.empty(len(place), np.int64)
        moved[place] = visits[1]  # both are grouped by user: a basket takes the place of another of its user's
        step = moved[np.searchsorted(visits[0] * (step.max(initial=0) + 1) + visits[1], key)]
    within = rng.random(len(user))
    if baskets:
        user, step = np.concatenate([user, visits[0]]), np.concatenate([step, visits[1]])
        item = np.append(item, np.full(visits.shape[1], size + 1))
        within = np.append(within, np.full(visits.shape[1], 2.0))  # after all items
    order = np.lexsort((within, step, user))
    user, item = user[order], item[order].astype(np.int32)
    back = np.searchsorted(user, user, side="right") - np.arange(len(user))
    user, item = user[back <= newest], item[back <= newest]
    return LeaveOneOut(item, np.searchsorted(user, np.arange(len(split.users) + 1)), size + baskets, "")


def _model(size: int, length: int, without: str = "", dropout: float = 0.1) -> keras.Model:
    """Builds a next-item model of one Transformer block, in front of which each position sees the last items in a row.

    A causal convolution knows from the start which item lies two before another. Where combinations of the last items
    decide, it and the block's small network find them, and attention adds nothing (`benchmarks/README.md`).

    Args:
        size: V, and 1 more where baskets end in an item.
        length: L, the longest row.
        without: A part to leave out, for an ablation: "convolution", "attention" (the block's small network stays) or
            "block".
        dropout: Dropout while training.

    Returns:
        A model from ids (B, L) to logits (B, L, V + 1), with the layers that `next_item` asks for.
    """
    ids = keras.Input((None,), dtype="int32", name="ids")
    embedding, valid = transformer.ItemEmbedding([], _WIDTH, size=size + 1, name="item"), ids > 0
    x = layers.Rescaling(_WIDTH**0.5, name="scale")(embedding(ids))  # (B, L, D)
    x = layers.Dropout(dropout)(transformer.PositionEmbedding(length, name="position")(x, valid=valid))
    if without != "convolution":
        x = layers.Add()([x, layers.Conv1D(_WIDTH, _NEAR, padding="causal", name="near")(x)])
    if without == "attention":
        wide = layers.Dense(2 * _WIDTH, activation="gelu")(layers.LayerNormalization(epsilon=1e-6)(x))
        x = layers.Add()([x, layers.Dropout(dropout)(layers.Dense(_WIDTH)(wide))])
    elif without != "block":
        mask = transformer.attention_mask(valid)
        x = transformer.TransformerBlock(2, dropout, name="block_0")(x, attention_mask=mask)
    x = layers.LayerNormalization(epsilon=1e-6, name="norm")(x)
    return keras.Model(ids, transformer.TiedLogits(embedding, name="logits")(x), name="gpt_style")


class Network:
    """A next-item model that can be trained again and again without being traced again.

    In a small catalogue all items are scored at each step. Then batches are of one shape and lie in memory, and Keras
    runs many steps at once: twice as fast as one at a time.

    Args:
        size: V, and 1 more where baskets end in an item.
        length: L, the longest row.
        together: Whether it sees items together, by a convolution and a Transformer block; if not, it is the twin that
            adds up its history.
        seed: Seed of everything random.
        without: A part of the former that is left out: "convolution", "attention" or "block".
    """

    def __init__(self, size: int, length: int, together: bool, seed: int = 0, without: str = ""):
        keras.utils.set_random_seed(seed)
        self.length, self.seed, self.whole = length, seed, size <= WHOLE
        self.model = _model(size, length, without) if together else additive.mean_model(size, _WIDTH, 0.1)
        averages = {"use_ema": True, "ema_momentum": 0.98}
        self.optimizer = keras.optimizers.AdamW(5e-3, weight_decay=0.01, clipnorm=1.0, **averages)
        if self.whole:
            self.training = self.model
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=0)
            steps = devices.at_once(_BURST)
            self.training.compile(self.optimizer, loss=loss, steps_per_execution=steps, jit_compile=False)
        else:
            self.training = training_model(self.model, "sampled_softmax")
            self.training.compile(self.optimizer, loss=losses.mean_loss)
        self.optimizer.build(self.training.trainable_variables)
        self.start = self.model.get_weights()
        self.scores: NextItemScores | None = None

    def fit(
        self,
        data: LeaveOneOut,
        check: Callable[[Scorer], float],
        asked: LeaveOneOut,
        steps: int,
        users: np.ndarray | None = None,
    ) -> float:
        """Trains from scratch and keeps the epoch that is best on a check.

        Args:
            data: The sequences to learn from.
            check: A scorer of users (B,) to a number above 0, the larger the better.
            asked: The sequences that the check is asked with.
            steps: Most batches, a multiple of 50 where all items are scored. There it goes on, whatever the curve looks
                like: what two items say together is learned late and suddenly. With more items it ends when a fifth of
                its epochs in a row brought nothing better.
            users: Whom the check asks for; None: everybody.

        Returns:
            Seconds that it took.
        """
        began = time.perf_counter()
        keras.utils.set_random_seed(self.seed)
        self.model.set_weights(self.start)
        fitting.reset(self.optimizer)
        tokens = int(np.clip(len(data.items) * _EPOCHS / steps, _TOKENS, 1024))
        how = {"verbose": 0, "callbacks": [keras.callbacks.SwapEMAWeights(swap_on_epoch=True)]}
        best = fitting.BestWeights(steps)

        def look(epoch, logs):
            if best.add(check(self.scorer(asked, users)), self.model.get_weights):
                self.training.stop_training = True

        how["callbacks"].append(keras.callbacks.LambdaCallback(on_epoch_end=look))
        if self.whole:
            ids, answers = _rows(data, self.length)
            rows = max(1, tokens // max(1, round((ids > 0).sum() / len(ids))))
            bursts = -(-len(ids) // (rows * _BURST))
            drawn = np.resize(np.random.default_rng(self.seed).permutation(len(ids)), bursts * _BURST * rows)
            epochs = max(1, steps // (bursts * _BURST))
            self.training.fit(ids[drawn], answers[drawn], batch_size=rows, epochs=epochs, **how)
        else:
            feed = NextItemBatches(data, 0, self.length, "sampled_softmax", tokens, _DRAWN, self.seed)
            epochs = max(2, min(_EPOCHS, steps // max(1, len(feed))))
            best.patience = max(2, epochs // _PATIENCE)
            self.training.fit(feed, epochs=epochs, shuffle=False, **how)
        self.model.set_weights(best.weights)
        return time.perf_counter() - began

    def scorer(self, asked: LeaveOneOut, users: np.ndarray | None = None) -> Scorer:
        """Returns users (B,) -> logits (B, size) of what comes after the whole of their sequences."""
        known = np.flatnonzero(np.diff(asked.start))
        if self.scores is None:
            self.scores = NextItemScores(self.model, asked, self.length)
        self.scores.data = asked
        return self.scores.scorer(0, known if users is None else np.intersect1d(known, users))


def _rows(data: LeaveOneOut, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Cuts sequences into rows; returns ids (R, L) and the items after each, 0 where there is none."""
    first, last = data.start[:-1], data.start[1:]
    count = np.maximum(-(-(last - first - 1) // length), 0)
    _, owner, place = ragged(np.zeros_like(count), count)
    high = last[owner] - 1 - place * length  # one past the row's last item, which still has a next one
    low = np.maximum(first[owner], high - length)
    shape = (0, length)
    return leave_one_out.padded(data, low, high, shape)[0], leave_one_out.padded(data, low + 1, high + 1, shape)[0]
