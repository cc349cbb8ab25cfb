import numpy as np
import pytest
from two_tastes import make_split

from recsys_kit import baselines


def test_popularity_counts_only_the_last_days():
    split = make_split([("u", 100, "aaa"), ("v", 10, "b")], [("u", "a")])
    assert baselines.recent_popularity(split, days=60).tolist() == [0, 1]
    assert baselines.recent_popularity(split, days=365).tolist() == pytest.approx([1, 1 / 3])


def test_decayed_counts_match_a_sum_worked_by_hand():
    split = make_split([("u", 10, "ab"), ("u", 20, "a")], [("u", "a")])
    expected = [np.exp(-10 / 20) + np.exp(-20 / 20), np.exp(-10 / 20)]
    assert baselines.decayed_counts(split, decay=20).toarray()[0] == pytest.approx(expected)


def test_popularity_breaks_ties_but_never_overrules_a_count():
    split = make_split([("u", 10, "abb"), *[(f"v{n}", 5, "ac") for n in range(9)]], [("u", "a")])
    scores = baselines.personal_frequency(split)(np.array([0]))[0]
    assert np.argsort(-scores).tolist() == [1, 0, 2]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda split: baselines.popularity(split, days=0), "`days`"),
        (lambda split: baselines.personal_frequency(split, decay=-1), "`decay`"),
    ],
)
def test_a_setting_out_of_range_is_named_with_what_arrived(shop, call, words):
    with pytest.raises(ValueError, match=words + ".*Received"):
        call(shop)
