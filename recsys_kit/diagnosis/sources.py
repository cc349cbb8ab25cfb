"""What counting knows of the next purchase, one family of sources after the other, and all of them together.

Each source is a number for each case and item of the catalogue; `logit` weighs them.

Letters for shapes: U users, V items, N cases, B cases of a block, R rank.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse as sp
from sklearn.preprocessing import normalize

from recsys_kit import baselines
from recsys_kit.neural.ranges import ragged
from recsys_kit.preprocessing import Split

__all__ = ["Source", "Tables", "counting", "tables"]

Source = Callable[[np.ndarray], list[np.ndarray]]
"""Cases (B,) of a split -> one or more arrays (B, V)."""

_RHYTHM = np.array([-3, -2, -1, 0, 1, 2, 3])  # log2 of the time since the last purchase, in intervals of its own
_PAIRS = 300  # most items of a catalogue whose pairs are counted; beyond, hardly a pair comes up twice
_RANK = 16  # of the factorised table of what follows what
_NEVER = np.log(np.float32(0.05))


class Tables(NamedTuple):
    """What follows what in everybody's purchases: the same at each moment, if of the same age.

    Attributes:
        shares: (V,) of purchases.
        after: (V, V) what is next.
        near: (V, V) what is near.
        total: (V,) of `after`.
        left: (V, R) smoothed lifts.
        right: (R, V) likewise.
        pairs: Two places and (V^2, V) what followed.
    """

    shares: np.ndarray
    after: sp.csr_matrix
    near: sp.csr_matrix
    total: np.ndarray
    left: np.ndarray
    right: np.ndarray
    pairs: tuple[tuple[int, int, sp.csr_matrix], ...]


def tables(split: Split, learners: np.ndarray | None = None, until: pd.Timestamp | None = None) -> Tables:
    """Counts what follows what; see `counting` for the arguments."""
    counted, size = _counted(split, learners, until), len(split.items)
    theirs, shares = _steps(counted), _shares(counted)
    plain = baselines.PairWeights(backward=0, from_power=0, to_power=0)
    after = baselines.cooccurrence_table(*theirs, size, lags=1, weights=plain)
    near = baselines.cooccurrence_table(*theirs, size, lags=5, neighbours=300)
    total = np.asarray(after.sum(axis=1)).ravel()
    left, right = _factorised(after, total, shares)
    pairs = _pairs(theirs, size) if size <= _PAIRS and _single(split) else ()
    return Tables(shares, after, near, total, left, right, pairs)


def counting(
    split: Split,
    learners: np.ndarray | None = None,
    titles: np.ndarray | None = None,
    until: pd.Timestamp | None = None,
    known: Tables | None = None,
) -> dict[str, Source]:
    """Returns the families of counted sources at a split's cutoff.

    Args:
        split: The split. What it tells of a case is the customer's history, and when the customer comes back.
        learners: (U,) whose purchases fill the tables that are about everybody; None: all users'.
        titles: (V, T) vectors of the items' titles, if there are any.
        until: Tables are filled with what was bought before; None: all of the history. A network that was trained
            before the validation weeks has a fair rival in tables of the same age. What is popular and the customers'
            own histories are always of today.
        known: `tables` of these learners and age; None: they are counted.

    Returns:
        `popularity`, `own counts`, `time`, `follows`, and where there are such things `texts` and `promotion`.
    """
    families = {
        "popularity": _popularity(_counted(split, learners)),
        "own counts": _own_counts(split),
        "time": _time(split, _counted(split, learners, until)),
        "follows": _follows(split, known or tables(split, learners, until)),
    }
    if titles is not None:
        families["texts"] = _texts(split, titles)
    if split.plan is not None and split.plan.share.any():
        families["promotion"] = _promotion(split)
    return families


def _counted(split: Split, learners: np.ndarray | None, until: pd.Timestamp | None = None) -> Split:
    """Returns the split with the history of learners."""
    known = split.history
    if learners is not None:
        known = known[np.isin(known["user"].to_numpy(), np.flatnonzero(learners))]
    return replace(split, history=known if until is None else known[known["timestamp"] < until])


def _filled(table: sp.csr_matrix, data: np.ndarray, rows: np.ndarray, rest: float) -> np.ndarray:
    """Returns (B, V): data at the cells of a table (N, V), else the rest."""
    low, high = table.indptr[rows], table.indptr[rows + 1]
    flat, owner, _ = ragged(low, high)
    found = np.full((len(rows), table.shape[1]), rest, np.float32)
    found[owner, table.indices[flat]] = data[flat]
    return found


def _span(split: Split) -> float:
    return max(1.0, (split.cutoff - split.history["timestamp"].iloc[0]) / pd.Timedelta(days=1))


def _shares(counted: Split) -> np.ndarray:
    counts = np.bincount(counted.history["item"], minlength=len(counted.items)) + 0.5
    return (counts / counts.sum()).astype(np.float32)


def _popularity(counted: Split) -> Source:
    recent = baselines.recent_popularity(counted, np.clip(_span(counted) / 6, 7, 60))
    recent = np.log(recent / max(recent.sum(), 1e-9) + 0.5 / len(counted.history))
    known = [recent.astype(np.float32), np.log(_shares(counted))]
    return lambda rows: [np.broadcast_to(one, (len(rows), len(one))) for one in known]


def _own_counts(split: Split) -> Source:
    counts = split.counts()[split.test_users]
    logs, bought = np.log(counts.data + 0.05), np.ones(counts.nnz, np.float32)
    return lambda rows: [_filled(counts, logs, rows, _NEVER), _filled(counts, bought, rows, 0.0)]


def _time(split: Split, counted: Split) -> Source:
    """Fading counts, and each item's own rhythm: how long ago it was bought, beside the interval at which it is."""
    span = _span(split)
    faded = [baselines.decayed_counts(split, max(0.5, span / part))[split.test_users] for part in (4, 15)]
    last, interval = _rhythm(split, counted)
    since = np.maximum(np.repeat(_days(split.answer_times), np.diff(last.indptr)) - last.data, 0.05)
    ratio = np.clip(np.log2(since / interval.data), _RHYTHM[0], _RHYTHM[-1])
    known = [(one, np.log(one.data + 0.05), _NEVER) for one in faded]
    known += [(last, np.maximum(0, 1 - np.abs(ratio - middle)), 0.0) for middle in _RHYTHM[1:]]
    return lambda rows: [_filled(table, data, rows, rest) for table, data, rest in known]


def _days(times: pd.DatetimeIndex | pd.Series) -> np.ndarray:
    return np.asarray((pd.DatetimeIndex(times) - pd.Timestamp("1970-01-01", tz="UTC")) / pd.Timedelta(days=1))


def _rhythm(split: Split, counted: Split) -> tuple[sp.csr_matrix, sp.csr_matrix]:
    """Returns (N, V) the day of the last purchase, and the usual days between two of them.

    The customer's own gaps are drawn towards the item's, those towards everybody's: each by a gap or two.
    """
    visits = [
        one.history.drop_duplicates(["user", "item", "basket_id"]).assign(day=lambda table: _days(table["timestamp"]))
        for one in (split, counted)
    ]
    ends = [one.groupby(["user", "item"])["day"].agg(["min", "max", "size"]).reset_index() for one in visits]
    own, other = ends
    days, gaps = other["max"] - other["min"], other["size"] - 1
    overall = days.sum() / gaps.sum() if gaps.sum() else _span(split)
    size = len(split.items)
    sums = [np.bincount(other["item"], column, size) for column in (days, gaps)]
    item = (sums[0] + 2 * overall) / (sums[1] + 2)
    usual = (own["max"] - own["min"] + item[own["item"]]) / own["size"]
    shape = (len(split.users), size)
    cells = (own["user"].to_numpy(), own["item"].to_numpy())
    found = [sp.csr_matrix((column.to_numpy(float), cells), shape)[split.test_users] for column in (own["max"], usual)]
    return found[0], found[1]


def _follows(split: Split, known: Tables) -> Source:
    """What follows the last basket and what goes with the last ones, as lift over popularity."""
    mine, shape, shares = _steps(split), (len(split.users), len(split.items)), known.shares
    last = baselines.recent_items(*mine, *shape, last=1)[split.test_users]
    recent = baselines.recent_items(*mine, *shape)[split.test_users]
    pairs = _lifts(split, known) if known.pairs else None

    def score(rows):
        newest, older = last[rows], recent[rows]
        seen = (newest @ known.total)[:, None]
        found = [np.log(((newest @ known.after).toarray() / shares + 10) / (seen + 10))]
        around = (older @ known.near).toarray()
        around /= np.maximum(around.sum(axis=1, keepdims=True), 1e-9)
        found.append(np.log(0.9 * around / shares + 0.1))
        found += [(one @ known.left) @ known.right / np.maximum(one.sum(axis=1), 1e-9) for one in (newest, older)]
        found += pairs(rows) if pairs else []
        return [np.asarray(one, np.float32) for one in found]

    return score


def _single(split: Split) -> bool:
    """Whether most baskets hold one item."""
    return split.history.groupby(["user", "basket_id"], observed=True).size().median() == 1


def _steps(split: Split) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    history = split.history
    return history["user"].to_numpy(), baselines.basket_steps(history), history["item"].to_numpy()


def _factorised(table: sp.csr_matrix, total: np.ndarray, shares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns (V, R) and (R, V) whose product is each pair's lift, smoothed: rare items borrow from similar ones."""
    scale = sp.diags(1 / np.sqrt(total + 10)), sp.diags(1 / np.sqrt(shares))
    start = np.random.default_rng(0).random(len(total))
    left, values, right = sp.linalg.svds(
        (scale[0] @ table @ scale[1]).astype(float), min(_RANK, len(total) // 3), v0=start
    )
    return scale[0] @ (left * values), right @ scale[1]


def _pairs(steps: tuple[np.ndarray, np.ndarray, np.ndarray], size: int) -> tuple[tuple[int, int, sp.csr_matrix], ...]:
    """Counts what followed each pair of the last three items."""
    user, step, item = steps
    item, user, found = item[np.lexsort((step, user))].astype(np.int64), np.sort(user), []
    for near, far in ((1, 2), (1, 3), (2, 3)):
        place = np.flatnonzero(user[far:] == user[:-far]) + far
        key = _pair(item[place - near], item[place - far], size)
        table = sp.coo_matrix((np.ones(len(key), np.float32), (key, item[place])), (size**2, size)).tocsr()
        found.append((near, far, table))
    return tuple(found)


def _lifts(split: Split, known: Tables) -> Source:
    """The lift of each pair of the last three items."""
    size, found = len(known.shares), []
    asked = _last_items(split)[split.test_users]
    for near, far, table in known.pairs:
        there = (asked[:, [near - 1, far - 1]] >= 0).all(axis=1)
        keys = np.where(there, _pair(asked[:, near - 1], asked[:, far - 1], size), 0)
        found.append((table, np.asarray(table.sum(axis=1)).ravel(), keys, there))

    def score(rows):
        lifts = []
        for table, total, keys, there in found:
            key = keys[rows]
            lift = np.log((table[key].toarray() / known.shares + 10) / (total[key][:, None] + 10))
            lifts.append(lift * there[rows][:, None])
        return lifts

    return score


def _pair(one: np.ndarray, other: np.ndarray, size: int) -> np.ndarray:
    return np.minimum(one, other) * size + np.maximum(one, other)


def _last_items(split: Split) -> np.ndarray:
    """Returns (U, 3) each user's last items, the newest first, -1 where there is none."""
    user, step, item = _steps(split)
    order = np.lexsort((step, user))
    end = np.searchsorted(user[order], np.arange(len(split.users)), side="right")
    start = np.searchsorted(user[order], np.arange(len(split.users)))
    place = end[:, None] - 1 - np.arange(3)
    return np.where(place >= start[:, None], item[order][np.maximum(place, 0)], -1).astype(np.int64)


def _texts(split: Split, titles: np.ndarray) -> Source:
    """How close each title is to those of the last baskets, and to those of the very last one."""
    titles = normalize(titles - titles.mean(axis=0)).astype(np.float32)
    shape = (len(split.users), len(split.items))
    recent = [baselines.recent_items(*_steps(split), *shape, last=last)[split.test_users] for last in (20, 1)]
    return lambda rows: [normalize(one[rows] @ titles) @ titles.T for one in recent]


def _promotion(split: Split) -> Source:
    """What the plan says of the week in which the customer comes back, one source for each way to promote."""
    week = split.plan.week(split.answer_times)
    share = np.moveaxis(split.plan.share[:, 1:], 2, 0).astype(np.float32)
    ways = [np.ascontiguousarray(way) for way in share if way.any()]
    return lambda rows: [way[week[rows]] for way in ways]
