"""Households of the sample as newcomers who keep three baskets."""

import numpy as np
import pytest

from recsys_kit.optimization import newcomers


@pytest.fixture(scope="module")
def split(splits):
    return newcomers.lean(splits.test)


@pytest.fixture(scope="module")
def cases(split):
    return np.flatnonzero(newcomers.basket_counts(split) >= 10)[:40]


@pytest.fixture(scope="module")
def episode(shop, split, cases):
    return newcomers.episode(split, shop.items, cases, 3)
