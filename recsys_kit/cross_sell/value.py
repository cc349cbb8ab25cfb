"""Cross-sell: lists that are worth something, beside what the sub-modules count (notebook 11).

What is bought together is in `association`, on the same trip or instead of each other in `complements`, larger packs
and dearer brands in `upsell`, and the model that completes a basket in `basket_completion`.

Letters for shapes: N cases, B of them at a time, V items, K length of a list.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import scipy.sparse as sp

from recsys_kit import evaluation

__all__ = [
    "Calibration",
    "best_weights",
    "chances",
    "evaluate_all",
    "fit_calibration",
    "mixture",
    "remembering",
    "revenue",
    "value_lists",
]


def mixture(scorers: dict[str, evaluation.Scorer], weights: dict[str, float]) -> evaluation.Scorer:
    """Adds log chances, each with its weight; a scorer with weight 0, or without one, is not asked."""
    used = [(weights[name], scorer) for name, scorer in scorers.items() if weights.get(name)]
    if not used:
        raise ValueError(f"`weights` must give one of {', '.join(scorers)} a weight above 0. Received: {weights}.")
    return lambda rows: sum(np.float32(weight) * scorer(rows) for weight, scorer in used)


def remembering(scorer: evaluation.Scorer) -> evaluation.Scorer:
    """Returns a scorer that keeps its last answer: who asks for the same rows again need not wait for it.

    Example:
        >>> asked = []
        >>> scorer = remembering(lambda rows: (asked.append(len(rows)), np.ones((len(rows), 2)))[1])
        >>> [scorer(np.arange(rows)).shape for rows in (3, 3, 4)], asked
        ([(3, 2), (3, 2), (4, 2)], [3, 4])
    """
    last: dict = {"rows": None, "scores": None}

    def score(rows):
        if last["rows"] is None or not np.array_equal(last["rows"], rows):
            last.update(rows=np.array(rows), scores=scorer(rows))
        return last["scores"].copy()

    return score


def evaluate_all(
    scorers: dict[str, evaluation.Scorer],
    answers: sp.csr_matrix,
    k: int = 10,
    exclude: sp.csr_matrix | None = None,
    block: int = 256,
) -> dict[str, pd.DataFrame]:
    """Evaluates several scorers, block by block, so that those with `remembering` parts in common score these once.

    Args:
        scorers: Functions from rows (B,) to scores (B, V), by name.
        answers: (N, V) hidden items.
        k: Length of the list.
        exclude: (N, V) what is in the basket already.
        block: How many cases are scored at once.

    Returns:
        For each scorer what `evaluation.evaluate` says of it alone.
    """
    parts: dict[str, list[pd.DataFrame]] = {name: [] for name in scorers}
    for start in range(0, answers.shape[0], block):
        rows = np.arange(start, min(start + block, answers.shape[0]))
        left = None if exclude is None else exclude[rows]
        for name, scorer in scorers.items():
            found = evaluation.evaluate(scorer(rows), answers[rows], k, exclude=left)
            parts[name].append(found.set_axis(found.index + start))
    return {name: pd.concat(tables) for name, tables in parts.items()}


def best_weights(
    scorers: dict[str, evaluation.Scorer],
    grids: dict[str, tuple[float, ...]],
    answers: sp.csr_matrix,
    exclude: sp.csr_matrix,
    metric: str = "ndcg",
    k: int = 10,
) -> tuple[dict[str, float], pd.DataFrame]:
    """Tries all combinations of weights on validation cases.

    Args:
        scorers: Log chances by name.
        grids: The weights to try, for each of them.
        answers: (N, V) hidden items.
        exclude: (N, V) what is in the basket already.
        metric: What is maximised.
        k: Length of the list.

    Returns:
        The best weights, and one row a combination with its score.
    """
    cases = np.arange(answers.shape[0])
    scores = {name: scorers[name](cases) for name in grids}
    grid = pd.MultiIndex.from_product(list(grids.values()), names=list(grids)).to_frame(index=False)
    grid = grid[(grid != 0).any(axis=1)].reset_index(drop=True)
    grid[metric] = [
        evaluation.evaluate(
            lambda rows, w=weights: sum(np.float32(w[name]) * scores[name][rows] for name in scores),
            answers,
            k,
            exclude=exclude,
        )[metric].mean()
        for weights in grid.to_dict("records")
    ]
    best = grid.loc[grid[metric].idxmax(), list(grids)]
    return {name: float(weight) for name, weight in best.items()}, grid.sort_values(metric, ascending=False)


def revenue(events: pd.DataFrame, catalogue: pd.Index) -> np.ndarray:
    """Returns (V,) what a purchase of each item usually brings: the median of price paid x quantity; NaN if unknown.

    Here items sold by weight may stay: not the price of a pound is asked, but of what people take.
    """
    paid = events["price"] * events["quantity"].fillna(1)
    return paid.groupby(events["item_id"], observed=True).median().reindex(catalogue).to_numpy(float)


@dataclass(frozen=True)
class Calibration:
    """How log chances become chances: divided by a temperature, then mixed with popularity.

    Attributes:
        temperature: Above 1 the chances are flatter.
        background: Share of popularity: what the model thinks impossible, happens.
        popular: (V,) shares of the items.
    """

    temperature: float
    background: float
    popular: np.ndarray = field(repr=False)


def chances(scores: np.ndarray, exclude: sp.csr_matrix, calibration: Calibration | None = None) -> np.ndarray:
    """Turns log chances (B, V) into chances that sum to 1 in each row; what is in the basket gets 0."""
    places = np.repeat(np.arange(len(scores)), np.diff(exclude.indptr)), exclude.indices
    result = np.array(scores, np.float32)
    if calibration is not None:
        result /= np.float32(calibration.temperature)
    result[places] = -np.inf
    result -= result.max(axis=1, keepdims=True)
    np.exp(result, out=result)
    result /= result.sum(axis=1, keepdims=True)
    if calibration is not None and calibration.background:
        result *= np.float32(1 - calibration.background)
        result += np.float32(calibration.background) * calibration.popular.astype(np.float32)
        result[places] = 0
        result /= result.sum(axis=1, keepdims=True)
    return result


def fit_calibration(
    scorer: evaluation.Scorer,
    answers: sp.csr_matrix,
    exclude: sp.csr_matrix,
    popular: np.ndarray,
    temperatures: tuple[float, ...] = (0.4, 0.5, 0.6, 0.7, 0.85, 1.0, 1.3),
    backgrounds: tuple[float, ...] = (0.0, 0.1, 0.2, 0.3, 0.5),
) -> Calibration:
    """Returns the calibration under which the hidden items of validation cases are likeliest.

    Ranking hardly cares about it; an expected value does.

    Args:
        scorer: Rows (B,) -> log chances (B, V).
        answers: (N, V) hidden items, one a case.
        exclude: (N, V) what is in the basket already.
        popular: (V,) shares of the items.
        temperatures: Temperatures to try.
        backgrounds: Shares of popularity to try.
    """
    scores, hidden = scorer(np.arange(answers.shape[0])), answers.indices
    free = 1 - exclude @ popular
    best, loss = None, np.inf
    for temperature in temperatures:
        own = chances(scores, exclude, Calibration(temperature, 0.0, popular))[np.arange(len(hidden)), hidden]
        for share in backgrounds:
            scale = 1 - share + share * free  # what is left when the basket's own items are taken out
            found = ((1 - share) * own + share * popular[hidden]) / scale
            missed = -np.log(np.maximum(found, 1e-12)).mean()
            if missed < loss:
                best, loss = Calibration(temperature, share, popular), missed
    return best


def value_lists(
    scorer: evaluation.Scorer,
    answers: sp.csr_matrix,
    exclude: sp.csr_matrix,
    value: np.ndarray,
    powers: tuple[float, ...] = (0.0, 0.5, 1.0),
    k: int = 10,
    calibration: Calibration | None = None,
    block: int = 256,
) -> dict[float, pd.DataFrame]:
    """Ranks by chance x value^power and says what the lists are worth.

    With power 0 the value plays no part; with power 1 each place holds the item with the highest expected value. An
    item whose value is not known (NaN, or 0) is in no list, whatever the power, so that all powers choose among the
    same items.

    Args:
        scorer: Rows (B,) -> log chances (B, V).
        answers: (N, V) hidden items.
        exclude: (N, V) what is in the basket already.
        value: (V,) what a purchase brings: revenue, or revenue x margin.
        powers: The weights of the value to try.
        k: Length of the list.
        calibration: See `fit_calibration`.
        block: How many cases are scored at once.

    Returns:
        For each power one row a case: `ndcg`, `hit`, `chance` (sum over the list), `expected` (sum of chance x value
        over the list), `realised` (value of the hidden item, if the list holds it), `price` (mean value on the list).
    """
    value = np.nan_to_num(np.asarray(value, np.float64))
    known, logs = value > 0, np.log(np.maximum(value, 1e-9)).astype(np.float32)
    parts: dict[float, list[pd.DataFrame]] = {power: [] for power in powers}
    for start in range(0, answers.shape[0], block):
        rows = np.arange(start, min(start + block, answers.shape[0]))
        chance = chances(scorer(rows), exclude[rows], calibration)
        chance[:, ~known] = 0
        with np.errstate(divide="ignore"):
            log_chance = np.log(chance)
        truth = answers[rows].indices
        for power in powers:
            lists = evaluation.top_k(log_chance + np.float32(power) * logs, k)  # (B, K)
            found = lists == truth[:, None]
            of_list = np.take_along_axis(chance, lists, 1)
            parts[power].append(
                pd.DataFrame(
                    {
                        "ndcg": (found * evaluation.discounts(lists.shape[1])).sum(1),
                        "hit": found.any(1).astype(float),
                        "chance": of_list.sum(1),
                        "expected": (of_list * value[lists]).sum(1),
                        "realised": (found * value[lists]).sum(1),
                        "price": value[lists].mean(1),
                    },
                    index=rows,
                )
            )
    return {power: pd.concat(tables) for power, tables in parts.items()}
