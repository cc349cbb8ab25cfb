"""A split of a small invented shop in which some items are new: what the tests of fusion share."""

import favourite_types
import numpy as np
import pytest

from recsys_kit.optimization import cold_items


@pytest.fixture(scope="module")
def case():
    """60 users, 40 items of 8 types; each fifth item is new."""
    split = favourite_types.split()
    return cold_items.arrivals(split, np.arange(len(split.items)) % 5 == 0)
