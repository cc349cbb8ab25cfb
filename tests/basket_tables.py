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
