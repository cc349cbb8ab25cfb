"""Training on histories as short as those of newcomers: the year of each household, cut into short ones (notebook 07).

The next-basket Transformer has seen short histories only where every household's record begins, in the first weeks of
the year, and never one of a single basket. Here each household's baskets are cut into pieces of a few baskets, each
piece counts as a household of its own, and the trained model goes on learning from the pieces.

Letters for shapes: U users, B of a batch, L baskets, P positions to predict at.
"""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np
import pandas as pd

from recsys_kit import training
from recsys_kit.datasets.shops import Shop
from recsys_kit.neural.fitting import Fitted, loss_curve
from recsys_kit.preprocessing import Split, Task
from recsys_kit.training import baskets
from recsys_kit.training.basket_batches import BasketBatches, Settings

__all__ = ["SHORT_HISTORY_SETTINGS", "ShortHistories", "pieces", "train"]

SHORT_HISTORY_SETTINGS = Settings(positions=4, batch_size=128, learning_rate=2e-3)
"""How notebook 05's model goes on learning: 32 pieces a batch, a lower rate than at first."""


def pieces(split: Split, size: int = 6, seed: int = 0) -> Split:
    """Cuts each user's history into pieces of consecutive baskets, each of them a user of its own.

    Where the first cut lies is drawn for each user, so that pieces begin anywhere.

    Args:
        split: The split; only its history is cut, and its test cases keep their meaning no longer.
        size: The most baskets of a piece.
        seed: Seed of the cuts.

    Returns:
        The split with pieces as users and numbers as basket ids.
    """
    if size < 2:
        raise ValueError(f"`size` must be at least 2: one basket to know and one to predict. Received: size={size}.")
    history = split.history[["user", "item", "basket_id", "timestamp"]]
    history = history.assign(basket_id=pd.factorize(history["basket_id"])[0])
    own = history.sort_values("timestamp", kind="stable").drop_duplicates("basket_id")
    user = own["user"].to_numpy(np.int64)
    place = (
        own.groupby("user").cumcount().to_numpy()
        + np.random.default_rng(seed).integers(0, size, len(split.users))[user]
    )
    piece = pd.factorize(user * (place.max() + 1) + place // size)[0]
    of_basket = np.zeros(len(own), np.int64)
    of_basket[own["basket_id"]] = piece
    history = history.assign(user=of_basket[history["basket_id"]].astype(np.int32))
    return replace(split, history=history, users=pd.RangeIndex(piece.max() + 1), test_users=np.zeros(0, int))


class ShortHistories(BasketBatches):
    """Batches of pieces, of which one visible basket is enough to be asked for the next; see `BasketBatches`."""

    def _positions(self, sizes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        target = sizes[:, None, 1:]  # unlike in `BasketBatches`, one basket before it is enough
        chance = rng.random((len(sizes), self.settings.positions, target.shape[-1])) * (target > 0)
        chance += (target >= self.min_items) * 1.0
        return chance.argmax(-1)


def train(
    plain: keras.Model, shop: Shop, task: Task, epochs: int = 2, seed: int = 0, size: int = 6, count: int = 300
) -> Fitted:
    """Lets a trained next-basket Transformer learn on, from short histories; the model itself is left as it is.

    What the shop knows (popularity, directions of taste, promotions) still comes from whole histories. Nothing of the
    validation or test weeks is looked at.

    Args:
        plain: The trained model, of notebook 05's sizes.
        shop: The shop, for its items' groups.
        task: The task.
        epochs: Passes.
        seed: Seed.
        size: The most baskets of a piece; 0: histories stay whole, which tells what more training alone would do.
        count: Batches an epoch, at most.

    Returns:
        Another model, and its loss epoch by epoch.
    """
    keras.utils.set_random_seed(seed)
    settings = replace(SHORT_HISTORY_SETTINGS, epochs=epochs, seed=seed)
    whole = baskets.sequences(task.validation)
    seq = whole
    if size:
        own = baskets.sequences(pieces(task.validation, size, seed), rank=1)
        of_the_shop = ("trend", "basis", "lately", "plan_start", "plan", "usual")
        seq = replace(own, **{name: getattr(whole, name) for name in of_the_shop})
    data = ShortHistories(seq, settings, task.min_items, count)
    model = training.build(shop, task.test, settings, steps=len(data) * epochs)
    model.set_weights(plain.get_weights())
    run = model.fit(data, epochs=epochs, verbose=0, shuffle=False)
    return Fitted(model, loss_curve(run))
