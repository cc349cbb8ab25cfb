"""Lists for everybody, part by part: each part is written once, whole, and never again (notebook 24)."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path

import pandas as pd

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
    share = popular / max(popular.sum(), 1)
    own = pairs[["user_id", "item_id"]].assign(score=pairs[f"decayed_{decay}"] + 1e-3 * pairs["item_id"].map(share))
    best = share.sort_index().sort_values(ascending=False, kind="stable").head(k)
    users = pd.DataFrame({"user_id": pairs["user_id"].unique()})
    fill = users.merge(pd.DataFrame({"item_id": best.index, "score": 1e-3 * best.to_numpy()}), how="cross")
    both = pd.concat([own, fill], ignore_index=True).sort_values(
        ["user_id", "score", "item_id"], ascending=[True, False, True]
    )
    both = both.drop_duplicates(["user_id", "item_id"])
    both["rank"] = both.groupby("user_id").cumcount() + 1
    return both[both["rank"] <= k][["user_id", "rank", "item_id", "score"]].reset_index(drop=True)


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
    unfinished = target.with_name(f".{target.name}.{os.getpid()}")
    lists.to_parquet(unfinished, index=False)
    os.replace(unfinished, target)
    return len(lists)


def _target(part: Path, out: Path, version: str) -> Path:
    return out / hashlib.sha256(version.encode()).hexdigest()[:12] / part.name
