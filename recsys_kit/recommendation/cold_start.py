"""Households without a history and items without sales: answers from attributes, popularity and text (notebook 08).

Letters for shapes: U households, G groups, V items of the catalogue, M new items, W text width.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import scipy.sparse as sp
from scipy.stats import rankdata
from sklearn.preprocessing import normalize

from recsys_kit import baselines
from recsys_kit.preprocessing import Split
from recsys_kit.recommendation import candidates

__all__ = ["Newcomers", "group_scores", "nearest_titles", "new_item_scores", "placed"]


class Newcomers:
    """Scores for households of which nothing but attributes is known, or not even these.

    An item's score is its recent popularity, and for each known attribute how much more the households with the same
    value buy it, drawn to zero where these are few.

    Args:
        split: The split; its last 60 days are counted.
        users: The shop's users.
        shrink: So many households' worth of doubt about a group.
    """

    def __init__(self, split: Split, users: pd.DataFrame, shrink: float = 200.0):
        self.popular = baselines.recent_popularity(split)
        recent = split.history[split.history["timestamp"] >= split.cutoff - pd.Timedelta(days=60)]
        pairs = recent.drop_duplicates(["user", "item"])
        shape = (len(split.users), len(split.items))
        bought = sp.coo_matrix((np.ones(len(pairs), np.float32), (pairs["user"], pairs["item"])), shape).tocsr()
        everybody = np.asarray(bought.mean(axis=0)).ravel()
        known = users.drop_duplicates("user_id").set_index("user_id")
        known = known.reindex(split.users)
        self.lift: dict[tuple[str, str], np.ndarray] = {}
        self.members: dict[tuple[str, str], int] = {}
        for name in known:
            values = known[name].astype("str").fillna("unknown")
            if values.nunique() > 30:  # a name or a number, not a group
                continue
            for value, rows in values.groupby(values).indices.items():
                if value in ("unknown", "nan", "None", ""):
                    continue
                share = np.asarray(bought[rows].sum(axis=0)).ravel()
                mean = (share + shrink * everybody) / (len(rows) + shrink)
                self.lift[name, str(value)] = mean - everybody
                self.members[name, str(value)] = len(rows)
        self.scale = float(everybody.max(initial=0)) or 1.0

    def attributes(self) -> dict[str, list[str]]:
        """Returns the known attributes and their values."""
        table: dict[str, list[str]] = {}
        for name, value in self.lift:
            table.setdefault(name, []).append(value)
        return table

    def scores(self, attributes: Mapping[str, object] | None = None) -> tuple[np.ndarray, bool]:
        """Returns (V,) scores, and whether an attribute was of use.

        Args:
            attributes: What is known of the household, such as {"age": "25-34"}; values that nobody has are ignored.
        """
        lifts = [self.lift[key] for key in ((n, str(v)) for n, v in (attributes or {}).items()) if key in self.lift]
        if not lifts:
            return self.popular, False
        return self.popular + np.mean(lifts, axis=0).astype(np.float32) / self.scale, True  # they overlap: no sum


def new_item_scores(split: Split, vectors: np.ndarray, new: np.ndarray, decay: float = 120) -> np.ndarray:
    """Scores items without a sale by how much their titles resemble what each household buys.

    Args:
        split: The split.
        vectors: (V, W) text vectors of the catalogue.
        new: (M, W) text vectors of the new items.
        decay: Days after which a purchase weighs 1/e.

    Returns:
        (N, M) cosines.
    """
    return candidates.text_profiles(split, vectors, decay) @ normalize(new - vectors.mean(0)).T


def group_scores(split: Split, groups: pd.Series, new: pd.Series, decay: float = 120) -> np.ndarray:
    """Scores items without a sale by how much each household buys of their group, such as their category.

    Args:
        split: The split.
        groups: (V,) the group of each item of the catalogue.
        new: (M,) the group of each new item; one that the catalogue lacks scores 0.
        decay: Days after which a purchase weighs 1/e.

    Returns:
        (N, M) logarithms of decayed counts.
    """
    code, names = pd.factorize(groups)
    known = code >= 0
    member = sp.coo_matrix((np.ones(known.sum(), np.float32), (np.flatnonzero(known), code[known])))
    member.resize((len(groups), max(1, len(names))))
    counts = baselines.decayed_counts(split, decay)[split.test_users] @ member.tocsr()
    place = pd.Index(names).get_indexer(new)
    scores = counts.log1p().toarray().astype(np.float32)[:, place]
    scores[:, place < 0] = 0
    return scores


def placed(scores: np.ndarray, row: np.ndarray, column: np.ndarray) -> np.ndarray:
    """Returns (P,) above which part of a row's other scores each wanted one stands; ties count half, chance is 0.5.

    Args:
        scores: (N, M).
        row: (P,) rows of the wanted scores.
        column: (P,) their columns.

    Example:
        >>> placed(np.array([[0.1, 0.9, 0.5]]), np.array([0]), np.array([2])).tolist()
        [0.5]
    """
    found = np.empty(len(row))
    for one in np.unique(row):
        place = rankdata(scores[one])
        found[row == one] = (place[column[row == one]] - 1) / max(1, scores.shape[1] - 1)
    return found


def nearest_titles(vectors: np.ndarray, new: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns (M,) the catalogue item whose text is nearest to each new item's, and the cosine."""
    close = normalize(new) @ normalize(vectors).T
    return close.argmax(1), close.max(1)
