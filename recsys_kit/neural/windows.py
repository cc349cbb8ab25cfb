"""Long sequences cut into windows that a model sees at once (notebook 04).

Letters for shapes: E tokens of all users in the order in which they are read, W windows, L positions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["token_windows"]


def token_windows(
    users: np.ndarray, columns: Sequence[np.ndarray], length: int
) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """Cuts each user's sequence into windows of `length`, from its end: the newest token stands in the last column.

    Args:
        users: (E,) user of each token; a user's tokens stand together, oldest first.
        columns: What is to be cut, each (E,) integers: the tokens, what comes after them, …
        length: Positions of a window, L.

    Returns:
        For each column a table (W, L), padded with 0 on the left; the user of each window (W,); and its age (W,): 0 is
        the user's newest, 1 the one before.

    Example:
        A user with five tokens, then one with a single token:

        >>> tables, user, age = token_windows([7, 7, 7, 7, 7, 9], [[1, 2, 3, 4, 5, 6]], length=3)
        >>> tables[0].tolist(), user.tolist(), age.tolist()
        ([[3, 4, 5], [0, 1, 2], [0, 0, 6]], [7, 7, 9], [0, 1, 0])
    """
    users = np.asarray(users)
    new = np.r_[True, users[1:] != users[:-1]] if len(users) else np.zeros(0, bool)
    owner = np.cumsum(new) - 1  # 0, 1, 2, … in the order of appearance
    ends = np.r_[np.flatnonzero(new)[1:], len(users)] if len(users) else np.zeros(0, int)
    back = ends[owner] - 1 - np.arange(len(users))  # how many tokens of the same user follow
    most = back.max(initial=0) + 1
    key, row = np.unique(owner * most + back // length, return_inverse=True)  # (W,), (E,)
    tables = []
    for column in columns:
        table = np.zeros((len(key), length), np.int32)
        table[row, length - 1 - back % length] = column
        tables.append(table)
    return tables, users[new][key // most], key % most
