"""The fine-tuned recogniser: a small Keras head on the frozen encoder, started at the intents' centroids (notebook 16).

Letters for shapes: B utterances (batch), M utterances to learn from, C intents, E width of the encoder.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import keras
import numpy as np
import pandas as pd
from keras import layers

from recsys_kit import workspace
from recsys_kit.customer_service import intents

__all__ = ["SETTINGS", "WORDS", "Learned", "head", "learn", "probabilities", "recogniser", "train"]

SETTINGS = {"epochs": 25, "rate": 5e-4, "dropout": 0.5, "smoothing": 0.1, "scale": 12.0, "width": 256, "batch": 256}
"""Chosen by cross-validation over ways of asking, on the train utterances: passes over the utterances (0: none),
learning rate, `smoothing` (so much of each label is spread over all intents), utterances a step (`batch`), and width,
dropout and scale of `head`."""

WORDS = 0.2
"""Weight of the recogniser by words beside the head, chosen likewise."""


def head(size: int, embedding: int = 512, width: int = 256, dropout: float = 0.5, scale: float = 12.0) -> keras.Model:
    """Returns the model: unit vectors (B, E) in, logits (B, C) out.

    Args:
        size: C.
        embedding: E.
        width: Width of a hidden layer that changes the vector first; 0: none.
        dropout: Part of the numbers that each training step hides.
        scale: What cosines are multiplied by, so that a softmax can be sure.
    """
    vector = keras.Input((embedding,), name="vector")
    x = layers.Dropout(dropout)(vector)
    if width:
        change = layers.Dropout(dropout)(layers.Dense(width, "gelu", name="hidden")(x))
        x = x + layers.Dense(embedding, kernel_initializer="zeros", name="change")(change)  # starts as no change
    return keras.Model(vector, layers.Dense(size, name="intents")(scale * x))


def train(
    vectors: np.ndarray,
    intent: np.ndarray,
    size: int,
    seed: int = 0,
    **settings,
) -> keras.Model:
    """Trains a head. Before its first step it is the centroid recogniser.

    Args:
        vectors: (M, E) unit vectors.
        intent: (M,) numbers of the intents, each at least once.
        size: C.
        seed: Seed of everything random.
        **settings: Overrule `SETTINGS`.
    """
    unknown = sorted(set(settings) - set(SETTINGS))
    if unknown:
        raise TypeError(f"settings must be among {', '.join(SETTINGS)}. Received: {', '.join(unknown)}.")
    settings = SETTINGS | settings
    missing = sorted(set(range(size)) - set(np.asarray(intent).tolist()))
    if missing:
        raise ValueError(f"`intent` must hold each number below size={size}. Missing: {missing}.")
    keras.utils.set_random_seed(seed)
    model = head(size, vectors.shape[1], **{name: settings[name] for name in ("width", "dropout", "scale")})
    start = intents.middle(vectors, intent, size)
    model.get_layer("intents").set_weights([start.T, np.zeros(size)])
    if settings["epochs"]:
        loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=settings["smoothing"])
        model.compile(keras.optimizers.AdamW(settings["rate"], weight_decay=0.0), loss, jit_compile=False)
        model.optimizer.build(model.trainable_variables)  # else its step is traced twice
        labels = np.eye(size, dtype="float32")[intent]
        model.fit(vectors, labels, batch_size=settings["batch"], epochs=settings["epochs"], verbose=0)
    return model


def probabilities(model: keras.Model, vectors: np.ndarray) -> np.ndarray:
    """Returns the (B, C) probabilities of the intents."""
    return keras.ops.convert_to_numpy(keras.ops.softmax(model(np.asarray(vectors, np.float32), training=False)))


def recogniser(**settings) -> intents.Recogniser:
    """Returns a recogniser that trains a head, to be compared with `intents.centroids` and the others."""

    def scores(known, intent, asked, size):
        return probabilities(train(known, intent, size, **settings), asked)

    return scores


@dataclass(frozen=True)
class Learned:
    """A recogniser with what it needs to refuse.

    Attributes:
        recognise: Maps texts to probabilities (N, C): of the head, with those of the words mixed in.
        by_words: Maps texts to the probabilities of the words alone.
        model: The head alone.
        names: The C intents.
        threshold: Confidence from which it answers.
        curve: What each threshold would have done out of fold, see `intents.curve`.
        held_out: (M, C) probabilities of the train utterances by "head", "words" and "both", none by a recogniser that
            has seen its way of asking.
    """

    recognise: Callable[[Sequence[str]], np.ndarray] = field(repr=False)
    by_words: Callable[[Sequence[str]], np.ndarray] = field(repr=False)
    model: keras.Model = field(repr=False)
    names: list[str] = field(repr=False)
    threshold: float
    curve: pd.DataFrame = field(repr=False)
    held_out: dict[str, np.ndarray] = field(repr=False)


def learn(
    table: pd.DataFrame,
    encode: Callable[[Sequence[str]], np.ndarray],
    store: workspace.Workspace | None = None,
    accuracy: float = 0.9,
    parts: int = 4,
    seed: int = 0,
    **settings,
) -> Learned:
    """Trains head and words on the train utterances, and chooses the threshold without a look at the test.

    Args:
        table: Utterances, see `intents.utterances`; only those of the split "train" are read.
        encode: Maps texts to unit vectors (N, E).
        store: Where head and held-out probabilities are kept; None: nowhere.
        accuracy: Part of the answers that must be right, out of fold.
        parts: Folds of the cross-validation over ways of asking.
        seed: Seed of everything random.
        **settings: Overrule `SETTINGS`.
    """
    table = table[table["split"] == "train"].reset_index(drop=True)
    names = sorted(table["intent"].unique())
    intent = np.searchsorted(names, table["intent"])
    texts, vectors = table["text"].to_numpy(object), encode(table["text"].tolist())
    size, settings = len(names), SETTINGS | settings

    def fitted() -> keras.Model:
        return train(vectors, intent, size, seed=seed, **settings)

    def held_out() -> dict[str, np.ndarray]:
        fold = intents.folds(table, parts)
        return {
            "head": intents.out_of_fold(recogniser(seed=seed, **settings), vectors, intent, fold, size),
            "words": intents.out_of_fold(intents.words, texts, intent, fold, size),
        }

    if store is None:
        model, away = fitted(), held_out()
    else:
        version = int(pd.util.hash_pandas_object(table, index=False).sum() % 2**32)
        address = {"params": {"table": version, "seed": seed, "words": WORDS, **settings}}
        model = store.get("intent_head", fitted, **address)
        address["params"] = address["params"] | {"parts": parts}
        away = store.get("intent_held_out", held_out, **address)
    away = away | {"both": (1 - WORDS) * away["head"] + WORDS * away["words"]}
    words = intents.fit_words(texts, intent)

    def by_words(asked: Sequence[str]) -> np.ndarray:
        return words.predict_proba(list(asked))

    def recognise(asked: Sequence[str]) -> np.ndarray:
        return (1 - WORDS) * probabilities(model, encode(list(asked))) + WORDS * by_words(asked)

    best, sure = intents.confidence(away["both"], names.index(intents.OUT) if intents.OUT in names else None)
    table_of_thresholds = intents.curve(sure, best == intent, (table["intent"] != intents.OUT).to_numpy())
    chosen = intents.choose_threshold(table_of_thresholds, accuracy)
    return Learned(recognise, by_words, model, names, chosen, table_of_thresholds, away)
