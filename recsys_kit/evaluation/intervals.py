"""What it takes to trust a metric: intervals, paired differences and groups, case by case.

Letters for shapes: N test cases.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

__all__ = ["bootstrap_interval", "by_group", "paired_difference", "summary"]


def bootstrap_interval(
    values: np.ndarray, level: float = 0.95, draws: int = 2000, seed: int = 0, units: np.ndarray | None = None
) -> tuple[float, float]:
    """Returns the percentile bootstrap interval of the mean of `values` (N,).

    Args:
        values: One number a case.
        level: Coverage of the interval.
        draws: Bootstrap samples.
        seed: Seed of the samples.
        units: (N,) who each case belongs to, such as its household: whole units are drawn, with all their cases. None:
            each case is a unit of its own.

    Example:
        >>> bootstrap_interval(np.array([0.25, 0.25, 0.25]))
        (0.25, 0.25)
    """
    values = np.asarray(values, float)
    if not len(values):
        raise ValueError("`values` must hold at least one number. Received: none.")
    cases = None
    if units is not None:
        code = pd.factorize(np.asarray(units))[0]
        values, cases = np.bincount(code, values), np.bincount(code)  # sums and numbers of cases, one a unit
    rng = np.random.default_rng(seed)
    chunk = max(1, 2_000_000 // len(values))  # 16 MB of indices at a time, however many draws
    sizes = [min(chunk, draws - start) for start in range(0, draws, chunk)]
    drawn = (rng.integers(0, len(values), (size, len(values))) for size in sizes)
    means = [values[rows].mean(1) if cases is None else values[rows].sum(1) / cases[rows].sum(1) for rows in drawn]
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
