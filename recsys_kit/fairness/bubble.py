"""A filter bubble, simulated: households choose from lists, the recommender learns from what they chose, and again.

The taste of a household never changes here, and every household buys equally much. What narrows is what it is shown.

Letters for shapes: H households, V items, K places, P purchases of a round, C categories.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.sparse as sp
from scipy import stats

from recsys_kit.baselines import decayed_counts
from recsys_kit.evaluation import beyond_accuracy, discounts, top_k
from recsys_kit.fairness.shares import calibrated, list_ndcg, mix_of
from recsys_kit.preprocessing import Split
from recsys_kit.recommendation import diversity

__all__ = ["ARMS", "World", "entropy", "kept_of", "simulate", "world"]

ARMS = ("no list", "random", "oracle", "counting", "MMR", "DPP", "exploration", "calibration", "sampling")
CANDIDATES = 100  # of each household, which the re-rankers choose from


@dataclass(frozen=True)
class World:
    """The households of a simulation, and how they choose.

    Attributes:
        taste: (H, V) probability of each item in a purchase that no list has touched.
        start: (H, V) what the recommender has counted before the first round.
        category: (V,) code of each item's category.
        attention: Share of the purchases that are chosen from the list: an item of it with a probability in proportion
            to taste / log2(place + 1). The other purchases follow taste alone.
        purchases: P.
        k: K.
        memory: What a count is worth one round later: a week at a decay of 120 days.
    """

    taste: np.ndarray
    start: np.ndarray
    category: np.ndarray
    attention: float = 0.5
    purchases: int = 8
    k: int = 10
    memory: float = 0.943


def world(split: Split, category: pd.Series, households: int = 200, items: int = 1000, seed: int = 0) -> World:
    """Makes a world from a shop's past: some of its households, and the items that sell best.

    Taste is 60% the household's own shares, 30% its shares of categories spread over their items by sales, 10% the
    shares of all: people buy what they buy, other things of the same kinds, and now and then anything.

    Args:
        split: Its history is the past; households are drawn among those of its test.
        category: (V,) in the order of `split.items`.
        households: H, or fewer if there are not so many with 20 purchases of these items.
        items: V, or the whole catalogue.
        seed: Seed of the draw.
    """
    counts = decayed_counts(split, 120)[split.test_users]
    sales = np.asarray(counts.sum(0)).ravel()
    best = np.sort(np.argsort(-sales, kind="stable")[:items])
    counts, sales = counts[:, best], sales[best] / max(sales[best].sum(), 1e-9)
    enough = np.flatnonzero(np.diff(counts.indptr) >= min(20, len(best) // 4))
    if not len(enough):
        raise ValueError("no household has bought 20 different items of those that sell best: no taste to go by")
    drawn = np.sort(np.random.default_rng(seed).permutation(enough)[:households])
    start = counts[drawn].toarray().astype(float)
    code = pd.factorize(category.iloc[best].astype(str))[0]
    by_category = mix_of(sp.csr_matrix(start), code)
    within = sales / np.bincount(code, sales)[code]
    own = start / start.sum(1, keepdims=True)
    return World(0.6 * own + 0.3 * by_category[:, code] * within + 0.1 * sales, start, code)


def simulate(world: World, arm: str, weight: float = 0.0, rounds: int = 30, seed: int = 0) -> pd.DataFrame:
    """Lets the households of a world live with a recommender.

    Args:
        world: The world.
        arm: One of `ARMS`. "no list": purchases follow taste; "random": lists of items drawn at random; "oracle": the
            K items that the household likes best; "counting": decayed purchases + 0.3 popularity; the others re-rank
            what counting says.
        weight: Of the re-ranker; of "exploration" the share of places (the last ones) that are drawn by popularity; of
            "sampling" the temperature: at 1 the list is drawn anew each week in proportion to the scores.
        rounds: Weeks; the recommender counts anew after each.
        seed: Seed of all choices.

    Returns:
        One row a round: `entropy` (bits, of the categories in a household's last ten rounds of purchases, mean over
        households), `shown` (bits, of the categories within a list), `ndcg` (of the lists, against P items drawn by
        taste alone), `coverage` and `gini` of what is shown.
    """
    if arm not in ARMS:
        raise ValueError(f"`arm` must be one of {', '.join(ARMS)}. Received: arm={arm!r}.")
    rng = np.random.default_rng(seed)
    counts, window, rows = world.start.copy(), [], []
    size, kinds = len(world.taste), world.category.max() + 1
    ends = np.cumsum(world.taste, axis=1)
    household = np.repeat(np.arange(size), world.purchases).reshape(size, -1)
    for number in range(rounds):
        wish = _by_taste(ends, world.purchases, rng)
        lists = _lists(world, counts, arm, weight, rng)
        free = _by_taste(ends, world.purchases, rng)
        bought = free if arm == "no list" else _choose(world, lists, free, rng)
        counts *= world.memory
        np.add.at(counts, (household, bought), 1)
        categories = np.zeros((size, kinds))
        np.add.at(categories, (household, world.category[bought]), 1)
        window = [*window[-9:], categories]
        answers = sp.csr_matrix((np.ones(wish.size), (household.ravel(), wish.ravel())), counts.shape)
        answers.sum_duplicates()
        shown = np.zeros((size, kinds))
        np.add.at(shown, (np.arange(size)[:, None], world.category[lists]), 1)
        seen = beyond_accuracy(lists, counts.sum(0), size, world.category)
        rows.append(
            {
                "round": number + 1,
                "entropy": float(entropy(np.sum(window, axis=0)).mean()),
                "shown": float(entropy(shown).mean()),
                "ndcg": float(list_ndcg(lists, answers).mean()),
                "coverage": seen["coverage"],
                "gini": seen["gini"],
            }
        )
    return pd.DataFrame(rows)


def entropy(counts: np.ndarray) -> np.ndarray:
    """Returns the entropy of each row in bits.

    Example:
        >>> entropy(np.array([[2, 2, 0], [5, 0, 0]])).tolist()
        [1.0, 0.0]
    """
    return np.nan_to_num(stats.entropy(counts, base=2, axis=1))  # nothing counted: nothing to tell


def kept_of(last: pd.DataFrame) -> pd.DataFrame:
    """Returns for each arm how much of the loss of entropy it takes back, and how much of the NDCG it keeps.

    Args:
        last: One row an arm (index, any depth) and seed (last level), with `entropy` and `ndcg`. The loss is the
            entropy of "no list" minus that of "counting", seed by seed.

    Returns:
        One row an arm: `regained` (1: all of the loss), `ndcg_kept` (of counting's), the means over seeds, and the
        smallest of any seed, `regained_least` and `kept_least`.
    """
    frame = last[["entropy", "ndcg"]].unstack()
    plain = frame.xs("counting", level=0).iloc[0]
    free = frame.xs("no list", level=0).iloc[0]
    regained = (frame["entropy"] - plain["entropy"]) / (free["entropy"] - plain["entropy"])
    kept = frame["ndcg"] / plain["ndcg"]
    return pd.DataFrame(
        {
            "regained": regained.mean(axis=1),
            "regained_least": regained.min(axis=1),
            "ndcg_kept": kept.mean(axis=1),
            "kept_least": kept.min(axis=1),
        }
    )


def _lists(world: World, counts: np.ndarray, arm: str, weight: float, rng: np.random.Generator) -> np.ndarray:
    """(H, K) what the arm shows."""
    size, items = counts.shape
    k = min(world.k, items)
    popular = counts.sum(0) / max(counts.sum(0).max(), 1e-9)
    if arm == "random":
        return np.argsort(rng.random((size, items)), axis=1)[:, :k]
    if arm == "oracle":
        return top_k(world.taste, k)
    scores = (counts + 0.3 * popular).astype(np.float32)
    if arm in ("counting", "no list"):
        return top_k(scores, k)
    found = top_k(scores, min(CANDIDATES, items))
    if arm == "exploration":
        new = round(weight * k)
        luck = rng.gumbel(size=scores.shape) + np.log(popular + 1e-6)
        np.put_along_axis(luck, found[:, : k - new], -np.inf, 1)
        return np.hstack([found[:, : k - new], top_k(luck.astype(np.float32), k)[:, :new]])
    value = np.take_along_axis(scores, found, 1)
    if arm == "sampling":
        luck = np.log(np.maximum(value, 1e-9)) + weight * rng.gumbel(size=value.shape)
        return np.take_along_axis(found, top_k(luck, k), 1)
    if arm == "calibration":
        return calibrated(found, value, mix_of(sp.csr_matrix(counts), world.category), world.category, k, weight)
    vectors = np.eye(world.category.max() + 1, dtype=np.float32)[world.category]  # alike: of the same category
    return diversity.rerank(found, value, vectors, k, weight, arm)


def _by_taste(ends: np.ndarray, purchases: int, rng: np.random.Generator) -> np.ndarray:
    """(H, P) items drawn by taste, of which `ends` (H, V) is the running sum."""
    luck = rng.random((len(ends), purchases))
    found = [np.searchsorted(end, one * end[-1], "right") for end, one in zip(ends, luck, strict=True)]
    return np.minimum(np.stack(found), ends.shape[1] - 1)


def _choose(world: World, lists: np.ndarray, free: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(H, P) what is bought: from the list, or as it would have been without one."""
    liked = np.take_along_axis(world.taste, lists, 1) * discounts(lists.shape[1])  # (H, K)
    luck = rng.gumbel(size=(*free.shape, lists.shape[1]))
    place = (np.log(liked + 1e-12)[:, None, :] + luck).argmax(2)
    listed = np.take_along_axis(lists, place, 1)
    return np.where(rng.random(free.shape) < world.attention, listed, free)
