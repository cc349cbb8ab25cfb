"""The next-basket Transformer, told the hour, the weekday and the store of the coming visit (notebook 15).

The trained model of notebook 05 gets one more input: the context of the basket to predict. The vectors of its parts
start at zero, so the model starts as it was; then it goes on learning. A twin goes on learning without that input, from
the same batches, so what differs is the context and not the training.

Letters for shapes: B users of a batch, P positions to predict at.
"""

from __future__ import annotations

from dataclasses import replace

import keras
import pandas as pd

from recsys_kit import training
from recsys_kit.datasets.shops import Shop
from recsys_kit.localization import context
from recsys_kit.neural.fitting import Fitted, loss_curve
from recsys_kit.preprocessing import Task
from recsys_kit.training import baskets
from recsys_kit.training.basket_batches import BasketBatches, Settings

__all__ = ["SETTINGS", "train"]

SETTINGS = Settings(learning_rate=2e-3)
"""How the trained model goes on learning: a lower rate than at first."""


def train(
    plain: keras.Model,
    shop: Shop,
    task: Task,
    stores: pd.Index | None,
    epochs: int = 1,
    count: int = 0,
    seed: int = 0,
) -> Fitted:
    """Lets a trained next-basket Transformer go on learning; the model itself is left as it is.

    Nothing of the validation or test weeks is looked at.

    Args:
        plain: The trained model, of notebook 05's sizes.
        shop: The shop, for its items' groups and its clock.
        task: The task.
        stores: The stores that are told apart; None: the twin, which knows nothing of the context.
        epochs: Passes.
        count: Batches an epoch, at most; 0: all.
        seed: Seed.

    Returns:
        Another model, and its loss epoch by epoch. With `stores` the model has an input more, `context` (B, P, 3): see
        `context.visit_context`.
    """
    keras.utils.set_random_seed(seed)
    history = task.validation.history
    visits, sizes = None, ()
    if stores is not None:
        sizes = context.sizes(len(stores) + 1)
        visits = context.visit_context(history["user_id"], history["timestamp"], history, shop.timezone, stores)
    settings = replace(SETTINGS, epochs=max(1, epochs), seed=seed)
    data = BasketBatches(baskets.sequences(task.validation, context=visits), settings, task.min_items, count)
    model = training.build(shop, task.test, settings, steps=len(data) * epochs, context=sizes)
    for layer in plain.layers:
        model.get_layer(layer.name).set_weights(layer.get_weights())
    run = model.fit(data, epochs=epochs, verbose=0, shuffle=False)
    return Fitted(model, loss_curve(run))
