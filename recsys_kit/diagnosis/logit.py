"""A conditional logit: a handful of weights, fitted on validation, that put sources together.

With all families of counting it is the strongest cheap rival of a sequence model.

Letters for shapes: V items, N cases, B cases of a block, C candidates of a case, F sources, M logits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import scipy.optimize
import scipy.sparse as sp

from recsys_kit import evaluation
from recsys_kit.diagnosis.sources import Source

__all__ = ["Asked", "Candidates", "Logit", "best_ridge", "candidates", "evaluated", "fit_logit"]

Asked = tuple[Mapping[str, Source], sp.csr_matrix, np.ndarray]

_RIDGES = (2.0, 10.0, 50.0, 250.0)  # of standardised weights, in cases


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


def _blocks(rows: np.ndarray, size: int) -> list[np.ndarray]:
    """Cuts cases into blocks of 200,000 cells, but of 64 cases at least: each block reads whole tables."""
    return np.array_split(rows, max(1, min(len(rows) * size // 200_000, len(rows) // 64)))


def _values(families: Mapping[str, Source], rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns (B, V, F) and the family of each column."""
    found = {name: source(rows) for name, source in families.items()}
    family = np.array([name for name, arrays in found.items() for _ in arrays])
    return np.stack([array for arrays in found.values() for array in arrays], axis=-1, dtype=np.float32), family


def candidates(asked: Sequence[Asked], count: int = 300, seed: int = 0) -> Candidates:
    """Draws the items that a logit is fitted on.

    All of a small catalogue; of a large one what was bought, the best of each source, and others by chance. Those
    stand for all that were not drawn, so that the likelihood is that of the whole catalogue in expectation.

    Args:
        asked: One or more moments: sources by family, answers (N, V), and the cases to use.
        count: C.
        seed: Seed of the draw.
    """
    rng, parts = np.random.default_rng(seed), []
    for families, answers, rows in asked:
        parts += _drawn(families, answers, rows, min(count, answers.shape[1]), rng)
    family = parts[0][-1]
    values, target, offset = (np.concatenate(part) for part in list(zip(*parts, strict=True))[:3])
    values -= values.mean(axis=1, keepdims=True)
    scale = values.std(axis=(0, 1)) + 1e-6
    return Candidates(values / scale, scale, target, offset, family)


def _drawn(
    families: Mapping[str, Source], answers: sp.csr_matrix, rows: np.ndarray, count: int, rng: np.random.Generator
) -> list[tuple[np.ndarray, ...]]:
    size, parts = answers.shape[1], []
    for block in _blocks(rows, size):
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
        parts.append((np.take_along_axis(values, order[..., None], 1), target, offset, family))
    return parts


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
    for block in _blocks(rows, answers.shape[1]):
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
