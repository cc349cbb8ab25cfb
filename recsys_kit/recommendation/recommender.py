"""Lists for households, many at once: rules, diversity, reasons, and answers for strangers (notebook 08).

Letters for shapes: U households, N cases, B of a block, K places of a list, V items of the catalogue, W text width.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from scipy.special import expit
from sklearn.preprocessing import normalize
from sklearn.utils.extmath import randomized_svd

from recsys_kit.datasets.items import look_up, titles, type_names
from recsys_kit.datasets.shops import Shop
from recsys_kit.datasets.tables import DataError
from recsys_kit.preprocessing import Split
from recsys_kit.recommendation import diversity, ranking, reasons, two_stages
from recsys_kit.recommendation.cold_start import Newcomers
from recsys_kit.recommendation.rules import Rules, allowed, bought_today, cap, with_discovery
from recsys_kit.recommendation.two_stages import Model

__all__ = ["LIST_COLUMNS", "Recommender", "check_wishes", "everybody", "item_space", "log_odds", "with_similar"]

LIST_COLUMNS = ("user_id", "rank", "item_id", "score", "reason")
"""The columns of every list that is written; `score` is empty in a file where it would be no chance."""


def everybody(split: Split, at: pd.Timestamp | None = None, events: pd.DataFrame | None = None) -> Split:
    """Returns a split whose cases are all households, looked at in one moment: what a nightly run serves.

    Args:
        split: Gives the catalogue and the plan.
        at: The moment; None: the split's cutoff.
        events: Cleaned events to take as history, those before `at`; None: the split's own history.
    """
    history, users, at = split.history, split.users, at or split.cutoff
    if events is not None:
        past = events[events["timestamp"] < at]
        item = split.items.get_indexer(past["item_id"])
        past, item = past[item >= 0], item[item >= 0]
        users = pd.Index(np.sort(past["user_id"].unique()), name="user_id")
        user = users.get_indexer(past["user_id"])
        history = past.assign(user=user.astype(np.int32), item=item.astype(np.int32)).reset_index(drop=True)
    return replace(
        split,
        cutoff=at,
        users=users,
        history=history,
        test_users=np.arange(len(users)),
        answers=sp.csr_matrix((len(users), len(split.items)), dtype=bool),
        answer_times=pd.DatetimeIndex([at] * len(users)),
    )


class Recommender:
    """Lists for households, as many at once as you like.

    Args:
        shop: The shop.
        split: Whose cases are served; see `everybody`.
        model: What was learned; with its ranker, or with its next-item model.
        old: Items of its own history that compete for a household's list.
        new: Items that it never bought, from every source.
        seq: The `training.Sequences` of the split's history, if they are at hand.
    """

    def __init__(self, shop: Shop, split: Split, model: Model, old: int = 100, new: int = 40, seq: Any = None):
        if model.ranker is None and model.next_item is None:
            raise ValueError("`model` must have a ranker: use `build`, or put what `fit` returned into it.")
        self.shop, self.split, self.model, self.old, self.new = shop, split, model, old, new
        self.sources = two_stages.sources(model, split, seq)
        self.facts = ranking.Facts(split, shop.items, shop.timezone)
        self.companions = reasons.Companions(split)
        self.followers = None if model.next_item is None else reasons.Followers(split)
        self.newcomers = Newcomers(split, shop.users)
        best_sellers = max(10, len(split.items) // 100)
        least = np.sort(self.newcomers.popular)[-min(best_sellers, len(split.items))]
        self.popular = self.newcomers.popular >= max(least, 1e-9)
        self.titles = titles(shop.items, split.items).to_numpy()
        self.details = look_up(shop.items, split.items).reset_index()
        types = type_names(shop.items, split.items)
        self.types = None if types.nunique() < 2 else types.to_numpy()
        counts = np.asarray((split.counts() > 0).sum(axis=0)).ravel()
        self.rarity = -np.log2(np.maximum(counts, 0.5) / max(1, len(split.users)))
        self.rarity = ((self.rarity - self.rarity.min()) / max(np.ptp(self.rarity), 1e-9)).astype(np.float32)
        self.space = item_space(model, split)
        self.place = pd.Index(split.users[split.test_users])
        self._lately: dict[float, np.ndarray] = {}

    def table(self, rows: np.ndarray) -> pd.DataFrame:
        """Returns the candidates of cases (B,) with their facts and the ranker's `score`, sorted by case."""
        table = two_stages.candidate_table(self.facts, self.sources, np.sort(np.asarray(rows)), self.old, self.new)
        return table.assign(score=expit(two_stages.score(self.model, table)).astype(np.float32))

    def recommend(
        self,
        users: Sequence[str] | None = None,
        k: int = 10,
        rules: Rules | None = None,
        diversity_weight: float = 0.0,
        novelty: float = 0.0,
        method: str = "MMR",
        allow_new: bool = False,
        block: int = 256,
    ) -> pd.DataFrame:
        """Recommends to households.

        Args:
            users: Their ids; None: all with a history.
            k: Length of a list.
            rules: What the shop insists on; None: `Rules()`, nothing that was bought in the last day.
            diversity_weight: 0 keeps the ranker's order, 1 looks at nothing but difference within the list.
            novelty: 0 to 1, how much a rare item is preferred to a best seller.
            method: "MMR" or "DPP".
            allow_new: Whether ids that the shop does not know are new customers; otherwise they are an error.
            block: Households at a time; bounds the memory.

        Returns:
            `user_id`, `rank` (from 1), `item_id`, `score` and `reason`, best first; in the order of `users`. A list is
            shorter than k if rules leave nothing else. The score is the chance that the next basket holds the item;
            for who has no history it is popularity (1: the best seller), which must not be compared with chances.

        Raises:
            DataError: If an id is not known.
            ValueError: If an argument breaks its rule.
        """
        check_wishes(k, diversity_weight, novelty)
        k = min(k, len(self.split.items))
        users = self.asked(users, allow_new)
        rows = self.place.get_indexer(users)
        wanted = rules or Rules()
        good = allowed(wanted, self.split.items, self.shop.items)
        parts = []
        known = rows[rows >= 0]
        for start in range(0, len(known), block):
            part = known[start : start + block]
            parts.append(self._known(part, k, wanted, good, diversity_weight, novelty, method))
        if (rows < 0).any():
            parts.append(self._unknown(users[rows < 0], k, wanted, good))
        lists = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(LIST_COLUMNS))
        order = users.get_indexer(lists["user_id"])
        return lists.iloc[np.lexsort((lists["rank"], order))].reset_index(drop=True)

    def asked(self, users: Sequence[str] | None = None, allow_new: bool = False) -> pd.Index:
        """Returns the ids of whom lists are wanted for; see `recommend`.

        Raises:
            DataError: If an id is there twice, or not known.
        """
        users = self.place if users is None else pd.Index([str(user) for user in users])
        twice = users[users.duplicated()]
        if len(twice):
            raise DataError(f"every user must be asked for once. Received twice: {', '.join(map(repr, twice[:3]))}.")
        unknown = users[(self.place.get_indexer(users) < 0) & ~users.isin(self.shop.users["user_id"])]
        if len(unknown) and not allow_new:
            raise DataError(
                f"{len(unknown)} of {len(users)} users are not known to the shop: "
                f"{with_similar(unknown, self.shop.users['user_id'])}. "
                "Say that they are new customers (allow_new, --allow-new), and they get a start."
            )
        return users

    def _known(self, rows, k, wanted, good, weight, novelty, method) -> pd.DataFrame:
        table = self.table(rows)
        keep = good[table["item"].to_numpy()]
        if wanted.new_only:
            keep &= ~table["seen"].to_numpy()
        if wanted.not_again_hours:
            size = len(self.split.items)
            keep &= ~np.isin(table["case"].to_numpy(np.int64) * size + table["item"], self._bought_lately(wanted))
        table = table[keep]
        if not len(table):
            return pd.DataFrame(columns=list(LIST_COLUMNS))
        cases, items, score, index = ranking.ordered(table, table["score"].to_numpy(), max(60, 4 * k))
        value = log_odds(score)
        if novelty:
            there = np.isfinite(value)
            low = np.where(there, value, np.inf).min(1, keepdims=True)
            high = np.where(there, value, -np.inf).max(1, keepdims=True)
            with np.errstate(invalid="ignore"):
                value = (1 - novelty) * (value - low) / np.maximum(high - low, 1e-9) + novelty * self.rarity[items]
            value = np.where(there, value, -np.inf)
            order = np.argsort(-value, axis=1, kind="stable")
            items, value, index = (np.take_along_axis(array, order, 1) for array in (items, value, index))
        if wanted.most:
            labels = self.details[wanted.column].to_numpy()
            stays = cap(items, labels, wanted.most)
            items, value = np.where(stays, items, -1), np.where(stays, value, -np.inf)
        if weight:
            lists = diversity.rerank(items, value, self.space, k, weight, method)
            at = (items[:, None, :] == lists[:, :, None]).argmax(2)
        else:
            at = np.argsort(items < 0, axis=1, kind="stable")[:, :k]
            lists = np.take_along_axis(items, at, 1)
        rows = np.where(lists >= 0, np.take_along_axis(index, at, 1), -1)
        if wanted.discovery and not wanted.new_only:
            rows = self._with_discovery(table, cases, rows, wanted)
        case, rank = np.nonzero(rows >= 0)
        chosen = table.iloc[rows[case, rank]]
        frame = pd.DataFrame(
            {
                "user_id": self.place[cases[case]],
                "rank": rank + 1,
                "item_id": self.split.items[chosen["item"]],
                "score": chosen["score"].to_numpy(),
            }
        )
        chosen = chosen.assign(user=self.split.test_users[chosen["case"]])
        frame["reason"] = reasons.sentences(
            chosen, self.titles, self.types, self.companions, self.popular, self.followers
        )
        return frame

    def _bought_lately(self, wanted: Rules) -> np.ndarray:
        """Returns case x V + item of what was bought too shortly before; found once for each number of hours."""
        if wanted.not_again_hours not in self._lately:
            case, item = bought_today(self.split, self.split.answer_times, wanted.not_again_hours)
            self._lately[wanted.not_again_hours] = np.unique(case.astype(np.int64) * len(self.split.items) + item)
        return self._lately[wanted.not_again_hours]

    def _with_discovery(self, table: pd.DataFrame, cases: np.ndarray, rows: np.ndarray, wanted: Rules) -> np.ndarray:
        """Returns the lists (N, K), as rows of the table, with the best new items in the last places."""
        known, item = table["seen"].to_numpy(), table["item"].to_numpy()
        fresh = ranking.ordered_new(table, table["score"].to_numpy(), cases, 2 * rows.shape[1])
        if wanted.most:  # the cap holds for what is added, too
            both = np.hstack([rows, fresh])
            labels = self.details[wanted.column].to_numpy()
            stays = cap(np.where(both >= 0, item[both], -1), labels, wanted.most)[:, rows.shape[1] :]
            fresh = np.where(stays, fresh, -1)
        return with_discovery(rows, fresh, known, wanted.discovery)

    def _unknown(self, users: pd.Index, k: int, wanted: Rules, good: np.ndarray) -> pd.DataFrame:
        """Lists for households without a history: by their attributes if there are any, else what is popular."""
        known = self.shop.users.drop_duplicates("user_id").set_index("user_id")
        parts, lists = [], {}
        for user in users:
            attributes = known.loc[user].dropna().to_dict() if user in known.index else {}
            alike = tuple(sorted((name, str(value)) for name, value in attributes.items()))
            if alike not in lists:  # who is alike gets the same list: a shop may have many newcomers
                scores, used = self.newcomers.scores(attributes)
                order = np.argsort(-np.where(good, scores, -np.inf), kind="stable")
                order = order[good[order]]
                if wanted.most:
                    order = order[cap(order[None], self.details[wanted.column].to_numpy(), wanted.most)[0]]
                reason = "popular with households like yours" if used else "popular in the last weeks"
                lists[alike] = order[:k], scores[order[:k]], reason
            order, scores, reason = lists[alike]
            parts.append(
                pd.DataFrame(
                    {
                        "user_id": user,
                        "rank": np.arange(len(order)) + 1,
                        "item_id": self.split.items[order],
                        "score": scores,
                        "reason": reason,
                    }
                )
            )
        return pd.concat(parts, ignore_index=True)


def check_wishes(k: int, diversity_weight: float = 0.0, novelty: float = 0.0) -> None:
    """Raises a ValueError if an argument of `Recommender.recommend` breaks its rule."""
    if k < 1:
        raise ValueError(f"`k` must be 1 or more. Received: k={k}.")
    for name, value in (("diversity_weight", diversity_weight), ("novelty", novelty)):
        if not 0 <= value <= 1:
            raise ValueError(f"`{name}` must lie in 0..1. Received: {name}={value}.")


def with_similar(unknown: Collection[str], known: pd.Series, shown: int = 3) -> str:
    """Returns unknown ids, the first of them in words, each with the known id that is written most like it.

    Example:
        >>> with_similar(["ann1", "zoe"], pd.Series(["ann", "bob"]))
        "'ann1' (did you mean 'ann'?), 'zoe'"
    """
    names = known.astype("str").tolist() if len(known) <= 200_000 else []  # among more it takes too long
    parts = []
    for name in list(unknown)[:shown]:
        near = difflib.get_close_matches(str(name), names, n=3, cutoff=0.7)
        parts.append(f"{name!r} (did you mean {' or '.join(map(repr, near))}?)" if near else repr(name))
    return ", ".join(parts) + (", ..." if len(unknown) > shown else "")


def item_space(model: Model, split: Split) -> np.ndarray:
    """Returns (V, W) unit vectors of what makes two items alike: their texts, or without titles who buys them."""
    if model.text is not None:
        return normalize(model.text)
    counts = split.counts().log1p()
    _, strength, right = randomized_svd(counts, max(1, min(32, min(counts.shape) - 1)), random_state=0)
    return normalize(right.T * strength).astype(np.float32)


def log_odds(chance: np.ndarray) -> np.ndarray:
    """Returns the log-odds of chances; -inf stays -inf."""
    there = np.isfinite(chance)
    chance = np.clip(np.where(there, chance, 0.5), 1e-7, 1 - 1e-7)
    return np.where(there, np.log(chance / (1 - chance)), -np.inf).astype(np.float32)
