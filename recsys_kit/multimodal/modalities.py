"""What is known of an item, a table for each kind of facts, and what stands in for one of them (notebook 23).

Letters for shapes: V items, P distinct pictures, W width of a modality's vectors.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.preprocessing import OneHotEncoder

from recsys_kit.datasets import pictures
from recsys_kit.datasets.items import item_types, look_up
from recsys_kit.multimodal import encoder
from recsys_kit.neural import start_vectors, text_encoder
from recsys_kit.optimization.cold_items import Arrivals
from recsys_kit.workspace import Workspace

__all__ = [
    "behaviour",
    "compressed",
    "dealt_out",
    "other_pictures",
    "picture_vectors",
    "pictures_of",
    "presence",
    "shelf_price",
    "table_facts",
    "text_vectors",
]

_FACTS = ("department", "category", "product_type", "brand", "manufacturer", "size")


def pictures_of(table: pd.DataFrame) -> tuple[np.ndarray, list[str]]:
    """Returns which picture each item has (V,), -1 for none, and the P distinct pictures: paths as in `image`.

    Args:
        table: (V rows) items with a column `image`.

    Example:
        >>> code, names = pictures_of(pd.DataFrame({"image": ["b.png", None, "a.png", "b.png"]}))
        >>> code.tolist(), names
        ([0, -1, 1, 0], ['b.png', 'a.png'])
    """
    code, names = pd.factorize(table["image"])
    return code, list(names)


def picture_vectors(store: Workspace, paths: Sequence[Path], pixels: int = 160) -> np.ndarray:
    """Returns (P, 1280) vectors of pictures; they are encoded once.

    Args:
        store: Where they are kept, addressed by what the files hold.
        paths: P files.
        pixels: Side of the squares that the encoder sees.

    Raises:
        ImportError: If the encoder's weights are not installed.
    """
    encoder.file()
    digest = hashlib.sha256(b"".join(hashlib.sha256(Path(path).read_bytes()).digest() for path in paths)).hexdigest()
    build = partial(_encoded, store.folder, tuple(paths), pixels)
    return store.get("picture_vectors", build, data=digest[:12], params={"pixels": pixels})["vectors"]


def _encoded(folder: Path, paths: Sequence[Path], pixels: int) -> dict[str, np.ndarray]:
    model = encoder.load(Workspace(folder))
    parts = [paths[start : start + 256] for start in range(0, len(paths), 256)]  # photographs of a whole shop are many
    found = [encoder.encode(model, pictures.read(part, pixels, margin=0.05)) for part in parts]
    return {"vectors": np.concatenate(found) if found else np.zeros((0, 1280), np.float32)}


def text_vectors(store: Workspace, texts: Sequence[str]) -> np.ndarray:
    """Returns (V, 512) vectors of texts by the kit's own encoder; each distinct text is encoded once, and kept.

    Args:
        store: Where they are kept.
        texts: V texts.
    """
    code, distinct = pd.factorize(pd.Series(list(texts), dtype="str"))
    digest = hashlib.sha256("\n".join(distinct).encode()).hexdigest()[:12]
    build = partial(_read, tuple(distinct))
    return store.get("multimodal_texts", build, data=digest)["vectors"][code]


def _read(texts: Sequence[str]) -> dict[str, np.ndarray]:
    return {"vectors": text_encoder.encode(texts)}


def compressed(vectors: np.ndarray, code: np.ndarray, width: int = 64) -> np.ndarray:
    """Returns (V, W) vectors of items, without what all have in common, in their main directions; mean length 1.

    Args:
        vectors: (distinct, any) vectors, such as of pictures.
        code: (V,) which of them each item has; below 0: none, and zeros.
        width: W, or as many as there are directions.
    """
    used = np.unique(code[code >= 0])
    width = min(width, len(used) - 1, vectors.shape[1])
    if width < 1:
        return np.zeros((len(code), 1), np.float32)
    found = PCA(width, random_state=0).fit(vectors[used]).transform(vectors)
    found = (found / np.linalg.norm(found[used], axis=1).mean()).astype(np.float32)
    return np.where(code[:, None] >= 0, found[np.maximum(code, 0)], 0).astype(np.float32)


def behaviour(case: Arrivals, width: int = 64, days: float = 0.0) -> np.ndarray:
    """Returns (V, W) vectors, mean length 1, in which items that the same people bought are close; else zeros.

    Args:
        case: The arrivals.
        width: W.
        days: The last days before the cutoff are left out: what is learned from must not be known already.
    """
    split = case.split
    past = split.history[split.history["timestamp"] < split.cutoff - pd.Timedelta(days=days)]
    shape = (len(split.users), len(split.items))
    ones = np.ones(len(past), np.float32)
    counts = sp.coo_matrix((ones, (past["user"], past["item"])), shape).tocsr()
    found = start_vectors.from_users(counts.log1p(), width, size=1.0)[1:]
    found[counts.getnnz(0) == 0] = 0  # a factorisation leaves crumbs there, which would count as behaviour
    return found / max(np.linalg.norm(found[found.any(1)], axis=1).mean(), 1e-9)


def dealt_out(values: np.ndarray, seed: int) -> np.ndarray:
    """Returns a modality's vectors (V, W) dealt out to other items: a picture tells nothing of its item any more.

    Who has a picture still does, and who has none gets none: presence alone may tell something (see `presence`).

    Args:
        values: The vectors; zeros where an item has none.
        seed: Seed.
    """
    found, there = values.copy(), np.flatnonzero(values.any(1))
    found[there] = values[np.random.default_rng(seed).permutation(there)]
    return found


def presence(values: np.ndarray) -> np.ndarray:
    """Returns (V, 1): 1 where an item has a modality's vector (V, W), else 0."""
    return values.any(1, keepdims=True).astype(np.float32)


def other_pictures(code: np.ndarray, seed: int) -> np.ndarray:
    """Returns (V,) codes in which each picture is swapped for another one, the same for all of its items.

    Who shared a picture still does: what is lost is only what the picture shows.

    Args:
        code: (V,) which picture each item has; -1: none.
        seed: Seed.
    """
    count = int(code.max(initial=-1)) + 1
    order = np.random.default_rng(seed).permutation(count)
    swapped = np.empty(count, int)
    swapped[order] = np.roll(order, 1)  # a ring, so that none stays in its place
    return np.where(code >= 0, np.r_[swapped, -1][code], -1)


def table_facts(
    items: pd.DataFrame, catalogue: pd.Index, price: pd.Series | None = None, width: int = 64
) -> np.ndarray:
    """Returns (V, W) vectors of what a shop's table says of an item: department, type, brand, maker, size and price.

    A price that is missing is taken as the middle of the item's type, so that its absence tells nothing of sales.

    Args:
        items: The shop's items; of the columns, those that are there are used.
        catalogue: (V,) item ids.
        price: Price by item id; None: without prices.
        width: W without the price.
    """
    table = look_up(items, catalogue)
    there = [name for name in _FACTS if name in table and table[name].nunique() > 1]
    parts = [np.zeros((len(table), 1), np.float32)]
    if there:
        words = table[there].astype("str").fillna("")
        marks = OneHotEncoder(min_frequency=5, handle_unknown="infrequent_if_exist").fit_transform(words)
        width = min(width, marks.shape[1] - 1)
        parts = [TruncatedSVD(width, random_state=0).fit_transform(marks)] if width > 0 else parts
    if price is not None and price.notna().any():
        log = np.log(price.reindex(catalogue).clip(lower=0.01)).reset_index(drop=True)
        kind = item_types(items, catalogue).reset_index(drop=True)
        log = log.fillna(log.groupby(kind).transform("median")).fillna(log.median())
        parts.append(((log - log.mean()) / (log.std() + 1e-9)).to_numpy()[:, None])
    found = np.hstack(parts).astype(np.float32)
    return found / max(np.linalg.norm(found, axis=1).mean(), 1e-9)


def shelf_price(events: pd.DataFrame, until: pd.Timestamp) -> pd.Series | None:
    """Returns the middle of each item's price before discounts, by item id; None if the events have no price.

    It is known for new items too: a shop sets a price before it sells anything.

    Args:
        events: The shop's events.
        until: Later events are not looked at.
    """
    if "price" not in events:
        return None
    past = events[events["timestamp"] < until]
    full = past["price"] + (past["discount"].fillna(0) if "discount" in past else 0)
    return full.groupby(past["item_id"], observed=True).median()
