"""A few made-up households for the small head of notebook 20."""

import numpy as np

from recsys_kit.privacy import small_head


def homes(count=6, windows=2, items=7, seed=0):
    rng = np.random.default_rng(seed)
    facts = rng.normal(size=(count, windows, items, len(small_head.FACTS))).astype("float32")
    valid = np.ones((count, windows, items), bool)
    valid[:, :, items - 2 :] = rng.random((count, windows, 2)) < 0.5
    bought = ((rng.random((count, windows, items)) < 0.4) & valid).astype("float32")
    bought[0, 0] = [1] + [0] * (items - 1)
    bought[-1, -1] = 0
    return small_head.Households(facts, bought, valid)
