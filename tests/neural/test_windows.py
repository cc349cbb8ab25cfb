import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_kit.neural import windows


@given(
    sizes=st.lists(st.integers(1, 12), max_size=5),
    length=st.integers(1, 6),
)
def test_windows_put_together_again_are_the_sequences(sizes, length):
    users = np.repeat(np.arange(len(sizes))[::-1] * 3, sizes)  # any numbers, in any order
    tokens = 1 + np.arange(len(users))
    (ids, twice), user, age = windows.token_windows(users, [tokens, 2 * tokens], length)
    assert ids.shape == twice.shape == (sum(-(-size // length) for size in sizes), length)
    for number in np.unique(users):
        rows = np.flatnonzero(user == number)[::-1]  # oldest window first
        assert age[rows].tolist() == list(range(len(rows)))[::-1]
        read = ids[rows].ravel()
        assert read[read > 0].tolist() == tokens[users == number].tolist()
        assert not read[: -(users == number).sum()].any()  # padding stands on the left of the oldest window alone
    assert np.array_equal(twice, 2 * ids)


def test_no_tokens_make_no_windows():
    tables, user, age = windows.token_windows(np.zeros(0, int), [np.zeros(0, int)], 4)
    assert tables[0].shape == (0, 4) and not len(user) and not len(age)


@pytest.mark.parametrize("length", [1, 2, 5])
def test_the_newest_token_stands_in_the_last_column(length):
    tables, _, age = windows.token_windows([0, 0, 0], [[1, 2, 3]], length)
    assert tables[0][age == 0][0, -1] == 3
