"""Does it earn anything? Experiments that are large enough, and read in a way that keeps its error rate (notebook 17).

Letters for shapes: N households, S simulations, L looks, K length of a list.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import optimize, stats

__all__ = [
    "cuped",
    "interleaved",
    "mixture_limits",
    "ratio_check",
    "sample_size",
    "team_draft",
    "variance_removed",
    "walks",
]


def sample_size(variance: float, effect: float, wanted: float = 0.8, level: float = 0.05) -> int:
    """Returns how many households each of two arms needs to find a difference of means (two-sided z-test).

    Args:
        variance: Of one household's value.
        effect: The difference, in the unit of the value.
        wanted: Chance of finding it.
        level: Chance of finding one where there is none.

    Example:
        >>> sample_size(variance=1.0, effect=0.1)
        1570
    """
    if not effect:
        raise ValueError("`effect` must not be 0: no experiment is large enough for it.")
    z = stats.norm.isf(level / 2) + stats.norm.isf(1 - wanted)
    return int(np.ceil(2 * variance * (z / effect) ** 2))


def cuped(after: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Takes out of each household's value what its own past foretold (Deng et al., 2013); the mean stays.

    Args:
        after: (N,) the value in the experiment.
        before: (N,) the same households' value before it began, which the experiment can't have changed.

    Example:
        >>> cuped(np.array([1.0, 3.0]), np.array([10.0, 30.0])).tolist()
        [2.0, 2.0]
    """
    after, before = np.asarray(after, float), np.asarray(before, float)
    centred = before - before.mean()
    slope = centred @ after / max(centred @ centred, 1e-300)
    return after - slope * centred


def variance_removed(after: np.ndarray, before: np.ndarray, draws: int = 1000, seed: int = 0) -> dict[str, float]:
    """Returns the share of the variance that `cuped` removes, with its bootstrap interval over households.

    Returns:
        `value`, `low`, `high`.
    """
    after, before = np.asarray(after, float), np.asarray(before, float)
    rng = np.random.default_rng(seed)
    rows = [np.arange(len(after)), *rng.integers(0, len(after), (draws, len(after)))]
    found = [1 - np.var(cuped(after[some], before[some])) / np.var(after[some]) for some in rows]
    low, high = np.quantile(found[1:], [0.025, 0.975])
    return {"value": float(found[0]), "low": float(low), "high": float(high)}


def ratio_check(counts: Sequence[int], shares: Sequence[float]) -> float:
    """Returns the chance of so uneven arms if households were dealt out as planned; below 0.001 something is broken.

    Args:
        counts: Households seen in each arm.
        shares: Planned share of each arm.

    Example:
        >>> ratio_check([5000, 5000], [0.5, 0.5]), ratio_check([5000, 4600], [0.5, 0.5]) < 0.001
        (1.0, True)
    """
    shares = np.asarray(shares, float) / np.sum(shares)
    return float(stats.chisquare(counts, shares * np.sum(counts)).pvalue)


def walks(
    values: np.ndarray, looks: Sequence[int], simulations: int, effect: float = 0.0, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Plays experiments in which both arms draw from the same households, and looks again and again.

    Args:
        values: (N,) one value a household, such as what it spent in a month.
        looks: Households in each arm at each look, rising.
        simulations: How many experiments.
        effect: Added to every value of the second arm.
        seed: Of the draws.

    Returns:
        (S, L) difference of means at each look, and its standard error as it was estimated then.
    """
    rng, values = np.random.default_rng(seed), np.asarray(values, float)
    sums = np.zeros((2, 2, simulations, len(looks)))  # arm, power of the value
    for arm in (0, 1):
        for look, (first, last) in enumerate(zip([0, *looks[:-1]], looks, strict=True)):
            drawn = values[rng.integers(0, len(values), (simulations, last - first))] + arm * effect
            sums[arm, 0, :, look], sums[arm, 1, :, look] = drawn.sum(1), (drawn**2).sum(1)
    means, squares = (sums.cumsum(-1) / np.asarray(looks)).transpose(1, 0, 2, 3)
    variance = (squares - means**2).sum(0) / (np.asarray(looks) - 1)  # of the difference of the two means
    return means[1] - means[0], np.sqrt(variance)


def mixture_limits(looks: Sequence[int], level: float = 0.05) -> np.ndarray:
    """Returns (L,) the |z| from which on a difference counts, however often it is looked at: the mixture SPRT.

    The likelihood ratio is averaged over normal effects (Robbins, 1970; Johari et al., 2017). The spread of these is
    chosen so that the limit is lowest, compared with what chance would do there, at half of the last look.

    Args:
        looks: Households in each arm at each look.
        level: Chance of a false finding over all looks.
    """
    looks = np.asarray(looks, float)

    def limits(spread: float, at: np.ndarray) -> np.ndarray:
        grown = 1 + at * spread
        return np.sqrt((np.log(grown) - 2 * np.log(level)) * grown / (at * spread))

    middle = looks[-1] / 2
    best = optimize.minimize_scalar(lambda power: limits(np.exp(power), middle), bounds=(-20, 5), method="bounded")
    return limits(float(np.exp(best.x)), looks)


def team_draft(first: Sequence[int], second: Sequence[int], rng: np.random.Generator, k: int = 10) -> tuple[list, list]:
    """Merges two lists into one (Radlinski et al., 2008): the rankers choose in turn, by lot who begins each round.

    Args:
        first: One ranker's items, best first.
        second: The other's.
        rng: The lots.
        k: Length of the merged list.

    Returns:
        The list, and who put each item there: 0 or 1.

    Example:
        >>> items, teams = team_draft([1, 2, 3], [1, 4, 5], np.random.default_rng(0), k=3)
        >>> items[0], len(set(items))
        (1, 3)
    """
    items, teams, lists = [], [], (list(first), list(second))
    while len(items) < k and any(item not in items for own in lists for item in own):
        for team in rng.permutation(2):
            choice = next((item for item in lists[team] if item not in items), None)
            if choice is not None and len(items) < k:
                items.append(choice)
                teams.append(int(team))
    return items, teams


def interleaved(lists: Sequence[np.ndarray], liked: Sequence[set], seed: int = 0) -> pd.Series:
    """Shows each household one merged list and counts whose items it took.

    Args:
        lists: Two arrays (N, K) of items: each ranker's lists.
        liked: What each household takes if it is shown.
        seed: Of the lots.

    Returns:
        (N,) +1 where the second ranker's items were taken more often, -1 where the first's were, else 0.
    """
    rng, won = np.random.default_rng(seed), []
    for first, second, likes in zip(*lists, liked, strict=True):
        items, teams = team_draft(first, second, rng, k=lists[0].shape[1])
        won.append(np.sign(sum((1 if team else -1) for item, team in zip(items, teams, strict=True) if item in likes)))
    return pd.Series(won, dtype=float)
