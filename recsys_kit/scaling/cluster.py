"""Several workers, one machine or many: the reference's own functions, a part of the users each, by Dask (notebook 24).

All that is computed of a user needs that user's rows only. So the events are brought together by user once (the
shuffle), and from then on each worker runs the same pandas code on its part. Two numbers are everybody's: how many
users bought an item, and how often one item follows another. Both are sums over the parts.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from recsys_kit.scaling import reference
from recsys_kit.scaling.copies import Workload

__all__ = ["run_dask", "workers"]


@contextmanager
def workers(address: str = "", count: int = 2, memory_gb: float = 4.0) -> Iterator[Any]:
    """Opens a client of a cluster: the one at an address, or one of processes that live as long as the block.

    Args:
        address: Of a scheduler, such as tcp://10.0.0.5:8786; empty: processes on this machine.
        count: How many processes.
        memory_gb: Memory of each; what does not fit is written to disk.
    """
    from dask.distributed import Client, LocalCluster

    if address:
        with Client(address) as client:
            yield client
        return
    local = LocalCluster(
        n_workers=count,
        threads_per_worker=1,
        memory_limit=f"{memory_gb}GB",
        dashboard_address="127.0.0.1:0",
        silence_logs=40,
    )
    with local, Client(local) as client:
        yield client


def run_dask(load: Workload, out: str | Path, client: Any, parts: int = 8) -> dict[str, int]:
    """Computes the three tables on a cluster: `users` and `pairs` as folders of parts, `followers` as one file.

    Args:
        load: The workload; its folder must be one that every worker sees.
        out: Folder of the tables; every worker must see it, too.
        client: Of `workers`, or any client of Dask.
        parts: Into how many parts the users are dealt. More parts need less memory at once.

    Returns:
        The rows of each table.
    """
    import dask
    import dask.dataframe as dd
    from dask.distributed import as_completed

    out = Path(out)
    for name in ("users", "pairs", "past"):
        (out / name).mkdir(parents=True, exist_ok=True)
        for old in (out / name).glob("part-*.parquet"):  # of an earlier run with more parts
            old.unlink()
    events = dd.read_parquet(load.events, engine="pyarrow").shuffle("user_id", npartitions=parts)
    cleaned = [dask.delayed(_clean)(part, load, out, i) for i, part in enumerate(events.to_delayed())]
    buyers = pd.concat(client.gather(client.compute(cleaned))).groupby(level=0).sum()
    catalogue = pd.Index(np.sort(buyers.index[buyers >= load.min_users]), name="item_id")
    shared = client.scatter(catalogue, broadcast=True)
    asked = [client.submit(_features, load, out, i, shared, pure=False) for i in range(parts)]
    counts, rows = sp.csr_matrix((len(catalogue), len(catalogue)), dtype="float32"), np.zeros(2, int)
    for task in as_completed(asked):  # each is added and let go of: all of them at once would fill the memory
        part, *written = task.result()
        counts, rows = counts + part, rows + written
        task.release()
        del part
    followers = reference.kept(counts, catalogue, load.followers)
    followers.to_parquet(out / "followers.parquet", index=False)
    for path in (out / "past").iterdir():
        path.unlink()
    (out / "past").rmdir()
    return {"users": int(rows[0]), "pairs": int(rows[1]), "followers": len(followers)}


def _clean(events: pd.DataFrame, load: Workload, out: Path, part: int) -> pd.Series:
    """Writes the cleaned past of one part; returns how many of its users bought each item."""
    past = reference.clean(events.reset_index(drop=True), load)
    past = past[past["timestamp"] < pd.Timestamp(load.cutoff)]
    past.to_parquet(out / "past" / f"part-{part:05d}.parquet", index=False)
    return past.drop_duplicates(["user_id", "item_id"])["item_id"].value_counts()


def _features(load: Workload, out: Path, part: int, catalogue: pd.Index) -> tuple[sp.csr_matrix, int, int]:
    """Writes the users and pairs of one part; returns its counts of followers, and how many rows were written."""
    name = f"part-{part:05d}.parquet"
    past = pd.read_parquet(out / "past" / name)
    split = reference.history(past, catalogue, load)
    users, pairs = reference.users(past, load), reference.pairs(split)
    users.to_parquet(out / "users" / name, index=False)
    pairs.to_parquet(out / "pairs" / name, index=False)
    return reference.follower_counts(split), len(users), len(pairs)
