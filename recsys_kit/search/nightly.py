"""A search index on disk that follows the shop's items, built and read with NumPy alone (notebooks 10 and 17).

It answers by words and meaning: no tower and no re-ranker. What takes time, encoding texts, is done for new documents
only; how often things are sold is no part of it, because that changes every day, and is handed in when it is read.

Letters for shapes: P documents, S views, E width of the encoder.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from recsys_kit import formats, output_file
from recsys_kit.datasets.shops import Shop
from recsys_kit.search import corpus, fusion, glossary
from recsys_kit.search.index import Index, assembled, learned_doubt
from recsys_kit.search.vectors import encode

__all__ = ["keep_only", "read", "write"]

_DOCUMENT = ["category", "product_type", "name"]


def write(shop: Shop, folder: str | Path, before: str = "") -> dict[str, str | int]:
    """Leaves the index of a shop's items in a folder, unless it is there; each file is written whole.

    Args:
        shop: The shop; its events are not read.
        folder: Where indices are kept, each under its own name; created if it is missing.
        before: The name of an earlier one, whose vectors are taken over for documents that it has.

    Returns:
        `index`, its name, which depends on nothing but the items and the glossary; `documents`, `items`, and how many
        documents are `new` since the earlier one. Nothing if no item has a title or a product type.
    """
    folder = Path(folder)
    try:
        documents, items = corpus.documents(shop, pd.Series(dtype=int))
    except ValueError:
        return {}
    codes = glossary.uses_codes(shop)
    table = items.drop(columns="sold").join(documents[_DOCUMENT], on="document")
    digest = hashlib.sha256(f"{glossary.version() if codes else ''}".encode())
    digest.update(pd.util.hash_pandas_object(table, index=False).to_numpy().tobytes())
    name = f"{digest.hexdigest()[:12]}{'-codes' if codes else ''}"
    old, views = _before(folder, before, codes)
    row = old.get_indexer(pd.MultiIndex.from_frame(documents[_DOCUMENT]))
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / f"{name}.parquet").exists():
        output_file.write_table(folder / f"{name}.parquet", table)
    if not (folder / f"{name}.npz").exists():
        found = views[row] if len(old) else np.empty(0)  # (P, S, E); new documents' rows are filled now
        if (row < 0).any():
            fresh = fusion.views({key: encode(text) for key, text in corpus.texts(documents[row < 0], codes).items()})
            found = found if len(old) else np.empty_like(fresh)  # without an earlier one all are new
            found[row < 0] = fresh
        output_file.write(folder / f"{name}.npz", lambda part: formats.FORMATS[".npz"][0]({"views": found}, part))
    return {"index": name, "documents": len(documents), "items": len(items), "new": int((row < 0).sum())}


def read(folder: str | Path, name: str, sold: pd.Series) -> Index:
    """Returns an index that `write` left.

    Args:
        folder: Where indices are kept.
        name: Its name.
        sold: How often each item id was sold.

    Raises:
        OSError: If one of its files is missing, or can't be read.
    """
    table = formats.read(Path(folder) / f"{name}.parquet")
    views = formats.read(Path(folder) / f"{name}.npz")["views"]
    items = table.drop(columns=_DOCUMENT).assign(sold=table["item_id"].map(sold).fillna(0).astype(int))
    kept = {column: (column, "first") for column in _DOCUMENT}
    documents = (
        table.assign(sold=items["sold"])
        .groupby("document")
        .agg(**kept, products=("item_id", "size"), sold=("sold", "sum"))
    )
    index = assembled(documents.reset_index(drop=True), items, views, name.endswith("-codes"))
    return replace(index, doubt=learned_doubt(index)) if index.codes else index


def keep_only(folder: str | Path, names: set[str]) -> None:
    """Removes all indices but these."""
    for path in [*Path(folder).glob("*.parquet"), *Path(folder).glob("*.npz")]:
        if path.stem not in names:
            path.unlink(missing_ok=True)


def _before(folder: Path, name: str, codes: bool) -> tuple[pd.MultiIndex, np.ndarray]:
    """Returns the documents of an earlier index, and their vectors; none if it can't be read or was made otherwise."""
    try:
        if not name or name.endswith("-codes") != codes:
            raise FileNotFoundError(name)
        table = formats.read(folder / f"{name}.parquet").drop_duplicates("document").sort_values("document")
        return pd.MultiIndex.from_frame(table[_DOCUMENT]), formats.read(folder / f"{name}.npz")["views"]
    except (OSError, KeyError):
        return pd.MultiIndex.from_arrays([[]] * len(_DOCUMENT), names=_DOCUMENT), np.empty((0, 0, 0))
