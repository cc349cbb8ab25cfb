"""Ranking metrics over the whole catalogue, in blocks, and what it takes to trust them (notebook 06).

Letters for shapes: N test cases, B of them at a time (a block), V items of the catalogue, K length of a list.
This module depends on no other module of the kit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import pandas as pd
import scipy.sparse as sp

__all__ = [
    "beyond_accuracy",
    "bootstrap_interval",
    "by_group",
    "compare",
    "evaluate",
    "paired_difference",
    "summary",
    "top_k",
    "top_lists",
]

Scorer = Callable[[np.ndarray], np.ndarray]
TIES = ("against", "for", "catalogue", "shuffled")


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
    negatives: int | None = None,
    weights: np.ndarray | None = None,
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
        negatives: Rank against so many sampled items instead of the whole catalogue. For comparison only.
        weights: (V,) chances of being sampled; None for equal ones.
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
    if negatives is not None and negatives < 1:
        raise ValueError(f"`negatives` must be 1 or more. Received: negatives={negatives}.")
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
            _sample(scores, answers[rows], negatives, weights, rng)
        places.append(_places(scores, answers[rows], int(sizes.max()), ties, order))
    places = np.concatenate(places) if places else np.empty(0, int)
    relevant = np.diff(answers.indptr)[cases]
    if np.ndim(k) == 0:
        table = _metrics(places, relevant, int(k))
    else:
        table = pd.concat([_metrics(places, relevant, int(size)).add_suffix(f"@{size}") for size in sizes], axis=1)
    return table.assign(relevant=relevant).set_index(pd.Index(cases, name="case"))


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
            scores[_positions(exclude[rows])] = -np.inf
        yield rows, scores


def _sample(
    scores: np.ndarray, truth: sp.csr_matrix, negatives: int, weights: np.ndarray | None, rng: np.random.Generator
) -> None:
    """Sets all scores (B, V) to -inf but those of the relevant items and of `negatives` sampled others, in place."""
    keys = rng.standard_exponential(scores.shape, np.float32)
    if weights is not None:
        # The smallest of exponential draws with rates w are a weighted sample without replacement.
        with np.errstate(divide="ignore"):
            keys /= np.asarray(weights, np.float32)
    keys[scores == -np.inf] = np.inf
    keys[_positions(truth)] = np.inf
    count = min(negatives, scores.shape[1])
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
    ideal = np.cumsum(1 / np.log2(np.arange(2, k + 2)))[reachable - 1]
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


def bootstrap_interval(
    values: np.ndarray, level: float = 0.95, draws: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """Returns the percentile bootstrap interval of the mean of `values` (N,).

    Example:
        >>> bootstrap_interval(np.array([0.25, 0.25, 0.25]))
        (0.25, 0.25)
    """
    values = np.asarray(values, float)
    if not len(values):
        raise ValueError("`values` must hold at least one number. Received: none.")
    rng = np.random.default_rng(seed)
    chunk = max(1, 2_000_000 // len(values))  # 16 MB of indices at a time, however many draws
    sizes = [min(chunk, draws - start) for start in range(0, draws, chunk)]
    means = [values[rng.integers(0, len(values), (size, len(values)))].mean(1) for size in sizes]
    low, high = np.quantile(np.concatenate(means), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def paired_difference(a: pd.Series, b: pd.Series, level: float = 0.95, draws: int = 2000, seed: int = 0) -> dict:
    """Compares two methods on the same cases.

    Args:
        a: One number a case.
        b: The other method's; cases (index) that only one of the two has are left out.
        level: Coverage of the interval.
        draws: Bootstrap samples, and random sign flips of the test.
        seed: Seed of both.

    Returns:
        `difference` (mean of a - b) with its bootstrap interval `low`, `high`; `p`, how often random sign flips give a
        difference at least as large (two-sided); `better` and `worse`, the cases where a is above and below b; `cases`.

    Example:
        >>> same = pd.Series([0.2, 0.0, 0.7])
        >>> paired_difference(same, same)["p"]
        1.0
    """
    difference = (a - b).dropna().to_numpy(float)
    if not len(difference):
        raise ValueError(f"`a` and `b` must have cases in common. Received: {len(a)} and {len(b)} cases, none in both.")
    low, high = bootstrap_interval(difference, level, draws, seed)
    rng = np.random.default_rng(seed + 1)
    mean = difference.mean()
    chunk = max(1, 2_000_000 // len(difference))
    extreme = 0
    for start in range(0, draws, chunk):
        signs = rng.integers(0, 2, (min(chunk, draws - start), len(difference)), dtype=np.int8) * 2.0 - 1
        extreme += int((np.abs(signs @ difference / len(difference)) >= abs(mean) - 1e-12).sum())
    return {
        "difference": float(mean),
        "low": low,
        "high": high,
        "p": (extreme + 1) / (draws + 1),
        "better": int((difference > 0).sum()),
        "worse": int((difference < 0).sum()),
        "cases": len(difference),
    }


def summary(results: dict[str, pd.DataFrame], metrics: tuple[str, ...] = ("ndcg", "recall", "mrr")) -> pd.DataFrame:
    """Returns one row a method with the mean of each metric, best first."""
    table = pd.DataFrame({name: result[list(metrics)].mean() for name, result in results.items()}).T
    return table.sort_values(metrics[0], ascending=False).rename_axis("method")


def compare(
    results: dict[str, pd.DataFrame], reference: str, metric: str = "ndcg", level: float = 0.95, draws: int = 2000
) -> pd.DataFrame:
    """Compares every method with one of them, case by case.

    Returns:
        One row a method, best first: the mean of `metric`, and the columns of `paired_difference` to the reference.
    """
    if reference not in results:
        raise ValueError(f"`reference` must be one of the methods ({', '.join(results)}). Received: {reference!r}.")
    rows = {
        name: {metric: result[metric].mean()}
        | paired_difference(result[metric], results[reference][metric], level, draws)
        for name, result in results.items()
    }
    return (
        pd.DataFrame(rows)
        .T.astype({name: int for name in ("better", "worse", "cases")})
        .sort_values(metric, ascending=False)
        .rename_axis("method")
    )


def by_group(result: pd.DataFrame, groups: Iterable, metric: str = "ndcg", draws: int = 2000) -> pd.DataFrame:
    """Returns the mean of a metric in each group of cases, with its bootstrap interval.

    Args:
        result: What `evaluate` returned.
        groups: One label for each of the N test cases, those that `evaluate` dropped included.
        metric: Column of `result`.
        draws: Bootstrap samples.

    Returns:
        One row a group: cases, mean, low, high.
    """
    labels = pd.Series(groups).reset_index(drop=True)
    rows = {}
    for label, values in result[metric].groupby(labels.reindex(result.index), observed=True):
        low, high = bootstrap_interval(values.to_numpy(), draws=draws)
        rows[label] = {"cases": len(values), "mean": values.mean(), "low": low, "high": high}
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["cases", "mean", "low", "high"])
    return table.astype({"cases": int}).rename_axis("group")


def beyond_accuracy(lists: np.ndarray, buyers: np.ndarray, users: int, labels: np.ndarray) -> dict[str, float]:
    """Measures what accuracy does not see: which part of the shop the lists show.

    Args:
        lists: (N, K) recommended columns; -1 for an empty place.
        buyers: (V,) how many users bought each item before.
        users: How many users there are.
        labels: (V,) what makes two items alike, such as their category.

    Returns:
        `coverage` (share of the catalogue in at least one list), `gini` (0: every item is shown equally often, 1: one
        item takes all places), `head` (share of the places that the most bought 1% of the items take), `novelty` (bits:
        mean of -log2 of the share of users who bought the item) and `diversity` (share of the pairs of a list with
        different labels).

    Example:
        >>> lists = np.array([[0, 1], [0, 2]])
        >>> values = beyond_accuracy(lists, np.array([8, 4, 2, 2]), 8, np.array(["milk", "milk", "tea", "tea"]))
        >>> values["coverage"], values["diversity"], values["novelty"]
        (0.75, 0.5, 0.75)
    """
    items = len(buyers)
    valid = lists >= 0
    shown = np.bincount(lists[valid], minlength=items)
    head = np.argsort(-buyers, kind="stable")[: max(1, round(items / 100))]
    share = np.cumsum(np.sort(shown)) / max(1, shown.sum())
    code = pd.factorize(labels)[0]
    alike = code[lists][:, :, None] == code[lists][:, None, :]  # (N, K, K)
    pair = valid[:, :, None] & valid[:, None, :] & ~np.eye(lists.shape[1], dtype=bool)
    return {
        "coverage": float((shown > 0).mean()),
        "gini": float((items + 1 - 2 * share.sum()) / items),
        "head": float(shown[head].sum() / max(1, shown.sum())),
        "novelty": float(-np.log2(np.maximum(buyers[lists[valid]], 1) / users).mean()),
        "diversity": float((pair & ~alike).sum() / max(1, pair.sum())),
    }
