"""Generative retrieval: an item is a word of a few codes, and a model writes the word (notebook 09).

The words are those of `semantic_codes`. A sequence model reads sums of code vectors and writes the codes of the next
item, one after the other or all at once; beams keep to the words that are items.

Letters for shapes: N states, M codes an item, K values of a code, B rows of a batch, L positions, D width, V items,
W beams.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import keras
import numpy as np
from keras import layers, ops

from recsys_kit import transformer
from recsys_kit.large_models.semantic_codes import Trie
from recsys_kit.next_item import NextItemBatches

__all__ = [
    "CodeBatches",
    "CodeEmbedding",
    "CodeWriter",
    "Generator",
    "beam_search",
    "build",
    "exact_scores",
    "log_chances",
]

_register = keras.saving.register_keras_serializable(package="recsys_kit.large_models")

SPREAD = 0.02
"""Standard deviation of the codes' vectors at the start."""


# The model


@_register
class CodeEmbedding(layers.Layer):
    """An item's vector is the sum of its codes' vectors; there is no row of its own.

    Args:
        codes: (V + 1, M) integers, the codes of each item id; row 0 is padding's.
        sizes: (M,) values of each code.
        width: D.

    Example:
        Items 1 and 2 share both codes:

        >>> layer = CodeEmbedding([[0, 0], [1, 0], [1, 0]], sizes=(2, 1), width=4)
        >>> vectors = np.asarray(layer(np.array([1, 2])))
        >>> vectors.shape, bool((vectors[0] == vectors[1]).all())
        ((2, 4), True)
    """

    def __init__(self, codes, sizes: Sequence[int], width: int, **kwargs):
        super().__init__(**kwargs)
        self.codes, self.sizes, self.width = np.asarray(codes, np.int32), tuple(map(int, sizes)), width

    def build(self, shape=None):
        """Creates one table for each code."""
        small = keras.initializers.RandomNormal(stddev=SPREAD)
        self.tables = [
            self.add_weight((size, self.width), small, name=f"code_{i}") for i, size in enumerate(self.sizes)
        ]

    def start(self, meanings: Sequence[np.ndarray]) -> None:
        """Lets the first codes begin as what they stand for, such as their centroids, in place of chance.

        Args:
            meanings: For each of these codes (K, D), scaled here to the spread that chance would have given.

        Raises:
            ValueError: If they are too few, or not as wide as the codes' vectors.
        """
        if not self.built:
            self.build()
        for table, meaning in zip(self.tables, meanings, strict=False):
            if meaning.shape[1] != self.width or len(meaning) < table.shape[0]:
                raise ValueError(
                    f"`meanings` must have a row for each value of a code, {tuple(table.shape)} in all. "
                    f"Received: {meaning.shape}."
                )
            table.assign(meaning[: table.shape[0]] * (SPREAD / meaning.std()))

    def call(self, ids):
        """Maps ids (...) to vectors (..., D)."""
        codes = ops.take(self.codes, ids, axis=0)  # (..., M)
        return sum(ops.take(table, codes[..., i], axis=0) for i, table in enumerate(self.tables))

    def get_config(self):
        """Returns the arguments, for saving."""
        return super().get_config() | {"codes": self.codes.tolist(), "sizes": self.sizes, "width": self.width}


@_register
class CodeWriter(layers.Layer):
    """Scores the codes of the next item; its words are the vectors that the items are read with.

    Written in turn, a small Transformer reads the state and the codes so far, and scores the next code. Written in
    parallel, each code is scored from the state alone: an item's score is a sum that needs no beam.

    What is written in parallel has to be independent given the state. Residual codes are not: each says what the one
    before left over. RPG cuts the vector into pieces instead (product quantisation).

    Args:
        embedding: The items' codes and vectors.
        parallel: Whether all codes are written at once.
        heads: Attention heads of the block.

    Example:
        Scores of two codes, of 3 and 2 values:

        >>> words = CodeEmbedding([[0, 0], [2, 1]], sizes=(3, 2), width=4)
        >>> first, second = CodeWriter(words)(np.ones((5, 4), "float32"), np.zeros((5, 2), "int32"))
        >>> tuple(first.shape), tuple(second.shape)
        ((5, 3), (5, 2))

    Source: Rajput et al. (2023), Recommender systems with generative retrieval (in turn); Hou et al. (2025), Generating
    long semantic IDs in parallel for recommendation (RPG).
    """

    def __init__(self, embedding: CodeEmbedding, parallel: bool = False, heads: int = 2, **kwargs):
        super().__init__(**kwargs)
        self.embedding, self.parallel, self.heads = embedding, parallel, heads
        self.block = transformer.TransformerBlock(heads, name="block")
        self.norm = layers.LayerNormalization(epsilon=1e-6, name="norm")

    def build(self, states_shape=None, codes_shape=None):
        """Creates one bias a value, and the block or one matrix a code."""
        sizes, width = self.embedding.sizes, self.embedding.width
        if not self.embedding.built:
            self.embedding.build()
        self.biases = [self.add_weight((size,), "zeros", name=f"bias_{i}") for i, size in enumerate(sizes)]
        if self.parallel:
            self.views = [self.add_weight((width, width), "orthogonal", name=f"view_{i}") for i in range(len(sizes))]
        else:
            self.place = self.add_weight(
                (len(sizes), width), keras.initializers.RandomNormal(stddev=0.02), name="place"
            )
            self.block.build((None, len(sizes), width))
            self.norm.build((None, len(sizes), width))

    def call(self, states, codes):
        """Maps states (N, D) and codes (N, M) to M scores (N, K); the score of a code sees only the codes before it."""
        return [self._scores(x, i) for i, x in enumerate(self._hidden(states, codes, len(self.embedding.sizes)))]

    def next_code(self, states, codes):
        """Maps states (N, D) and the codes so far (N, J) to the scores (N, K) of the next code."""
        at = codes.shape[1]
        return self._scores(self._hidden(states, codes, at + 1)[at], at)

    def _hidden(self, states, codes, count):
        if self.parallel:
            return [ops.matmul(states, self.views[i]) for i in range(count)]
        before = [ops.take(self.embedding.tables[i], codes[:, i], axis=0) for i in range(count - 1)]
        scale = self.embedding.width**0.5  # as `transformer.encoder` has it
        rest = [ops.zeros_like(states)] * (
            count == 1
        )  # nothing looks at it; attention to one place alone is no softmax
        x = ops.stack([states, *(scale * one for one in before), *rest], axis=1)  # (N, J + 1, D)
        x = x + self.place[: x.shape[1]]
        mask = np.tril(np.ones((1, x.shape[1], x.shape[1]), bool))
        return ops.unstack(self.norm(self.block(x, attention_mask=mask)), x.shape[1], axis=1)

    def _scores(self, x, i):
        return ops.matmul(x, ops.transpose(self.embedding.tables[i])) + self.biases[i]

    def get_config(self):
        """Returns the arguments, for saving."""
        inner = keras.saving.serialize_keras_object(self.embedding)
        return super().get_config() | {"embedding": inner, "parallel": self.parallel, "heads": self.heads}

    @classmethod
    def from_config(cls, config):
        """Rebuilds the layer from its arguments."""
        return cls(keras.saving.deserialize_keras_object(config.pop("embedding")), **config)


@_register
class CodeLoss(layers.Layer):
    """The cross-entropy of an item's codes, summed: minus the log of the item's chance.

    Example:
        >>> loss = CodeLoss()([np.zeros((1, 4), "float32")], np.array([[2]]))
        >>> round(float(loss[0]), 3)  # log 4
        1.386
    """

    def call(self, scores, codes):
        """Maps M scores (N, K) and codes (N, M) to losses (N,)."""
        each = [
            keras.losses.sparse_categorical_crossentropy(codes[:, i], one, from_logits=True)
            for i, one in enumerate(scores)
        ]
        return sum(each)

    def compute_output_shape(self, scores_shape, codes_shape=None):
        """Returns (N,)."""
        return scores_shape[0][:1]


class Generator(NamedTuple):
    """A model that reads a history and writes codes; its three parts share their weights.

    Attributes:
        encoder: From ids (B, L) to states (B, L, D).
        writer: From states to scores of codes.
        training: From the inputs of `CodeBatches` to losses (T,); compile it with `losses.mean_loss`.
    """

    encoder: keras.Model
    writer: CodeWriter
    training: keras.Model


def build(codes: np.ndarray, length: int, width: int = 64, parallel: bool = False, **stem) -> Generator:
    """Builds the sequence model of `transformer.encoder` that reads and writes codes.

    Args:
        codes: (V, M) codes of the items 0..V - 1; ids are 1..V.
        length: L.
        width: D.
        parallel: See `CodeWriter`.
        **stem: Of `transformer.encoder`, such as `blocks` and `dropout`.
    """
    ids = keras.Input((None,), dtype="int32", name="ids")
    place = keras.Input(batch_shape=(None,), dtype="int32", name="place")
    target = keras.Input((codes.shape[1],), dtype="int32", name="target")
    embedding = CodeEmbedding(np.vstack([codes[:1], codes]), codes.max(axis=0) + 1, width, name="item")
    writer = CodeWriter(embedding, parallel, name="writer")
    states = transformer.encoder(ids, embedding, length, **stem)
    asked = ops.take(ops.reshape(states, (-1, width)), place, axis=0)  # (T, D)
    loss = CodeLoss(name="loss")(writer(asked, target), target)
    training = keras.Model({"ids": ids, "place": place, "target": target}, loss, name="code_training")
    return Generator(keras.Model(ids, states, name="code_reader"), writer, training)


class CodeBatches(NextItemBatches):
    """The batches of `NextItemBatches`, with the codes of the next items in place of candidates.

    Args:
        codes: (V, M).
        *args: As of `NextItemBatches`.
        **kwargs: Likewise.
    """

    def __init__(self, codes: np.ndarray, *args, **kwargs):
        self.codes = codes
        super().__init__(*args, **kwargs)

    def __getitem__(self, index: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Returns ids (B, L), place (T,), target (T, M); and weights (T,)."""
        inputs, weights = super().__getitem__(index)
        target = self.codes[inputs["candidates"][inputs["columns"][:, 0]] - 1]
        return {"ids": inputs["ids"], "place": inputs["place"], "target": target}, weights


# Asking


Step = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""From states (N, D) and the codes so far (N, J) to the log chances (N, K) of the next code."""


def log_chances(writer: CodeWriter) -> Step:
    """Returns a trained writer as a `Step`."""
    return lambda states, codes: ops.convert_to_numpy(
        ops.log_softmax(writer.next_code(ops.convert_to_tensor(states), ops.convert_to_tensor(codes)), axis=-1)
    )


def beam_search(
    step: Step, states: np.ndarray, sizes: Sequence[int], beams: int, trie: Trie | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Writes the most likely codes for each state, code by code, and keeps the best `beams` beginnings of each.

    Args:
        step: What scores the next code.
        states: (B, D).
        sizes: (M,) values of each code.
        beams: W; wide enough to hold all beginnings, the result is exact.
        trie: The words that are items; None: whatever the model writes.

    Returns:
        Codes (B, W, M), best first, and their log chances (B, W); -inf where there are fewer words than beams.
    """
    count, rows = len(states), np.arange(len(states))[:, None]
    codes = np.zeros((count, 1, 0), np.int32)
    total, node = np.zeros((count, 1), np.float32), np.zeros((count, 1), np.int64)
    for level, size in enumerate(sizes):
        wide = codes.shape[1]
        scores = step(np.repeat(states, wide, axis=0), codes.reshape(count * wide, level)).reshape(count, wide, size)
        if trie:
            following = trie.step[level][np.maximum(node, 0)]  # (B, W, K), -1 where no item goes on like this
            scores = np.where(following >= 0, scores, -np.inf)
        scores = (total[:, :, None] + scores).reshape(count, -1)
        best = np.argpartition(-scores, min(beams, scores.shape[1]) - 1, axis=1)[:, :beams]
        best = np.take_along_axis(best, np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1), axis=1)
        total, parent, code = np.take_along_axis(scores, best, axis=1), best // size, best % size
        codes = np.concatenate([codes[rows, parent], code[:, :, None].astype(np.int32)], axis=2)
        node = following[rows, parent, code] if trie else node[:, :1]
    return codes, total


def exact_scores(step: Step, states: np.ndarray, trie: Trie) -> np.ndarray:
    """Returns (B, N) the log chance of every item of a trie: each beginning is scored once, none is left out."""
    total = np.zeros((len(states), 1), np.float32)
    node, begun = np.zeros(len(trie.codes), np.int64), np.zeros((1, 0), np.int32)
    for level, size in enumerate(trie.sizes):
        pairs = np.repeat(states, len(begun), axis=0), np.tile(begun, (len(states), 1))
        scores = step(*pairs).reshape(len(states), len(begun), size)
        keys, first, following = np.unique(node * size + trie.codes[:, level], return_index=True, return_inverse=True)
        total = (total[:, :, None] + scores).reshape(len(states), -1)[:, keys]
        node, begun = following.ravel(), trie.codes[first, : level + 1]
    return total[:, node]
