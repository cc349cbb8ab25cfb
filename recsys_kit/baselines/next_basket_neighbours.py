"""Next-basket rules from the literature: own history and neighbours, as their papers weigh them (notebook 05).

Defaults are what a random search on the validation weeks of The Complete Journey chose, see
`benchmarks/neighbour_search.py`. Letters for shapes: U users, V items of the catalogue, B rows asked for, R rows of the
history (one a user, basket and item).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.sparse as sp

from recsys_kit.baselines.frequency import recent_popularity
from recsys_kit.baselines.neighbours import inner_products
from recsys_kit.baselines.scorers import TIE
from recsys_kit.baselines.transitions import basket_steps
from recsys_kit.evaluation import Scorer
from recsys_kit.preprocessing import Split

__all__ = ["Kernel", "taiw", "tifu_knn", "up_cf"]

_FEW = 20  # gaps and buyers of an average item that an item's own are mixed with


def tifu_knn(
    split: Split,
    groups: int = 8,
    basket_decay: float = 0.917,
    group_decay: float = 0.749,
    own: float = 0.644,
    neighbours: int = 158,
) -> Scorer:
    """Ranks the items by a decayed mean of the user's baskets and of the nearest users' (TIFU-kNN; Hu et al. 2020).

    A user's n baskets are cut into m groups of equal length k. The user's vector is
    v = 1/m sum_g group_decay^(m - g) 1/k sum_b basket_decay^(k - b) basket, and the score
    own v + (1 - own) (mean v of the nearest users, by Euclidean distance).

    Args:
        split: The split.
        groups: m; a user with fewer baskets has a group for each.
        basket_decay: Weight of a basket relative to the next newer one of its group.
        group_decay: Weight of a group relative to the next newer one.
        own: Weight of the user's own vector.
        neighbours: How many nearest other users speak.
    """
    user, step, item = _purchases(split)
    baskets = _baskets(user, step, len(split.users))[user]  # (R,) n
    m = np.minimum(baskets, groups)
    group = step * m // baskets
    first, after = -(-group * baskets // m), -(-(group + 1) * baskets // m)  # the group's first basket, the next's
    weights = group_decay ** (m - 1.0 - group) / m * basket_decay ** (after - 1.0 - step) / (after - first)
    vectors = _matrix(split, user, item, weights)
    return _own_and_nearest(split, vectors, vectors[split.test_users], own, neighbours)


def up_cf(split: Split, recent: int | None = 14, asymmetry: float = 0.631, power: float = 4.889) -> Scorer:
    """Ranks the items by how often similar users' recent baskets hold them (UP-CF; Faggioli, Polato, Aiolli 2020).

    pi_v(i) is the share of v's last `recent` baskets that hold i, w(u, v) = |u and v| / (|u|^asymmetry
    |v|^(1 - asymmetry)) the likeness of two users' sets of items, and the score sum_v w(u, v)^power pi_v(i). The user
    is most similar to himself or herself: a high power leaves little but the own history.

    Args:
        split: The split.
        recent: How many of the last baskets count; None: all.
        asymmetry: 0 divides by the other user's items, 1 by the user's own.
        power: How much more the most similar users count.
    """
    user, step, item = _purchases(split)
    baskets = _baskets(user, step, len(split.users))
    last = baskets if recent is None else np.minimum(baskets, recent)
    newest = step >= (baskets - last)[user]
    share = _matrix(split, user, item, newest / np.maximum(last, 1)[user])  # (U, V): pi
    sets = _matrix(split, user, item, np.ones(len(user)))
    sets.data[:] = 1
    size = np.maximum(np.asarray(sets.sum(1)).ravel(), 1)
    popular, shares = recent_popularity(split), sp.csr_matrix(share.T)

    def score(rows: np.ndarray) -> np.ndarray:
        found = [np.empty((0, len(split.items)), np.float32)]
        for part, common in inner_products(sets, sets, split.test_users[rows]):
            alike = (common / (size[part, None] ** asymmetry * size ** (1 - asymmetry))) ** power  # (B, U)
            found.append((shares @ np.ascontiguousarray(alike.T.astype(np.float32))).T)  # (V, U) @ (U, B)
        return np.concatenate(found) + TIE * popular

    return score


@dataclass(frozen=True)
class Kernel:
    """How much a purchase of item i counts when it is a days old: alpha_i (exp(-a / tau_i) + bump N_i(a)).

    N_i(a) = exp(-(a / mu_i - 1)^2 / (2 width^2)) is a normal bump at the item's own interval mu_i, the usual time
    between two purchases of it by one user; tau_i = decay (mu_i / mean mu)^by_interval; alpha_i is the item's repeat
    rate to the power `repeat`.

    Attributes:
        decay: Days; the exponential part.
        by_interval: 0: the same decay for all items, 1: in proportion to their intervals.
        bump: Weight of the bump; 0 leaves it out.
        width: Width of the bump in intervals.
        repeat: How much the items' repeat rates count.
    """

    decay: float = 81.972
    by_interval: float = -0.055
    bump: float = 0.105
    width: float = 0.526
    repeat: float = 0.24

    def weights(self, age: np.ndarray, interval: np.ndarray, middle: float, repeat: np.ndarray) -> np.ndarray:
        """Returns (R,) weights of purchases of an age in days.

        Args:
            age: (R,) days.
            interval: (R,) the usual interval of each purchase's item, in days.
            middle: The usual interval of all items.
            repeat: (R,) the repeat rate of each purchase's item.
        """
        short = np.exp(-age / (self.decay * (interval / middle) ** self.by_interval))
        bump = np.exp(-0.5 * ((age / interval - 1) / self.width) ** 2)
        return repeat**self.repeat * (short + self.bump * bump)


def taiw(split: Split, kernel: Kernel = Kernel(), own: float = 0.662, neighbours: int = 300) -> Scorer:
    """Ranks the items by purchases under a time kernel of their item, the user's and neighbours' (after TAIW).

    TAIW (Romanov et al. 2023) weighs each purchase by an item-wise kernel of its age, as SLRC does (Wang et al. 2019),
    before histories and neighbours are averaged. The papers learn the items' parameters by gradient descent; here they
    are moments of the history (interval, repeat rate), drawn to the shop's where an item is rare. The own history is
    looked at when the user comes back, neighbours at the cutoff.

    Args:
        split: The split.
        kernel: What a purchase counts.
        own: Weight of the user's own vector.
        neighbours: How many nearest other users speak.
    """
    user, step, item = _purchases(split)
    day = _days(split, user, step, item)
    interval, middle, repeat = _rhythm(user, item, day, len(split.items))
    baskets = np.maximum(_baskets(user, step, len(split.users)), 1)[user]
    came = np.zeros(len(split.users))
    came[split.test_users] = np.asarray((split.answer_times - split.cutoff) / pd.Timedelta(days=1))
    vectors, mine = (
        _matrix(split, user, item, kernel.weights(later - day, interval[item], middle, repeat[item]) / baskets)
        for later in (0.0, came[user])
    )
    return _own_and_nearest(split, vectors, mine[split.test_users], own, neighbours)


def _own_and_nearest(split: Split, vectors: sp.csr_matrix, mine: sp.csr_matrix, own: float, neighbours: int) -> Scorer:
    """Returns the scorer own * mine + (1 - own) * mean of the nearest other users' vectors (Euclidean)."""
    popular = recent_popularity(split)
    square = np.asarray(vectors.multiply(vectors).sum(1)).ravel()  # (U,)
    count = min(neighbours, len(split.users) - 1)

    def score(rows: np.ndarray) -> np.ndarray:
        found = [np.empty((0, len(split.items)), np.float32)]
        for part, products in inner_products(vectors, vectors, split.test_users[rows]):
            near = 2 * products - square  # minus the squared distance, but for a number of the user's
            near[np.arange(len(part)), part] = -np.inf
            others = len(split.users) - count
            best = np.argpartition(near, min(others, near.shape[1] - 1), axis=1)[:, others:].ravel()
            shape, start = (len(part), len(split.users)), np.arange(len(part) + 1) * count
            mean = sp.csr_matrix((np.full(len(best), 1 / max(1, count), np.float32), best, start), shape) @ vectors
            found.append((1 - own) * mean.toarray())
        return own * mine[rows].toarray() + np.concatenate(found) + TIE * popular

    return score


def _purchases(split: Split) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns user, step (number of the user's basket, 0 and up) and item (R,): each item once a basket, ordered."""
    user, item = (split.history[name].to_numpy(np.int64) for name in ("user", "item"))
    step, items = basket_steps(split.history), len(split.items)
    steps = step.max(initial=0) + 1
    keys = np.unique((user * steps + step) * items + item)
    return keys // items // steps, keys // items % steps, keys % items


def _baskets(user: np.ndarray, step: np.ndarray, users: int) -> np.ndarray:
    """Returns (U,) how many baskets each user has."""
    baskets = np.zeros(users, np.int64)
    np.maximum.at(baskets, user, step + 1)
    return baskets


def _days(split: Split, user: np.ndarray, step: np.ndarray, item: np.ndarray) -> np.ndarray:
    """Returns (R,) the day of each purchase, before 0, the cutoff."""
    history, items = split.history, len(split.items)
    own = basket_steps(history)
    steps = own.max(initial=0) + 1
    keys = (history["user"].to_numpy(np.int64) * steps + own) * items + history["item"].to_numpy(np.int64)
    day = ((history["timestamp"] - split.cutoff) / pd.Timedelta(days=1)).to_numpy(float)
    order = np.argsort(keys, kind="stable")
    return day[order][np.searchsorted(keys[order], (user * steps + step) * items + item)]


def _rhythm(user: np.ndarray, item: np.ndarray, day: np.ndarray, items: int) -> tuple[np.ndarray, float, np.ndarray]:
    """Returns each item's usual interval (V,) in days (a geometric mean), that of all, and its repeat rate (V,)."""
    order = np.lexsort((day, item, user))
    user, item, day = user[order], item[order], day[order]
    again = (np.diff(user, prepend=-1) == 0) & (np.diff(item, prepend=-1) == 0)
    gap = np.log(np.maximum(np.diff(day, prepend=0.0), 1)[again])
    middle = gap.mean() if len(gap) else np.log(30.0)
    sums, number = np.bincount(item[again], gap, items), np.bincount(item[again], minlength=items)
    interval = np.exp((sums + _FEW * middle) / (number + _FEW))
    buyers = np.bincount(item[~again], minlength=items)
    twice = again & ~np.roll(again, 1)  # the second purchase of a pair of user and item
    repeaters = np.bincount(item[twice], minlength=items)
    rate = (repeaters.sum() + 1) / (buyers.sum() + 2)
    return interval, float(np.exp(middle)), (repeaters + _FEW * rate) / (buyers + _FEW)


def _matrix(split: Split, user: np.ndarray, item: np.ndarray, weights: np.ndarray) -> sp.csr_matrix:
    shape = (len(split.users), len(split.items))
    return sp.coo_matrix((weights.astype(np.float32), (user, item)), shape).tocsr()
