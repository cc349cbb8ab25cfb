"""From candidates to an order: facts about each pair of household and item, and gradient boosting (notebook 08).

A network that reads the same table is in `listwise`. Letters for shapes: N cases, R rows (one a candidate), V items of
the catalogue.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
import pandas as pd
import scipy.sparse as sp

from recsys_kit import evaluation, features
from recsys_kit.baselines.boosting import plan_facts
from recsys_kit.datasets.items import item_types, look_up
from recsys_kit.preprocessing import Split

__all__ = ["RANKING_FACTS", "Facts", "boosting", "judged", "list_ndcg", "ordered", "ordered_new", "pair_scorer"]

_DAY = pd.Timedelta(days=1)
OWN = features.RANKING_COLUMNS[:-4]
ABOUT = ("buyers_60d", "repeat_rate", "price_ratio", "age_days", "sales_14d", "trend")
GROUPS = ("type", "brand")
_NONE = (0.0, 0.0, np.nan)  # count, decayed count and days since the last purchase of what was never bought

RANKING_FACTS = (
    *OWN,
    *ABOUT,
    "frequency",
    "basket_size",
    "idle_days",
    *(f"{group}_{fact}" for group in GROUPS for fact in ("count", "decayed", "recency")),
    "type_share",
)
"""The columns of `Facts.add` beside the plan's."""


class Facts:
    """What is known of households and items before the next visit: computed once, then looked up for any candidates.

    Args:
        split: The task at one cutoff; only what lies before it is read.
        items: The shop's items.
        timezone: Zone of the shop.
    """

    def __init__(self, split: Split, items: pd.DataFrame, timezone: str):
        self.split, self.size = split, len(split.items)
        history, self.bought = split.history, split.counts()
        own = features.interaction_features(split, split.answer_times, timezone)
        self.own = own[list(OWN)].to_numpy(np.float32)
        self.own_key = own["case"].to_numpy(np.int64) * self.size + own["item"].to_numpy()
        if (np.diff(self.own_key) < 0).any():
            raise ValueError("`split.test_users` must be in ascending order.")
        age = ((split.cutoff - history["timestamp"]) / _DAY).to_numpy()
        self.now = np.asarray((pd.DatetimeIndex(split.answer_times) - split.cutoff) / _DAY)  # days after the cutoff
        about = features.item_features(history, items, split.cutoff).reindex(split.items)
        sold = [np.log1p(np.bincount(history["item"][age <= days], minlength=self.size)) for days in (14, 60)]
        about["sales_14d"], about["trend"] = sold[0], sold[0] - sold[1]
        self.about = about[list(ABOUT)].to_numpy(np.float32)
        users = features.user_baskets(split).reindex(split.test_users, fill_value=0).to_numpy(np.float32)
        newest = np.full(len(split.users), 999.0)
        np.minimum.at(newest, history["user"].to_numpy(), age)
        idle = newest[split.test_users] + self.now
        self.user = np.stack([users[:, 0], users[:, 1] / np.maximum(users[:, 0], 1), idle], axis=1).astype(np.float32)
        details = look_up(items, split.items)
        maker = [details[name].astype("str") for name in ("brand", "manufacturer") if name in details]
        brand = details["category"].astype("str").str.cat(maker, sep=" | ")
        self.groups = {
            group: _group_history(pd.factorize(label)[0], history, age)
            for group, label in zip(GROUPS, (item_types(items, split.items), brand), strict=True)
        }
        if split.plan is not None:
            self.usual = split.plan.usual()

    def add(self, table: pd.DataFrame) -> pd.DataFrame:
        """Adds the facts to candidates.

        Args:
            table: `case`, `item` and `seen`, as `candidates.collect` returns them.

        Returns:
            The table with `RANKING_FACTS`, and `baselines.boosting.PLAN` if the split has a plan. What an item that
            the household never bought can't have, such as a recency, is NaN.
        """
        split, case, item = self.split, table["case"].to_numpy(), table["item"].to_numpy()
        seen = table["seen"].to_numpy()
        values: dict[str, np.ndarray] = {}
        own = np.full((len(table), len(OWN)), np.nan, np.float32)
        own[seen] = self.own[np.searchsorted(self.own_key, case[seen].astype(np.int64) * self.size + item[seen])]
        values |= dict(zip(OWN, own.T, strict=True))
        values |= dict(zip(ABOUT, self.about[item].T, strict=True))
        values |= dict(zip(("frequency", "basket_size", "idle_days"), self.user[case].T, strict=True))
        for group, (code, groups, keys, numbers) in self.groups.items():
            wanted = split.test_users[case].astype(np.int64) * groups + code[item]
            at = np.minimum(np.searchsorted(keys, wanted), max(0, len(keys) - 1))
            hit = keys[at] == wanted if len(keys) else np.zeros(len(wanted), bool)
            count, decayed, last = (
                np.where(hit, number[at], empty) for number, empty in zip(numbers, _NONE, strict=True)
            )
            values[f"{group}_count"], values[f"{group}_decayed"] = count, decayed
            values[f"{group}_recency"] = last + self.now[case]
        values["type_share"] = values["type_count"] / np.maximum(values["frequency"], 1)
        if split.plan is not None:
            values |= plan_facts(split, case, item, values["recency_days"], self.usual)
        return table.assign(**{name: np.asarray(value, np.float32) for name, value in values.items()})


def _group_history(code: np.ndarray, history: pd.DataFrame, age: np.ndarray) -> tuple:
    """Says how often, how lately and when last each user bought anything of each group."""
    groups = int(code.max(initial=0)) + 1
    pair = history["user"].to_numpy(np.int64) * groups + code[history["item"]]
    keys, place = np.unique(pair, return_inverse=True)
    last = np.full(len(keys), np.inf)
    np.minimum.at(last, place, age)
    decayed = np.bincount(place, np.exp(-age / 60), len(keys))
    return code, groups, keys, (np.bincount(place, minlength=len(keys)), decayed, last)


def pair_scorer(split: Split, table: pd.DataFrame, values: np.ndarray, below: float = -1e9) -> evaluation.Scorer:
    """Returns the function from rows (B,) to scores (B, V): the candidates' values, everything else far below.

    Args:
        split: The split.
        table: R rows with `case` and `item`, sorted by case.
        values: (R,) scores.
        below: The score of what is no candidate.
    """
    case, item = table["case"].to_numpy(), table["item"].to_numpy()
    values = np.asarray(values, np.float32)
    start = np.searchsorted(case, np.arange(len(split.test_users) + 1))

    def score(rows: np.ndarray) -> np.ndarray:
        scores = np.full((len(rows), len(split.items)), below, np.float32)
        for place, row in enumerate(rows):
            part = slice(start[row], start[row + 1])
            scores[place, item[part]] = values[part]
        return scores

    return score


def ordered(
    table: pd.DataFrame, values: np.ndarray, most: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Arranges candidates as lists, best first.

    Args:
        table: R rows with `case` and `item`.
        values: (R,) scores.
        most: M, the longest list.

    Returns:
        (N,) the cases, and as (N, M) the items (-1 for an empty place), their values (-inf) and their rows (-1).

    Example:
        >>> table = pd.DataFrame({"case": [4, 4, 7], "item": [0, 1, 0]})
        >>> [part.tolist() for part in ordered(table, np.array([0.1, 0.9, 0.5]), 2)[:2]]
        [[4, 7], [[1, 0], [0, -1]]]
    """
    case, values = table["case"].to_numpy(), np.asarray(values, np.float32)
    order = np.lexsort((-values, case))
    cases, size = np.unique(case, return_counts=True)
    start = np.cumsum(size) - size
    place = np.arange(len(table)) - np.repeat(start, size)
    row = np.repeat(np.arange(len(cases)), size)
    near = place < most
    shape = (len(cases), most)
    items, kept, rows = np.full(shape, -1), np.full(shape, -np.inf, np.float32), np.full(shape, -1)
    items[row[near], place[near]] = table["item"].to_numpy()[order][near]
    kept[row[near], place[near]] = values[order][near]
    rows[row[near], place[near]] = order[near]
    return cases, items, kept, rows


def ordered_new(table: pd.DataFrame, values: np.ndarray, cases: np.ndarray, most: int) -> np.ndarray:
    """Returns (N, M) the rows of each case's best candidates that it never bought, best first; -1 for an empty place.

    Args:
        table: R rows with `case`, `item` and `seen`.
        values: (R,) scores.
        cases: (N,) the cases, in ascending order; every case of the table is among them.
        most: M, the longest list.

    Example:
        >>> table = pd.DataFrame({"case": [4, 4, 7], "item": [0, 1, 0], "seen": [True, False, True]})
        >>> ordered_new(table, np.array([0.1, 0.9, 0.5]), np.array([4, 7]), 1).tolist()
        [[1], [-1]]
    """
    new = np.flatnonzero(~table["seen"].to_numpy(bool))
    some, _, _, place = ordered(table.iloc[new], np.asarray(values)[new], most)
    found = np.full((len(cases), most), -1)
    found[np.searchsorted(cases, some)] = np.where(place >= 0, np.append(new, -1)[place], -1)
    return found


def list_ndcg(lists: np.ndarray, answers: sp.csr_matrix) -> pd.Series:
    """Returns the NDCG of each case's list, for the cases that have an answer: `evaluate` without scores.

    Args:
        lists: (N, K) items, best first; -1 for an empty place.
        answers: (N, V) booleans.

    Example:
        >>> round(float(list_ndcg(np.array([[1, 0]]), sp.csr_matrix([[True, False]]))[0]), 3)  # 1 / log2(3)
        0.631
    """
    worth = evaluation.discounts(lists.shape[1])
    row = np.arange(len(lists))[:, None]
    hit = np.asarray(sp.csr_matrix(answers, dtype=bool)[row, np.maximum(lists, 0)].todense(), bool) & (lists >= 0)
    size = np.asarray((answers > 0).sum(axis=1)).ravel().astype(int)
    cases = np.flatnonzero(size)
    ideal = np.cumsum(worth)[np.minimum(size[cases], len(worth)) - 1]
    return pd.Series((hit * worth).sum(1)[cases] / ideal, index=pd.Index(cases, name="case"), name="ndcg")


def judged(split: Split, table: pd.DataFrame, values: np.ndarray, k: int = 10) -> dict[str, pd.Series]:
    """Returns the NDCG@k of each case, where candidates are ordered by values and nothing else is recommended.

    It is what `evaluation.evaluate_halves` says of `pair_scorer`, ties counting against the values, in a tenth of the
    time.

    Args:
        split: The split.
        table: R rows with `case`, `item`, `seen` and `label`.
        values: (R,) scores.
        k: Length of the list.

    Returns:
        `all`, and `explore`: only what a household never bought is recommended and counts.
    """
    values, seen, found = np.asarray(values), table["seen"].to_numpy(bool), {}
    fresh = split.answers.astype(np.int8) - split.answers.multiply(split.seen()).astype(np.int8)
    for half, rows, answers in (
        ("all", np.arange(len(table)), split.answers),
        ("explore", np.flatnonzero(~seen), fresh),
    ):
        part = table.iloc[rows]
        last = np.lexsort((part["label"].to_numpy(), part["case"].to_numpy()))  # a tie falls to what was not bought
        cases, items, _, _ = ordered(part.iloc[last], values[rows][last], k)
        lists = np.full((len(split.test_users), k), -1)
        lists[cases] = items
        found[half] = list_ndcg(lists, sp.csr_matrix(answers > 0))
    return found


def boosting(
    table: pd.DataFrame,
    columns: Sequence[str],
    objective: str = "binary",
    trees: int = 120,
    seed: int = 0,
    threads: int = 0,
    **settings,
):
    """Fits gradient-boosted trees to candidates whose answers are known.

    Args:
        table: Rows sorted by case, with `columns`, `label`, `list` (which rows are of one list) and perhaps `weight`.
        columns: What to learn from.
        objective: "binary": was it bought? (the chance of each item alone); "lambdarank": the order of a list.
        trees: Number of trees.
        seed: Seed of the samples of rows and columns.
        threads: 0 for as many as there are cores to use (one for a small table: more cost more than they save).
        settings: LightGBM parameters, such as `learning_rate` or `num_leaves`; they come before what is set here.

    Returns:
        The fitted `lightgbm.Booster`.
    """
    import lightgbm

    group = None
    if objective == "lambdarank":
        group = table.groupby("list", sort=False).size().to_numpy()
        settings = {"lambdarank_truncation_level": 15} | settings
    weight = table["weight"] if "weight" in table else None
    data = lightgbm.Dataset(table[list(columns)], table["label"].to_numpy(np.float32), weight=weight, group=group)
    fixed = {
        "objective": objective,
        "learning_rate": 0.08,
        "num_leaves": 15,
        "min_data_in_leaf": int(np.clip(len(table) // 500, 5, 100)),
        "feature_fraction": 0.5,
        "bagging_fraction": 0.7,
        "bagging_freq": 1,
        "lambda_l2": 5.0,
        "verbosity": -1,
        "seed": seed,
        "num_threads": threads or (1 if len(table) < 20_000 else _cores()),
        "deterministic": True,
        "force_row_wise": True,
    }
    return lightgbm.train(fixed | settings, data, trees)


def _cores() -> int:
    """Returns how many cores this process may use: more threads than that would wait for each other."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
