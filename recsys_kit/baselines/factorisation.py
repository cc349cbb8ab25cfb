"""A vector for each user and each item, so that their product says who buys what (notebook 03).

Letters for shapes: U users, V items of the catalogue, N test cases, B rows asked for, D width of a vector.
"""

from __future__ import annotations

import importlib
from types import ModuleType

import numpy as np
import pandas as pd

from recsys_kit.baselines.frequency import recent_popularity
from recsys_kit.baselines.scorers import factor_scorer
from recsys_kit.evaluation import Scorer
from recsys_kit.preprocessing import Split

__all__ = ["als", "bpr", "svd", "warp"]


def als(split: Split, factors: int = 32, iterations: int = 7, alpha: float = 1, seed: int = 0) -> Scorer:
    """Alternating least squares on implicit feedback (Hu, Koren and Volinsky, 2008; library `implicit`).

    Args:
        split: The split.
        factors: Width of a user's and an item's vector.
        iterations: Passes over users and items.
        alpha: How much a purchase weighs against not buying; purchases are log-scaled counts.
        seed: Seed of the initial vectors.
    """
    from implicit.cpu.als import AlternatingLeastSquares

    return _implicit(split, AlternatingLeastSquares, factors=factors, iterations=iterations, alpha=alpha, seed=seed)


def bpr(split: Split, factors: int = 64, iterations: int = 15, rate: float = 0.01, seed: int = 0) -> Scorer:
    """Bayesian personalised ranking: bought above not bought (Rendle et al., 2009; library `implicit`).

    One thread only: with more, threads overwrite each other's updates and no two runs are equal.

    Args:
        split: The split.
        factors: Width of a user's and an item's vector.
        iterations: Passes over the purchases.
        rate: Learning rate.
        seed: Seed of the initial vectors and of the sampled pairs.
    """
    from implicit.cpu.bpr import BayesianPersonalizedRanking

    return _implicit(
        split, BayesianPersonalizedRanking, factors=factors, iterations=iterations, learning_rate=rate, seed=seed
    )


def svd(split: Split, factors: int = 16, epochs: int = 5, seed: int = 0) -> Scorer:
    """Biased matrix factorisation for ratings (Surprise's SVD); the "rating" is the log-scaled count.

    It is fitted on bought pairs only, so it learns how often a buyer buys an item, not who buys it.

    Raises:
        ImportError: If the extra `baselines` is not installed.
    """
    surprise = _extra("surprise")
    counts = split.counts().log1p().tocoo()
    table = pd.DataFrame({"user": counts.row, "item": counts.col, "rating": counts.data.astype(float)})
    reader = surprise.Reader(rating_scale=(table["rating"].min(), table["rating"].max()))
    trained = surprise.Dataset.load_from_df(table, reader).build_full_trainset()
    model = surprise.SVD(n_factors=factors, n_epochs=epochs, random_state=seed).fit(trained)
    users, items = np.zeros((len(split.users), factors + 2)), np.zeros((len(split.items), factors + 2))
    users[:, -1] = 1
    for place, inner in trained._raw2inner_id_users.items():
        users[place, :-2], users[place, -2] = model.pu[inner], model.bu[inner]
    items[:, -2] = 1
    for place, inner in trained._raw2inner_id_items.items():
        items[place, :-2], items[place, -1] = model.qi[inner], model.bi[inner]
    return factor_scorer(users[split.test_users], items, recent_popularity(split))


def warp(split: Split, factors: int = 32, epochs: int = 4, seed: int = 0) -> Scorer:
    """Factorisation with the WARP ranking loss (Weston et al., 2011; library LightFM), on one thread.

    Raises:
        ImportError: If the extra `baselines` is not installed.
    """
    lightfm = _extra("lightfm")
    model = lightfm.LightFM(no_components=factors, loss="warp", random_state=seed)
    model.fit((split.counts() > 0).astype(np.float32).tocoo(), epochs=epochs, num_threads=1)
    ones = np.ones((len(split.users), 1), np.float32)
    users = np.hstack([model.user_embeddings, ones])
    items = np.hstack([model.item_embeddings, model.item_biases[:, None]])
    return factor_scorer(users[split.test_users], items, recent_popularity(split))


def _extra(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(
            f"{name} is not installed; it comes with the extra `baselines`: pip install 'recsys_kit[baselines]'"
        ) from error


def _implicit(split: Split, model: type, seed: int, **settings: float) -> Scorer:
    from threadpoolctl import threadpool_limits

    counts = split.counts().log1p().tocsr()
    with threadpool_limits(1, "blas"):
        fitted = model(num_threads=1, random_state=seed, **settings)
        fitted.fit(counts, show_progress=False)
    return factor_scorer(fitted.user_factors[split.test_users], fitted.item_factors, recent_popularity(split))
