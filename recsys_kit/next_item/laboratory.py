"""A laboratory: shops whose truth is known, because they are simulated, and what counting can find out about them.

What is bought next depends on the household's counts, on the last item, or on a combination of two items; a knob says
how much of each. So a method can be held against the best that is possible, and a claim about *why* a model is better
can be tested: where only counts matter, attention has nothing to find.

Letters for shapes: U users, B users of a block, L positions, V items (ids 1..V in sequences, columns 0..V - 1 in
scores), G groups.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
import scipy.sparse as sp

from recsys_kit import evaluation
from recsys_kit.datasets.tables import TIMESTAMP
from recsys_kit.neural.ranges import ragged
from recsys_kit.next_item.leave_one_out import LeaveOneOut
from recsys_kit.preprocessing import Split

__all__ = [
    "Truth",
    "by_household",
    "by_last_item",
    "by_pairs",
    "judge",
    "oracle",
    "shuffled",
    "shuffled_baskets",
    "simulate",
    "to_events",
]


@dataclass(frozen=True)
class Truth:
    """How a simulated shop's customers choose what they buy next: at each purchase one of four ways, by chance.

    Each item stands on a shelf and has a colour; both are hidden from every model. Each shelf holds the same number of
    items of each colour.

    - counts: something of what the household bought before, in proportion to how often (now and then something new);
    - markov: an item of the shelf that the last item's colour points to;
    - combinations: an item of the shelf that the colours of two earlier items point to *together*. With two shelves:
      the first if the colours are equal, the second if they differ (an exclusive or). Who knows one of the two colours
      knows nothing.
    - noise, the rest: any item.

    The colour of what is drawn is always new chance, so that no rule works over a longer way than its own.

    Attributes:
        counts: Chance of the first way.
        markov: Chance of the second.
        combinations: Chance of the third.
        groups: G, the number of shelves and of colours: 2, 4, 8, …; above 2 it works bit by bit.
        each: Items of each colour on each shelf; the catalogue has V = G * G * each.
        lags: Which two items make the combination, counted back from the next one: 1 is the last item.
        newness: How fond households are of new items in the first way: the chance of one is newness / (newness + L).
        seed: Of the items' shelves and colours.
    """

    counts: float = 0.0
    markov: float = 0.0
    combinations: float = 0.0
    groups: int = 2
    each: int = 12
    lags: tuple[int, int] = (1, 2)
    newness: float = 2.0
    seed: int = 0

    def __post_init__(self):
        knobs = (self.counts, self.markov, self.combinations)
        if min(knobs) < 0 or sum(knobs) > 1 + 1e-9:
            raise ValueError(f"the knobs must be 0 or more and add up to 1 at most. Received: {knobs}.")
        if self.groups < 2 or self.groups & (self.groups - 1):
            raise ValueError(f"`groups` must be 2, 4, 8, … Received: groups={self.groups}.")
        if not 1 <= self.lags[0] < self.lags[1]:
            raise ValueError(f"`lags` must be two places, the nearer one first. Received: lags={self.lags}.")

    @property
    def size(self) -> int:
        """V."""
        return self.groups**2 * self.each

    @cached_property
    def shelf(self) -> np.ndarray:
        """(V,) where each item stands."""
        return self._place // (self.groups * self.each)

    @cached_property
    def colour(self) -> np.ndarray:
        """(V,) what each item says about the next one."""
        return self._place // self.each % self.groups

    @cached_property
    def _place(self) -> np.ndarray:
        return np.random.default_rng(self.seed).permutation(self.size)

    def chances(self, counts: np.ndarray, recent: np.ndarray) -> np.ndarray:
        """Returns (B, V) the true chance of each item to be the next one.

        Args:
            counts: (B, V) how often each household bought each item.
            recent: (B, R) columns of the last items, the newest first, -1 where there is none; R is `lags[1]` or more.
        """
        even = 1 / self.size
        known = counts.sum(axis=1, keepdims=True)
        chances = self.counts * (counts + self.newness * even) / (known + self.newness)
        colour = self.colour[recent]  # (B, R)
        for weight, points_to, lag in (
            (self.markov, self.groups - 1 - colour[:, 0], 1),
            (self.combinations, colour[:, self.lags[0] - 1] ^ colour[:, self.lags[1] - 1], self.lags[1]),
        ):
            there = self.shelf == points_to[:, None]  # (B, V)
            known = recent[:, lag - 1 : lag] >= 0  # (B, 1); at the very beginning nothing points anywhere
            chances += weight * np.where(known, there * (self.groups * even), even)
        return chances + (1 - self.counts - self.markov - self.combinations) * even


def simulate(truth: Truth, users: int = 3000, length: int = 19, seed: int = 0) -> LeaveOneOut:
    """Draws the purchases of a shop's households, one after the other, from their true chances.

    Args:
        truth: How they choose.
        users: U.
        length: L, purchases of each household.
        seed: Seed of everything that is drawn.
    """
    rng = np.random.default_rng(seed)
    items = np.full((users, length), -1)
    counts, row = np.zeros((users, truth.size), np.float32), np.arange(users)
    for place in range(length):
        recent = _before(items, np.full(users, place), truth.lags[1])
        total = truth.chances(counts, recent).cumsum(axis=1)
        drawn = (total < rng.random((users, 1)) * total[:, -1:]).sum(axis=1)
        items[:, place] = np.minimum(drawn, truth.size - 1)
        counts[row, items[:, place]] += 1
    return _sequences(items.ravel() + 1, np.arange(users + 1) * length, truth.size, f"a simulated shop: {truth}")


def oracle(truth: Truth, data: LeaveOneOut, held_out: int) -> evaluation.Scorer:
    """Returns users (B,) -> true chances (B, V): nobody can rank better. Equal chances stand in a random order.

    Args:
        truth: How the households choose.
        data: Their purchases.
        held_out: The last items of each user that are hidden.
    """
    counts, recent = _counts(data, held_out, 1.0), _recent(data, held_out, truth.lags[1])
    order = 1e-9 * np.random.default_rng(0).random(data.size)
    return lambda users: truth.chances(counts[users].toarray(), recent[users]) + order


def judge(
    scorer: evaluation.Scorer, data: LeaveOneOut, held_out: int = 1, k: int = 10, repeats: bool = True
) -> pd.Series:
    """Returns (U,) NDCG of the first hidden item in the full ranking.

    Args:
        scorer: Maps users (B,) to scores (B, V).
        data: The sequences.
        held_out: 2: the item before the last is the answer; 1: the last.
        k: Length of the list.
        repeats: Whether what a user has bought stays in the ranking; if not, users who buy it again are left out.
    """
    low, high = data.history(held_out)
    seen = None if repeats else data.matrix(low, high)
    return evaluation.evaluate(scorer, data.matrix(high, high + 1), k, exclude=seen)["ndcg"]


# What counting can find out


def by_household(data: LeaveOneOut, held_out: int, decay: float = 1.0) -> evaluation.Scorer:
    """Ranks by how often the household itself bought an item; equal ones, and new ones, by popularity.

    Args:
        data: The sequences.
        held_out: The last items of each user that are hidden.
        decay: What a purchase counts, relative to the next newer one.
    """
    counts, popular = _counts(data, held_out, decay), _popular(data)
    return lambda users: counts[users].toarray() + 1e-3 * popular


def by_last_item(data: LeaveOneOut, held_out: int) -> evaluation.Scorer:
    """Ranks by what followed the last item: a Markov chain, counted on all but everybody's last two items."""
    owner, _, item = data.events(2)
    follows = np.flatnonzero(owner[1:] == owner[:-1])
    pairs = (item[follows], item[follows + 1])
    table = sp.coo_matrix((np.ones(len(follows), np.float32), pairs), (data.size, data.size)).tocsr()
    last, popular = _recent(data, held_out, 1)[:, 0], _popular(data)
    return lambda users: table[last[users]].toarray() + popular


def by_pairs(data: LeaveOneOut, held_out: int, among: int = 2, strength: float = 10.0) -> evaluation.Scorer:
    """Ranks by what followed pairs of items that lay among the last ones: order 2 where the chain above has order 1.

    Each pair gives the chances of what follows it, drawn towards popularity; the evidence of all pairs is added up.
    Counted on all but everybody's last two items.

    Args:
        data: The sequences.
        held_out: The last items of each user that are hidden.
        among: The pairs are formed among so many last items; 2: just the last two. A pair has no order.
        strength: Of the pull towards popularity, in purchases.
    """
    _, place, item = data.events(2)
    before = _before(item[None], np.arange(len(item)), among)
    before[np.arange(among) >= place[:, None]] = -1
    key = _pairs(before, data.size)  # (E, pairs)
    event, column = np.nonzero(key >= 0)
    shape = (data.size**2, data.size)
    cells = (key[event, column], item[event])
    table = sp.coo_matrix((np.ones(len(event), np.float32), cells), shape).tocsr()
    seen, popular = np.asarray(table.sum(axis=1)).ravel(), _popular(data)
    asked = _pairs(_recent(data, held_out, among), data.size)

    def score(users: np.ndarray) -> np.ndarray:
        evidence = np.zeros((len(users), data.size), np.float32)
        for pair in asked[users].T:
            counted = table[np.maximum(pair, 0)].toarray() * (pair >= 0)[:, None]
            total = (seen[np.maximum(pair, 0)] * (pair >= 0))[:, None]
            evidence += np.log((counted + strength * popular) / (total + strength) / popular)
        return evidence + np.log(popular)

    return score


# Taking the order away


def shuffled(data: LeaveOneOut, held_out: int = 1, seed: int = 0) -> LeaveOneOut:
    """Puts each user's items in random order, all but the answer: what is left is which ones, and how often.

    It is a little more than nothing where histories are short: of ten items in random order, one in nine pairs of
    neighbours is still the pair that it was.

    Args:
        data: The sequences.
        held_out: So many last items of each user stay where they are: the answers.
        seed: Seed of the order.
    """
    flat, owner, _ = ragged(*data.history(held_out))
    items = data.items.copy()
    items[flat] = items[flat[np.lexsort((np.random.default_rng(seed).random(len(flat)), owner))]]
    return _sequences(items, data.start, data.size, f"{data.read_as}; the order of each history shuffled".lstrip("; "))


def shuffled_baskets(split: Split, seed: int = 0) -> Split:
    """Puts each household's baskets in random order, with the time stamps that there are; the answers stay.

    Args:
        split: The split.
        seed: Seed of the order.
    """
    history = split.history
    key = history["user"].to_numpy(np.int64) * len(history) + pd.factorize(history["basket_id"])[0]
    keys, basket = np.unique(key, return_inverse=True)
    began = history["timestamp"].groupby(basket).min()
    user = keys // max(1, len(history))
    order = np.lexsort((np.random.default_rng(seed).random(len(keys)), user))
    moved = np.empty_like(order)
    moved[order] = np.arange(len(keys))  # `keys` is in the order of users: a basket gets the time of one of its user's
    shift = began.to_numpy()[moved] - began.to_numpy()
    history = history.assign(timestamp=history["timestamp"] + pd.to_timedelta(shift[basket]))
    return replace(split, history=history.sort_values("timestamp", kind="stable").reset_index(drop=True))


def to_events(data: LeaveOneOut, seed: int = 0, last: str = "2017-12-31", gap: float = 3.0) -> pd.DataFrame:
    """Returns the sequences as a shop's events, in the kit's canonical columns: each purchase a basket of its own.

    Args:
        data: The sequences.
        seed: Seed of the time stamps.
        last: The day on which the last households buy for the last time.
        gap: Days between two purchases of a household, on average.
    """
    rng = np.random.default_rng(seed)
    flat, owner, place = ragged(data.start[:-1], data.start[1:])
    gaps = rng.exponential(gap, len(flat)) + 1e-3
    ago = pd.Series(gaps[::-1]).groupby(owner[::-1]).cumsum().to_numpy()[::-1]
    when = pd.Timestamp(last, tz="UTC") + pd.Timedelta(days=1) - pd.to_timedelta(ago, unit="D").round("s")
    events = pd.DataFrame(
        {
            "user_id": pd.Series(owner).map("household {}".format),
            "item_id": pd.Series(data.items[flat]).map("item {}".format),
            "timestamp": pd.Series(when).astype(TIMESTAMP),
            "basket_id": [f"{user}-{visit}" for user, visit in zip(owner, place, strict=True)],
            "quantity": 1.0,
            "price": 1.0,
        }
    )
    return events.sort_values("timestamp", kind="stable").reset_index(drop=True)


def _sequences(items: np.ndarray, start: np.ndarray, size: int, said: str) -> LeaveOneOut:
    items = items.astype(np.int32)
    digest = hashlib.sha256(items.tobytes() + start.astype(np.int64).tobytes()).hexdigest()[:12]
    return LeaveOneOut(items, start, size, digest, said)


def _counts(data: LeaveOneOut, held_out: int, decay: float) -> sp.csr_matrix:
    """Returns (U, V) how often each user bought each item, older purchases counting less."""
    owner, place, item = data.events(held_out)
    low, high = data.history(held_out)
    weight = decay ** ((high - low)[owner] - 1.0 - place)
    return sp.coo_matrix((weight, (owner, item)), (len(low), data.size)).tocsr()


def _popular(data: LeaveOneOut) -> np.ndarray:
    """Returns (V,) shares of the events that may be counted."""
    counts = np.bincount(data.events(2)[2], minlength=data.size) + 0.5
    return counts / counts.sum()


def _recent(data: LeaveOneOut, held_out: int, count: int) -> np.ndarray:
    """Returns (U, R) columns of each user's last visible items, the newest first, -1 where there is none."""
    low, high = data.history(held_out)
    place = high[:, None] - 1 - np.arange(count)
    return np.where(place >= low[:, None], data.items[np.maximum(place, 0)] - 1, -1)


def _before(items: np.ndarray, place: np.ndarray, count: int) -> np.ndarray:
    """Returns (N, R) what stands before each place, the nearest first, -1 where nothing does; `items` (N or 1, L)."""
    back = place[:, None] - 1 - np.arange(count)
    row = np.arange(len(place))[:, None] if len(items) > 1 else 0
    return np.where(back >= 0, items[row, np.maximum(back, 0)], -1)


def _pairs(recent: np.ndarray, size: int) -> np.ndarray:
    """Returns (N, pairs) a number for each pair of a row's items, whatever their order; -1 where one is missing."""
    one, other = np.triu_indices(recent.shape[1], 1)
    a, b = recent[:, one], recent[:, other]
    return np.where((a >= 0) & (b >= 0), np.minimum(a, b) * size + np.maximum(a, b), -1)
