"""Training the next-basket Transformer: sequences, batches without padding waste, the loss, the scorer (notebook 05).

Letters for shapes as in `transformer`: B households, L baskets, H distinct items, P positions, C candidates, V items.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import keras
import numpy as np
import pandas as pd
from keras import ops

from recsys_kit.preprocessing import Split

__all__ = ["BasketBatches", "Sequences", "bce", "scorer", "sequences"]


@dataclass(frozen=True)
class Sequences:
    """Every household's baskets as flat arrays: made once, sliced into batches without a Python loop over rows.

    Attributes:
        days: Time of each basket in days, (all baskets,).
        start: (U + 1,) where each user's baskets start in `days`.
        row_item: (rows,) the local number of the item of each row.
        row_start: (all baskets + 1,) where each basket's rows start.
        items: Distinct item ids (1..V) of each user, flat; `item_start` (U + 1,) says where each user's begin.
        trend: (days + 1, V + 1) log popularity of each item in the 30 days before each day.
    """

    days: np.ndarray = field(repr=False)
    start: np.ndarray = field(repr=False)
    row_item: np.ndarray = field(repr=False)
    row_start: np.ndarray = field(repr=False)
    items: np.ndarray = field(repr=False)
    item_start: np.ndarray = field(repr=False)
    trend: np.ndarray = field(repr=False)
    origin: pd.Timestamp = None

    def day(self, times) -> np.ndarray:
        """Returns times as days since the origin."""
        return np.asarray((pd.DatetimeIndex(times) - self.origin) / pd.Timedelta(days=1), np.float32)


def sequences(split: Split, window: int = 30) -> Sequences:
    """Turns a split's history into basket sequences.

    Args:
        split: Only its history is used.
        window: Days over which an item's recent popularity is counted.
    """
    h = split.history
    origin = h["timestamp"].min().normalize()
    day = ((h["timestamp"] - origin) / pd.Timedelta(days=1)).to_numpy(np.float32)
    users, size = len(split.users), len(split.items) + 1
    table = pd.DataFrame(
        {"user": h["user"], "basket": pd.factorize(h["basket_id"])[0], "item": h["item"] + 1, "day": day}
    )
    table = table.drop_duplicates(["user", "basket", "item"]).sort_values(["user", "day", "basket"], kind="stable")
    user = table["user"].to_numpy()
    new = np.r_[True, (user[1:] != user[:-1]) | (np.diff(table["basket"].to_numpy()) != 0)]
    basket_user = user[new]
    start = np.searchsorted(basket_user, np.arange(users + 1))
    pair = user.astype(np.int64) * size + table["item"].to_numpy()
    unique, local = np.unique(pair, return_inverse=True)
    item_start = np.searchsorted(unique // size, np.arange(users + 1))
    last = int(np.ceil((split.cutoff - origin) / pd.Timedelta(days=1)))
    daily = np.zeros((last + 1, size), np.float32)
    np.add.at(daily, (np.minimum(table["day"].to_numpy().astype(int) + 1, last), table["item"].to_numpy()), 1)
    total = np.cumsum(daily, 0)
    recent = total - np.r_[np.zeros((min(window, last + 1), size), np.float32), total[:-window]][: last + 1]
    per_day = recent.sum(1, keepdims=True) + 1
    trend = np.log((recent + 0.3) / per_day * 1000)
    return Sequences(
        days=table["day"].to_numpy()[new],
        start=start,
        row_item=(local - item_start[user]).astype(np.int32),
        row_start=np.r_[np.flatnonzero(new), len(new)],
        items=(unique % size).astype(np.int32),
        item_start=item_start,
        trend=trend.astype(np.float32),
        origin=origin,
    )


def _ragged(low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Flat positions of the ranges [low, high), with the range that each belongs to and its place in it.

    Example:
        >>> [part.tolist() for part in _ragged(np.array([3, 7]), np.array([5, 8]))]
        [[3, 4, 7], [0, 0, 1], [0, 1, 0]]
    """
    count = high - low
    owner = np.repeat(np.arange(len(low)), count)
    place = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    return np.repeat(low, count) + place, owner, place


def _round_up(number: int, to: int = 16) -> int:
    return int(-(-max(number, 1) // to) * to)


def history_arrays(seq: Sequences, users: np.ndarray, low: np.ndarray, high: np.ndarray) -> dict[str, np.ndarray]:
    """Builds a batch's dense arrays: items (B, H), incidence (B, L, H), days (B, L), valid (B, L); padded on the right.

    Args:
        seq: The sequences.
        users: (B,) users.
        low: (B,) first basket to use, as positions in `seq.days`.
        high: (B,) one past the last basket to use.
    """
    B, L = len(users), _round_up((high - low).max())
    H = _round_up((seq.item_start[users + 1] - seq.item_start[users]).max())
    flat, owner, place = _ragged(seq.item_start[users], seq.item_start[users + 1])
    items = np.zeros((B, H), np.int32)
    items[owner, place] = seq.items[flat]
    basket, owner, place = _ragged(low, high)
    days, valid = np.zeros((B, L), np.float32), np.zeros((B, L), bool)
    days[owner, place], valid[owner, place] = seq.days[basket], True
    row, which, _ = _ragged(seq.row_start[basket], seq.row_start[basket + 1])
    incidence = np.zeros((B, L, H), np.float32)
    incidence[owner[which], place[which], seq.row_item[row]] = 1
    return {"items": items, "incidence": incidence, "days": days, "valid": valid}


class BasketBatches(keras.utils.PyDataset):
    """Batches for training: households of similar length together, a few target baskets each, shared candidates."""

    def __init__(
        self, seq, users, positions=8, candidates=4000, rows=320, max_weight=30.0, window=128, seed=0, **kwargs
    ):
        super().__init__(**kwargs)
        self.seq, self.positions, self.candidates, self.max_weight = seq, positions, candidates, max_weight
        self.seed, self.epoch = seed, 0
        length = seq.start[users + 1] - seq.start[users]
        users = users[length >= 3]
        self.window = window
        length = np.minimum(seq.start[users + 1] - seq.start[users], window)
        order = users[np.lexsort((seq.item_start[users + 1] - seq.item_start[users], length // 32))]
        size = len(seq.trend[0])
        share = np.bincount(seq.items, minlength=size).astype(float)
        share[0] = 0
        share = share**0.75
        self.share = share / share.sum()
        self.slots = candidates + rows * 5
        self.inclusion = 1 - (1 - self.share) ** candidates
        per = max(1, rows // positions)
        self.batches = [order[i : i + per] for i in range(0, len(order), per)]
        self.order = np.random.default_rng((seed, 0)).permutation(len(self.batches))

    def __len__(self):
        return len(self.batches)

    def on_epoch_end(self):
        self.epoch += 1
        self.order = np.random.default_rng((self.seed, self.epoch)).permutation(len(self.batches))

    def __getitem__(self, i):
        seq = self.seq
        users = self.batches[self.order[i]]
        rng = np.random.default_rng((self.seed, self.epoch, i))
        length = seq.start[users + 1] - seq.start[users]
        spare = np.maximum(length - self.window, 0)
        low = seq.start[users] + (rng.random(len(users)) * (spare + 1)).astype(int)
        length = np.minimum(length, self.window)
        x = history_arrays(seq, users, low, low + length)
        P = self.positions
        # the target is basket t + 1 for a random t >= 1
        t = 1 + (rng.random((len(users), P)) * (length[:, None] - 2)).astype(int)
        return make_targets(seq, x, t, rng, self)


def make_targets(seq, x, t, rng, cfg):
    inc, days, items = x["incidence"], x["days"], x["items"]
    B, P = t.shape
    b = np.arange(B)[:, None]
    target = inc[b, t + 1]  # (B, P, H)
    target_day = days[b, t + 1]
    x = x | pair_arrays(x, t, target_day)
    known = x["last"] > -1e3  # (B, P, H)
    new = (target > 0) & ~known
    positives = np.unique(np.broadcast_to(items[:, None], new.shape)[new])
    sampled = rng.choice(len(cfg.share), cfg.candidates, p=cfg.share)
    others = np.setdiff1d(sampled, positives)
    C = np.r_[positives, others][: cfg.slots].astype(np.int32)
    pad = cfg.slots - len(C)
    where = np.full(len(cfg.share), -1)
    where[C] = np.arange(len(C))
    C = np.r_[C, np.zeros(pad, np.int32)]
    weight = np.minimum(1 / np.maximum(cfg.inclusion[C], 1e-9), cfg.max_weight)
    weight[len(C) - pad :] = 0
    label_d = np.zeros((B, P, len(C)), np.float32)
    weight_d = np.broadcast_to(weight.astype(np.float32), label_d.shape).copy()
    slot = where[items]  # (B, H)
    bb, hh = np.nonzero(slot >= 0)
    weight_d[bb, :, slot[bb, hh]] *= ~known[bb, :, hh]
    nb, np_, nh = np.nonzero(new & (slot >= 0)[:, None])
    label_d[nb, np_, slot[nb, nh]] = 1
    weight_d[nb, np_, slot[nb, nh]] = 1
    day = np.minimum(target_day.astype(int), len(seq.trend) - 1)
    x["candidates"] = C
    x["candidate_trend"] = seq.trend[day][:, :, C] if False else seq.trend[day[:, :, None], C[None, None]]
    x["trend"] = seq.trend[day[:, :, None], items[:, None]]
    y = {
        "repeat": np.stack([target, known.astype(np.float32)], -1),
        "discover": np.stack([label_d, weight_d], -1),
    }
    return x, y


def pair_arrays(x, t, target_day):
    """Last and first purchase (days) of each item of the history as seen at each position."""
    inc, days = x["incidence"], x["days"]
    bought = np.where(inc > 0, days[:, :, None], np.float32(-1e4))  # (B, L, H)
    last = np.maximum.accumulate(bought, axis=1)
    b = np.arange(len(t))[:, None]
    first = np.where(inc > 0, days[:, :, None], np.float32(1e4)).min(1)
    return {
        "position": t.astype(np.int32),
        "target_day": target_day.astype(np.float32),
        "last": last[b, t],
        "first": np.where(first > 9e3, 0, first).astype(np.float32),
    }


@keras.saving.register_keras_serializable(package="recsys_kit")
def bce(y, logits):
    """Weighted binary cross-entropy; y stacks labels and weights (..., 2). Sum over items, mean over positions."""
    label, weight = y[..., 0], y[..., 1]
    loss = ops.maximum(logits, 0.0) - logits * label + ops.log1p(ops.exp(-ops.abs(logits)))
    return ops.sum(weight * loss, axis=-1) / 10.0


def scorer(model, split, seq=None, block=32, window=512):
    """Returns the function rows -> (B, V) scores of the split's test cases."""
    seq = seq or sequences(split)
    V = len(split.items)
    candidates = np.arange(1, V + 1, dtype=np.int32)
    when = seq.day(split.answer_times)
    length = (seq.start[1:] - seq.start[:-1])[split.test_users]

    def one(rows):
        users = split.test_users[rows]
        n = np.minimum(length[rows], window)
        x = history_arrays(seq, users, seq.start[users + 1] - n, seq.start[users + 1])
        t = np.maximum(n - 1, 0)[:, None]
        x |= pair_arrays(x, t, when[rows][:, None])
        day = np.minimum(when[rows].astype(int), len(seq.trend) - 1)
        x["candidates"] = candidates
        x["candidate_trend"] = seq.trend[day][:, None, 1:]
        x["trend"] = seq.trend[day[:, None, None], x["items"][:, None]]
        out = model(x, training=False)
        scores = ops.convert_to_numpy(out["discover"])[:, 0].copy()
        repeat = ops.convert_to_numpy(out["repeat"])[:, 0]
        b, h = np.nonzero(x["items"])
        scores[b, x["items"][b, h] - 1] = repeat[b, h]
        return scores

    def score(rows):
        rows = np.asarray(rows)
        out = np.empty((len(rows), V), np.float32)
        users = split.test_users[rows]
        order = np.lexsort((seq.item_start[users + 1] - seq.item_start[users], length[rows] // 32))
        for i in range(0, len(rows), block):
            part = order[i : i + block]
            out[part] = one(rows[part])
        return out

    return score
