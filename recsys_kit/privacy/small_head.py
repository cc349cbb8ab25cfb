"""A small repeat head: it ranks what a household bought before, and knows nothing but that household's purchases.

It is the model that notebook 20 trains in private: nobody else's purchases are in its inputs or its start, so what it
gives away of a household is what it has learned, and nothing else.

Letters for shapes: U households, B households of a batch, W windows of some weeks, H items of a history, F facts about
an item, K hidden units.
"""

from __future__ import annotations

from dataclasses import dataclass

import keras
import numpy as np
import scipy.sparse as sp
from keras import layers, ops

from recsys_kit import evaluation, features
from recsys_kit.preprocessing import Split

__all__ = ["FACTS", "Households", "build", "households", "losses", "mean_loss", "scorer"]

FACTS = (
    *(f"decayed_{days}" for days in features.INTERACTION_DECAYS),
    "basket_share",
    "visits_since",
    "recency_days",
    "gap_days",
    "overdue",
)
"""Of `features.interaction_features`, those that read the household's own purchases alone."""

_START = FACTS.index("decayed_90")
_LEAST = 0.02


@dataclass(frozen=True)
class Households:
    """What households teach: windows of their items, and which of these the first basket of the window held.

    Attributes:
        facts: (U, W, H, F), of one size without a look at the data.
        bought: (U, W, H) 1 for the items that were bought.
        valid: (U, W, H) where there is an item.
    """

    facts: np.ndarray
    bought: np.ndarray
    valid: np.ndarray

    def __len__(self) -> int:
        """U."""
        return len(self.facts)

    def __getitem__(self, rows) -> Households:
        """Returns some of the households."""
        return Households(self.facts[rows], self.bought[rows], self.valid[rows])


def households(splits: list[Split], timezone: str, most: int = 60) -> Households:
    """Puts together what each household teaches, in the order of the first split's users; others are left out.

    Args:
        splits: W tasks, the latest first; a window in which a household has no case is empty.
        timezone: Zone of the shop.
        most: H, of each history the items with the largest decayed counts.
    """
    users = splits[0].users
    parts = {"facts": (len(FACTS),), "bought": (), "valid": ()}
    arrays = {name: np.zeros((len(users), len(splits), most, *more), np.float32) for name, more in parts.items()}
    for window, split in enumerate(splits):
        table = _table(split, timezone)
        table["bought"] = features.labels(split, table)
        place = table.groupby("user")["decayed_90"].rank(method="first", ascending=False).to_numpy().astype(int) - 1
        row = users.get_indexer(split.users)[table["user"]]
        kept = (place < most) & (row >= 0)
        where = row[kept], window, place[kept]
        arrays["facts"][where] = _facts(table[kept])
        arrays["bought"][where] = table["bought"][kept]
        arrays["valid"][where] = 1
    return Households(arrays["facts"], arrays["bought"], arrays["valid"].astype(bool))


def build(hidden: int = 8) -> keras.Model:
    """Builds the head: facts (..., H, F) to scores (..., H), at first the decayed count of 90 days.

    Its weights are `hidden` (F, K) and (K,), `wide` (F, 1) and `out` (K, 1): `differential.gradients` relies on it.

    Args:
        hidden: K.
    """
    facts = keras.Input((None, None, len(FACTS)), name="facts")
    start = np.zeros((len(FACTS), 1), "float32")
    start[_START] = 2.0
    wide = layers.Dense(1, use_bias=False, kernel_initializer=keras.initializers.Constant(start), name="wide")(facts)
    states = layers.Dense(hidden, "tanh", name="hidden")(facts)
    deep = layers.Dense(1, use_bias=False, kernel_initializer="zeros", name="out")(states)
    return keras.Model(facts, (wide + deep)[..., 0], name="small_head")


def mean_loss(scores, bought, valid):
    """Returns (B,) the cross-entropy between what was bought and softmax(scores), the mean of a household's windows.

    Args:
        scores: (B, W, H).
        bought: (B, W, H); a window in which nothing of it was bought counts nothing.
        valid: (B, W, H).
    """
    chance = ops.log_softmax(ops.where(valid, scores, -1e9), axis=-1)
    many = ops.sum(bought, axis=-1)  # (B, W)
    each = -ops.sum(ops.where(valid, chance, 0.0) * bought, axis=-1) / ops.maximum(many, 1.0)
    return ops.sum(each, axis=-1) / ops.maximum(ops.sum(ops.cast(many > 0, "float32"), axis=-1), 1.0)


def losses(model: keras.Model, data: Households) -> np.ndarray:
    """Returns (U,) `mean_loss` of each household; NaN where it has nothing to learn from."""
    found = [
        mean_loss(model(part.facts), part.bought, part.valid)
        for part in (data[i : i + 256] for i in range(0, len(data), 256))
    ]
    found = np.concatenate([ops.convert_to_numpy(part) for part in found])
    return np.where(data.bought.any((1, 2)), found, np.nan)


def scorer(model: keras.Model, split: Split, timezone: str) -> evaluation.Scorer:
    """Ranks each case's history; what a household never bought has score 0, below all that it bought.

    Args:
        model: The head.
        split: The task.
        timezone: Zone of the shop.
    """
    table = _table(split, timezone)
    scores = ops.convert_to_numpy(model(_facts(table)[None, None]))[0, 0]
    where = table["case"].to_numpy(), table["item"].to_numpy()
    matrix = sp.csr_matrix((scores - scores.min() + 1, where), split.answers.shape)
    return lambda rows: matrix[rows].toarray()


def _table(split, timezone):
    return features.interaction_features(split, split.answer_times, timezone)


def _facts(table) -> np.ndarray:
    """Returns (R, F) numbers about -2 to 2: logarithms and fixed scales, so that no mean tells of anybody."""
    values = table[list(FACTS)].fillna(365.0)
    counts = [name for name in FACTS if name.startswith("decayed") or name == "basket_share"]
    values[counts] = np.log(values[counts] + _LEAST) / 2
    rest = [name for name in FACTS if name not in counts]
    values[rest] = np.log1p(values[rest].clip(upper=365.0)) / 3
    return values.to_numpy(np.float32)
