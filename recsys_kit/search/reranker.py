"""A small cross-attention re-ranker: the candidates of a shortlist look at the query and at each other (notebook 10).

A two-tower model never sees query and document together. Here they meet: the query is the first token, every candidate
one more, and the kit's own Transformer block lets each look at all the others. The output is added to the score that
the shortlist was made with, and starts at zero: untrained, the order stays as it was.

Letters for shapes: B queries, K candidates of a shortlist, F facts about a query and a candidate, E width of the
encoder, D inner width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import keras
import numpy as np
from keras import layers, ops

from recsys_kit import evaluation
from recsys_kit.neural import devices
from recsys_kit.neural.fitting import Fitted, loss_curve
from recsys_kit.transformer import TransformerBlock, attention_mask

__all__ = ["LambdaLoss", "QueryDocumentTokens", "Shortlists", "adjust", "reranker_model", "shortlist", "train"]

_register = keras.saving.register_keras_serializable(package="recsys_kit.search")


@_register
class QueryDocumentTokens(layers.Layer):
    """Makes the tokens: the query, and for each candidate its facts, its text, and what query and text have in common.

    Args:
        width: D.
        dropout: Dropout on the texts while training.
        texts: Whether texts are read at all, or only the facts.

    Example:
        The query and five candidates with three facts each:

        >>> query, documents, facts = np.ones((1, 8)), np.ones((1, 5, 8)), np.ones((1, 5, 3))
        >>> tuple(QueryDocumentTokens(width=4)(query, documents, facts).shape)
        (1, 6, 4)
    """

    def __init__(self, width: int = 32, dropout: float = 0.3, texts: bool = True, **kwargs):
        super().__init__(**kwargs)
        self.width, self.dropout, self.texts = width, dropout, texts
        self.drop = layers.Dropout(dropout)

    def build(self, query_shape, document_shape, facts_shape):
        """Creates the weights for shapes (B, E), (B, K, E) and (B, K, F)."""
        self.text = layers.Dense(self.width, name="text")
        self.common = layers.Dense(self.width, name="common")
        self.known = layers.Dense(self.width, name="known")
        self.kind = self.add_weight(shape=(2, self.width), initializer="zeros", name="kind")
        self.text.build(query_shape)
        if self.texts:
            self.common.build(document_shape)
        self.known.build(facts_shape)

    def call(self, query, document, facts, training=None):
        """Maps them to tokens (B, 1 + K, D)."""
        first = self.text(self.drop(query, training=training))[:, None] + self.kind[:1]
        common = self.drop(query[:, None] * document * document.shape[-1] ** 0.5, training=training)
        rest = self.known(facts)
        if self.texts:
            rest = rest + self.text(self.drop(document, training=training)) + self.common(common)
        return ops.concatenate([first, rest + self.kind[1:]], axis=1)


@_register
class LambdaLoss(keras.losses.Loss):
    """Puts the pairs of a list right that cost NDCG: each pair weighs what swapping its two places would change.

    A softmax over the list would spread belief over all answers, however far down; this looks at the top only: 20
    places, twice the list that NDCG@10 reads, so that what stands just below it can still rise into it.
    Source: Burges (2010), From RankNet to LambdaRank to LambdaMART.

    Example:
        Nothing is wrong with a list in the right order, far apart:

        >>> round(float(LambdaLoss()(np.array([[2, 0]]), np.array([[50.0, 0.0]]))), 3)
        0.0
    """

    def call(self, y_true, y_pred):
        """Maps grades (B, K) and scores (B, K) to losses (B,)."""
        gain = ops.power(2.0, ops.cast(y_true, "float32")) - 1.0
        place = ops.cast(ops.argsort(ops.argsort(-y_pred, axis=-1), axis=-1), "float32")
        worth = ops.where(place < 20, 1 / (ops.log(place + 2.0) / float(np.log(2))), 0.0)
        ordered = -ops.sort(-gain, axis=-1)[:, :10]
        ideal = ops.sum(ordered * evaluation.discounts(ordered.shape[1]).astype("float32"), axis=-1)
        better = ops.relu(gain[:, :, None] - gain[:, None, :])  # (B, K, K)
        swap = better * ops.abs(worth[:, :, None] - worth[:, None, :])
        wrong = ops.softplus(y_pred[:, None, :] - y_pred[:, :, None])
        return ops.sum(swap * wrong, axis=(1, 2)) / ops.maximum(ideal, 1.0)


def reranker_model(
    facts: int,
    embedding: int = 512,
    width: int = 16,
    blocks: int = 1,
    heads: int = 2,
    dropout: float = 0.1,
    texts: bool = False,
    usual: tuple[np.ndarray, np.ndarray] | None = None,
) -> keras.Model:
    """Returns the model: query (B, E), document (B, K, E), facts (B, K, F), base (B, K) in; scores (B, K) out.

    Args:
        facts: F.
        embedding: E.
        width: D.
        blocks: Transformer blocks.
        heads: Attention heads.
        dropout: Dropout on texts and in the blocks.
        texts: Whether the texts themselves are read, or only the facts; few queries are learned by heart.
        usual: Mean and variance (F,) of the facts, by which they are normalised; None: 0 and 1.
    """
    query = keras.Input((embedding,), name="query")
    document = keras.Input((None, embedding), name="document")
    known = keras.Input((None, facts), name="facts")
    base = keras.Input((None,), name="base")
    mean, variance = usual if usual is not None else (np.zeros(facts), np.ones(facts))
    normal = layers.Normalization(mean=mean.tolist(), variance=variance.tolist(), name="normal")(known)
    x = QueryDocumentTokens(width, dropout, texts, name="meet")(query, document, normal)  # (B, 1 + K, D)
    mask = attention_mask(ops.ones_like(x[..., 0], dtype="bool"), causal=False)
    for i in range(blocks):
        x = TransformerBlock(heads, dropout, name=f"block_{i}")(x, attention_mask=mask)
    x = layers.LayerNormalization(name="norm")(x)
    change = layers.Dense(1, kernel_initializer="zeros", name="change")(x[:, 1:])[..., 0]  # (B, K)
    return keras.Model({"query": query, "document": document, "facts": known, "base": base}, base + change)


def shortlist(base: np.ndarray, k: int = 50) -> np.ndarray:
    """Returns the (B, K) documents with the highest base scores, best first."""
    k = min(k, base.shape[1])
    best = np.argpartition(-base, k - 1, axis=1)[:, :k]
    return np.take_along_axis(best, np.argsort(-np.take_along_axis(base, best, 1), axis=1, kind="stable"), 1)


@dataclass(frozen=True)
class Shortlists:
    """The candidates of Q queries, and all that a re-ranker reads of them.

    Attributes:
        query: (Q, E) vectors of the queries.
        documents: (P, E) vectors of all documents.
        lists: (Q, K) documents of each shortlist.
        facts: (Q, K, F) what is known of each query and candidate.
        base: (Q, K) scores that made the shortlist.
    """

    query: np.ndarray
    documents: np.ndarray
    lists: np.ndarray
    facts: np.ndarray
    base: np.ndarray

    def of(self, rows: np.ndarray) -> Shortlists:
        """Returns those of some queries only."""
        return replace(
            self, query=self.query[rows], lists=self.lists[rows], facts=self.facts[rows], base=self.base[rows]
        )

    def inputs(self, scale: float) -> dict[str, np.ndarray]:
        """Returns the inputs of the model; base scores count from each list's best, times `scale`."""
        return {
            "query": np.asarray(self.query, np.float32),
            "document": np.asarray(self.documents[self.lists], np.float32),
            "facts": np.asarray(self.facts, np.float32),
            "base": (scale * (self.base - self.base.max(1, keepdims=True))).astype(np.float32),
        }


def train(
    short: Shortlists,
    grades: np.ndarray,
    epochs: int = 8,
    scale: float = 10.0,
    learning_rate: float = 1e-3,
    seed: int = 0,
    **sizes,
) -> Fitted:
    """Trains a re-ranker on the shortlists of judged queries.

    Args:
        short: The shortlists.
        grades: (Q, K) judgments; a query without a relevant candidate is left out.
        epochs: Passes over the queries.
        scale: What base scores are multiplied by, so that their softmax is neither flat nor a peak.
        learning_rate: AdamW's.
        seed: Seed of everything random.
        **sizes: width, blocks, heads, dropout, texts of `reranker_model`.

    Returns:
        The model, and its mean loss epoch by epoch.
    """
    keras.utils.set_random_seed(seed)
    some = (grades > 0).any(1)
    inputs = short.of(some).inputs(scale)
    flat = inputs["facts"].reshape(-1, short.facts.shape[-1])
    usual = (flat.mean(0), flat.var(0) + 1e-6)
    model = reranker_model(short.facts.shape[-1], short.documents.shape[-1], usual=usual, **sizes)
    model.compile(
        keras.optimizers.AdamW(learning_rate, weight_decay=0.05, clipnorm=1.0), LambdaLoss(), jit_compile=False
    )
    model.optimizer.build(model.trainable_variables)  # else its step is traced twice
    history = model.fit(inputs, grades[some].astype(np.float32), batch_size=32, epochs=epochs, verbose=0)
    return Fitted(model, loss_curve(history))


def adjust(
    models: keras.Model | Sequence[keras.Model], short: Shortlists, scale: float = 10.0, block: int = 256
) -> np.ndarray:
    """Returns the (Q, K) new scores of shortlists, on the scale of their base scores.

    Args:
        models: One trained re-ranker, or several whose scores are averaged.
        short: The shortlists.
        scale: As in training.
        block: About how many queries are scored at once; bounds the memory.
    """
    models = [devices.trace_once(one) for one in ([models] if isinstance(models, keras.Model) else models)]
    rows, parts = np.arange(len(short.lists)), []
    for part in np.array_split(rows, 1 + len(rows) // block):
        inputs = short.of(part).inputs(scale)
        parts.append(np.mean([model.predict_on_batch(inputs) for model in models], axis=0))
    new = np.concatenate(parts)
    return new / scale + short.base.max(1, keepdims=True)
