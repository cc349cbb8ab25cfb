"""Another text encoder by name: a KerasHub preset instead of the one that ships with the kit (notebook 07)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from sklearn.preprocessing import normalize

__all__ = ["encoder"]


def encoder(preset: str = "", batch: int = 64) -> Callable[[list[str]], np.ndarray] | None:
    """Returns a function from texts to (texts, T) vectors of length 1, for `features.text_embeddings`.

    Args:
        preset: Name of a KerasHub text backbone, such as "bert_tiny_en_uncased"; empty: None, the kit's own encoder.
        batch: Texts at once.

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

    def encode(texts: list[str]) -> np.ndarray:
        """Returns the mean of the token vectors of each text, at length 1."""
        parts = []
        for start in range(0, len(texts), batch):
            tokens = preprocessor(texts[start : start + batch])
            output = backbone(tokens)
            states = output["sequence_output"] if isinstance(output, dict) else output  # (B, L, T)
            mask = np.asarray(tokens["padding_mask"], np.float32)[..., None]
            parts.append((np.asarray(states) * mask).sum(1) / np.maximum(mask.sum(1), 1))
        return normalize(np.concatenate(parts))

    return encode
