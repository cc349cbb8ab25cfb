"""Losses for next-item training, side by side, all with one signature (notebook 05).

A batch has T real positions and C candidate items that its positions share. The model gives each position a logit for
each candidate; a loss says which candidates a position is compared with.

    loss(logits, columns, log_chance, items) -> (T,)

Letters for shapes: T positions, C candidates, N negatives of a position, V items of the catalogue.
- `logits` (T, C): a score of each candidate at each position.
- `columns` (T, 1 + N): where the next item stands among the candidates, then N items drawn for this position alone.
  The two softmax losses read the first column only: they compare with every candidate.
- `log_chance` (C,): log of the chance that a candidate is one; zeros where all items are candidates.
- `items`: V.

Losses of other shapes follow: `inclusion_bce` and `weighted_softmax` for whole baskets (notebooks 05 and 07),
`softmax_loss` for lists with several right answers (07 and 08), `smoothed_softmax` for the small task (07),
`clip_loss` for pairs from two worlds, such as pictures and titles (23).
"""

from __future__ import annotations

import keras
from keras import ops

__all__ = [
    "BASKET_SIZE",
    "LOSSES",
    "CandidateLoss",
    "binary_crossentropy",
    "clip_loss",
    "gbce",
    "inclusion_bce",
    "mean_loss",
    "sampled_softmax",
    "smoothed_softmax",
    "softmax",
    "softmax_loss",
    "weighted_softmax",
]

BASKET_SIZE = 10.0
"""About a basket's size. A basket's loss is a sum over its items; divided by this it is about as large as that of a
single item, so that the usual learning rates fit. Any constant would do, but the rates are chosen with this one."""


def binary_crossentropy(logits, columns, log_chance=None, items=None):
    """Is it the next item, yes or no: asked of the next item and of the N negatives of the position.

    With one negative it is the loss of SASRec as published. Most wrong items are never seen, so that the estimated
    chances come out too high.

    Source: Kang and McAuley (2018), Self-attentive sequential recommendation, section III-E.
    """
    return _binary(logits, columns, 1.0)


def gbce(logits, columns, log_chance=None, items=None, t: float = 0.75):
    """Binary cross-entropy that takes the next item's chance to the power beta, against the overconfidence.

    With a = N / (V - 1), the share of the wrong items that is drawn, beta = a (t (1 - 1/a) + 1/a). With t = 0 beta is
    1, plain binary cross-entropy; with t = 1 beta is a and the estimated chances are calibrated.

    Args:
        logits: (T, C).
        columns: (T, 1 + N).
        log_chance: Not used.
        items: V.
        t: Calibration, 0 to 1.

    Source: Petrov and Macdonald (2023), gSASRec: reducing overconfidence in sequential recommendation trained with
    negative sampling, section 5.
    """
    if not 0 <= t <= 1:
        raise ValueError(f"`t` must lie in 0..1. Received: t={t}.")
    share = (columns.shape[1] - 1) / (items - 1)
    return _binary(logits, columns, share * (t * (1 - 1 / share) + 1 / share))


def _binary(logits, columns, beta: float):
    chosen = ops.take_along_axis(logits, columns, axis=1)  # (T, 1 + N)
    right, wrong = chosen[:, 0], chosen[:, 1:]
    return (beta * ops.softplus(-right) + ops.sum(ops.softplus(wrong), axis=1)) / wrong.shape[1]


def softmax(logits, columns, log_chance=None, items=None):
    """Which of all items is it: cross-entropy over the whole catalogue. All items are candidates, C = V."""
    return keras.losses.sparse_categorical_crossentropy(columns[:, 0], logits, from_logits=True)


def sampled_softmax(logits, columns, log_chance, items=None):
    """Which of the candidates is it: cross-entropy over a sample that all positions of the batch share.

    A frequent item is a candidate more often than a rare one, and would be held down more than it deserves. Subtracting
    the log of its chance to be one undoes that: over many batches it is the softmax over all items.

    Source: Bengio and Senécal (2008), Adaptive importance sampling to accelerate training of a neural probabilistic
    language model; Yi et al. (2019), Sampling-bias-corrected neural modeling for large corpus item recommendations.
    """
    return softmax(logits - log_chance[None], columns)


LOSSES = {"bce": binary_crossentropy, "gbce": gbce, "sampled_softmax": sampled_softmax, "softmax": softmax}


def mean_loss(weights, losses):
    """Returns the mean of the losses (T,) that `CandidateLoss` puts out, over the positions with weight 1, not 0."""
    weights = ops.cast(weights, losses.dtype)
    return ops.sum(losses * weights) / ops.maximum(ops.sum(weights), 1.0)


@keras.saving.register_keras_serializable(package="recsys_kit.neural")
def inclusion_bce(y, logits):
    """Binary cross-entropy of "is this item in the basket?", weighted and summed over the items.

    A basket is a set of yes-or-no decisions, so each item gets its own; a softmax would make them compete.

    Args:
        y: (B, P, items, 2) labels and weights.
        logits: (B, P, items).

    Returns:
        (B, P) losses, divided by `BASKET_SIZE`.
    """
    label, weight = y[..., 0], y[..., 1]
    return ops.sum(weight * ops.binary_crossentropy(label, logits, from_logits=True), axis=-1) / BASKET_SIZE


def weighted_softmax(y, logits):
    """Cross-entropy of a softmax over weighted candidates, summed over the items bought.

    Args:
        y: (B, C, 2) labels and weights; a candidate of weight w stands for w items.
        logits: (B, C).

    Returns:
        (B,) losses, divided by `BASKET_SIZE`.
    """
    label, weight = y[..., 0], y[..., 1]
    chance = ops.log_softmax(logits + ops.log(ops.maximum(label, weight) + 1e-9), axis=-1)
    return -ops.sum(label * chance, axis=-1) / BASKET_SIZE


def smoothed_softmax(smoothing: float = 0.0):
    """Returns the cross-entropy of what comes next, part of whose target may be spread over all that could.

    Keras's own label smoothing would spread it over the padding, too.

    Args:
        smoothing: That part.

    Returns:
        A function from ids (B, L, 1), 0 at padding, and logits (B, L, V + 1) to losses (B, L).
    """

    def loss(y, logits):
        chance = ops.log_softmax(logits, axis=-1)  # (B, L, V + 1)
        right = ops.take_along_axis(chance, ops.cast(y, "int32"), axis=-1)[..., 0]
        if smoothing:
            right = (1 - smoothing) * right + smoothing * ops.mean(chance[..., 1:], axis=-1)
        return -right

    return loss


@keras.saving.register_keras_serializable(package="recsys_kit.neural")
def softmax_loss(label, logits):
    """Listwise loss: cross-entropy between the bought items of a list, each with an equal share, and the softmax.

    Args:
        label: (B, M) 1 where it was bought, 0 where not, -1 where there is no candidate.
        logits: (B, M).

    Returns:
        (B,) losses; 0 for a list without a bought item.

    Source: Cao et al. (2007), Learning to rank: from pairwise approach to listwise approach.
    """
    there = ops.cast(label >= 0, logits.dtype)
    bought = ops.maximum(label, 0.0)
    share = bought / ops.maximum(ops.sum(bought, axis=-1, keepdims=True), 1.0)
    return -ops.sum(share * ops.log_softmax(logits - 1e9 * (1.0 - there), axis=-1) * there, axis=-1)


def clip_loss(left, right, scale):
    """Which of the right ones belongs to each left one, and the other way round: row i of one to row i of the other.

    Args:
        left: (N, D) vectors of length 1, such as of pictures.
        right: (N, D) vectors of length 1, such as of titles.
        scale: What the cosines are multiplied by: one over the temperature.

    Returns:
        (N,) losses, the mean of both questions.

    Source: Radford et al. (2021), Learning transferable visual models from natural language supervision, figure 3.
    """
    logits = scale * ops.matmul(left, ops.transpose(right))  # (N, D) @ (D, N) -> (N, N)
    own = ops.diagonal(logits)
    return (ops.logsumexp(logits, axis=1) + ops.logsumexp(logits, axis=0)) / 2 - own


@keras.saving.register_keras_serializable(package="recsys_kit.neural")
class CandidateLoss(keras.layers.Layer):
    """The end of a model in training: compares T states with C candidates and returns each state's loss.

    Scores are those of `transformer.TiedLogits`: the item embedding itself, plus a bias.

    Args:
        logits: The model's `TiedLogits`, whose embedding and bias are used.
        loss: A name in `LOSSES`.
        items: V.

    Example:
        Three candidates that score alike:

        >>> import numpy as np
        >>> from recsys_kit.transformer import ItemEmbedding, TiedLogits
        >>> logits = TiedLogits(ItemEmbedding([], width=2, size=4))
        >>> scores = logits(np.zeros((1, 2, 2), "float32"))
        >>> layer = CandidateLoss(logits, "softmax", items=3)
        >>> place, candidates, columns = np.array([1]), np.array([1, 2, 3]), np.array([[0]])
        >>> loss = layer(np.zeros((1, 2, 2), "float32"), place, candidates, columns, np.zeros(3))
        >>> round(float(loss[0]), 3)  # log 3
        1.099
    """

    def __init__(self, logits, loss: str, items: int, **kwargs):
        # 16 bits are enough for the products below, not for what follows: Keras must not cast all that comes in.
        super().__init__(autocast=False, **{"dtype": "float32"} | kwargs)
        if loss not in LOSSES:
            raise ValueError(f"`loss` must be one of {', '.join(LOSSES)}. Received: loss={loss!r}.")
        self.logits, self.loss, self.items = logits, loss, items

    def call(self, states, place, candidates, columns, log_chance, prior=None):
        """Maps states (B, L, D), flat places (T,) and candidate ids (C,) to losses (T,); `prior` (T, C) is added."""
        states = ops.take(ops.reshape(states, (-1, states.shape[-1])), place, axis=0)  # (T, D)
        vectors = self.logits.embedding(candidates)  # (C, D)
        scores = ops.cast(ops.matmul(states, ops.transpose(vectors)), self.compute_dtype)  # (T, C)
        scores = scores + ops.take(self.logits.bias, candidates)
        if prior is not None:
            scores = scores + prior
        return LOSSES[self.loss](scores, columns, log_chance, self.items)

    def get_config(self):
        """Returns the arguments, for saving."""
        logits = keras.saving.serialize_keras_object(self.logits)
        return super().get_config() | {"logits": logits, "loss": self.loss, "items": self.items}

    @classmethod
    def from_config(cls, config):
        """Rebuilds the layer from its arguments."""
        return cls(keras.saving.deserialize_keras_object(config.pop("logits")), **config)
