"""The reference: one process, everything in memory, the kit's own functions on pandas (notebook 24)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import scipy.sparse as sp

from recsys_kit import baselines, features, preprocessing
from recsys_kit.datasets.shops import Shop
from recsys_kit.preprocessing import Split
from recsys_kit.scaling.copies import Workload

__all__ = [
    "USER_COLUMNS",
    "clean",
    "follower_counts",
    "history",
    "kept",
    "next_counts",
    "pairs",
    "run_pandas",
    "users",
]

USER_COLUMNS = (
    "recency_days",
    "tenure_days",
    "frequency",
    "monetary",
    "basket_size",
    "promotion_affinity",
    "hour",
    "hour_focus",
    "weekend_share",
)
"""Of `features.user_features`, those that a household's own rows say."""


def run_pandas(load: Workload, out: str | Path) -> dict[str, int]:
    """Computes the three tables in one process, and writes each as a Parquet file.

    Args:
        load: The workload.
        out: Folder of `users.parquet`, `pairs.parquet` and `followers.parquet`.

    Returns:
        The rows of each table.
    """
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    events = clean(pd.concat([pd.read_parquet(path) for path in load.events], ignore_index=True), load)
    past = events[events["timestamp"] < pd.Timestamp(load.cutoff)]
    buyers = past.drop_duplicates(["user_id", "item_id"])["item_id"].value_counts()
    catalogue = pd.Index(np.sort(buyers.index[buyers >= load.min_users]), name="item_id")
    split = history(past, catalogue, load)
    tables = {
        "users": users(past, load),
        "pairs": pairs(split),
        "followers": kept(follower_counts(split), catalogue, load.followers),
    }
    for name, table in tables.items():
        table.to_parquet(out / f"{name}.parquet", index=False)
    return {name: len(table) for name, table in tables.items()}


def clean(events: pd.DataFrame, load: Workload) -> pd.DataFrame:
    """Returns the sales of merchandise in time order: `preprocessing.clean` for rows of this workload."""
    items = pq.read_table(Path(load.folder, "items.parquet")).to_pandas()
    shop = Shop("workload", events, items, pd.DataFrame({"user_id": []}), load.timezone, fingerprint="")
    return preprocessing.clean(shop)[0]


def history(past: pd.DataFrame, catalogue: pd.Index, load: Workload) -> Split:
    """Returns a split that holds the past alone: whoever computes features needs no test cases."""
    names = pd.Index(np.sort(past["user_id"].unique()), name="user_id")
    item = catalogue.get_indexer(past["item_id"])
    rows = past.assign(user=names.get_indexer(past["user_id"]).astype(np.int32), item=item.astype(np.int32))
    cutoff = pd.Timestamp(load.cutoff)
    return Split(
        cutoff=cutoff,
        end=cutoff,
        items=catalogue,
        users=names,
        history=rows[item >= 0].reset_index(drop=True),
        test_users=np.array([], np.int64),
        answers=sp.csr_matrix((0, len(catalogue)), dtype=bool),
        answer_times=pd.DatetimeIndex([], tz="UTC"),
    )


def users(past: pd.DataFrame, load: Workload) -> pd.DataFrame:
    """Returns `user_id` and `USER_COLUMNS` of whoever bought something, ordered by `user_id`."""
    names = pd.DataFrame({"user_id": np.sort(past["user_id"].unique())})
    items = pd.DataFrame({"item_id": past["item_id"].unique()})  # item types play no part in these columns
    table = features.user_features(past, items, names, pd.Timestamp(load.cutoff), load.timezone)
    return table[list(USER_COLUMNS)].astype(float).reset_index()


def pairs(split: Split) -> pd.DataFrame:
    """Returns `user_id`, `item_id` and `features.PAIR_COLUMNS`, ordered by both ids."""
    table = features.interaction_features(split)
    names = {"user_id": split.users[table["user"]], "item_id": split.items[table["item"]]}
    return pd.DataFrame(names | {name: table[name].to_numpy() for name in features.PAIR_COLUMNS})


def follower_counts(split: Split) -> sp.csr_matrix:
    """Counts how often an item of a basket (row) was followed by an item of the same user's next basket (column)."""
    rows = split.history.drop_duplicates(["user", "basket_id", "item"])
    start = rows.groupby(["user", "basket_id"], sort=False)["timestamp"].min().reset_index()
    start = start.sort_values(["user", "timestamp", "basket_id"], kind="stable")
    start["step"] = start.groupby("user").cumcount()
    step = rows.merge(start[["user", "basket_id", "step"]], on=["user", "basket_id"], how="left")["step"]
    return next_counts(rows["user"].to_numpy(), step.to_numpy(), rows["item"].to_numpy(), len(split.items))


def next_counts(user: np.ndarray, visit: np.ndarray, item: np.ndarray, items: int) -> sp.csr_matrix:
    """Counts (row, column): an item of a user's visit, and an item of the same user's next visit.

    Args:
        user: (R,) of each purchase.
        visit: (R,) number of the visit among the user's.
        item: (R,) position in the catalogue.
        items: Size of the catalogue.

    Example:
        >>> next_counts(np.array([0, 0]), np.array([0, 1]), np.array([1, 2]), items=3).toarray().tolist()
        [[0.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]]
    """
    if not len(item):
        return sp.csr_matrix((items, items), dtype=np.float32)
    plain = baselines.PairWeights(backward=0.0, from_power=0.0, to_power=0.0)
    return baselines.cooccurrence_table(user, visit, item, items, lags=1, weights=plain)


def kept(counts: sp.csr_matrix, catalogue: pd.Index, most: int) -> pd.DataFrame:
    """Returns the most frequent followers of each item: item_id, follower_id, count; of equals the smaller id."""
    entries = counts.tocoo()
    count = np.rint(entries.data).astype(np.int64)
    entry = count > 0
    row, column, count = entries.row[entry].astype(np.int64), entries.col[entry], count[entry]
    # one whole number an entry, which sorts by row, then from the largest count down, then by column
    places = len(catalogue)
    top = int(count.max(initial=0))
    order = np.sort((row * (top + 1) + (top - count)) * places + column)
    row, rest = np.divmod(order, (top + 1) * max(places, 1))
    best = np.arange(len(row)) - np.searchsorted(row, np.arange(places))[row] < most
    names = {"item_id": catalogue[row[best]], "follower_id": catalogue[rest[best] % places]}
    return pd.DataFrame(names | {"count": top - rest[best] // places})
