"""An attack on "anonymous" purchases: how few of them single a household out, and which releases belong together (20).

Letters for shapes: E purchases, U households, N targets, D draws, M known purchases, F features.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import scipy.sparse as sp
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.preprocessing import normalize

__all__ = ["WHEN", "crowds", "known_purchases", "linked", "periods", "places"]

WHEN = ("day", "week", "month", "year")
"""How exactly a release says when something was bought."""


def periods(timestamps: pd.Series, when: str) -> pd.Series:
    """Returns the start of the period of each time: what a release says instead of the time.

    Args:
        timestamps: (E,) times (UTC).
        when: One of `WHEN`; weeks begin on Monday.

    Example:
        >>> times = pd.to_datetime(pd.Series(["2017-03-15 10:00"]), utc=True)
        >>> [f"{periods(times, when).iloc[0]:%d %b}" for when in WHEN]
        ['15 Mar', '13 Mar', '01 Mar', '01 Jan']
    """
    if when not in WHEN:
        raise ValueError(f"`when` must be one of {', '.join(WHEN)}. Received: {when!r}.")
    day = timestamps.dt.floor("D")
    back = {"day": 0 * day.dt.day, "week": day.dt.day_of_week, "month": day.dt.day - 1, "year": day.dt.day_of_year - 1}
    return day - pd.to_timedelta(back[when], unit="D")


def places(what: pd.Series, timestamps: pd.Series, when: str) -> np.ndarray:
    """Returns (E,) the number of each purchase's pair of what was bought and when, as a release says it."""
    time = pd.factorize(periods(timestamps, when))[0].astype(np.int64)
    return pd.factorize(pd.factorize(what)[0] * (time.max(initial=0) + 1) + time)[0]


def known_purchases(
    user: np.ndarray, place: np.ndarray, known: int, draws: int = 5, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Draws what an attacker happens to know of each household: some of its purchases, none of them twice.

    Args:
        user: (E,) the household of each purchase, 0..U-1.
        place: (E,) from `places`, of the finest release.
        known: M.
        draws: D.
        seed: Seed of the draws.

    Returns:
        The N households with at least M different purchases, and (N, D, M) rows of E.
    """
    rows = np.unique(user.astype(np.int64) * (place.max(initial=0) + 1) + place, return_index=True)[1]
    rows = rows[np.argsort(user[rows], kind="stable")]
    size = np.bincount(user[rows], minlength=user.max(initial=-1) + 1)
    start, rng = np.cumsum(size) - size, np.random.default_rng(seed)
    targets = np.flatnonzero(size >= known)
    drawn = [[start[u] + rng.choice(size[u], known, replace=False) for _ in range(draws)] for u in targets]
    return targets, rows[np.array(drawn, np.int64).reshape(len(targets), draws, known)]


def crowds(user: np.ndarray, place: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Returns (N, D, M): among how many households a target still hides after 1, 2, … known purchases.

    1: it is singled out. The target itself is always one of them.

    Args:
        user: (E,) the household of each purchase of the release.
        place: (E,) from `places`, as the release says it.
        rows: (N, D, M) from `known_purchases`; the attacker knows them as the release says them.

    Example:
        Both households bought 0, only the second bought 1:

        >>> crowds(np.array([0, 1, 1]), np.array([0, 0, 1]), np.array([[[1, 2]]])).tolist()
        [[[2, 1]]]
    """
    shape = (place.max(initial=-1) + 1, user.max(initial=-1) + 1)
    bought = sp.csr_matrix((np.ones(len(user), bool), (place, user)), shape)  # entries that occur twice are joined
    found = np.empty(rows.shape, np.int64)
    for draw in range(rows.shape[1]):
        still = bought[place[rows[:, draw, 0]]]
        found[:, draw, 0] = still.getnnz(1)
        for m in range(1, rows.shape[2]):
            still = still.multiply(bought[place[rows[:, draw, m]]]).tocsr()
            found[:, draw, m] = still.getnnz(1)
    return found


def linked(first: sp.csr_matrix, second: sp.csr_matrix) -> np.ndarray:
    """Returns (U,) whether the most similar household of the second release is the same one; a tie counts as a miss.

    Similarity is the cosine of logarithmic counts, each weighted by how few households have it (TF-IDF).

    Args:
        first: (U, F) what each household bought in the first release.
        second: (U, F) the same households, in the same order, in the second: the attacker doesn't use the order.
    """
    weigh = TfidfTransformer(sublinear_tf=True, norm=None).fit(sp.vstack([first, second]))
    a, b = (normalize(weigh.transform(counts)) for counts in (first, second))
    near = np.asarray((a @ b.T).todense())  # (U, U)
    own = near.diagonal().copy()
    np.fill_diagonal(near, -1)
    return own > near.max(1)
