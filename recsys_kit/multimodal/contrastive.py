"""Titles and pictures in one space: trained so that a picture is nearest to the titles that belong to it (notebook 23).

Both encoders stay as they are; a matrix on top of each learns. Then a picture is a question like any other.

Letters for shapes: N pairs, P distinct pictures, W widths of the encoders' vectors, D width of the common space.
"""

from __future__ import annotations

from dataclasses import dataclass

import keras
import numpy as np
from keras import layers, ops

from recsys_kit.neural import losses
from recsys_kit.neural.batches import EpochBatches
from recsys_kit.neural.fitting import Fitted, loss_curve

__all__ = ["Pairs", "Settings", "hits", "tower", "train"]


@dataclass(frozen=True)
class Settings:
    """How the common space is learned.

    Attributes:
        width: D.
        epochs: Passes; in each, every picture meets one of its titles.
        batch_size: Pairs that are compared with each other.
        learning_rate: AdamW's rate.
        noise: Standard deviation of what is added to the vectors while training, in parts of their own.
        seed: Seed.
    """

    width: int = 64
    epochs: int = 60
    batch_size: int = 64
    learning_rate: float = 2e-3
    noise: float = 0.3
    seed: int = 0


class Pairs(EpochBatches):
    """Batches of (picture, one of its titles): no picture twice in a batch, or a right answer would count as wrong.

    Args:
        pictures: (P, W) vectors.
        titles: (N, W') vectors.
        code: (N,) which picture each title has.
        batch_size: Pairs a batch.
        seed: Seed.
    """

    def __init__(self, pictures: np.ndarray, titles: np.ndarray, code: np.ndarray, batch_size: int, seed: int):
        super().__init__(seed)
        self.pictures, self.titles, self.batch_size = pictures, titles, batch_size
        self.groups = {place: np.flatnonzero(code == place) for place in np.unique(code)}
        self.start_epoch(0)

    def __len__(self):
        return max(1, len(self.groups) // self.batch_size)

    def plan(self):
        """Draws the order of the pictures."""
        self.order = self.rng().permutation(list(self.groups))

    def __getitem__(self, index):
        some, rng = self.order[index :: len(self)], self.rng(index)
        titles = np.array([rng.choice(self.groups[place]) for place in some])
        x = {"picture": self.pictures[some], "title": self.titles[titles]}
        return x, np.zeros(len(some), np.float32)


def tower(wide: int, width: int, noise: float, name: str) -> keras.Model:
    """Returns the model from an encoder's vectors (N, W) to the common space (N, D), at length 1."""
    inputs = keras.Input((wide,))
    x = layers.Dense(width, use_bias=False)(layers.GaussianNoise(noise)(inputs))
    return keras.Model(inputs, layers.UnitNormalization()(x), name=name)


@keras.saving.register_keras_serializable(package="recsys_kit.multimodal")
class Compared(keras.layers.Layer):
    """Puts out the loss of each pair; the temperature learns.

    Example:
        Two pairs that fit, the cosines times 14.3:

        >>> loss = Compared()(np.eye(2, dtype="float32"), np.eye(2, dtype="float32"))
        >>> [round(float(one), 4) for one in loss]
        [0.0, 0.0]
    """

    def build(self, *shapes):
        """Creates the temperature."""
        start = keras.initializers.Constant(np.log(1 / 0.07))
        self.log_scale = self.add_weight(shape=(), initializer=start, name="log_scale")

    def call(self, left, right):
        """Maps vectors of pairs (N, D), (N, D) to losses (N,); cosines count 100-fold at most."""
        return losses.clip_loss(left, right, ops.exp(ops.minimum(self.log_scale, 4.6)))


def train(pictures: np.ndarray, titles: np.ndarray, code: np.ndarray, settings: Settings | None = None) -> Fitted:
    """Learns the common space.

    Args:
        pictures: (P, W) vectors of pictures, root mean square about 1.
        titles: (N, W') vectors of titles, the same.
        code: (N,) which picture each title has.
        settings: Sizes and training parameters; None: the usual ones.

    Returns:
        A dictionary of the two towers, "picture" and "title"; and the loss epoch by epoch.
    """
    settings = settings or Settings()
    keras.utils.set_random_seed(settings.seed)
    data = Pairs(pictures, titles, code, settings.batch_size, settings.seed)
    wide = {"picture": pictures.shape[1], "title": titles.shape[1]}
    towers = {name: tower(size, settings.width, settings.noise, f"{name}_tower") for name, size in wide.items()}
    inputs = {name: keras.Input((size,), name=name) for name, size in wide.items()}
    loss = Compared()(towers["picture"](inputs["picture"]), towers["title"](inputs["title"]))
    model = keras.Model(inputs, loss)
    model.compile(keras.optimizers.AdamW(settings.learning_rate, weight_decay=0.01), lambda y, found: found)
    model.optimizer.build(model.trainable_variables)  # else its step is traced twice
    run = model.fit(data, epochs=settings.epochs, verbose=0, shuffle=False)
    return Fitted(towers, loss_curve(run))


def hits(pictures: np.ndarray, titles: np.ndarray, title_code: np.ndarray, right: np.ndarray, k: int = 5) -> np.ndarray:
    """Says of each picture whether a title of its own is among the k nearest.

    Args:
        pictures: (P, D) vectors in the common space.
        titles: (N, D) vectors in it.
        title_code: (N,) what each title is of.
        right: (P,) what each picture is of.
        k: Length of the list.

    Returns:
        (P,) booleans.

    Example:
        >>> hits(np.array([[1.0, 0.0]]), np.eye(2), np.array([4, 7]), np.array([7]), k=1).tolist()
        [False]
    """
    nearest = np.argsort(-(pictures @ titles.T), axis=1, kind="stable")[:, :k]
    return (title_code[nearest] == right[:, None]).any(1)
