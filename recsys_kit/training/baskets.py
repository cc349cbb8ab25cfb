"""Households' histories as arrays: made once from a split, sliced into padded batches without a loop over rows.

Letters for shapes: U users, B users of a batch, L baskets, H distinct items of a user's history, P positions to
predict at, C candidate items, V items of the catalogue (ids 1..V; 0 is padding).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import scipy.sparse as sp
from sklearn.utils.extmath import randomized_svd

from recsys_kit.datasets.items import item_types, look_up
from recsys_kit.neural import devices
from recsys_kit.neural.ranges import ragged
from recsys_kit.preprocessing import Split

__all__ = [
    "Sequences",
    "history_arrays",
    "item_groups",
    "known",
    "last_purchases",
    "market_arrays",
    "position_arrays",
    "sequences",
]

_TASTE_DECAY = 120.0  # days
_SHRINKAGE = 3.0  # in units of the weakest direction's squared strength
_NEVER = -1e4  # the day of a purchase that did not happen
_PLAN_SCALE = 3.0  # shares of the stores are small numbers, and a small input learns slowly


@dataclass(frozen=True)
class Sequences:
    """Every user's baskets, flat; `x_start[u]` to `x_start[u + 1]` is where user u's part of x lies.

    Attributes:
        origin: Day 0.
        last: The day of the cutoff.
        days: (baskets,) time of each basket in days since the origin.
        basket_start: (U + 1,) parts of `days`.
        row_item: (rows,) the items of each basket, as places in the user's part of `items`.
        row_start: (baskets + 1,) parts of `row_item`, one a basket.
        items: (pairs,) the distinct item ids of each user.
        item_start: (U + 1,) parts of `items`.
        trend: (weeks + 1, V + 1) log popularity of each item in the window before the start of each week.
        basis: (V + 1, R) directions of taste: a user's log counts times this are the user's coordinates.
        lately: (weeks + 2, V + 1, R) what users along each direction bought lately, at the start of each week; the
            last entry knows the whole history.
        plan_start: (W,) the days on which the weeks of the promotion plan begin; none if there is no plan.
        plan: (W + 1, V + 1, K) what is promoted in each of these weeks; row 0 stands for the time before.
        usual: (weeks + 2, V + 1, K) how much each item was promoted in the four weeks before each entry of `trend`.
        context: (baskets, S) the context of each basket as whole numbers (hour, store, …); S is 0 without any.
    """

    origin: pd.Timestamp
    last: int
    days: np.ndarray = field(repr=False)
    basket_start: np.ndarray = field(repr=False)
    row_item: np.ndarray = field(repr=False)
    row_start: np.ndarray = field(repr=False)
    items: np.ndarray = field(repr=False)
    item_start: np.ndarray = field(repr=False)
    trend: np.ndarray = field(repr=False)
    basis: np.ndarray = field(repr=False)
    lately: np.ndarray = field(repr=False)
    plan_start: np.ndarray = field(repr=False)
    plan: np.ndarray = field(repr=False)
    usual: np.ndarray = field(repr=False)
    context: np.ndarray = field(repr=False)

    def day(self, times: pd.DatetimeIndex) -> np.ndarray:
        """Returns times (N,) as days since the origin."""
        return np.asarray((pd.DatetimeIndex(times) - self.origin) / pd.Timedelta(days=1), np.float32)

    def baskets(self) -> np.ndarray:
        """Returns (U,) how many baskets each user has."""
        return np.diff(self.basket_start)

    def week(self, days: np.ndarray) -> np.ndarray:
        """Returns the row of `trend` and `lately` that a model may see on each day: what was known when its week began.

        From the cutoff on it is the last row, which knows the whole history.
        """
        return np.where(days < self.last, days // 7, len(self.trend) - 1).astype(int)

    def plan_week(self, days: np.ndarray) -> np.ndarray:
        """Returns the row of `plan` that holds on each day."""
        return np.searchsorted(self.plan_start, days, side="right")


def sequences(split: Split, window: int = 30, rank: int = 32, context: np.ndarray | None = None) -> Sequences:
    """Turns a split's history into basket sequences.

    Args:
        split: Only its history is used.
        window: Days over which an item's recent popularity is counted.
        rank: R, the number of directions of taste.
        context: (rows of the history, S) whole numbers that are the same for all rows of a basket; None: S is 0.
    """
    history = split.history
    origin = history["timestamp"].min().normalize()
    rows = pd.DataFrame(
        {
            "user": history["user"].to_numpy(),
            "basket": pd.factorize(history["basket_id"])[0],
            "item": history["item"].to_numpy() + 1,
            "day": ((history["timestamp"] - origin) / pd.Timedelta(days=1)).to_numpy(np.float32),
        }
    )
    rows = rows.drop_duplicates(["user", "basket", "item"]).sort_values(["user", "day", "basket"], kind="stable")
    user, basket, item, day = (rows[column].to_numpy() for column in ("user", "basket", "item", "day"))
    users, size = len(split.users), len(split.items) + 1
    new = np.r_[True, (np.diff(user) != 0) | (np.diff(basket) != 0)]  # rows that open a basket
    pairs, place = np.unique(user.astype(np.int64) * size + item, return_inverse=True)
    item_start = np.searchsorted(pairs // size, np.arange(users + 1))
    context = np.zeros((len(history), 0), np.int32) if context is None else np.asarray(context, np.int32)
    last = int(np.ceil((split.cutoff - origin) / pd.Timedelta(days=1)))
    weeks = np.r_[np.arange(last // 7 + 1) * 7, last]  # the first day of each week, and the day when all is known
    plan = {"plan_start": np.zeros(0, np.float32), "plan": np.zeros((1, size, 0), np.float32)}
    if split.plan is not None:
        starts = (split.plan.starts - origin) / pd.Timedelta(days=1)
        plan = {"plan_start": np.asarray(starts, np.float32), "plan": split.plan.share * np.float32(_PLAN_SCALE)}
    before = np.searchsorted(plan["plan_start"], weeks, side="left")  # weeks of the plan that have begun
    with devices.one_blas_thread():
        taste = _neighbourhood(user, item, day, (users, size), weeks, window, rank)
    usual = np.stack([plan["plan"][max(0, row - 3) : row + 1].mean(0) for row in before])
    return Sequences(
        origin=origin,
        last=last,
        days=day[new],
        basket_start=np.searchsorted(user[new], np.arange(users + 1)),
        row_item=(place - item_start[user]).astype(np.int32),
        row_start=np.r_[np.flatnonzero(new), len(new)],
        items=(pairs % size).astype(np.int32),
        item_start=item_start,
        trend=_trend(item, day, size, weeks, window),
        **taste,
        **plan,
        usual=usual,
        context=context[rows.index[new]],
    )


def _trend(item, day, size, weeks, window) -> np.ndarray:
    """Returns (weeks, V + 1) the log of each item's share of the rows in the window before each day of `weeks`."""
    recent = np.stack([np.bincount(item[(day < end) & (day >= end - window)], minlength=size) for end in weeks])
    return np.log((recent + 0.3) / (recent.sum(1, keepdims=True) + 1) * 1000).astype(np.float32)


def _neighbourhood(user, item, day, shape, weeks, window, rank) -> dict[str, np.ndarray]:
    """Fits the directions of taste, and along each what was bought lately.

    A truncated, shrunk user-kNN: users are compared by the log of their decayed counts, in the R directions that
    explain most of them; what neighbours bought counts the more the more recent it is. Ridge-like shrinkage (as in
    EASE, Steck 2019) lets weak directions weigh less.
    """
    counts = sp.coo_matrix((np.exp(-(weeks[-1] - day) / _TASTE_DECAY), (user, item)), shape).tocsr()
    counts.data = np.log1p(counts.data)
    rank = max(1, min(rank, min(shape) // 4))
    left, strength, right = randomized_svd(counts, rank, random_state=0)
    shrink = strength / (strength**2 + _SHRINKAGE * strength[-1] ** 2)
    lately = np.zeros((len(weeks), shape[1], rank), np.float32)
    for w, end in enumerate(weeks):
        near = (day < end) & (day >= end - 4 * window)
        recent = sp.coo_matrix((np.exp(-(end - day[near]) / window), (user[near], item[near])), shape).tocsr()
        recent.data = np.minimum(recent.data, 1)
        lately[w] = recent.T @ left
    return {"basis": (right.T * shrink).astype(np.float32), "lately": lately}


def item_groups(items: pd.DataFrame, catalogue: pd.Index) -> list[list[int]]:
    """Returns the groups that share a part of their items' embeddings: item type, category and brand.

    Args:
        items: The shop's items.
        catalogue: (V,) item ids.

    Returns:
        For each way to group V + 1 integers: 0 for padding, then the group of each item.
    """
    table = look_up(items, catalogue)
    labels = (item_types(items, catalogue), table["category"], table["brand"])
    return [[0, *(pd.factorize(label)[0] + 1).tolist()] for label in labels]


def history_arrays(
    seq: Sequences, users: np.ndarray, low: np.ndarray, high: np.ndarray, unlike: tuple[int, int] = (0, 0)
) -> dict[str, np.ndarray]:
    """Builds the dense arrays of a batch, padded on the right to a multiple of 16.

    Args:
        seq: The sequences.
        users: (B,) users.
        low: (B,) first basket to use, as positions in `seq.days`.
        high: (B,) one past the last basket to use.
        unlike: Lengths of L and H to avoid, by more padding.

    Returns:
        `items` (B, H), `incidence` (B, L, H) with 1 where a basket holds an item, `days` (B, L), `valid` (B, L).
    """
    lengths = devices.padded_size((high - low).max(), 16)
    lengths += 16 * (lengths == unlike[0])
    flat, owner, place = ragged(seq.item_start[users], seq.item_start[users + 1])
    width = devices.padded_size(place.max(initial=0) + 1, 16)
    width += 16 * (width == unlike[1])
    items = np.zeros((len(users), width), np.int32)
    items[owner, place] = seq.items[flat]
    basket, owner, place = ragged(low, high)
    days, valid = np.zeros((len(users), lengths), np.float32), np.zeros((len(users), lengths), bool)
    days[owner, place], valid[owner, place] = seq.days[basket], True
    row, which, _ = ragged(seq.row_start[basket], seq.row_start[basket + 1])
    incidence = np.zeros((*days.shape, items.shape[1]), np.float32)
    incidence[owner[which], place[which], seq.row_item[row]] = 1
    return {"items": items, "incidence": incidence, "days": days, "valid": valid}


def position_arrays(position: np.ndarray, target_day: np.ndarray) -> dict[str, np.ndarray]:
    """Says up to where histories may be seen, and when the baskets to predict are bought.

    Args:
        position: (B, P) the last basket that may be seen.
        target_day: (B, P) the day of the basket to predict.

    Returns:
        Both, by their names.
    """
    return {"position": position.astype(np.int32), "target_day": target_day.astype(np.float32)}


def known(x: dict[str, np.ndarray]) -> np.ndarray:
    """Says of a batch which items had been bought by each position.

    Args:
        x: A batch with `history_arrays` and `position_arrays`.

    Returns:
        (B, P, H) booleans.
    """
    return _past(x).astype(np.float32) @ x["incidence"] > 0  # (B, P, L) @ (B, L, H)


def last_purchases(x: dict[str, np.ndarray]) -> np.ndarray:
    """Returns the day of each item's last purchase by each position; far in the past if there is none.

    Args:
        x: As for `known`.

    Returns:
        (B, P, H) days.
    """
    last = np.where(x["incidence"] > 0, x["days"][:, :, None], np.float32(_NEVER))  # (B, L, H)
    for basket in range(1, last.shape[1]):  # `np.maximum.accumulate` walks across memory, and takes four times as long
        np.maximum(last[:, basket], last[:, basket - 1], out=last[:, basket])
    return last[np.arange(len(last))[:, None], x["position"]]


def _past(x: dict[str, np.ndarray]) -> np.ndarray:
    """Returns (B, P, L) which baskets may be seen at each position."""
    return np.arange(x["days"].shape[1]) <= x["position"][:, :, None]


def market_arrays(seq: Sequences, x: dict[str, np.ndarray], candidates: np.ndarray) -> dict[str, np.ndarray]:
    """Says what the whole shop does at each position: which items sell, and which ones to similar users.

    Args:
        seq: The sequences.
        x: A batch with `history_arrays` and `position_arrays`.
        candidates: (C,) item ids.

    Returns:
        `candidates` (C,), and stacked as the last axis log recent popularity, the neighbours' log score, and if there
        is a promotion plan what it says of the target's week, and of the week of the last purchase (of the history's
        items) or of the usual week (of the candidates): `market` (B, P, H, 2 + 2 K) of the history's items and
        `candidate_market` (B, P, C, 2 + 2 K) of the candidates.
    """
    age = np.maximum(x["target_day"][:, :, None] - x["days"][:, None], 0)  # (B, P, L)
    counts = np.log1p((_past(x) * np.exp(-age / np.float32(_TASTE_DECAY))) @ x["incidence"])  # -> (B, P, H)
    taste = counts @ seq.basis[x["items"]]  # (B, P, H) @ (B, H, R)
    week, now = seq.week(x["target_day"]), seq.plan_week(x["target_day"])  # (B, P)
    kinds = seq.plan.shape[-1]
    own = np.empty((*counts.shape, 2 + 2 * kinds), np.float32)
    others = np.empty((*week.shape, len(candidates), 2 + 2 * kinds), np.float32)
    for w in np.unique(week):
        user, at = np.nonzero(week == w)
        items = x["items"][user]  # (rows, H)
        mine = taste[user, at]  # (rows, R)
        lately = seq.lately[w]  # `take` below: indexing with arrays takes three times as long
        for p in np.unique(now[week == w]):  # all facts but the second are the same for these households
            facts = [seq.trend[w][:, None], seq.trend[w][:, None], seq.plan[p], seq.usual[w]]
            facts = np.concatenate([fact.take(candidates, axis=0) for fact in facts], axis=1)
            others[(week == w) & (now == p)] = facts
        others[user, at, :, 1] = _log(mine @ lately.take(candidates, axis=0).T)  # (rows, R) @ (R, C)
        own[user, at, :, 0] = seq.trend[w].take(items)
        own[user, at, :, 1] = _log(np.einsum("nr,nhr->nh", mine, lately.take(items, axis=0)))
    if kinds:
        weeks, size = seq.plan.shape[:2]
        plan = seq.plan.reshape(weeks * size, kinds)
        own[..., 2 : 2 + kinds] = plan.take(now[:, :, None] * size + x["items"][:, None], axis=0)
        own[..., 2 + kinds :] = plan.take(seq.plan_week(last_purchases(x)) * size + x["items"][:, None], axis=0)
    return {"candidates": candidates, "market": own, "candidate_market": others}


def _log(scores: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(scores, 0) + np.float32(0.003))
