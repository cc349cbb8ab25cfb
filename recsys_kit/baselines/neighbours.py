"""Neighbours: what similar households buy, and what is bought by the buyers of an item (notebook 03).

Letters for shapes: U users, O of them, V items of the catalogue, N test cases, B rows asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import scipy.sparse as sp

from recsys_kit.baselines.frequency import decayed_counts, recent_popularity
from recsys_kit.baselines.scorers import product_scorer, promoted
from recsys_kit.evaluation import Scorer
from recsys_kit.preprocessing import Split

__all__ = ["inner_products", "item_knn", "promoted_knn", "user_knn"]

LIFTED = (4.0, 1.0, 1.0)
"""What a display and two ways of mailing weigh beyond what is usual: see `promoted_knn`."""

_CELLS = 2**24  # of a block's dense similarities: 64 megabytes


def user_knn(
    split: Split, neighbours: int = 300, decay: float | None = 120, among: int | None = None, seed: int = 0
) -> Scorer:
    """Ranks the items by what similar users buy: cosine similarity of decayed, log-scaled counts.

    Neighbours are found when a case is scored, a block of cases at a time: all users by all users would take
    26 gigabytes for 80,000. The time still grows with their square, so large shops look `among` some of them.

    Args:
        split: The split.
        neighbours: How many of the most similar other users speak.
        decay: Days after which a purchase weighs 1/e.
        among: Look for neighbours among so many users, drawn at random; None: among all.
        seed: Seed of that draw.
    """
    if among is not None and among < 1:
        raise ValueError(f"`among` must be 1 or more users, or None for all. Received: among={among}.")
    tastes, popular = _unit_rows(decayed_counts(split, decay).log1p()), recent_popularity(split)
    others = np.arange(len(split.users))
    if among is not None and among < len(others):
        others = np.sort(np.random.default_rng(seed).choice(others, among, replace=False))
    theirs = tastes[others]

    def score(rows: np.ndarray) -> np.ndarray:
        similar = _nearest(tastes, theirs, others, split.test_users[rows], neighbours)
        return product_scorer(similar, theirs, popular)(np.arange(similar.shape[0]))

    return score


def promoted_knn(split: Split, weights: Sequence[float] = LIFTED, **settings) -> Scorer:
    """Ranks the items by what similar users buy, and by how much more than usual they are promoted: for new items.

    The default weights were chosen on The Complete Journey, on six windows before 2017-12-01
    (`benchmarks/ladder.py --weights`); they overlap the test weeks of earlier cutoffs, in the rule's favour there.

    Args:
        split: The split; it has a plan.
        weights: What the ways to promote weigh; see `promoted`, with `lift`.
        **settings: As of `user_knn`.
    """
    return promoted(user_knn(split, **settings), split, weights, lift=True)


def item_knn(split: Split, neighbours: int = 100, decay: float | None = None) -> Scorer:
    """Ranks the items by their similarity to what the user bought: cosine of the items' buyers.

    Args:
        split: The split.
        neighbours: How many similar items are kept for each item, itself among them.
        decay: Days after which a purchase weighs 1/e.
    """
    from implicit.nearest_neighbours import ItemItemRecommender

    counts = decayed_counts(split, decay).log1p()
    model = ItemItemRecommender(K=neighbours, num_threads=1)
    model.fit(sp.csr_matrix(_unit_rows(counts.T.tocsr()).T, dtype=np.float64), show_progress=False)
    similar = sp.csr_matrix(model.similarity, dtype=np.float32)
    return product_scorer(counts[split.test_users], similar, recent_popularity(split))


def inner_products(
    tastes: sp.csr_matrix, theirs: sp.csr_matrix, users: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields users block by block, and the products (B, O) of their rows of `tastes` (U, V) with `theirs` (O, V)."""
    block = max(1, _CELLS // max(theirs.shape))
    for part in (users[first : first + block] for first in range(0, len(users), block)):
        dense = np.ascontiguousarray(tastes[part].toarray().T)
        yield part, np.ascontiguousarray((theirs @ dense).T)  # (O, V) @ (V, B): faster than sparse by sparse


def _nearest(
    tastes: sp.csr_matrix, theirs: sp.csr_matrix, others: np.ndarray, users: np.ndarray, neighbours: int
) -> sp.csr_matrix:
    """Returns (B, O) the similarities of users (B,) to their nearest among `others` (O,), zero for all the rest."""
    parts = [sp.csr_matrix((0, len(others)), dtype=np.float32)]
    for part, similar in inner_products(tastes, theirs, users):
        place = np.minimum(np.searchsorted(others, part), len(others) - 1)
        own = np.flatnonzero(others[place] == part)
        similar[own, place[own]] = 0
        if neighbours < similar.shape[1]:
            least = np.partition(similar, -neighbours, axis=1)[:, -neighbours]
            similar[similar < least[:, None]] = 0
        parts.append(sp.csr_matrix(similar))
    return sp.vstack(parts, format="csr")


def _unit_rows(matrix: sp.csr_matrix) -> sp.csr_matrix:
    norms = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    return sp.csr_matrix(sp.diags(1 / np.maximum(norms, 1e-9).astype(np.float32)) @ matrix)
