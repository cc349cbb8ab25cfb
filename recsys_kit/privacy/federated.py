"""Federated averaging: households train at home, a server sees changes of weights, masked ones if it likes.

After McMahan et al. (2017), "Communication-Efficient Learning of Deep Networks from Decentralized Data", algorithm 1,
and Bonawitz et al. (2017), "Practical Secure Aggregation for Privacy-Preserving Machine Learning", section 4.

Letters for shapes: M clients of a round, N numbers of a client's change.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from recsys_kit.privacy import differential

if TYPE_CHECKING:  # a client trains with NumPy alone: it loads neither Keras nor what reads tables
    import keras

    from recsys_kit.privacy.small_head import Households

__all__ = ["Round", "average", "local_change", "masked", "rounds", "unmasked"]

_STEP = 2.0**-20  # of the numbers that masks are added to: whole ones, modulo 2**32


@dataclass(frozen=True)
class Round:
    """A round of federated training.

    Attributes:
        number: From 1 on.
        clients: M.
        bytes: Sent to the clients and back, without masks' keys.
    """

    number: int
    clients: int
    bytes: int


def local_change(
    weights: list[np.ndarray], data: Households, epochs: int = 2, learning_rate: float = 0.05, clip: float = 0.01
) -> list[np.ndarray]:
    """Trains at one client by plain gradient descent, and returns what it changes.

    Args:
        weights: The server's.
        data: What the client keeps at home.
        epochs: Passes over it.
        learning_rate: Of each pass.
        clip: The longest change by its norm; a few odd households would lead all others astray.
    """
    after = weights
    for _ in range(epochs):
        step = [each.mean(axis=0) for each in differential.gradients(after, data)]
        after = [w - learning_rate * g for w, g in zip(after, step, strict=True)]
    change = [(new - old)[None] for new, old in zip(after, weights, strict=True)]
    return [part[0] for part in differential.clipped(change, clip)[0]]


def average(changes: Sequence[list[np.ndarray]], weights: Sequence[float]) -> list[np.ndarray]:
    """Returns the clients' mean change, each counting as much as it has data."""
    share = np.asarray(weights, float) / np.sum(weights)
    return [sum(s * part for s, part in zip(share, parts, strict=True)) for parts in zip(*changes, strict=True)]


def rounds(
    model: keras.Model,
    clients: Sequence[Households],
    count: int,
    sampled: int,
    local: tuple = (),
    server: keras.optimizers.Optimizer | None = None,
    seed: int = 0,
) -> Iterator[Round]:
    """Trains a model round by round: draw clients, let each train at home, move along their mean change.

    Args:
        model: Trained in place.
        clients: What each client keeps at home.
        count: Rounds.
        sampled: M.
        local: Further arguments of `local_change`.
        server: Takes the mean change as a slope, as in Reddi et al. (2021), "Adaptive Federated Optimization". None:
            the mean change itself is added, which is plain averaging.
        seed: Of the draws.
    """
    from keras import ops

    rng = np.random.default_rng(seed)
    size = 4 * model.count_params()
    for number in range(1, count + 1):
        weights = model.get_weights()
        drawn = rng.choice(len(clients), min(sampled, len(clients)), replace=False)
        changes = [local_change(weights, clients[one], *local) for one in drawn]
        mean = average(changes, [len(clients[one]) for one in drawn])
        if server is None:
            model.set_weights([w + m for w, m in zip(weights, mean, strict=True)])
        else:
            server.apply([ops.convert_to_tensor(-m.astype("float32")) for m in mean], model.trainable_weights)
        yield Round(number, len(drawn), 2 * size * len(drawn))


def masked(changes: np.ndarray, seed: int = 0) -> np.ndarray:
    """Returns what each client sends: its change as whole numbers, plus a mask shared with each of the others.

    Of a pair the one adds the mask and the other takes it away, so that the sum over all clients has none. Here one
    seed stands for the keys that each pair would agree on.

    Args:
        changes: (M, N), each between -2,000 / M and 2,000 / M.
        seed: Of all pairs' masks.

    Returns:
        (M, N) whole numbers, each of them alone no more than noise.
    """
    sent = np.round(changes / _STEP).astype(np.int64)
    for one in range(len(changes)):
        for other in range(one + 1, len(changes)):
            mask = np.random.default_rng((seed, one, other)).integers(0, 2**32, changes.shape[1])
            sent[one] += mask
            sent[other] -= mask
    return sent % 2**32


def unmasked(sent: np.ndarray) -> np.ndarray:
    """Returns (N,) the sum of all clients' changes, which is all that the server can know."""
    total = sent.sum(axis=0) % 2**32
    return np.where(total >= 2**31, total - 2**32, total) * _STEP
