"""A table of baskets from rows of 0 and 1: what several test files of notebook 11 share."""

import numpy as np
import pandas as pd
import scipy.sparse as sp

from recsys_kit.cross_sell import association

ITEMS = pd.Index(["bread", "jam", "milk", "tea"])


def table_of(rows, users=None):
    matrix = sp.csr_matrix(np.array(rows, np.float32))
    users = np.zeros(len(rows), int) if users is None else np.array(users)
    time = pd.date_range("2025-01-01", periods=len(rows), tz="UTC")
    names = pd.Index([f"u{i}" for i in range(users.max() + 1)])
    return association.BasketTable(matrix, users, time, names, ITEMS[: matrix.shape[1]])


def themed(baskets=400, themes=4, each=5, seed=0):
    """Baskets of one theme each: knowing some items tells the others."""
    rng = np.random.default_rng(seed)
    rows = np.zeros((baskets, themes * each), np.float32)
    theme = rng.integers(0, themes, baskets)
    for row, t in enumerate(theme):
        rows[row, t * each + rng.permutation(each)[: rng.integers(2, each + 1)]] = 1
    table = table_of(rows[:, :4])
    return association.BasketTable(sp.csr_matrix(rows), table.user, table.time, table.users, np.arange(rows.shape[1]))
