"""Classic recommenders, from counting to factorisation: what a Transformer has to beat (notebook 03).

Every method takes a `Split` and returns a scorer: a function from rows (B,) of the split's test cases to scores (B, V).
Letters for shapes: U users, V items of the catalogue, N test cases, B rows asked for, D width of a vector.
"""

from __future__ import annotations

import importlib
import itertools
from types import ModuleType

import numpy as np
import pandas as pd
import scipy.sparse as sp

from recsys_kit.evaluation import Scorer
from recsys_kit.preprocessing import Split

__all__ = [
    "als",
    "bpr",
    "cooccurrence",
    "cooccurrence_table",
    "decayed_counts",
    "item_knn",
    "personal_frequency",
    "popularity",
    "recent_items",
    "recent_popularity",
    "svd",
    "user_knn",
    "warp",
]

_TIE = np.float32(1e-6)  # weight of popularity where it only has to break ties


def recent_popularity(split: Split, days: float = 60) -> np.ndarray:
    """Returns (V,) sales of each item in the last `days` before the cutoff, as a share of the best seller's."""
    if not days > 0:
        raise ValueError(f"`days` must be above 0. Received: days={days}")
    recent = split.history["timestamp"] >= split.cutoff - pd.Timedelta(days=days)
    sales = np.bincount(split.history["item"][recent], minlength=len(split.items))
    return (sales / max(1, sales.max(initial=0))).astype(np.float32)


def decayed_counts(split: Split, decay: float | None = None) -> sp.csr_matrix:
    """Returns the (U, V) counts in which a purchase `decay` days before the cutoff weighs 1/e; None: all weigh 1.

    Ages are measured to the cutoff. Measuring them to the moment when the user comes back multiplies a user's whole
    row by one number, so it does not change the order of the items.
    """
    if decay is None:
        return split.counts()
    if not decay > 0:
        raise ValueError(f"`decay` must be above 0 days, or None. Received: decay={decay}")
    age = (split.cutoff - split.history["timestamp"]).dt.total_seconds().to_numpy() / 86400
    weights = np.exp(-age / decay).astype(np.float32)
    shape = (len(split.users), len(split.items))
    return sp.coo_matrix((weights, (split.history["user"], split.history["item"])), shape).tocsr()


def popularity(split: Split, days: float = 60) -> Scorer:
    """Ranks the items by their sales in the last `days`: the same list for everybody."""
    scores = recent_popularity(split, days)
    return lambda rows: np.tile(scores, (len(rows), 1))


def personal_frequency(split: Split, decay: float | None = None, popularity_weight: float = 1e-3) -> Scorer:
    """Ranks the items by how often the user bought them: "what you always buy".

    Args:
        split: The split.
        decay: Days after which a purchase weighs 1/e; None: old purchases weigh as much as new ones.
        popularity_weight: Weight of `recent_popularity`: a small one breaks ties, 0.3 also fills short histories.
    """
    counts = decayed_counts(split, decay)[split.test_users]
    return _sum_scorer(counts, popularity_weight * recent_popularity(split))


def user_knn(split: Split, neighbours: int = 300, decay: float | None = 120) -> Scorer:
    """Ranks the items by what similar users buy: cosine similarity of decayed, log-scaled counts.

    Args:
        split: The split.
        neighbours: How many of the most similar other users speak.
        decay: Days after which a purchase weighs 1/e.
    """
    tastes = _unit_rows(decayed_counts(split, decay).log1p())
    similar = (tastes[split.test_users] @ tastes.T).toarray()  # (N, V) @ (V, U) -> (N, U)
    similar[np.arange(len(similar)), split.test_users] = 0
    if neighbours < similar.shape[1]:
        least = np.partition(similar, -neighbours, axis=1)[:, -neighbours]
        similar[similar < least[:, None]] = 0
    return _product_scorer(sp.csr_matrix(similar), tastes, recent_popularity(split))


def item_knn(split: Split, neighbours: int = 100, decay: float | None = None) -> Scorer:
    """Ranks the items by their similarity to what the user bought: cosine of the items' buyers.

    Args:
        split: The split.
        neighbours: How many similar items are kept for each item, itself among them.
        decay: Days after which a purchase weighs 1/e.
    """
    from implicit.nearest_neighbours import ItemItemRecommender

    counts = decayed_counts(split, decay).log1p()
    model = ItemItemRecommender(K=neighbours, num_threads=1)
    model.fit(sp.csr_matrix(_unit_rows(counts.T.tocsr()).T, dtype=np.float64), show_progress=False)
    similar = sp.csr_matrix(model.similarity, dtype=np.float32)
    return _product_scorer(counts[split.test_users], similar, recent_popularity(split))


def cooccurrence_table(
    users: np.ndarray,
    steps: np.ndarray,
    items: np.ndarray,
    n_items: int,
    lags: int = 10,
    backward: float = 0.3,
    from_power: float = 0.5,
    to_power: float = 0.15,
    neighbours: int | None = None,
    block: int = 1000,
) -> sp.csr_matrix:
    """Counts which item follows which, 1 to `lags` steps later; a step is a bag of items (a basket, or one item).

    A pair at lag l counts 1/l; the sum is divided by frequency(from)^from_power * frequency(to)^to_power.

    Args:
        users: (E,) user of each event, 0 and up.
        steps: (E,) the event's place in its user's sequence, 0 and up; events of one basket share it.
        items: (E,) item of each event, 0 and up.
        n_items: Size of the catalogue, V.
        lags: How many steps to look ahead.
        backward: Weight of the other direction: the earlier item, seen from the later one.
        from_power: Discount for a frequent item in the history; 1 gives transition probabilities.
        to_power: Discount for a frequent item as an answer.
        neighbours: Entries kept in each row; None keeps all.
        block: Rows computed at once; bounds the memory.

    Returns:
        (V, V) table: row = item in the history, column = item to recommend.
    """
    if lags < 1:
        raise ValueError(f"`lags` must be at least 1. Received: lags={lags}")
    owner, bags = _bags(users, steps, items, n_items)  # (T,), (T, V)
    shift = sp.csr_matrix((len(owner), len(owner)), dtype=np.float32)
    for lag in range(1, lags + 1):
        start = np.flatnonzero(owner[lag:] == owner[:-lag])
        ahead = sp.coo_matrix((np.full(len(start), 1 / lag, np.float32), (start, start + lag)), shift.shape).tocsr()
        shift = shift + ahead + np.float32(backward) * ahead.T.tocsr()
    frequency = np.maximum(np.asarray(bags.sum(axis=0)).ravel(), 1)
    after = shift @ bags @ sp.diags((frequency**-to_power).astype(np.float32))  # (T, V)
    before = (bags @ sp.diags((frequency**-from_power).astype(np.float32))).T.tocsr()  # (V, T)
    rows = []
    for first in range(0, n_items, block):
        part = sp.csr_matrix(before[first : first + block] @ after)
        rows.append(part if neighbours is None else _largest(part, neighbours))
    return sp.vstack(rows, format="csr").astype(np.float32)


def recent_items(
    users: np.ndarray,
    steps: np.ndarray,
    items: np.ndarray,
    n_users: int,
    n_items: int,
    last: int = 20,
    decay: float = 0.7,
) -> sp.csr_matrix:
    """Returns (U, V) weights of what each user took in the `last` steps: decay^0 for the newest, decay^1, ..."""
    owner, bags = _bags(users, steps, items, n_items)
    back = np.searchsorted(owner, owner, side="right") - 1 - np.arange(len(owner))
    kept = np.flatnonzero(back < last)
    weights = (decay ** back[kept]).astype(np.float32)
    return sp.csr_matrix(sp.coo_matrix((weights, (owner[kept], kept)), (n_users, len(owner))).tocsr() @ bags)


def cooccurrence(
    split: Split,
    lags: int = 3,
    backward: float = 0.3,
    to_power: float = 0.5,
    last: int = 20,
    decay: float = 0.8,
    neighbours: int = 300,
) -> Scorer:
    """Ranks the items by what usually follows the user's last baskets: a Markov chain that looks several steps back.

    Args:
        split: The split.
        lags: How many baskets ahead a pair may lie; it counts 1/lag.
        backward: Weight of pairs in the other direction.
        to_power: Discount for best sellers as answers.
        last: How many of the user's last baskets speak.
        decay: Weight of a basket relative to the next newer one.
        neighbours: Followers kept for each item.
    """
    user = split.history["user"].to_numpy()
    basket, first = pd.factorize(
        user.astype(np.int64) * len(split.history) + pd.factorize(split.history["basket_id"])[0]
    )
    owner = pd.Series(first // len(split.history))
    steps = owner.groupby(owner).cumcount().to_numpy()[basket]  # a user's baskets in the order of the history
    events = (user, steps, split.history["item"].to_numpy())
    table = cooccurrence_table(*events, len(split.items), lags, backward, 0.5, to_power, neighbours)
    recent = recent_items(*events, len(split.users), len(split.items), last, decay)
    return _product_scorer(recent[split.test_users], table, recent_popularity(split))


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
    return _factor_scorer(users[split.test_users], items, recent_popularity(split))


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
    return _factor_scorer(users[split.test_users], items, recent_popularity(split))


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
    return _factor_scorer(fitted.user_factors[split.test_users], fitted.item_factors, recent_popularity(split))


def _bags(users: np.ndarray, steps: np.ndarray, items: np.ndarray, n_items: int) -> tuple[np.ndarray, sp.csr_matrix]:
    """Returns the owner (T,) and the content (T, V, zero or one) of each step, ordered by user and step."""
    users, steps = np.asarray(users, np.int64), np.asarray(steps, np.int64)
    keys, row = np.unique(users * (steps.max(initial=0) + 1) + steps, return_inverse=True)
    bags = sp.coo_matrix((np.ones(len(row), np.float32), (row, items)), (len(keys), n_items)).tocsr()
    bags.data[:] = 1  # an item taken twice in one basket is one co-occurrence
    return keys // (steps.max(initial=0) + 1), bags


def _largest(matrix: sp.csr_matrix, k: int) -> sp.csr_matrix:
    """Keeps the k largest entries of each row, and those equal to the smallest of them."""
    for start, end in itertools.pairwise(matrix.indptr):
        if end - start > k:
            row = matrix.data[start:end]
            row[row < np.partition(row, -k)[-k]] = 0
    matrix.eliminate_zeros()
    return matrix


def _unit_rows(matrix: sp.csr_matrix) -> sp.csr_matrix:
    norms = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    return sp.csr_matrix(sp.diags(1 / np.maximum(norms, 1e-9).astype(np.float32)) @ matrix)


def _sum_scorer(matrix: sp.csr_matrix, bias: np.ndarray) -> Scorer:
    """Returns a scorer for ready (N, V) scores plus a bias (V,)."""
    return lambda rows: matrix[rows].toarray() + bias


def _product_scorer(left: sp.csr_matrix, right: sp.csr_matrix, popular: np.ndarray) -> Scorer:
    """Returns a scorer for (N, M) @ (M, V), multiplied block by block; popularity breaks the ties."""
    return lambda rows: (left[rows] @ right).toarray() + _TIE * popular


def _factor_scorer(users: np.ndarray, items: np.ndarray, popular: np.ndarray) -> Scorer:
    """Returns a scorer for users (N, D) and items (V, D); a user without history (all zeros) gets popularity."""
    users, items = users.astype(np.float32), items.astype(np.float32)
    return lambda rows: users[rows] @ items.T + _TIE * popular
