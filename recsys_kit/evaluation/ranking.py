"""Ranking metrics over the whole catalogue, in blocks.

Letters for shapes: N test cases, B of them at a time (a block), V items of the catalogue, K length of a list.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pandas as pd
import scipy.sparse as sp

__all__ = [
    "TIES",
    "Negatives",
    "Scorer",
    "best_first",
    "discounts",
    "evaluate",
    "evaluate_halves",
    "graded_ndcg",
    "top_k",
    "top_lists",
]

Scorer = Callable[[np.ndarray], np.ndarray]
TIES = ("against", "for", "catalogue", "shuffled")


@dataclasses.dataclass(frozen=True)
class Negatives:
    """Items that are sampled for each case, to rank against them instead of the whole catalogue.

    Args:
        count: How many.
        weights: (V,) chances of being sampled; None for equal ones.
    """

    count: int
    weights: np.ndarray | None = None


def top_k(scores: np.ndarray, k: int) -> np.ndarray:
    """Returns the (N, K) columns of the k highest scores of each row, best first.

    Example:
        >>> top_k(np.array([[0.1, 0.9, 0.5]]), 2).tolist()
        [[1, 2]]
    """
    k = min(k, scores.shape[1])
    best = np.argpartition(scores, -k, axis=1)[:, -k:]
    order = np.argsort(-np.take_along_axis(scores, best, 1), axis=1, kind="stable")
    return np.take_along_axis(best, order, 1)


def top_lists(
    scorer: Scorer | np.ndarray,
    cases: int | Sequence[int] | np.ndarray,
    k: int = 10,
    exclude: sp.csr_matrix | None = None,
    block: int = 256,
) -> np.ndarray:
    """Recommends k items to every case, best first.

    Args:
        scorer: (N, V) scores, or a function from rows (B,) to their scores (B, V).
        cases: Rows to recommend to, or how many there are.
        k: Length of the list.
        exclude: (N, V) boolean matrix of items not to recommend.
        block: How many cases are scored at once; bounds the memory.

    Returns:
        (N, K) columns; -1 where nothing is left to recommend.

    Example:
        >>> scores = np.array([[0.1, 0.9, 0.5], [0.3, 0.2, 0.1]])
        >>> top_lists(scores, 2, k=2, exclude=sp.csr_matrix(scores > 0.4)).tolist()
        [[0, -1], [0, 1]]
    """
    rows = np.arange(cases) if isinstance(cases, (int, np.integer)) else np.asarray(cases)
    lists = []
    for _, scores in _blocks(scorer, rows, exclude, block):
        best = top_k(scores, k)
        lists.append(np.where(np.take_along_axis(scores, best, 1) > -np.inf, best, -1))
    return np.concatenate(lists) if lists else np.empty((0, k), int)


def evaluate(
    scorer: Scorer | np.ndarray,
    answers: sp.csr_matrix,
    k: int | Sequence[int] = 10,
    exclude: sp.csr_matrix | None = None,
    block: int = 256,
    ties: str = "against",
    negatives: int | Negatives | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Ranks the whole catalogue for every test case and scores the first k places.

    An excluded item, or one with score -inf, is never recommended. An excluded item is not a relevant item either;
    cases with no relevant item left are dropped.

    Args:
        scorer: (N, V) scores, or a function from rows (B,) to their scores (B, V).
        answers: (N, V) boolean matrix of the relevant items.
        k: Length of the list; several lengths give columns such as `ndcg@5`.
        exclude: (N, V) boolean matrix of items to leave out of the ranking.
        block: How many cases are scored at once; bounds the memory.
        ties: Where a relevant item stands among equal scores: "against" the model (last: a model that cannot tell
            items apart earns nothing), "for" it (first), in the order of the "catalogue" (what a plain stable sort
            does), or "shuffled" (the catalogue in random order).
        negatives: Rank against so many sampled items instead of the whole catalogue. For comparison only. `Negatives`
            says how likely each item is.
        seed: Seed of the sampled items and of the shuffled ties.

    Returns:
        One row a case (index `case`: its row in `answers`) with `ndcg` (ideal at min(k, relevant)), `recall` (divided
        by min(k, relevant)), `mrr`, `map`, `hit` and `relevant` (how many items were to be found).

    Raises:
        ValueError: If an argument breaks its rule, or a score is not a number.

    Example:
        >>> scores = np.array([[0.9, 0.8, 0.7, 0.6]])  # the relevant items take places 2 and 4
        >>> result = evaluate(scores, sp.csr_matrix([[False, True, False, True]]), k=3)
        >>> result.loc[0, ["recall", "mrr", "map"]].tolist()
        [0.5, 0.5, 0.25]
        >>> round(float(result.loc[0, "ndcg"]), 3)  # (1 / log2(3)) / (1 + 1 / log2(3))
        0.387
    """
    sizes = np.atleast_1d(np.asarray(k))
    if sizes.ndim != 1 or sizes.dtype.kind not in "iu" or not len(sizes) or (sizes < 1).any():
        raise ValueError(f"`k` must be a whole number above 0, or a list of them. Received: k={k!r}.")
    if ties not in TIES:
        raise ValueError(f"`ties` must be one of {', '.join(TIES)}. Received: ties={ties!r}.")
    if negatives is not None:
        negatives = negatives if isinstance(negatives, Negatives) else Negatives(negatives)
        if negatives.count < 1:
            raise ValueError(f"`negatives` must be 1 or more. Received: negatives={negatives.count}.")
    answers = _boolean(answers)
    if exclude is not None:
        exclude = _boolean(exclude)
        answers = _boolean(answers.astype(np.int8) - answers.multiply(exclude).astype(np.int8))
    cases = np.flatnonzero(np.diff(answers.indptr))
    rng = np.random.default_rng(seed)
    order = rng.permutation(answers.shape[1]) if ties == "shuffled" else None
    places = []
    for rows, scores in _blocks(scorer, cases, exclude, block):
        if scores.shape[1] != answers.shape[1]:
            raise ValueError(
                f"a scorer must give one score an item. Received: {scores.shape[1]} scores, {answers.shape[1]} items."
            )
        if negatives is not None:
            _sample(scores, answers[rows], negatives, rng)
        places.append(_places(scores, answers[rows], int(sizes.max()), ties, order))
    places = np.concatenate(places) if places else np.empty(0, int)
    relevant = np.diff(answers.indptr)[cases]
    if np.ndim(k) == 0:
        table = _metrics(places, relevant, int(k))
    else:
        table = pd.concat([_metrics(places, relevant, int(size)).add_suffix(f"@{size}") for size in sizes], axis=1)
    return table.assign(relevant=relevant).set_index(pd.Index(cases, name="case"))


def evaluate_halves(
    scorer: Scorer, answers: sp.csr_matrix, seen: sp.csr_matrix, k: int = 10, block: int = 256
) -> dict[str, pd.DataFrame]:
    """Evaluates a method on all items, and on those that each user never bought; each case is scored once.

    Args:
        scorer: A function from rows (B,) to their scores (B, V).
        answers: (N, V) boolean matrix of the relevant items.
        seen: (N, V) boolean matrix of what each user bought before.
        k: Length of the list.
        block: How many cases are scored at once; bounds the memory.

    Returns:
        What `evaluate` returns: `all` and `explore`.

    Example:
        >>> answers, seen = sp.csr_matrix([[True, True, False]]), sp.csr_matrix([[True, False, False]])
        >>> found = evaluate_halves(lambda rows: np.array([[3.0, 1.0, 2.0]])[rows], answers, seen, k=1)
        >>> float(found["all"].loc[0, "ndcg"]), float(found["explore"].loc[0, "ndcg"])
        (1.0, 0.0)
    """
    answers, seen, parts = _boolean(answers), _boolean(seen), {"all": [], "explore": []}
    for first in range(0, answers.shape[0], block):
        rows = np.arange(first, min(first + block, answers.shape[0]))
        scores = scorer(rows)
        for half, exclude in (("all", None), ("explore", seen[rows])):
            part = evaluate(scores, answers[rows], k, exclude)
            parts[half].append(part.set_index(part.index + first))
    empty = evaluate(np.empty((0, answers.shape[1])), answers[:0], k)
    return {half: pd.concat(found) if found else empty for half, found in parts.items()}


def best_first(scores: np.ndarray, gains: np.ndarray, k: int) -> np.ndarray:
    """Returns the (N, K) columns of the k highest scores, best first; of equal ones those with the least to gain first.

    Only what may be on the list is sorted: a tenth of the time that sorting whole rows takes.

    Args:
        scores: (N, V); what is not a number stands last, as -inf does.
        gains: (N, V) what an item is worth, 0 and up.
        k: Length of the list.

    Example:
        >>> best_first(np.array([[0.5, 0.9, 0.5]]), np.array([[3, 1, 0]]), 2).tolist()
        [[1, 2]]
    """
    scores = np.where(np.isnan(scores), -np.inf, scores)
    if k >= scores.shape[1]:
        return np.lexsort((gains, -scores), axis=1)
    least = np.partition(scores, -k, axis=1)[:, -k, None]
    rank = np.where(scores > least, -1.0, np.where(scores == least, gains, np.inf))
    some = np.argpartition(rank, k - 1, axis=1)[:, :k]
    order = np.lexsort((np.take_along_axis(gains, some, 1), -np.take_along_axis(scores, some, 1)), axis=1)
    return np.take_along_axis(some, order, 1)


def discounts(k: int) -> np.ndarray:
    """Returns (K,) what each place of a list is worth in NDCG: 1 / log2(place + 1).

    Example:
        >>> discounts(3).round(2).tolist()
        [1.0, 0.63, 0.5]
    """
    return 1 / np.log2(np.arange(2, k + 2))


def graded_ndcg(scores: np.ndarray, gains: np.ndarray, k: int = 10) -> np.ndarray:
    """Returns (N,) NDCG@k where each item of each case is worth its own number; equal scores: the worse item first.

    Args:
        scores: (N, V), or (V,) for the same order in every case; what has -inf is not found and earns nothing.
        gains: (N, V) what an item is worth, 0 and up: 2^grade - 1 for grades, or a number of purchases.
        k: Length of the list.

    Returns:
        What each list earns, divided by what the best order would; NaN where there is nothing to earn.

    Example:
        >>> graded_ndcg(np.array([0.9, 0.8, 0.1]), np.array([[0, 3, 1], [0, 0, 0]])).round(3).tolist()
        [0.659, nan]
    """
    gains = np.asarray(gains, np.float64)
    scores = np.broadcast_to(np.asarray(scores, np.float64), gains.shape)
    order = best_first(scores, gains, k)
    found = np.take_along_axis(scores, order, 1) > -np.inf
    discount = discounts(order.shape[1])
    gained = (np.where(found, np.take_along_axis(gains, order, 1), 0) * discount).sum(1)
    ideal = (-np.sort(-gains, axis=1)[:, :k] * discount).sum(1)
    return np.where(ideal > 0, gained / np.maximum(ideal, 1e-12), np.nan)


def _boolean(matrix: sp.spmatrix) -> sp.csr_matrix:
    """Returns a boolean CSR copy without stored False values."""
    matrix = sp.csr_matrix(matrix != 0)
    matrix.eliminate_zeros()
    return matrix


def _positions(matrix: sp.csr_matrix) -> tuple[np.ndarray, np.ndarray]:
    """Returns the rows and columns of a CSR matrix's stored values."""
    return np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr)), matrix.indices


def _blocks(
    scorer: Scorer | np.ndarray, cases: np.ndarray, exclude: sp.csr_matrix | None, block: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields rows (B,) and their scores (B, V): a copy that may be written to, -inf at what is excluded."""
    for start in range(0, len(cases), block):
        rows = cases[start : start + block]
        scores = np.array(scorer(rows) if callable(scorer) else scorer[rows])
        if scores.ndim != 2 or len(scores) != len(rows):
            raise ValueError(
                f"a scorer must return shape (rows, items). Received: {scores.shape} for {len(rows)} rows."
            )
        if scores.dtype not in (np.float32, np.float64):
            scores = scores.astype(np.float32 if scores.dtype == np.float16 else np.float64)
        if np.isnan(scores.sum()) and np.isnan(scores).any():  # the sum alone is NaN for inf - inf, too
            raise ValueError(f"scores must be numbers. Received: NaN for {int(np.isnan(scores).any(1).sum())} cases.")
        if exclude is not None:
            scores[exclude[rows].nonzero()] = -np.inf  # not where a False is stored
        yield rows, scores


def _sample(scores: np.ndarray, truth: sp.csr_matrix, negatives: Negatives, rng: np.random.Generator) -> None:
    """Sets all scores (B, V) to -inf but those of the relevant items and of the sampled others, in place."""
    keys = rng.standard_exponential(scores.shape, np.float32)
    if negatives.weights is not None:
        # The smallest of exponential draws with rates w are a weighted sample without replacement.
        with np.errstate(divide="ignore"):
            keys /= np.asarray(negatives.weights, np.float32)
    keys[scores == -np.inf] = np.inf
    keys[_positions(truth)] = np.inf
    count = min(negatives.count, scores.shape[1])
    last = np.partition(keys, count - 1, axis=1)[:, count - 1 : count]
    drop = (keys > last) | (keys == np.inf)
    drop[_positions(truth)] = False
    scores[drop] = -np.inf


def _places(scores: np.ndarray, truth: sp.csr_matrix, depth: int, ties: str, order: np.ndarray | None) -> np.ndarray:
    """Returns the place (0 is the best) of every relevant item, case after case, ascending within a case.

    Places from `depth` on are only known to be no better than that. Nothing is sorted but what can be recommended.
    """
    row, column = _positions(truth)
    own = scores[row, column]
    count = min(depth, scores.shape[1])
    if ties in ("catalogue", "shuffled"):
        position = np.arange(scores.shape[1])
        if order is not None:
            position[order] = np.arange(len(order))
        worst = np.partition(scores, -count, axis=1)[:, -count]
        place = np.full(len(own), depth)
        near = np.flatnonzero(own >= worst[row])
        for part in np.array_split(near, 1 + near.size * scores.shape[1] // 4_000_000):  # few, to bound the memory
            rows, mine = scores[row[part]], own[part, None]
            earlier = position < position[column[part], None]
            place[part] = ((rows > mine) | (rows == mine) & earlier).sum(1)
    else:
        scores[row, column] = -np.inf
        rivals = np.partition(scores, -count, axis=1)[:, -count:]  # (B, K) best of the others
        ahead = rivals[row] >= own[:, None] if ties == "against" else rivals[row] > own[:, None]
        best_first = np.lexsort((-own, row))
        place = np.empty(len(own), np.int64)
        place[best_first] = ahead.sum(1)[best_first] + _count_up(truth.indptr)
    place[own == -np.inf] = np.iinfo(np.int32).max
    return place[np.lexsort((place, row))]


def _count_up(indptr: np.ndarray) -> np.ndarray:
    """Numbers the stored values of each row: [0, 2, 5] -> [0, 1, 0, 1, 2]."""
    return np.arange(indptr[-1]) - np.repeat(indptr[:-1], np.diff(indptr))


def _metrics(places: np.ndarray, relevant: np.ndarray, k: int) -> pd.DataFrame:
    """Scores lists of length k from the places of all relevant items and their number (N,) in each case."""
    starts = np.concatenate([[0], np.cumsum(relevant)])
    case = np.repeat(np.arange(len(relevant)), relevant)
    found = places < k

    def total(values: np.ndarray) -> np.ndarray:
        return np.bincount(case, np.where(found, values, 0.0), len(relevant))

    reachable = np.minimum(relevant, k)
    ideal = np.cumsum(discounts(k))[reachable - 1]
    first = places[starts[:-1]]
    return pd.DataFrame(
        {
            "ndcg": total(1 / np.log2(places + 2)) / ideal,
            "recall": total(np.ones(len(places))) / reachable,
            "mrr": np.where(first < k, 1 / (first + 1), 0.0),
            "map": total((_count_up(starts) + 1) / (places + 1)) / reachable,
            "hit": (first < k).astype(float),
        }
    )
