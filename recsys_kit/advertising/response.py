"""Who redeems a coupon of a campaign: two classic models, the taste of a household, and calibration (notebook 12).

Letters for shapes: R rows (one a household and campaign), F facts, D width of the taste.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from recsys_kit.advertising import facts
from recsys_kit.advertising.campaigns import Campaigns
from recsys_kit.datasets import Shop, items
from recsys_kit.neural import start_vectors

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

__all__ = ["Calibrator", "Model", "boosting", "fit", "inputs", "item_vectors", "logistic", "taste"]


def item_vectors(shop: Shop, until: pd.Timestamp, width: int = 64) -> pd.DataFrame:
    """Returns vectors of the items in which types of the same households are close, from purchases before a moment.

    All items of a type share its vector: nine items in ten are bought too seldom for one of their own. A shop that
    knows no types gets a vector for each item.

    Args:
        shop: The shop.
        until: Purchases from then on are not read.
        width: D.

    Returns:
        (V, D) vectors, indexed by item_id: merchandise of types that at least 5 households bought.
    """
    goods = shop.items.loc[shop.items["is_merchandise"], "item_id"]
    events = shop.events[(shop.events["timestamp"] < until) & shop.events["item_id"].isin(goods)]
    item, ids = pd.factorize(events["item_id"])
    kinds = items.item_types(shop.items, ids)
    kind, names = pd.factorize(kinds if kinds.nunique() > 1 else kinds.index)
    user, people = pd.factorize(events["user_id"])
    counts = sp.csr_matrix((np.ones(len(events), np.float32), (user, kind[item])), (len(people), len(names)))
    counts.data = np.log1p(counts.data)
    often = np.diff(counts.tocsc().indptr) >= min(5, len(people))
    vectors = np.zeros((len(names), width), np.float32)
    vectors[often] = start_vectors.from_users(counts[:, np.flatnonzero(often)], width)[1:]
    return pd.DataFrame(vectors[kind], index=pd.Index(ids))[often[kind]]


def taste(shop: Shop, campaigns: Campaigns, rows: pd.MultiIndex, vectors: pd.DataFrame, days: int = 90) -> pd.DataFrame:
    """Returns (R, D) the direction of what each household bought in the days before the campaign's start.

    Args:
        shop: The shop.
        campaigns: Its campaigns.
        rows: (R,) pairs of campaign_id and user_id.
        vectors: (V, D) vectors of items.
        days: How far back purchases count.
    """
    events = shop.events
    same = {row.tobytes(): place for place, row in enumerate(vectors.to_numpy())}  # one column a type, not an item
    column = np.array([same[row.tobytes()] for row in vectors.to_numpy()])
    place, when = vectors.index.get_indexer(events["item_id"]), events["timestamp"]
    found = np.zeros((len(rows), vectors.shape[1]))
    campaign = rows.get_level_values("campaign_id")
    for name in campaign.unique():
        start = campaigns.plan.loc[name, "start"]
        near = ((when < start) & (when >= start - pd.Timedelta(days=days))).to_numpy() & (place >= 0)
        own = np.flatnonzero(campaign == name)
        code = pd.Index(rows.get_level_values("user_id")[own]).get_indexer(events["user_id"][near])
        where, ours = column[place[near]], code >= 0
        counts = sp.csr_matrix((np.ones(ours.sum()), (code[ours], where[ours])), (len(own), len(vectors)))
        counts.data = np.log1p(counts.data)  # the tenth milk says less than the first
        found[own] = counts @ vectors.to_numpy()
    found /= np.linalg.norm(found, axis=1, keepdims=True) + 1e-9
    return pd.DataFrame(found, index=rows).add_prefix("taste ")


def logistic(strength: float = 0.01, clipped: float = 4.0) -> Pipeline:
    """Returns a logistic regression on standardised facts.

    Args:
        strength: scikit-learn's C, small for much shrinking.
        clipped: No fact counts further than so many standard deviations from its mean: a column that is nearly always 0
            in the rows to learn from, such as a rare kind of campaign, would else decide alone when it is not.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, StandardScaler

    clip = FunctionTransformer(np.clip, kw_args={"a_min": -clipped, "a_max": clipped})
    return make_pipeline(StandardScaler(), clip, LogisticRegression(C=strength, max_iter=3000))


def boosting(rounds: int = 60, seed: int = 0) -> Any:
    """Returns boosted trees that are small enough for some thousand rows."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(
        max_iter=rounds,
        learning_rate=0.05,
        max_leaf_nodes=4,
        min_samples_leaf=40,
        early_stopping=False,
        random_state=seed,
    )


@dataclass(frozen=True)
class Model:
    """What the command sends by: a logistic regression on facts, kinds and taste.

    Attributes:
        pipeline: The fitted regression.
        vectors: (V, D) the items' vectors.
    """

    pipeline: Pipeline
    vectors: pd.DataFrame

    def chances(self, shop: Shop, campaigns: Campaigns, campaign: str, users: pd.Index) -> pd.Series:
        """Returns the chance that each household redeems a coupon of a campaign, indexed by user_id."""
        table = facts.facts(shop, campaigns, [campaign], users)
        found = self.pipeline.predict_proba(inputs(shop, campaigns, table, self.vectors))[:, 1]
        return pd.Series(found, index=users)


def inputs(shop: Shop, campaigns: Campaigns, table: pd.DataFrame, vectors: pd.DataFrame) -> pd.DataFrame:
    """Returns what the regression reads: facts without running totals, the kind of campaign, and the taste."""
    kept = table.drop(columns=list(facts.RUNNING))
    return facts.with_kinds(kept, campaigns).join(taste(shop, campaigns, table.index, vectors))


def fit(shop: Shop, campaigns: Campaigns, ids: list[str], until: pd.Timestamp) -> Model:
    """Fits the regression to what households did with some campaigns.

    Args:
        shop: The shop.
        campaigns: Its campaigns.
        ids: The campaigns to learn from; they must have ended before `until`.
        until: The items' vectors are made of purchases before it.
    """
    late = [name for name in ids if campaigns.plan.loc[name, "end"] >= until]
    if late:
        raise ValueError(f"`ids` must be campaigns that ended before `until`. Received: {', '.join(late)}.")
    table = facts.facts(shop, campaigns, ids)
    truth = campaigns.rows().set_index(["campaign_id", "user_id"])["redeemed"].reindex(table.index)
    vectors = item_vectors(shop, until)
    return Model(logistic().fit(inputs(shop, campaigns, table, vectors), truth.astype(float)), vectors)


class Calibrator:
    """Makes chances right without changing what is above what: Platt's line on log-odds, or isotonic steps.

    Args:
        way: "platt" or "isotonic".

    Example:
        >>> said, happened = np.repeat([0.2, 0.4], 100), np.r_[np.arange(100) < 10, np.arange(100) < 20]
        >>> Calibrator("isotonic").fit(said, happened)(np.array([0.2, 0.4])).round(2).tolist()
        [0.1, 0.2]
    """

    def __init__(self, way: str = "platt"):
        if way not in ("platt", "isotonic"):
            raise ValueError(f"`way` must be 'platt' or 'isotonic'. Received: {way!r}.")
        self.way = way

    def fit(self, chance: np.ndarray, truth: np.ndarray) -> Calibrator:
        """Learns from forecasts (N,) that were made for cases outside of their model's training."""
        from sklearn.isotonic import IsotonicRegression
        from sklearn.linear_model import LogisticRegression

        if self.way == "isotonic":
            self._model = IsotonicRegression(out_of_bounds="clip", y_min=0, y_max=1).fit(chance, truth)
            return self
        self._model = LogisticRegression(C=1e6, max_iter=1000).fit(_log_odds(chance)[:, None], truth)
        if self._model.coef_[0, 0] <= 0:  # forecasts that say nothing: their mean is all there is to say
            self._model.coef_[:] = 1e-6
            share = np.clip(np.mean(truth), 1e-6, 1 - 1e-6)
            self._model.intercept_[:] = np.log(share / (1 - share))
        return self

    def __call__(self, chance: np.ndarray) -> np.ndarray:
        """Returns the chances (N,), put right."""
        if self.way == "isotonic":
            return self._model.predict(chance)
        return self._model.predict_proba(_log_odds(chance)[:, None])[:, 1]


def _log_odds(chance: np.ndarray) -> np.ndarray:
    chance = np.clip(np.asarray(chance, float), 1e-6, 1 - 1e-6)
    return np.log(chance / (1 - chance))
