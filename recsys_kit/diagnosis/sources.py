"""What counting knows of the next purchase, one family of sources after the other, and all of them together.

Each source is a number for each case and item of the catalogue. A conditional logit weighs them: a handful of weights,
fitted on validation. With all families it is the strongest cheap rival of a sequence model.

Letters for shapes: U users, V items, N cases, B cases of a block, C candidates of a case, F sources, M logits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
import scipy.optimize
import scipy.sparse as sp
from sklearn.preprocessing import normalize

from recsys_kit import baselines, evaluation
from recsys_kit.preprocessing import Split

__all__ = ["Candidates", "Logit", "Source", "best_ridge", "candidates", "counting", "evaluated", "fit_logit"]

Source = Callable[[np.ndarray], list[np.ndarray]]
"""Cases (B,) of a split -> one or more arrays (B, V)."""

_RHYTHM = np.array([-3, -2, -1, 0, 1, 2, 3])  # log2 of the time since the last purchase, in intervals of its own
_PAIRS = 300  # most items of a catalogue whose pairs are counted; beyond, hardly a pair comes up twice
_RANK = 16  # of the factorised table of what follows what
_RIDGES = (2.0, 10.0, 50.0, 250.0)  # of standardised weights, in cases


def counting(split: Split, learners: np.ndarray | None = None, titles: np.ndarray | None = None) -> dict[str, Source]:
    """Returns the families of counted sources at a split's cutoff.

    Args:
        split: The split. What it tells of a case is the customer's history, and when the customer comes back.
        learners: (U,) whose purchases fill the tables that are about everybody; None: all users'.
        titles: (V, T) vectors of the items' titles, if there are any.

    Returns:
        `popularity`, `own counts`, `time`, `follows`, and where there are such things `texts` and `promotion`.
    """
    counted = split if learners is None else replace(split, history=_of_learners(split.history, learners))
    families = {
        "popularity": _popularity(counted),
        "own counts": _own_counts(split),
        "time": _time(split, counted),
        "follows": _follows(split, counted),
    }
    if titles is not None:
        families["texts"] = _texts(split, titles)
    if split.plan is not None and split.plan.share.any():
        families["promotion"] = _promotion(split)
    return families


def _of_learners(history: pd.DataFrame, learners: np.ndarray) -> pd.DataFrame:
    return history[np.isin(history["user"].to_numpy(), np.flatnonzero(learners))]


def _span(split: Split) -> float:
    return max(1.0, (split.cutoff - split.history["timestamp"].iloc[0]) / pd.Timedelta(days=1))


def _shares(counted: Split) -> np.ndarray:
    counts = np.bincount(counted.history["item"], minlength=len(counted.items)) + 0.5
    return (counts / counts.sum()).astype(np.float32)


def _popularity(counted: Split) -> Source:
    recent = baselines.recent_popularity(counted, np.clip(_span(counted) / 6, 7, 60))
    recent = np.log(recent / max(recent.sum(), 1e-9) + 0.5 / len(counted.history))
    known = [recent.astype(np.float32), np.log(_shares(counted))]
    return lambda rows: [np.broadcast_to(one, (len(rows), len(one))) for one in known]


def _own_counts(split: Split) -> Source:
    counts = split.counts()[split.test_users]

    def score(rows):
        own = counts[rows].toarray()
        return [np.log(own + 0.05), (own > 0).astype(np.float32)]

    return score


def _time(split: Split, counted: Split) -> Source:
    """Fading counts, and each item's own rhythm: how long ago it was bought, beside the interval at which it is."""
    span = _span(split)
    faded = [baselines.decayed_counts(split, max(0.5, span / part))[split.test_users] for part in (4, 15)]
    last, interval = _rhythm(split, counted)
    now = _days(split.answer_times)

    def score(rows):
        fading = [np.log(one[rows].toarray() + 0.05) for one in faded]
        when = last[rows].toarray()
        known = when > 0
        since = np.maximum(now[rows][:, None] - when, 0.05)
        ratio = np.clip(np.log2(since / np.where(known, interval[rows].toarray(), 1)), _RHYTHM[0], _RHYTHM[-1])
        hats = [np.where(known, np.maximum(0, 1 - np.abs(ratio - middle)), 0) for middle in _RHYTHM[1:]]
        return [one.astype(np.float32) for one in (*fading, *hats)]

    return score


def _days(times: pd.DatetimeIndex | pd.Series) -> np.ndarray:
    return np.asarray((pd.DatetimeIndex(times) - pd.Timestamp("1970-01-01", tz="UTC")) / pd.Timedelta(days=1))


def _rhythm(split: Split, counted: Split) -> tuple[sp.csr_matrix, sp.csr_matrix]:
    """Returns (N, V) the day of the last purchase, and the usual days between two of them.

    The customer's own gaps are drawn towards the item's, those towards everybody's: each by a gap or two.
    """
    visits = [
        one.history.drop_duplicates(["user", "item", "basket_id"]).assign(day=lambda table: _days(table["timestamp"]))
        for one in (split, counted)
    ]
    ends = [one.groupby(["user", "item"])["day"].agg(["min", "max", "size"]).reset_index() for one in visits]
    own, other = ends
    days, gaps = other["max"] - other["min"], other["size"] - 1
    overall = days.sum() / gaps.sum() if gaps.sum() else _span(split)
    size = len(split.items)
    sums = [np.bincount(other["item"], column, size) for column in (days, gaps)]
    item = (sums[0] + 2 * overall) / (sums[1] + 2)
    usual = (own["max"] - own["min"] + item[own["item"]]) / own["size"]
    shape = (len(split.users), size)
    cells = (own["user"].to_numpy(), own["item"].to_numpy())
    found = [sp.csr_matrix((column.to_numpy(float), cells), shape)[split.test_users] for column in (own["max"], usual)]
    return found[0], found[1]


def _follows(split: Split, counted: Split) -> Source:
    """What follows the last basket and what goes with the last ones, as lift over popularity."""
    size = len(split.items)
    mine, theirs = _steps(split), _steps(counted)
    shares = _shares(counted)
    plain = baselines.PairWeights(backward=0, from_power=0, to_power=0)
    after = baselines.cooccurrence_table(*theirs, size, lags=1, weights=plain)
    near = baselines.cooccurrence_table(*theirs, size, lags=5, neighbours=300)
    last = baselines.recent_items(*mine, len(split.users), size, last=1)[split.test_users]
    recent = baselines.recent_items(*mine, len(split.users), size)[split.test_users]
    total = np.asarray(after.sum(axis=1)).ravel()
    left, right = _factorised(after, total, shares)
    pairs = _pairs(split, counted, shares) if size <= _PAIRS and _single(split) else None

    def score(rows):
        newest, older = last[rows], recent[rows]
        seen = (newest @ total)[:, None]
        found = [np.log(((newest @ after).toarray() / shares + 10) / (seen + 10))]
        around = (older @ near).toarray()
        around /= np.maximum(around.sum(axis=1, keepdims=True), 1e-9)
        found.append(np.log(0.9 * around / shares + 0.1))
        found += [(one @ left) @ right / np.maximum(one.sum(axis=1), 1e-9) for one in (newest, older)]
        found += pairs(rows) if pairs else []
        return [np.asarray(one, np.float32) for one in found]

    return score


def _single(split: Split) -> bool:
    """Whether most baskets hold one item."""
    return split.history.groupby(["user", "basket_id"], observed=True).size().median() == 1


def _steps(split: Split) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    history = split.history
    return history["user"].to_numpy(), baselines.basket_steps(history), history["item"].to_numpy()


def _factorised(table: sp.csr_matrix, total: np.ndarray, shares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns (V, R) and (R, V) whose product is each pair's lift, smoothed: rare items borrow from similar ones."""
    scale = sp.diags(1 / np.sqrt(total + 10)), sp.diags(1 / np.sqrt(shares))
    start = np.random.default_rng(0).random(len(total))
    left, values, right = sp.linalg.svds(
        (scale[0] @ table @ scale[1]).astype(float), min(_RANK, len(total) // 3), v0=start
    )
    return scale[0] @ (left * values), right @ scale[1]


def _pairs(split: Split, counted: Split, shares: np.ndarray) -> Source:
    """What followed each pair of the last three items: the lift of each pair, one source for each two places."""
    size, found = len(shares), []
    asked = _last_items(split)[split.test_users]
    user, step, item = _steps(counted)
    item, user = item[np.lexsort((step, user))].astype(np.int64), np.sort(user)
    for near, far in ((1, 2), (1, 3), (2, 3)):
        place = np.flatnonzero(user[far:] == user[:-far]) + far
        key = _pair(item[place - near], item[place - far], size)
        table = sp.coo_matrix((np.ones(len(key), np.float32), (key, item[place])), (size**2, size)).tocsr()
        known = (asked[:, [near - 1, far - 1]] >= 0).all(axis=1)
        keys = np.where(known, _pair(asked[:, near - 1], asked[:, far - 1], size), 0)
        found.append((table, np.asarray(table.sum(axis=1)).ravel(), keys, known))

    def score(rows):
        lifts = []
        for table, total, keys, known in found:
            key = keys[rows]
            lift = np.log((table[key].toarray() / shares + 10) / (total[key][:, None] + 10))
            lifts.append(lift * known[rows][:, None])
        return lifts

    return score


def _pair(one: np.ndarray, other: np.ndarray, size: int) -> np.ndarray:
    return np.minimum(one, other) * size + np.maximum(one, other)


def _last_items(split: Split) -> np.ndarray:
    """Returns (U, 3) each user's last items, the newest first, -1 where there is none."""
    user, step, item = _steps(split)
    order = np.lexsort((step, user))
    end = np.searchsorted(user[order], np.arange(len(split.users)), side="right")
    start = np.searchsorted(user[order], np.arange(len(split.users)))
    place = end[:, None] - 1 - np.arange(3)
    return np.where(place >= start[:, None], item[order][np.maximum(place, 0)], -1).astype(np.int64)


def _texts(split: Split, titles: np.ndarray) -> Source:
    """How close each title is to those of the last baskets, and to those of the very last one."""
    titles = normalize(titles - titles.mean(axis=0)).astype(np.float32)
    shape = (len(split.users), len(split.items))
    recent = [baselines.recent_items(*_steps(split), *shape, last=last)[split.test_users] for last in (20, 1)]
    return lambda rows: [normalize(one[rows] @ titles) @ titles.T for one in recent]


def _promotion(split: Split) -> Source:
    """What the plan says of the week in which the customer comes back, one source for each way to promote."""
    week = np.searchsorted(split.plan.starts, split.answer_times, side="right")
    share = split.plan.share[:, 1:].astype(np.float32)
    used = np.flatnonzero(share.any(axis=(0, 1)))
    return lambda rows: [share[week[rows], :, way] for way in used]


@dataclass(frozen=True)
class Logit:
    """Weights of sources, named by family.

    Attributes:
        columns: Which columns of all sources it uses.
        weights: Their weights.
    """

    columns: np.ndarray
    weights: np.ndarray = field(repr=False)


@dataclass(frozen=True)
class Candidates:
    """What a logit is fitted on: for each case some items, and what the sources say of them.

    Attributes:
        values: (N, C, F), each source standardised.
        scale: (F,) by what each source was divided.
        target: (N, C) 1 / number of bought ones where bought.
        offset: (N, C) log of how many items each stands for; -inf where there is none.
        family: (F,) of each source.
    """

    values: np.ndarray = field(repr=False)
    scale: np.ndarray = field(repr=False)
    target: np.ndarray = field(repr=False)
    offset: np.ndarray = field(repr=False)
    family: np.ndarray


def _values(families: Mapping[str, Source], rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns (B, V, F) and the family of each column."""
    found = {name: source(rows) for name, source in families.items()}
    family = np.array([name for name, arrays in found.items() for _ in arrays])
    return np.stack([array for arrays in found.values() for array in arrays], axis=-1).astype(np.float32), family


def candidates(
    families: Mapping[str, Source], answers: sp.csr_matrix, rows: np.ndarray, count: int = 300, seed: int = 0
) -> Candidates:
    """Draws the items that a logit is fitted on.

    All of a small catalogue; of a large one what was bought, the best of each source, and others by chance. Those
    stand for all that were not drawn, so that the likelihood is that of the whole catalogue in expectation.

    Args:
        families: Sources by family.
        answers: (N, V) what was bought.
        rows: (N,) the cases to use.
        count: C.
        seed: Seed of the draw.
    """
    rng, size = np.random.default_rng(seed), answers.shape[1]
    count = min(count, size)
    parts = []
    for block in np.array_split(rows, max(1, len(rows) * size // 200_000)):
        values, family = _values(families, block)
        bought = answers[block].toarray() > 0
        sure = bought.copy()
        if count < size:
            best = max(1, (count - 60) // values.shape[-1] - 1)
            for column in range(values.shape[-1]):
                top = evaluation.top_k(values[..., column] + 1e-6 * rng.random(sure.shape), best)
                np.put_along_axis(sure, top, True, axis=1)
        order = np.argsort(rng.random(sure.shape) - sure, axis=1)[:, :count]  # the sure ones first
        certain = np.take_along_axis(sure, order, 1)
        left = np.maximum(count - certain.sum(axis=1), 1)
        others = np.log(np.maximum(size - sure.sum(axis=1), 1) / left)
        target = np.take_along_axis(bought, order, 1).astype(float)
        target /= np.maximum(target.sum(axis=1, keepdims=True), 1)
        offset = np.where(certain, 0.0, others[:, None])
        parts.append((np.take_along_axis(values, order[..., None], 1), target, offset))
    values, target, offset = (np.concatenate(part) for part in zip(*parts, strict=True))
    values -= values.mean(axis=1, keepdims=True)
    scale = values.std(axis=(0, 1)) + 1e-6
    return Candidates(values / scale, scale, target, offset, family)


class _Likelihood:
    """The penalised likelihood of a conditional logit: its negative mean, gradient and curvature."""

    def __init__(self, data: Candidates, columns: np.ndarray, rows: np.ndarray | slice, ridge: float):
        self.values = np.ascontiguousarray(data.values[rows][..., columns])
        self.target, self.offset, self.ridge = data.target[rows], data.offset[rows], ridge
        self.wanted = np.einsum("nc,ncf->f", self.target, self.values)

    def logs(self, weights: np.ndarray) -> np.ndarray:
        logits = self.values @ weights.astype(np.float32) + self.offset
        logits -= logits.max(axis=1, keepdims=True)
        return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))

    def loss(self, weights: np.ndarray) -> tuple[float, np.ndarray]:
        logs = self.logs(weights)
        gradient = np.einsum("nc,ncf->f", np.exp(logs), self.values) - self.wanted + self.ridge * weights
        loss = 0.5 * self.ridge * weights @ weights - (self.target * logs).sum()
        return loss / len(logs), gradient / len(logs)

    def curvature(self, weights: np.ndarray) -> np.ndarray:
        chance = np.exp(self.logs(weights)).astype(np.float32)
        mean = np.einsum("nc,ncf->nf", chance, self.values)
        flat, size = self.values.reshape(-1, len(weights)), len(weights)
        spread = (chance.reshape(-1, 1) * flat).T @ flat
        return (spread - mean.T @ mean + self.ridge * np.eye(size)) / len(chance)

    def fitted(self) -> np.ndarray:
        start = np.zeros(self.values.shape[-1])
        how = {"jac": True, "hess": self.curvature, "method": "trust-exact", "options": {"maxiter": 40}}
        return scipy.optimize.minimize(self.loss, start, **how).x


def best_ridge(data: Candidates, families: tuple[str, ...]) -> float:
    """Returns the ridge whose weights, fitted on one half of the cases, tell the other half best."""
    columns, cases = np.flatnonzero(np.isin(data.family, families)), np.arange(len(data.values))
    halves = (cases[::2], cases[1::2])
    found = {}
    for ridge in _RIDGES:
        told = [
            _Likelihood(data, columns, other, 0.0).loss(_Likelihood(data, columns, half, ridge / 2).fitted())[0]
            for half, other in (halves, halves[::-1])
        ]
        found[ridge] = sum(told)
    return min(found, key=found.get)


def fit_logit(data: Candidates, families: tuple[str, ...], ridge: float = _RIDGES[0]) -> Logit:
    """Fits a conditional logit (McFadden, 1974) with a ridge: which item is next, given what the sources say.

    Args:
        data: What it is fitted on.
        families: Whose sources it may use.
        ridge: Pull of the weights to 0, in cases.
    """
    columns = np.flatnonzero(np.isin(data.family, families))
    return Logit(columns, _Likelihood(data, columns, slice(None), ridge).fitted() / data.scale[columns])


def evaluated(
    families: Mapping[str, Source], logits: Mapping[str, Logit], answers: sp.csr_matrix, rows: np.ndarray
) -> pd.DataFrame:
    """Returns NDCG@10 of each case (index) for each logit (column), in a ranking of the whole catalogue.

    Args:
        families: Sources by family, in the order in which the logits were fitted.
        logits: By name.
        answers: (N, V) what was bought.
        rows: The cases to judge.
    """
    parts = []
    for block in np.array_split(rows, max(1, len(rows) * answers.shape[1] // 200_000)):
        values, _ = _values(families, block)
        weights = np.zeros((values.shape[-1], len(logits)), np.float32)
        for place, logit in enumerate(logits.values()):
            weights[logit.columns, place] = logit.weights
        scores = values @ weights  # (B, V, F) @ (F, M)
        found = {
            name: evaluation.evaluate(scores[..., place], answers[block])["ndcg"] for place, name in enumerate(logits)
        }
        parts.append(pd.DataFrame(found).set_index(block))
    return pd.concat(parts)
