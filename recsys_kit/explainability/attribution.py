"""What a score leans on: the same question again, with parts of the history gone (notebook 21).

An item is taken out of a history as if it had never been bought: out of every basket, and out of what the shop knows of
similar households through it. The visits stay. An item that is gone is scored as one that was never bought.

Letters for shapes: M versions of one history, L baskets, H distinct items of the history, C items asked for, D width,
R directions of taste, V items of the catalogue (ids 1..V; 0 is padding).
"""

from __future__ import annotations

from functools import cached_property

import keras
import numpy as np
from keras import ops

from recsys_kit.preprocessing import Split
from recsys_kit.training import baskets
from recsys_kit.training.scores import joined, questions

__all__ = ["Question", "attention", "integrated_gradients", "occlusion"]

_TASTE_DECAY = 120.0  # days; with _FLOOR as in `training.baskets`: a test holds both to `market_arrays`
_FLOOR = 0.003
_CELLS = 4_000_000  # of (M, L, H) at once: memory stays small with long histories


class Question:
    """What the model reads of one household before one visit, with its history open to changes.

    Args:
        model: A trained next-basket model.
        split: The split; the model sees its whole history.
        row: The case.
        seq: The split's sequences.
        window: The last baskets of a history that are read.

    Attributes:
        owned: (H,) item ids of the history, in the order of all masks and attributions; no padding.
    """

    def __init__(self, model: keras.Model, split: Split, row: int, seq: baskets.Sequences, window: int = 256):
        self.model, self.seq, self.size = model, seq, len(split.items)
        x = questions(split, np.array([row]), seq, window)
        held = np.flatnonzero(x["incidence"][0].any(0))  # what lies before the window is not seen: it can't be a reason
        baskets_read = int(x["valid"].sum())
        self.arrays = {
            "items": x["items"][:, held],
            "incidence": x["incidence"][:, :baskets_read, held],
            "days": x["days"][:, :baskets_read],
            "valid": x["valid"][:, :baskets_read],
            "position": x["position"],
            "target_day": x["target_day"],
            "market": x["market"][:, :, held],
        }
        self.all_market = x["candidate_market"]
        self.owned = self.arrays["items"][0]

    @cached_property
    def times(self) -> np.ndarray:
        """(H,) in how many baskets each item of the history is."""
        return self.arrays["incidence"][0].sum(0)

    @cached_property
    def last(self) -> np.ndarray:
        """(H,) the day of each item's last purchase."""
        bought = self.arrays["incidence"][0] > 0
        return np.where(bought, self.arrays["days"][0][:, None], -np.inf).max(0)

    def scores(self, keep: np.ndarray, asked: np.ndarray | None = None) -> np.ndarray:
        """Returns (M, C) what the model says of items after each of M changes.

        Args:
            keep: (M, H) True for the items of the history that stay.
            asked: (C,) item ids; None: the whole catalogue.
        """
        keep = np.atleast_2d(keep).astype(np.float32)
        asked = np.arange(1, self.size + 1, dtype=np.int32) if asked is None else np.asarray(asked, np.int32)
        column = _places(asked, self.owned)[None]  # (1, H)
        step = max(1, _CELLS // max(1, self.arrays["incidence"].size + len(asked) * 16))
        found = []
        for start in range(0, len(keep), step):
            part = keep[start : start + step]
            logits = _numpy(self.logits(self.arrays["incidence"] * part[:, None], asked))
            found.append(joined(logits, np.repeat(column, len(part), 0), part[:, None] > 0)[:, 0])
        return np.concatenate(found)

    def ranked(self, k: int, new: bool = False) -> np.ndarray:
        """Returns the ids of the first k items of the list; only items that were never bought, if `new`."""
        scores = self.scores(np.ones(len(self.owned)))[0]
        if new:
            scores[self.owned - 1] = -np.inf
        return np.argsort(-scores, kind="stable")[:k].astype(np.int32) + 1

    def logits(self, incidence, asked: np.ndarray) -> dict:
        """Returns the two heads' logits, (M, 1, H) and (M, 1, C), for M versions of the incidence (M, L, H).

        What the shop knows of similar households is computed from the incidence too, so gradients run through it.
        """
        many = int(incidence.shape[0])
        x = {name: np.repeat(value, many, 0) for name, value in self.arrays.items() if name != "incidence"}
        x["incidence"] = ops.convert_to_tensor(incidence, "float32")
        week = int(self.seq.week(x["target_day"][:1])[0, 0])
        age = np.maximum(x["target_day"] - x["days"], 0)[:, None]  # (M, 1, L)
        counts = ops.log1p(ops.matmul(np.exp(-age / np.float32(_TASTE_DECAY)), x["incidence"]))  # (M, 1, H)
        taste = ops.matmul(counts, self.seq.basis[self.owned])  # (M, 1, H) @ (H, R)
        x["market"] = self._market(x.pop("market"), taste, self.seq.lately[week][self.owned])
        market = np.repeat(self.all_market[:, :, asked - 1], many, 0)
        x["candidate_market"] = self._market(market, taste, self.seq.lately[week][asked])
        x["candidates"] = asked
        return self.model({name: ops.convert_to_tensor(value) for name, value in x.items()}, training=False)

    def _market(self, facts, taste, lately):
        """Puts the neighbours' log score (M, 1, n) in its place among the facts (M, 1, n, F)."""
        score = ops.log(ops.relu(ops.matmul(taste, lately.T)) + _FLOOR)  # (M, 1, R) @ (R, n)
        return ops.concatenate([facts[..., :1], score[..., None], facts[..., 2:]], axis=-1)


def occlusion(question: Question, asked: np.ndarray) -> np.ndarray:
    """Returns (C, H) how far the score of each item asked for falls when one item of the history is taken out.

    Args:
        question: The household's.
        asked: (C,) item ids.
    """
    size = len(question.owned)
    keep = np.concatenate([np.ones((1, size)), 1 - np.eye(size)])
    scores = question.scores(keep, asked)  # (1 + H, C)
    return (scores[:1] - scores[1:]).T


def integrated_gradients(
    question: Question, asked: np.ndarray, steps: int = 32, power: float = 4.0
) -> tuple[np.ndarray, float]:
    """Adds up gradients on the straight way from a history of empty baskets to the household's own.

    Which head scores an item stays fixed on the way. Steps are short near the start, where a logarithm of counts and
    the norm of an almost empty basket turn quickly.

    Args:
        question: The household's.
        asked: (C,) item ids; their scores are added up, the whole list is explained.
        steps: Points of the way.
        power: Points lie at t^power for even steps of t.

    Returns:
        (H,) the attributions, and the completeness gap: how far their sum is from the difference of the scores at both
        ends, as a part of that difference.

    Source: Sundararajan, Taly and Yan (2017), Axiomatic attribution for deep networks.
    """
    asked = np.asarray(asked, np.int32)
    own = _places(question.owned, asked)  # (C,): where an item asked for is in the history, or -1
    whole = question.arrays["incidence"]

    def score(incidence):
        logits = question.logits(incidence, asked)
        repeat = [logits["repeat"][:, 0, place] for place in own if place >= 0]
        discover = [logits["discover"][:, 0, c] for c, place in enumerate(own) if place < 0]
        return sum(repeat + discover)  # (M,)

    points, weights = np.polynomial.legendre.leggauss(steps)  # on [-1, 1]
    t = (points + 1) / 2
    at, weights = t**power, weights / 2 * power * t ** (power - 1)
    total = np.zeros(whole.shape[1:], np.float64)
    batch = max(1, _CELLS // (2 * max(1, whole.size)))
    for start in range(0, steps, batch):
        part = slice(start, start + batch)
        gradient = _gradient(score, whole * at[part, None, None].astype(np.float32))  # (M, L, H)
        total += np.einsum("m,mlh->lh", weights[part], gradient)
    found = (total * whole[0]).sum(0)
    ends = ops.convert_to_numpy(score(np.concatenate([whole * 0, whole])))
    difference = float(ends[1] - ends[0])
    return found, abs(float(found.sum()) - difference) / max(abs(difference), 1e-6)


def attention(question: Question, block: int | None = None) -> np.ndarray:
    """Returns (H,) the attention that the last visible basket pays each item's baskets, shared out within a basket.

    Args:
        question: The household's.
        block: Which Transformer block; None: the mean of all.

    Raises:
        ValueError: If the model has no Transformer block.
    """
    from recsys_kit.transformer import TransformerBlock, attention_mask

    blocks = [layer for layer in question.model.layers if isinstance(layer, TransformerBlock)]
    if not blocks:
        raise ValueError("`question.model` must have a Transformer block: without one there is no attention to read.")
    x, rows = question.arrays, []
    vectors = question.model.get_layer("item")(x["items"])
    state = question.model.get_layer("tokens")(vectors, x["incidence"], x["days"])
    mask = attention_mask(x["valid"])
    for layer in blocks:
        _, weights = layer.attention(layer.norm_1(state), attention_mask=mask, return_weights=True)  # (1, N, L, L)
        rows.append(ops.convert_to_numpy(weights)[0].mean(0)[int(x["position"][0, 0])])  # (L,)
        state = layer(state, attention_mask=mask)
    each = np.mean(rows, axis=0) if block is None else rows[block]
    incidence = x["incidence"][0]
    return (each[:, None] * incidence / np.maximum(incidence.sum(1, keepdims=True), 1)).sum(0)


def _places(known: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Returns where each of `wanted` is in `known`, or -1.

    Example:
        >>> _places(np.array([7, 3]), np.array([3, 5])).tolist()
        [1, -1]
    """
    place = {int(item): at for at, item in enumerate(known)}
    return np.array([place.get(int(item), -1) for item in wanted], int)


def _numpy(logits: dict) -> dict[str, np.ndarray]:
    return {name: ops.convert_to_numpy(value) for name, value in logits.items()}


def _gradient(score, incidence: np.ndarray) -> np.ndarray:
    """Returns the gradient of the sum of scores by the incidence (M, L, H), with the backend that runs."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        x = tf.constant(incidence)
        with tf.GradientTape() as tape:
            tape.watch(x)
            total = tf.reduce_sum(score(x))
        return tape.gradient(total, x).numpy()
    if keras.backend.backend() == "torch":
        import torch

        x = torch.tensor(incidence, requires_grad=True)
        return torch.autograd.grad(score(x).sum(), x)[0].cpu().numpy()
    import jax

    return np.asarray(jax.grad(lambda x: score(x).sum())(incidence))
