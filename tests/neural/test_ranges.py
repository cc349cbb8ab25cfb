"""Ranges of a flat array come out one after the other."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recsys_kit.neural.ranges import ragged


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 6)), min_size=1, max_size=8))
def test_ragged_lists_each_range_in_turn(ranges):
    low = np.array([start for start, _ in ranges])
    flat, owner, place = ragged(low, low + np.array([length for _, length in ranges]))
    expected = [(start + i, number, i) for number, (start, length) in enumerate(ranges) for i in range(length)]
    assert list(zip(flat.tolist(), owner.tolist(), place.tolist(), strict=True)) == expected
