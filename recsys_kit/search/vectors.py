"""What the search models learn from: vectors of the shop's texts, training pairs, the trained two-tower (notebook 10).

Letters for shapes: P documents, E width of the encoder, N training texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from recsys_kit import workspace
from recsys_kit.datasets.shops import Shop
from recsys_kit.neural import text_encoder
from recsys_kit.search import corpus, fusion, glossary

__all__ = ["encode", "pairs", "two_tower", "vectors"]


def encode(texts: Sequence[str]) -> np.ndarray:
    """Returns the (N, E) unit vectors of texts in small letters; each distinct text is encoded once."""
    return text_encoder.encode(texts, lower=True)


def vectors(
    shop: Shop, store: workspace.Workspace, documents: pd.DataFrame, light: bool = False
) -> dict[str, np.ndarray]:
    """Returns the encoder's vectors of the documents' texts and of the paraphrases, from the workspace if there.

    Args:
        shop: The shop.
        store: Where they are kept.
        documents: The documents.
        light: Only what `fusion.views` reads, not what a tower learns from: two fifths less to encode.

    Returns:
        (P, E) for each text of `corpus.texts`, and `paraphrase` (N, E).
    """
    codes = glossary.uses_codes(shop)

    def make() -> dict[str, np.ndarray]:
        parts = corpus.texts(documents, codes)
        if light:
            del parts["raw"]
        else:
            parts["paraphrase"] = corpus.paraphrases(documents, codes)[0]
        return {name: encode(text) for name, text in parts.items()}

    params = {"documents": len(documents), "sold": int(documents["sold"].sum()), "glossary": glossary.version()}
    params |= {"codes": codes} | ({"light": True} if light else {})
    return store.get("search_vectors", make, data=shop.fingerprint, params=params, uses=[corpus.documents])


def pairs(documents: pd.DataFrame, parts: dict[str, np.ndarray], codes: bool) -> tuple[np.ndarray, np.ndarray]:
    """Returns the tower's training pairs: vectors (N, E) of texts, and the document (N,) that each should find.

    Args:
        documents: The documents.
        parts: What `vectors` returned.
        codes: Whether the shop writes in codes.
    """
    names = ("raw", "both", "name_zh", "both_zh") if codes else ("name", "both")
    every = np.arange(len(documents))
    target = np.concatenate([every] * len(names) + [corpus.paraphrases(documents, codes)[1]])
    text = np.concatenate([parts[name] for name in names] + [parts["paraphrase"]])
    # what is hardly sold teaches little; a shop with few sales keeps the better half
    often = documents["sold"].to_numpy()[target] >= min(3, documents["sold"].median())
    return text[often].astype(np.float32), target[often]


def two_tower(
    shop: Shop,
    store: workspace.Workspace,
    documents: pd.DataFrame,
    parts: dict[str, np.ndarray],
    epochs: int = 3,
    together: np.ndarray | None = None,
    seed: int = 0,
) -> Any:
    """Returns the trained two-tower model, from the workspace if it is there.

    Args:
        shop: The shop.
        store: Where the model is kept.
        documents: The documents.
        parts: What `vectors` returned.
        epochs: Passes over the pairs.
        together: (N, 2) documents bought together, to learn from as well; None: only texts.
        seed: Seed of everything random.
    """
    from recsys_kit.search.two_tower import train

    def make():
        text, target = pairs(documents, parts, glossary.uses_codes(shop))
        if together is not None:
            text = np.concatenate([text, parts["name"][together[:, 0]]])
            target = np.concatenate([target, together[:, 1]])
        batch = min(512, max(8, len(target) // 8))  # a small shop, too, takes eight steps an epoch
        return train(text, target, fusion.views(parts), epochs, learning_rate=3e-4, batch_size=batch, seed=seed).model

    params = {"epochs": epochs, "seed": seed, "sold": int(documents["sold"].sum()), "glossary": glossary.version()}
    params |= {"together": 0 if together is None else len(together), "codes": glossary.uses_codes(shop)}
    uses = [corpus.documents, corpus.co_purchases, vectors]
    return store.get("search_tower", make, data=shop.fingerprint, params=params, uses=uses)
