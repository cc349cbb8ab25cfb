"""Semantic ids: an item as a word of a few codes, and which words there are (notebook 09).

An item's vector is cut into codes by residual k-means: the first code is the nearest of K centroids, the next one the
nearest centroid of what is left. Items with the same codes get a number after them. A trie says which words are items.

Letters for shapes: N items, T width of their vectors, M codes an item, K values of a code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from sklearn.cluster import KMeans

__all__ = ["Codebook", "Trie", "learn_codes", "numbered", "random_codes"]


@dataclass(frozen=True)
class Codebook:
    """The centroids of each level.

    Attributes:
        levels: For each level its (K, T) centroids.
    """

    levels: list[np.ndarray] = field(repr=False)

    def codes(self, vectors: np.ndarray) -> np.ndarray:
        """Returns (N, M) codes of vectors (N, T), of items that are known or new."""
        rest, found = np.asarray(vectors, np.float32).copy(), []
        for centroids in self.levels:
            distance = (centroids**2).sum(axis=1) - 2 * rest @ centroids.T  # (N, K), without what is equal for all
            found.append(distance.argmin(axis=1))
            rest -= centroids[found[-1]]
        return np.stack(found, axis=1).astype(np.int32)

    def vectors(self, codes: np.ndarray) -> np.ndarray:
        """Returns (N, T): what codes (N, M) say of the vectors, the sum of their centroids."""
        return sum(centroids[column] for centroids, column in zip(self.levels, codes.T, strict=True))


def learn_codes(
    vectors: np.ndarray, levels: int = 3, size: int = 256, seed: int = 0, weights: np.ndarray | None = None
) -> Codebook:
    """Learns residual k-means: each level clusters what the levels before it leave over.

    Args:
        vectors: (N, T).
        levels: M.
        size: K; as many as there are vectors if they are fewer.
        seed: Seed of the first centroids.
        weights: (N,) what each vector counts for, such as an item's sales; None: all the same. Weighed by sales, more
            centroids lie where the best sellers are.

    Example:
        Four numbers in two levels of two: which half, and where in it:

        >>> book = learn_codes(np.array([[0.0], [1.0], [10.0], [11.0]]), levels=2, size=2)
        >>> book.vectors(book.codes(np.array([[0.0], [1.0], [10.0], [11.0]]))).ravel().round(3).tolist()
        [0.0, 1.0, 10.0, 11.0]
    """
    rest, found = np.asarray(vectors, np.float32), []
    for level in range(levels):
        distinct = len(np.unique(rest.round(5), axis=0))
        means = KMeans(min(size, distinct), n_init=1, max_iter=30, random_state=seed + level)
        means.fit(rest, sample_weight=weights)
        found.append(means.cluster_centers_.astype(np.float32))
        rest = rest - found[-1][means.predict(rest)]
    return Codebook(found)


def numbered(codes: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Returns (N, M + 1): a number behind the codes that tells items with equal codes apart, 0 where there is one.

    Args:
        codes: (N, M).
        order: (N,) the item with the largest value of its group gets 0, such as the one that sells best.

    Example:
        >>> numbered(np.array([[3, 1], [3, 1], [2, 0]]), order=np.array([5.0, 9.0, 1.0])).tolist()
        [[3, 1, 1], [3, 1, 0], [2, 0, 0]]
    """
    group = np.unique(codes, axis=0, return_inverse=True)[1].ravel()
    ranked = np.lexsort((-np.asarray(order), group))
    first = np.searchsorted(group[ranked], group[ranked])
    number = np.empty(len(codes), np.int32)
    number[ranked] = np.arange(len(codes)) - first
    return np.column_stack([codes, number]).astype(np.int32)


def random_codes(items: int, levels: int = 3, size: int = 256, seed: int = 0) -> np.ndarray:
    """Returns (N, M) codes that say nothing: the control for codes from vectors."""
    return np.random.default_rng(seed).integers(0, size, (items, levels)).astype(np.int32)


class Trie:
    """Which code may follow which: all items' codes as a tree, one table a level.

    Args:
        codes: (N, M) of distinct items.
        sizes: (M,) how many values each code has.

    Example:
        >>> trie = Trie(np.array([[0, 1], [1, 0], [1, 1]]), sizes=(2, 2))
        >>> trie.step[1].tolist()  # after code 0 only 1 may follow, and leads to item 0
        [[-1, 0], [1, 2]]
    """

    def __init__(self, codes: np.ndarray, sizes: Sequence[int]):
        self.sizes, self.codes, self.step = tuple(sizes), np.asarray(codes), []
        node = np.zeros(len(codes), np.int64)
        for level, size in enumerate(self.sizes):
            table = np.full((node.max() + 1, size), -1, np.int32)
            keys, following = np.unique(node * size + self.codes[:, level], return_inverse=True)
            table[keys // size, keys % size] = np.arange(len(keys))
            node = following.ravel()
            self.step.append(table)
        if len(np.unique(node)) != len(node):
            raise ValueError("`codes` must differ from item to item: number those that are equal, see `numbered`.")
        self.item = np.empty(len(node), np.int64)
        self.item[node] = np.arange(len(node))  # (N,) leaf -> item
        self.step[-1] = np.where(self.step[-1] >= 0, self.item[self.step[-1]], -1).astype(np.int32)

    def items_of(self, codes: np.ndarray) -> np.ndarray:
        """Returns the item of each word (..., M), -1 where it is none."""
        node = np.zeros(codes.shape[:-1], np.int64)
        for level, table in enumerate(self.step):
            node = np.where(node >= 0, table[np.maximum(node, 0), codes[..., level]], -1)
        return node
