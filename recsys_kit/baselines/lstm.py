"""The classic deep model: two inputs, Embedding -> LSTM -> Dense(sigmoid), binary cross-entropy (notebook 03).

Letters for shapes: B users (batch), L positions of the history, K items asked about, D width, V items of the catalogue.
Item codes are 1 to V; 0 is padding. The model is written for every Keras backend.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from recsys_kit.evaluation import Scorer
from recsys_kit.preprocessing import Split

if TYPE_CHECKING:
    import keras

    from recsys_kit.neural.fitting import Fitted

__all__ = ["examples", "histories", "log_sales", "model", "probabilities", "scorer", "train"]


def histories(split: Split, length: int = 20) -> np.ndarray:
    """Returns (U, L) codes of each user's newest `length` purchases, oldest first, padded with 0 on the right.

    Example:
        A user who bought the items 4, 6 and 8 (codes 5, 7, 9), with `length=5`: `[5, 7, 9, 0, 0]`.
    """
    order, start = _by_user(split)
    return _windows(order, start[:-1], start[1:], length)


def examples(split: Split, count: int, length: int = 20, items: int = 32, negatives: int = 24, seed: int = 0) -> tuple:
    """Samples training examples: what a user had bought before one of its baskets, and items to judge.

    Of the K items of an example, the first K - `negatives` come from the basket; the others are random purchases of
    anybody, so that a best seller is as often a wrong answer as it is sold. (A few are in the basket by chance: with a
    large catalogue that does not matter.)

    Args:
        split: The split; only its history is used.
        count: How many baskets to sample (with replacement).
        length: Positions of the history, L.
        items: Items an example, K.
        negatives: How many of them are random purchases.
        seed: Seed of the sampling.

    Returns:
        histories (B, L), items (B, K), both codes, and labels (B, K), 1 for bought.

    Raises:
        ValueError: If no user has two baskets.
    """
    if not 0 < negatives < items:
        raise ValueError(f"`negatives` must lie between 0 and `items`. Received: negatives={negatives}, items={items}")
    rng = np.random.default_rng(seed)
    codes, start = _by_user(split)
    rows = np.argsort(split.history["user"].to_numpy(), kind="stable")
    user, basket = split.history["user"].to_numpy()[rows], split.history["basket_id"].to_numpy()[rows]
    new = np.r_[True, (user[1:] != user[:-1]) | (basket[1:] != basket[:-1])] if len(rows) else np.zeros(0, bool)
    begin = np.flatnonzero(new)
    end = np.r_[begin[1:], len(rows)]
    later = np.flatnonzero(begin > start[user[begin]])  # a first basket has no history
    if not len(later):
        raise ValueError(f"training needs a user with at least two baskets. Received: {len(begin)} baskets, one a user")
    chosen = rng.choice(later, count)
    begin, end = begin[chosen], end[chosen]
    past = _windows(codes, start[user[begin]], begin, length)
    bought = codes[rng.integers(begin[:, None], end[:, None], (count, items - negatives))]
    drawn = codes[rng.integers(0, len(codes), (count, negatives))]
    labels = np.zeros((count, items), np.float32)
    labels[:, : items - negatives] = 1
    return past, np.hstack([bought, drawn]).astype(np.int32), labels


def model(n_items: int, length: int = 20, width: int = 32, log_odds: float = 0.0) -> keras.Model:
    """Builds the model: p(bought) = sigmoid(w . (LSTM(history) * embedding(item)) + bias(item)).

    The vocabulary is V + 1: one code an item, and 0 for padding. The user is its history, so a user or a pair that was
    never trained on gets a prediction too.

    Args:
        n_items: Size of the catalogue, V.
        length: Positions of the history, L.
        width: Width of embeddings and of the LSTM, D.
        log_odds: What the untrained model answers for every pair; starting at the share of purchases among the
            examples saves the training from learning that one number V times.

    Returns:
        An uncompiled model from `history` (B, L) and `item` (B, K) to probabilities (B, K).
    """
    import keras
    from keras import layers

    history = keras.Input((length,), dtype="int32", name="history")
    item = keras.Input((None,), dtype="int32", name="item")
    embedding = layers.Embedding(n_items + 1, width, name="embedding")
    start = keras.initializers.Constant(log_odds)
    taste = layers.LSTM(width, name="lstm")(embedding(history), mask=keras.ops.not_equal(history, 0))  # (B, D)
    product = layers.Multiply(name="product")(
        [layers.Reshape((1, width))(taste), embedding(item)]
    )  # (B, 1, D) * (B, K, D) -> (B, K, D)
    logit = layers.Dense(1, use_bias=False, kernel_initializer="ones", name="weights")(product)  # (B, K, 1)
    logit = layers.Add()([logit, layers.Embedding(n_items + 1, 1, embeddings_initializer=start, name="bias")(item)])
    probability = layers.Activation("sigmoid", dtype="float32")(logit)
    return keras.Model([history, item], layers.Reshape((-1,), name="probability")(probability), name="lstm")


def log_sales(split: Split) -> np.ndarray:
    """Returns (V,) the logarithm of each item's sales before the cutoff (plus 0.5, for items never sold)."""
    return np.log(np.bincount(split.history["item"], minlength=len(split.items)) + 0.5).astype(np.float32)


def scorer(model: keras.Model, split: Split, prior: np.ndarray | None = None) -> Scorer:
    """Returns a scorer for the whole catalogue: the LSTM runs once a user, all items are one matrix product.

    Args:
        model: A trained model of this module.
        split: The split.
        prior: (V,) to add to the model's log-odds; `log_sales` for negatives drawn by sales (the model then knows how
            much more likely than anybody the user is to buy an item, and the prior says how likely anybody is).
    """
    import keras

    tower = keras.Model(model.inputs[0], model.get_layer("lstm").output)
    past = histories(split, model.inputs[0].shape[1])[split.test_users]
    tastes = _run(tower, past)  # (N, D)
    weights = keras.ops.convert_to_numpy(model.get_layer("weights").kernel)[:, 0]
    items = keras.ops.convert_to_numpy(model.get_layer("embedding").embeddings)[1:]  # (V, D)
    bias = keras.ops.convert_to_numpy(model.get_layer("bias").embeddings)[1:, 0]  # (V,)
    if prior is not None:
        bias = bias + prior
    return lambda rows: (tastes[rows] * weights) @ items.T + bias  # (B, D) @ (D, V) -> (B, V)


def train(
    split: Split, count: int = 60_000, epochs: int = 1, width: int = 32, length: int = 20, seed: int = 0
) -> Fitted:
    """Builds and trains the model on sampled examples.

    Args:
        split: The split; only its history is used.
        count: Baskets sampled in each epoch; every epoch draws new ones, which keeps the model from learning them by
            heart.
        epochs: How many samples are drawn.
        width: Width of the model.
        length: Positions of the history.
        seed: Seed of sampling, initial weights and order.

    Returns:
        The model, and its loss epoch by epoch.
    """
    import keras

    from recsys_kit.neural.fitting import Fitted, loss_curve

    keras.utils.set_random_seed(seed)
    share = examples(split, 1, length)[2].mean()  # of purchases among the examples
    network = model(len(split.items), length, width, float(np.log(share / (1 - share))))
    network.compile(keras.optimizers.Adam(1e-2), loss="binary_crossentropy")
    network.optimizer.build(network.trainable_variables)  # else its step is traced twice
    losses = []
    for epoch in range(epochs):
        past, items, labels = examples(split, count, length, seed=seed + epoch)
        losses += network.fit([past, items], labels, batch_size=512, verbose=0).history["loss"]
    return Fitted(network, loss_curve(losses))


def probabilities(model: keras.Model, histories: np.ndarray, items: np.ndarray) -> np.ndarray:
    """Returns the model's probability for each pair of a history (B, L) and its items (B, K), all codes: (B, K)."""
    return _run(model, np.asarray(histories, np.int32), np.asarray(items, np.int32))


def _run(model: keras.Model, *inputs: np.ndarray, batch: int = 512) -> np.ndarray:
    """Calls a model in batches. Keras' `predict` compiles each new model first: slower for a few calls."""
    import keras

    parts = [[part[first : first + batch] for part in inputs] for first in range(0, len(inputs[0]), batch)]
    outputs = [model(part if len(part) > 1 else part[0], training=False) for part in parts]
    return np.concatenate([keras.ops.convert_to_numpy(output) for output in outputs])


def _by_user(split: Split) -> tuple[np.ndarray, np.ndarray]:
    """Returns the codes of all purchases, user by user and oldest first, and where each user begins (U + 1,)."""
    user = split.history["user"].to_numpy()
    codes = split.history["item"].to_numpy()[np.argsort(user, kind="stable")] + 1
    return codes.astype(np.int32), np.searchsorted(np.sort(user), np.arange(len(split.users) + 1))


def _windows(codes: np.ndarray, first: np.ndarray, end: np.ndarray, length: int) -> np.ndarray:
    """Returns for each row the newest `length` codes of codes[first:end], padded with 0 on the right."""
    first = np.maximum(first, end - length)
    place = first[:, None] + np.arange(length)
    if not len(codes):
        return np.zeros(place.shape, np.int32)
    return np.where(place < end[:, None], codes[np.minimum(place, len(codes) - 1)], 0).astype(np.int32)
