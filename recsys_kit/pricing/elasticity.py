"""Own-price elasticities of product types: log-log with product effects, pooled by empirical Bayes (notebook 14).

Letters for shapes: N rows (a product in a week), T types, K facts (the log price first, then the ways to promote).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from recsys_kit.datasets.tables import PROMOTIONS

__all__ = ["FACTS", "STRENGTHS", "Fitted", "choose", "facts", "fit", "mean_intercepts", "simulate", "within"]

FACTS = ("log_price", *PROMOTIONS)
STRENGTHS = (0.0, 0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, np.inf)
"""How much stronger than its estimate the prior is: 0 is each type by itself, infinity one elasticity for all."""
_STEPS = 60  # of the prior's estimate; it moves by less than a thousandth long before
_LEAST = 1e-9


@dataclass(frozen=True)
class Fitted:
    """The coefficients of every type, and how sure they are.

    Attributes:
        types: (T,) names.
        names: (K,) of the coefficients.
        coefficients: (T, K) pooled.
        covariance: (T, K, K) of them.
        mean: (K,) of the prior: a type of which nothing is known.
        spread: (K, K) covariance of the prior: how types differ.
        strength: How much stronger than its estimate the prior was taken.
        design_effect: (T,) by how much shocks that a week's products share widen the variance.
    """

    types: pd.Index
    names: tuple[str, ...]
    coefficients: np.ndarray
    covariance: np.ndarray
    mean: np.ndarray
    spread: np.ndarray
    strength: float
    design_effect: np.ndarray

    def table(self, level: float = 0.95, name: str = "log_price") -> pd.DataFrame:
        """Returns (T,) `elasticity`, `low` and `high` of each type, at this level."""
        place = self.names.index(name)
        half = stats.norm.ppf(0.5 + level / 2) * np.sqrt(self.covariance[:, place, place])
        middle = self.coefficients[:, place]
        columns = {"elasticity": middle, "low": middle - half, "high": middle + half}
        return pd.DataFrame(columns, index=self.types)

    def of(self, types: Sequence[str]) -> np.ndarray:
        """Returns (N, K) the coefficients of some types; of a type that is not known, the prior's mean."""
        place = self.types.get_indexer(pd.Index(types))
        return np.where((place < 0)[:, None], self.mean, self.coefficients[place])


def facts(table: pd.DataFrame, names: Sequence[str] = FACTS) -> pd.DataFrame:
    """Returns (N, K) the facts that a fit uses: the log of the price, then columns of the table."""
    found = table.assign(log_price=np.log(table["price"]))[list(names)]
    return found.astype(float)


def within(values: pd.DataFrame | pd.Series, items: pd.Series) -> pd.DataFrame | pd.Series:
    """Returns values less their product's mean: what is left once a product's usual level is taken away.

    Example:
        >>> within(pd.Series([1.0, 3.0, 5.0]), pd.Series(["a", "a", "b"])).tolist()
        [-1.0, 1.0, 0.0]
    """
    return values - values.groupby(items.to_numpy()).transform("mean")


def mean_intercepts(table: pd.DataFrame, past: pd.DataFrame, names: Sequence[str] = FACTS) -> tuple:
    """Returns (N,) log units and (N, K) facts of rows, less the mean that their product had in the past.

    Args:
        table: Rows, such as those of later weeks; their products must all be in `past`.
        past: Rows that were known.
        names: Of the facts.
    """
    columns = facts(past, names).assign(log_units=np.log(past["units"]))
    usual = columns.groupby(past["item_id"].to_numpy()).mean().reindex(table["item_id"])
    moved = facts(table, names).assign(log_units=np.log(table["units"])).to_numpy() - usual.to_numpy()
    return moved[:, -1], moved[:, :-1]


def fit(
    table: pd.DataFrame,
    names: Sequence[str] = FACTS,
    strength: float = 1.0,
    residuals: tuple[np.ndarray, np.ndarray] | None = None,
) -> Fitted:
    """Fits log units on the facts with an effect for each product, and pools the types' coefficients.

    Types' coefficients are taken to be drawn from one normal distribution, whose mean and covariance are estimated
    from all types (by expectation-maximisation); each type's own is then a mean of its data and of that distribution,
    weighed by how much either knows. Shocks that all products of a type share in a week widen the variances.

    Args:
        table: See `panel.weekly`.
        names: Of the facts, the log of the price first.
        strength: The prior's precision is multiplied by it, see `STRENGTHS`.
        residuals: (N,) log units and (N, K) facts to use instead of the table's, such as what is left after a forest.

    Raises:
        ValueError: If `strength` is below 0.
    """
    if strength < 0:
        raise ValueError(f"`strength` must be 0 or more. Received: {strength}")
    if residuals is None:
        y = within(np.log(table["units"]), table["item_id"]).to_numpy()
        x = within(facts(table, names), table["item_id"]).to_numpy()
    else:
        y, x = residuals
    code, types = pd.factorize(table["item_type"], sort=True)
    square = _sums(x[:, :, None] * x[:, None, :], code, len(types))  # (T, K, K)
    product = _sums(x * y[:, None], code, len(types))  # (T, K)
    own = np.linalg.solve(square + _ridge(square), product[..., None])[..., 0]
    left = y - np.einsum("nk,nk->n", x, own[code])
    products = table.groupby(code)["item_id"].nunique().to_numpy()
    free = np.maximum(np.bincount(code) - products - x.shape[1], 1)
    noise = np.maximum(np.bincount(code, left**2) / free, _LEAST)  # (T,)
    effect = _design_effect(x, left, code, table["week"].to_numpy(), square, noise)
    weight = square / (noise * effect)[:, None, None]
    pull = product / (noise * effect)[:, None]
    mean, spread = _prior(weight, pull)
    return _pooled(pd.Index(types), tuple(names), (weight, pull), (mean, spread), strength, effect)


def choose(
    past: pd.DataFrame, later: pd.DataFrame, names: Sequence[str] = FACTS, strengths: Sequence[float] = STRENGTHS
) -> pd.Series:
    """Returns (S,) the share of squared log error that each strength of pooling removes in later weeks.

    Args:
        past: Rows to fit.
        later: Rows of the same products, later: the validation weeks.
        names: Of the facts.
        strengths: To try.
    """
    y, x = mean_intercepts(later, past, names)
    one = fit(past, names)
    found = {}
    for strength in strengths:
        fitted = one if strength == 1 else fit(past, names, strength)
        error = y - np.einsum("nk,nk->n", x, fitted.of(later["item_type"]))
        found[strength] = 1 - (error**2).sum() / (y**2).sum()
    return pd.Series(found, name="removed").rename_axis("strength")


def simulate(table: pd.DataFrame, fitted: Fitted, shared: float = 0.2, seed: int = 0) -> tuple:
    """Returns the table with units drawn from a known truth, and that truth (T, K): prices and promotions stay.

    Args:
        table: See `panel.weekly`.
        fitted: The truth is drawn from its prior; the noise is as large as what it leaves.
        shared: Part of the noise's variance that all products of a type have in common in a week.
        seed: Of the draws.
    """
    rng = np.random.default_rng(seed)
    truth = rng.multivariate_normal(fitted.mean, fitted.spread, len(fitted.types))
    code = fitted.types.get_indexer(table["item_type"])
    x = facts(table, fitted.names).to_numpy()
    y = within(np.log(table["units"]), table["item_id"]).to_numpy()
    moved = within(facts(table, fitted.names), table["item_id"]).to_numpy()
    noise = (y - np.einsum("nk,nk->n", moved, fitted.coefficients[code])).std()
    weeks = int(table["week"].max()) + 1
    common = rng.normal(0, noise * np.sqrt(shared), (len(fitted.types), weeks))[code, table["week"]]
    own = rng.normal(0, noise * np.sqrt(1 - shared), len(table))
    return table.assign(units=np.exp(np.einsum("nk,nk->n", x, truth[code]) + common + own)), truth


def _sums(values: np.ndarray, code: np.ndarray, count: int) -> np.ndarray:
    """Sums of rows by code, whatever the shape of a row."""
    flat = values.reshape(len(values), -1)
    sums = np.stack([np.bincount(code, column, count) for column in flat.T], axis=-1)
    return sums.reshape(count, *values.shape[1:])


def _ridge(square: np.ndarray) -> np.ndarray:
    """A trifle on the diagonal: a display that never moved must not stop the solver."""
    return (1e-6 * (1 + np.trace(square, axis1=1, axis2=2)))[:, None, None] * np.eye(square.shape[-1])


def _design_effect(x, left, code, week, square, noise) -> np.ndarray:
    """(T,) the price's variance with weeks as clusters by that without: half a type's own, half the mean of all."""
    weeks = int(week.max()) + 1
    scores = _sums(x * left[:, None], code * weeks + week, len(square) * weeks).reshape(len(square), weeks, -1)
    bread = np.linalg.inv(square + _ridge(square))
    clustered = np.einsum("tk,twk->tw", bread[:, 0], scores)
    ratio = (clustered**2).sum(axis=1) * weeks / (weeks - 1) / (noise * bread[:, 0, 0])
    moved = square[:, 0, 0] > 1e-3
    mean = ratio[moved].mean() if moved.any() else 1.0
    return np.clip((np.where(moved, ratio, mean) + mean) / 2, 1.0, None)


def _prior(weight: np.ndarray, pull: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of the normal distribution that the types' coefficients come from."""
    total = weight.sum(axis=0)
    mean = np.linalg.solve(total + 1e-6 * np.trace(total) * np.eye(len(total)), pull.sum(axis=0))
    spread = np.eye(len(mean))
    for _ in range(_STEPS):
        inverse = np.linalg.inv(spread)
        covariance = np.linalg.inv(weight + inverse)
        middle = np.einsum("tij,tj->ti", covariance, pull + inverse @ mean)
        mean = middle.mean(axis=0)
        away = middle - mean
        spread = covariance.mean(axis=0) + away.T @ away / len(away) + 1e-6 * np.eye(len(mean))
    return mean, spread


def _pooled(types, names, data, prior, strength, effect) -> Fitted:
    (weight, pull), (mean, spread) = data, prior
    if np.isinf(strength):
        total = weight.sum(axis=0) + 1e-9 * np.eye(len(mean))
        mean = np.linalg.solve(total, pull.sum(axis=0))
        middle, covariance = np.tile(mean, (len(types), 1)), np.tile(np.linalg.inv(total), (len(types), 1, 1))
    else:
        # a type whose display never moved says nothing of displays: without a prior, its coefficient is 0
        inverse = strength * np.linalg.inv(spread) + 1e-6 * np.eye(len(mean))
        covariance = np.linalg.inv(weight + inverse)
        middle = np.einsum("tij,tj->ti", covariance, pull + (inverse * (strength > 0)) @ mean)
    return Fitted(types, names, middle, covariance, mean, spread, float(strength), effect)
