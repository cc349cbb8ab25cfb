"""Lists for everybody, part by part: each part is written once, whole, and never again (notebook 24)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from recsys_kit import output_file

__all__ = ["missing", "top_lists", "write_lists"]


def top_lists(pairs: pd.DataFrame, popular: pd.Series, k: int = 10, decay: int = 90) -> pd.DataFrame:
    """Returns the list of each user of a part: decayed purchases first, then what is bought by most.

    Args:
        pairs: `user_id`, `item_id`, `decayed_…`, as the engines write them.
        popular: How often each item id is bought; breaks ties and fills lists that are short.
        k: Length of a list.
        decay: Memory in days, one of `features.INTERACTION_DECAYS`.

    Returns:
        `user_id`, `rank` (1 is the first), `item_id`, `score`; k rows for each user.
    """
    names, user = np.unique(pairs["user_id"].to_numpy(str), return_inverse=True)
    share = (popular / max(popular.sum(), 1)).sort_index()  # (V,), in the order of ids
    best = np.argsort(-share.to_numpy(), kind="stable")[:k]
    bought = share.index.get_indexer(pairs["item_id"])
    own = pairs[f"decayed_{decay}"].to_numpy(float) + 1e-3 * share.to_numpy()[bought]
    item = np.r_[bought, np.tile(best, len(names))]
    score = np.r_[own, np.tile(1e-3 * share.to_numpy()[best], len(names))]
    user = np.r_[user, np.repeat(np.arange(len(names)), len(best))]
    order = np.lexsort((item, -score, user))
    user, item, score = user[order], item[order], score[order]
    first = ~pd.DataFrame({"user": user, "item": item}).duplicated().to_numpy()  # an own item is no filler again
    user, item, score = user[first], item[first], score[first]
    rank = np.arange(len(user)) - np.searchsorted(user, np.arange(len(names)))[user] + 1
    kept = rank <= k
    lists = {"user_id": names[user[kept]], "rank": rank[kept], "item_id": share.index[item[kept]]}
    return pd.DataFrame(lists | {"score": score[kept]})


def missing(parts: Iterable[Path], out: str | Path, version: str) -> list[Path]:
    """Returns the parts whose lists are not written yet under this version of the inputs."""
    return [part for part in parts if not _target(part, Path(out), version).exists()]


def write_lists(part: Path, out: str | Path, version: str, make: Callable[[pd.DataFrame], pd.DataFrame]) -> int:
    """Writes the lists of one part, unless they are there; whoever dies halfway leaves no file that looks finished.

    The lists are written under a name of their own and renamed at the end, which happens whole or not at all. So any
    number of workers may be asked for the same part, in any order, and the part is there once.

    Args:
        part: Parquet file of `pairs`.
        out: Folder of the lists.
        version: Names the inputs, such as a model's fingerprint and a day; other inputs, other files.
        make: Makes the lists of the part's users.

    Returns:
        How many rows were written: 0 if they were there.
    """
    target = _target(part, Path(out), version)
    if target.exists():
        return 0
    target.parent.mkdir(parents=True, exist_ok=True)
    lists = make(pd.read_parquet(part))
    output_file.write_table(target, lists)
    return len(lists)


def _target(part: Path, out: Path, version: str) -> Path:
    return out / hashlib.sha256(version.encode()).hexdigest()[:12] / part.name
