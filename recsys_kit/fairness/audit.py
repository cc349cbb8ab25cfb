"""NDCG by group of households: adjusted for what makes a case easy, and corrected for several looks.

Letters for shapes: N test cases, C covariates.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from recsys_kit.datasets import Shop
from recsys_kit.preprocessing import Split

__all__ = ["INCOME", "UNRECORDED", "covariates", "gaps", "groups", "holm", "with_weights"]

INCOME = {
    **dict.fromkeys(["Under 15K", "15-24K"], "under 25K"),
    **dict.fromkeys(["25-34K", "35-49K"], "25-49K"),
    **dict.fromkeys(["100-124K", "75-99K"], "75-124K"),
    **dict.fromkeys(["125-149K", "150-174K", "175-199K", "200-249K", "250K+"], "125K+"),
}
"""Bands of The Complete Journey's income, so that each holds enough households; other values stay as they are."""

UNRECORDED = "not recorded"
_HISTORY = "history"
_RECORDED = "recorded"


def groups(shop: Shop, split: Split, attributes: tuple[str, ...] = ("age", "income", "household_size")) -> pd.DataFrame:
    """Returns one row a test case: the value of each attribute the shop has, and two that every shop has.

    Args:
        shop: The shop; attributes that its users lack are left out.
        split: The split whose test cases are asked.
        attributes: Columns of the users.

    Returns:
        The attributes (missing where nothing is recorded), `recorded` (whether any of them is) and `history` (thirds
        by the number of purchases).
    """
    users = shop.users.set_index("user_id").reindex(split.users[split.test_users])
    there = [name for name in attributes if name in users and users[name].notna().any()]
    table = users[there].astype(object).reset_index(drop=True)
    if "income" in there:
        table["income"] = table["income"].map(lambda value: INCOME.get(value, value))
    if there:
        known = table[there].notna().any(axis=1)
        table[_RECORDED] = np.where(known, "recorded", UNRECORDED)
    length = np.bincount(split.history["user"], minlength=len(split.users))[split.test_users]
    third = pd.qcut(pd.Series(length).rank(method="first"), 3, labels=["short", "middle", "long"])
    return table.assign(**{_HISTORY: third.astype(str)})


def covariates(split: Split) -> pd.DataFrame:
    """Returns what makes a case easy or hard, whoever it is: log2 of the purchases before and of the next basket."""
    length = np.bincount(split.history["user"], minlength=len(split.users))[split.test_users]
    return pd.DataFrame({"history": np.log2(length + 1), "basket": np.log2(np.diff(split.answers.indptr) + 1)})


def gaps(
    values: pd.Series,
    groups: pd.DataFrame,
    easy: pd.DataFrame,
    least: int = 30,
    draws: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """Compares each group with all other cases whose attribute is known, as it is and at equal covariates.

    The adjusted gap is the group's coefficient in a linear regression on the covariates and their squares. For groups
    of history length the covariate `history` is left out: it is the group. Each attribute is one look: its p is that
    of a permutation test of all its groups together (Freedman and Lane, 1983), and `p_holm` counts all looks. The
    intervals are widened so that all of one attribute hold at once (Bonferroni).

    Args:
        values: (N,) one number a case, such as its NDCG, or the change of it.
        groups: (N, attributes) from `groups`; missing values are left out.
        easy: (N, C) from `covariates`.
        least: A group with fewer cases is not compared.
        draws: Bootstrap samples, and permutations.
        seed: Seed of both.

    Returns:
        One row a group: `attribute`, `group`, `cases`, `value`, `gap`, `low`, `high`, `adjusted`, `adjusted_low`,
        `adjusted_high`, `p`, `p_holm`, `clear` (p_holm below .05 and the adjusted interval without 0).
    """
    values = np.asarray(values, float)
    if not len(values) == len(groups) == len(easy):
        raise ValueError(
            f"`values`, `groups` and `easy` must have one row a case. "
            f"Received: {len(values)}, {len(groups)} and {len(easy)} rows."
        )
    rng, rows, p = np.random.default_rng(seed), [], {}
    for attribute in groups:
        names = groups[attribute].value_counts()
        names = names.index[names >= least]
        if len(names) < 2:
            continue
        kept = groups[attribute].isin(names).to_numpy()
        label, y = groups[attribute][kept].to_numpy(), values[kept]
        base = _design(easy[kept].drop(columns=attribute, errors="ignore"))
        p[attribute] = _permuted(y, base, np.stack([label == name for name in names[1:]], 1), draws, rng)
        level = 0.05 / len(names)
        for name in sorted(names) if len(names) > 2 else sorted(names)[:1]:  # of two groups one is the other's mirror
            member = (label == name)[:, None]
            raw = _coefficient(y, np.ones((len(y), 1)), member, draws, level, rng)
            adjusted = _coefficient(y, base, member, draws, level, rng)
            rows.append([attribute, name, int(member.sum()), float(y[member[:, 0]].mean()), *raw, *adjusted])
    columns = ["attribute", "group", "cases", "value", "gap", "low", "high"]
    table = pd.DataFrame(rows, columns=[*columns, "adjusted", "adjusted_low", "adjusted_high"])
    table["p"] = table["attribute"].map(p).astype(float)
    table["p_holm"] = table["attribute"].map(holm(pd.Series(p, dtype=float))).astype(float)
    sure = (table["adjusted_low"] > 0) | (table["adjusted_high"] < 0)
    return table.assign(clear=sure & (table["p_holm"] < 0.05))


def holm(p: pd.Series) -> pd.Series:
    """Returns the p-values that hold when several are looked at (Holm, 1979).

    Example:
        >>> holm(pd.Series({"age": 0.04, "income": 0.01, "size": 0.5})).round(2).tolist()
        [0.08, 0.03, 0.5]
    """
    order = p.sort_values()
    raised = order * np.arange(len(order), 0, -1)
    return raised.cummax().clip(upper=1)[p.index]


def with_weights(results: dict[str, pd.Series], group: pd.Series, weights: dict[str, float]) -> pd.Series:
    """Returns for each setting its mean over groups under given weights: how a model is chosen for a group's sake.

    Args:
        results: For each setting (N,) one number a validation case.
        group: (N,) each case's group; cases without one don't count.
        weights: Weight of each group's mean. Equal weights count groups, not households.

    Example:
        >>> found = {"a": pd.Series([1.0, 1.0, 0.0]), "b": pd.Series([0.5, 0.5, 0.8])}
        >>> with_weights(found, pd.Series(["x", "x", "y"]), {"x": 1, "y": 1}).idxmax()
        'b'
    """
    share = pd.Series(weights, dtype=float) / sum(weights.values())
    means = {name: values.groupby(group.to_numpy()).mean().reindex(share.index) for name, values in results.items()}
    return pd.Series({name: float((mean * share).sum()) for name, mean in means.items()})


def _design(easy: pd.DataFrame) -> np.ndarray:
    """Intercept, covariates and their squares, scaled: (N, 1 + 2 C)."""
    columns = easy.to_numpy(float)
    columns = (columns - columns.mean(0)) / np.maximum(columns.std(0), 1e-9)
    return np.hstack([np.ones((len(easy), 1)), columns, columns**2])


def _coefficient(
    y: np.ndarray, base: np.ndarray, member: np.ndarray, draws: int, level: float, rng: np.random.Generator
) -> tuple[float, float, float]:
    """The coefficient of membership beside `base`, with its interval from a bootstrap of the cases."""
    x = np.hstack([member.astype(float), base])
    outer = (x[:, :, None] * x[:, None, :]).reshape(len(x), -1)
    product = x * y[:, None]
    found = []
    for start in range(0, draws, 500):  # bounds the memory
        size = min(500, draws - start)
        weight = rng.multinomial(len(y), np.full(len(y), 1 / len(y)), size).astype(float)
        left = (weight @ outer).reshape(size, x.shape[1], x.shape[1]) + 1e-9 * np.eye(x.shape[1])
        found.append(np.linalg.solve(left, (weight @ product)[:, :, None])[:, 0, 0])
    low, high = np.quantile(np.concatenate(found), [level / 2, 1 - level / 2])
    return float(np.linalg.lstsq(x, y, rcond=None)[0][0]), float(low), float(high)


def _permuted(y: np.ndarray, base: np.ndarray, member: np.ndarray, draws: int, rng: np.random.Generator) -> float:
    """How often shuffled residuals give the groups as large a part of the variance."""
    small, large = np.linalg.qr(base)[0], np.linalg.qr(np.hstack([base, member.astype(float)]))[0]
    fitted = small @ (small.T @ y)
    shuffled = np.stack([fitted + rng.permutation(y - fitted) for _ in range(draws)], 1)  # (N, draws)

    def part(targets: np.ndarray) -> np.ndarray:
        total = (targets**2).sum(0)
        left = total - ((large.T @ targets) ** 2).sum(0)
        return (total - ((small.T @ targets) ** 2).sum(0) - left) / np.maximum(left, 1e-12)

    own = part(y[:, None])[0]
    return float((1 + (part(shuffled) >= own - 1e-12).sum()) / (1 + draws))
