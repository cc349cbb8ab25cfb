"""Asking the next-basket Transformer: what it reads of a case, and one score for each item from its two heads.

Letters for shapes: B households, H distinct items of a history, P positions, C candidate items, S parts of a context,
V items of the catalogue (ids 1..V; 0 is padding), N test cases.
"""

from __future__ import annotations

import keras
import numpy as np

from recsys_kit import evaluation
from recsys_kit.neural import devices
from recsys_kit.preprocessing import Split
from recsys_kit.training import baskets

__all__ = ["joined", "questions", "scorer"]


def questions(
    split: Split, rows: np.ndarray, seq: baskets.Sequences | None = None, window: int = 256
) -> dict[str, np.ndarray]:
    """Returns what the model reads to score the whole catalogue for cases (B,), by the names of its inputs.

    Args:
        split: The split; the model sees its whole history.
        rows: The cases.
        seq: The split's sequences, if they are at hand.
        window: The last baskets of a history that are read.
    """
    seq = seq or baskets.sequences(split)
    users, end = split.test_users[rows], seq.basket_start[split.test_users[rows] + 1]
    length = np.minimum(seq.baskets()[users], window)
    x = baskets.history_arrays(seq, users, end - length, end)
    when = seq.day(split.answer_times[rows])
    x |= baskets.position_arrays(np.maximum(length - 1, 0)[:, None], when[:, None])
    return x | baskets.market_arrays(seq, x, np.arange(1, len(split.items) + 1, dtype=np.int32))


def joined(logits: dict, column: np.ndarray, known: np.ndarray | bool = True) -> np.ndarray:
    """Returns scores (B, P, C): the repeat head's for a household's own items, the discover head's for all others.

    Args:
        logits: What the model returns: `repeat` (B, P, H) and `discover` (B, P, C).
        column: (B, H) where an item of the history is among the candidates, or -1.
        known: (B, P, H) whether it had been bought by then.
    """
    scores, repeat = np.array(logits["discover"]), np.asarray(logits["repeat"])
    user, at, item = np.nonzero(np.broadcast_to((column >= 0)[:, None] & known, repeat.shape))
    scores[user, at, column[user, item]] = repeat[user, at, item]
    return scores


def scorer(
    model: keras.Model,
    split: Split,
    seq: baskets.Sequences | None = None,
    window: int = 256,
    block: int = 32,
    context: np.ndarray | None = None,
) -> evaluation.Scorer:
    """Returns the function from rows (B,) of the split's test cases to scores (B, V).

    Items of the household's own history get the repeat head's logit, all others the discover head's.

    Args:
        model: A trained next-basket model.
        split: The split; the model sees its whole history.
        seq: The split's sequences, if they are at hand.
        window: The last baskets of a history that are read.
        block: Households scored at once.
        context: (N, S) the context of each case, for a model that reads it.
    """
    seq = seq or baskets.sequences(split)
    devices.trace_once(model)

    def one(rows: np.ndarray) -> np.ndarray:
        x = questions(split, rows, seq, window)
        if context is not None:
            x["context"] = context[rows][:, None].astype(np.int32)
        return joined(model.predict_on_batch(x), x["items"] - 1)[:, 0]

    def score(rows: np.ndarray) -> np.ndarray:
        rows = np.asarray(rows)
        users = split.test_users[rows]
        # Households of similar length together: a batch is padded to its longest.
        order = np.lexsort((np.diff(seq.item_start)[users], seq.baskets()[users] // 32))
        scores = np.empty((len(rows), len(split.items)), np.float32)
        with devices.one_blas_thread():
            for i in range(0, len(rows), block):
                part = order[i : i + block]
                scores[part] = one(rows[part])
        return scores

    return score
