"""Leave one out: reads a next-item benchmark, hides each user's last items, and judges a method on them.

Letters for shapes: U users, B users of a batch, L positions, V items (ids 1..V; 0 is padding).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp

from recsys_kit import evaluation
from recsys_kit.neural.ranges import ragged
from recsys_kit.next_item import formats
from recsys_kit.preprocessing import Split

__all__ = ["LeaveOneOut", "as_split", "judge", "judge_each", "padded", "read"]


@dataclass(frozen=True)
class LeaveOneOut:
    """Sequences split by place: the last item is the test, the one before it the validation, the rest is trained on.

    Attributes:
        items: (rows,) item ids 1..V, user after user, in time order.
        start: (U + 1,) where each user's items begin.
        size: V.
        fingerprint: Short hash of the sequences.
        read_as: How the file was understood, in words.
    """

    items: np.ndarray = field(repr=False)
    start: np.ndarray = field(repr=False)
    size: int
    fingerprint: str
    read_as: str = ""

    def history(self, held_out: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns (U,) where each user's visible items begin and end when the last `held_out` are hidden."""
        return self.start[:-1], self.start[1:] - held_out

    def events(self, held_out: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Returns the visible events: (E,) their user, their place in the user's sequence, their item 0..V - 1."""
        flat, owner, place = ragged(*self.history(held_out))
        return owner, place, self.items[flat] - 1

    def matrix(self, low: np.ndarray, high: np.ndarray) -> sp.csr_matrix:
        """Returns the (U, V) boolean matrix of the items in each user's range."""
        flat, owner, _ = ragged(low, high)
        shape = (len(low), self.size)
        return sp.coo_matrix((np.ones(len(flat), bool), (owner, self.items[flat] - 1)), shape).tocsr()


def read(path: str | Path) -> LeaveOneOut:
    """Reads a benchmark file: one user a line, or one interaction a line or row, see `formats`.

    Users with fewer than three items are left out.

    Args:
        path: Text file, CSV or Parquet.

    Raises:
        ValueError: If a line can't be read, a value is missing, the file could be meant in two ways, or no user has at
            least four items (one to start from, one to learn, one for validation, one for the test).
    """
    path = Path(path)
    users, names, said = formats.interactions(path)
    user, items = pd.factorize(users)[0], pd.factorize(names)[0] + 1
    order = np.argsort(user, kind="stable")
    user, items = user[order], items[order].astype(np.int32)
    count = np.bincount(user)
    if not (count >= 4).any():
        raise ValueError(
            f"{path.name}: no user has at least 4 items; two are held out for validation and test. "
            f"It was read as {said}."
        )
    enough = count[user] >= 3
    short = int((count < 3).sum())
    said += f"; {short:,} of {len(count):,} users have fewer than 3 items and are left out" if short else ""
    user, items = pd.factorize(user[enough])[0], (pd.factorize(items[enough])[0] + 1).astype(np.int32)
    start = np.searchsorted(user, np.arange(user[-1] + 2))
    digest = hashlib.sha256(items.tobytes() + start.tobytes()).hexdigest()[:12]
    return LeaveOneOut(items, start, int(items.max()), digest, said)


def padded(
    data: LeaveOneOut, low: np.ndarray, high: np.ndarray, shape: tuple[int, int] = (0, 0)
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cuts ranges of `data.items` out as the rows of a batch.

    Args:
        data: The sequences.
        low: (B,) where each row begins.
        high: (B,) where it ends.
        shape: Least B and L; empty rows and places are added.

    Returns:
        ids (B, L), padded on the right; the flat places (T,) of the real positions; their places (T,) in `data.items`.
    """
    flat, owner, place = ragged(low, high)
    ids = np.zeros((max(len(low), shape[0]), max(int((high - low).max()), shape[1])), np.int32)
    ids[owner, place] = data.items[flat]
    return ids, (owner * ids.shape[1] + place).astype(np.int32), flat


def judge(
    scorer: evaluation.Scorer, data: LeaveOneOut, held_out: int, users: np.ndarray | None = None
) -> dict[str, float]:
    """Ranks the whole catalogue for the first hidden item; seen items are left out, ties count against the method.

    Where the hidden item is one that the user has seen, it can't be found and counts as missed.

    Args:
        scorer: Maps users (B,) to scores (B, V).
        data: The sequences.
        held_out: 2: the validation item is the answer; 1: the test item, and the validation item is visible.
        users: (N,) users to judge; None for all.

    Returns:
        Means of `recall@5`, `ndcg@5`, `recall@10`, `ndcg@10`.
    """
    return judge_each(scorer, data, held_out, users).mean().to_dict()


def judge_each(
    scorer: evaluation.Scorer, data: LeaveOneOut, held_out: int, users: np.ndarray | None = None
) -> pd.DataFrame:
    """Does what `judge` does, user by user.

    Returns:
        One row a user, in the order of `users`, with the columns that `judge` returns the means of.
    """
    users = np.arange(len(data.start) - 1) if users is None else users
    low, high = (part[users] for part in data.history(held_out))
    answers, seen = data.matrix(high, high + 1), data.matrix(low, high)
    block = int(np.clip(2**25 // data.size, 1, 512))  # at most 128 MB of scores
    table = evaluation.evaluate(lambda rows: scorer(users[rows]), answers, k=(5, 10), exclude=seen, block=block)
    return table[["recall@5", "ndcg@5", "recall@10", "ndcg@10"]].reindex(range(len(users)), fill_value=0.0)


def as_split(events: pd.DataFrame, items: pd.Index) -> tuple[pd.DataFrame, Split]:
    """Hides the last item of every user of a shop and leaves everything else as history: leave one out, for a `Split`.

    It is how public benchmarks judge, and it leaks: see notebook 06.

    Args:
        events: Cleaned events in time order.
        items: (V,) the catalogue; other items are left out.

    Returns:
        The hidden rows, one a user with at least three, with `has_company`: whether others of its basket stay visible;
        and the split whose answers they are.
    """
    known = events[["user_id", "basket_id", "timestamp"]].assign(item=items.get_indexer(events["item_id"]))
    known = known[known["item"] >= 0].copy()
    known["user"], users = pd.factorize(known["user_id"], sort=True)
    enough = known.groupby("user")["item"].transform("size") >= 3
    last = enough & ~known.duplicated("user", keep="last")
    known["has_company"] = known.duplicated("basket_id", keep=False)
    test = known[last].sort_values("user")
    cells = (np.ones(len(test), bool), (np.arange(len(test)), test["item"]))
    end = known["timestamp"].max() + pd.Timedelta(seconds=1)
    return test, Split(
        cutoff=end,
        end=end,
        items=items,
        users=pd.Index(users, name="user_id"),
        history=known[~last].reset_index(drop=True),
        test_users=test["user"].to_numpy(),
        answers=sp.coo_matrix(cells, (len(test), len(items))).tocsr(),
        answer_times=pd.DatetimeIndex(test["timestamp"]),
    )
