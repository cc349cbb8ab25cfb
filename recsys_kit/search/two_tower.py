"""A two-tower search model: two small networks on the frozen encoder, trained on the shop itself (notebook 10).

One tower maps queries, the other documents, into one space; a dot product there is the score, so that documents are
mapped once and a query costs one small network. Each tower starts as the identity: untrained, it is the encoder.

Letters for shapes: B pairs of a batch, P documents, S views of a document (its English text, its Chinese text), E width
of the encoder, D inner width, N training texts.
"""

from __future__ import annotations

import keras
import numpy as np
from keras import layers, ops

from recsys_kit.neural.batches import EpochBatches
from recsys_kit.neural.fitting import Fitted, loss_curve

__all__ = ["Pairs", "Residual", "Similarity", "tower_model", "train", "transform"]

_register = keras.saving.register_keras_serializable(package="recsys_kit.search")


@_register
class Residual(layers.Layer):
    """Adds a small correction to a vector and scales it to length 1; the correction starts at zero.

    Args:
        width: D.
        dropout: Dropout within the correction while training.

    Example:
        >>> ops.convert_to_numpy(Residual(width=4)(np.array([[3.0, 4.0]], "float32"))).round(2).tolist()  # untrained
        [[0.6000000238418579, 0.800000011920929]]
    """

    def __init__(self, width: int = 128, dropout: float = 0.1, **kwargs):
        super().__init__(**kwargs)
        self.width, self.dropout = width, dropout
        self.drop = layers.Dropout(dropout)

    def build(self, shape):
        """Creates the weights for inputs of `shape` (..., E)."""
        self.wide = layers.Dense(self.width, activation="gelu", name="wide")
        self.narrow = layers.Dense(shape[-1], kernel_initializer="zeros", name="narrow")
        self.wide.build(shape)
        self.narrow.build((*shape[:-1], self.width))

    def call(self, x, training=None):
        """Maps (..., E) to unit vectors (..., E)."""
        moved = x + self.narrow(self.drop(self.wide(x), training=training))
        return moved / ops.sqrt(ops.maximum(ops.sum(moved * moved, axis=-1, keepdims=True), 1e-9))


@_register
class Similarity(layers.Layer):
    """Scores every query of a batch against every document of it, minus the log of the chance of being in the batch.

    A document that many pairs lead to is met as a wrong answer more often than others. Subtracting log Q (Yi et al.,
    2019, Sampling-bias-corrected neural modeling) takes that out, so that the score says what fits, not what is drawn.

    Args:
        temperature: Start of the learned temperature.

    Example:
        Two queries and two documents of one view each:

        >>> query, document = np.eye(2, dtype="float32"), np.eye(2, dtype="float32")[:, None]
        >>> logits = Similarity(temperature=1.0)(query, document, np.zeros(2, "float32"), np.arange(2))
        >>> ops.convert_to_numpy(logits).tolist()
        [[1.0, 0.0], [0.0, 1.0]]
    """

    def __init__(self, temperature: float = 0.05, **kwargs):
        super().__init__(**kwargs)
        self.temperature = temperature

    def build(self, *shapes):
        """Creates the temperature."""
        start = keras.initializers.Constant(np.log(1 / self.temperature))
        self.scale = self.add_weight(shape=(), initializer=start, name="scale")

    def call(self, query, document, log_chance, group):
        """Maps queries (B, E), documents (B, S, E), log chances (B,) and document ids (B,) to logits (B, B)."""
        flat = ops.reshape(document, (-1, document.shape[-1]))  # (B S, E)
        each = ops.matmul(query, ops.transpose(flat))  # (B, E) @ (E, B S) -> (B, B S)
        best = ops.max(ops.reshape(each, (-1, ops.shape(document)[0], document.shape[1])), axis=-1)  # (B, B)
        logits = ops.exp(self.scale) * best - log_chance[None]
        same = ops.logical_and(ops.equal(group[:, None], group[None]), ops.equal(ops.eye(ops.shape(group)[0]), 0.0))
        return ops.where(same, -1e9, logits)  # the same document again is no wrong answer


def tower_model(embedding: int = 512, views: int = 2, width: int = 128, dropout: float = 0.1) -> keras.Model:
    """Returns the training model: query, document, log_chance and group in, logits (B, B) out.

    Args:
        embedding: E.
        views: S.
        width: D.
        dropout: Dropout in both towers.
    """
    query = keras.Input((embedding,), name="query")
    document = keras.Input((views, embedding), name="document")
    log_chance = keras.Input((), name="log_chance")
    group = keras.Input((), name="group", dtype="int32")
    logits = Similarity(name="similarity")(
        Residual(width, dropout, name="query_tower")(query),
        Residual(width, dropout, name="document_tower")(document),
        log_chance,
        group,
    )
    inputs = {"query": query, "document": document, "log_chance": log_chance, "group": group}
    return keras.Model(inputs, logits, name="two_tower")


class Pairs(EpochBatches):
    """Batches of pairs of a text and the document that it should find.

    Args:
        texts: (N, E) vectors of the training texts.
        target: (N,) the document of each.
        documents: (P, S, E) vectors.
        batch_size: B.
        seed: Seed of the order.
    """

    def __init__(self, texts, target, documents, batch_size: int = 512, seed: int = 0, **kwargs):
        super().__init__(seed, **kwargs)
        self.texts, self.target, self.documents, self.batch_size = texts, target, documents, batch_size
        share = np.bincount(target, minlength=len(documents)) / len(target)
        self.log_chance = np.log(np.maximum(share, 1e-9)).astype(np.float32)
        self.start_epoch(0)

    def __len__(self) -> int:
        """How many batches an epoch has."""
        return len(self.target) // self.batch_size or 1

    def __getitem__(self, index: int):
        """Returns the inputs of one batch, and the place of each text's own document in it."""
        rows = self.order[index * self.batch_size : (index + 1) * self.batch_size]
        target = self.target[rows]
        inputs = {
            "query": self.texts[rows],
            "document": self.documents[target],
            "log_chance": self.log_chance[target],
            "group": target.astype(np.int32),
        }
        return inputs, np.arange(len(rows))

    def plan(self) -> None:
        """Shuffles."""
        self.order = self.rng().permutation(len(self.target))


def train(
    texts: np.ndarray,
    target: np.ndarray,
    documents: np.ndarray,
    epochs: int = 6,
    learning_rate: float = 1e-3,
    batch_size: int = 512,
    seed: int = 0,
    **sizes,
) -> Fitted:
    """Trains both towers with an in-batch softmax.

    Args:
        texts: (N, E) vectors of the training texts.
        target: (N,) the document of each.
        documents: (P, S, E) vectors.
        epochs: Passes over the pairs.
        learning_rate: AdamW's.
        batch_size: B; each text tells its document from so many minus one others.
        seed: Seed of everything random.
        **sizes: width and dropout of `tower_model`.

    Returns:
        The model, and its mean loss epoch by epoch.
    """
    keras.utils.set_random_seed(seed)
    data = Pairs(texts, target, documents, batch_size, seed)
    model = tower_model(documents.shape[-1], documents.shape[1], **sizes)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.AdamW(learning_rate, weight_decay=0.01, clipnorm=1.0), loss, jit_compile=False)
    model.optimizer.build(model.trainable_variables)  # else its step is traced twice
    history = model.fit(data, epochs=epochs, verbose=0, shuffle=False)
    return Fitted(model, loss_curve(history))


def transform(model: keras.Model, vectors: np.ndarray, tower: str) -> np.ndarray:
    """Maps vectors (..., E) through one tower of a trained model.

    Args:
        model: What `train` returned.
        vectors: (N, E) queries or (P, S, E) documents.
        tower: "query" or "document".
    """
    layer = model.get_layer(f"{tower}_tower")
    return np.concatenate([np.asarray(layer(part)) for part in np.array_split(vectors, max(1, len(vectors) // 4096))])
