"""Rules: caps by hand, and what was bought in the last hours."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from recsys_kit.preprocessing import Split
from recsys_kit.recommendation import rules


def test_a_cap_keeps_the_best_of_each_label_and_skips_empty_places():
    labels = np.array(["milk", "milk", "tea", "tea"])
    stays = rules.cap(np.array([[0, 1, 2, -1], [3, 2, -1, 0]]), labels, most=1)
    assert stays.tolist() == [[True, False, True, False], [True, False, False, True]]
    assert rules.cap(np.array([[0, 1]]), np.array(["unknown", "unknown"]), most=1).all()
    with pytest.raises(ValueError, match="`most` must be 1 or more"):
        rules.cap(np.array([[0]]), labels, most=0)


def test_only_the_last_hours_count_as_today():
    now = pd.Timestamp("2024-05-02 12:00", tz="UTC")
    times = [now - pd.Timedelta(hours=hours) for hours in (30, 5, 1)]
    history = pd.DataFrame({"user": [0, 0, 1], "item": [0, 1, 2], "timestamp": times})
    split = Split(
        now,
        now,
        pd.Index(list("abc")),
        pd.Index(["u", "v"]),
        history,
        np.array([0, 1]),
        sp.csr_matrix((2, 3), dtype=bool),
        pd.DatetimeIndex([now, now]),
    )
    case, item = rules.bought_today(split, split.answer_times, hours=6)
    assert list(zip(case, item, strict=True)) == [(0, 1), (1, 2)]


def test_new_items_take_the_last_places_and_no_more_than_are_missing():
    known = np.array([True, True, True, True, False, False, False])
    lists = np.array([[0, 1, 2], [0, 4, 1], [0, -1, -1], [5, 4, 6]])
    fresh = np.array([[4, 5], [4, 5], [4, -1], [5, 4]])
    assert rules.with_discovery(lists, fresh, known, places=1).tolist() == [[0, 1, 4], [0, 4, 1], [0, 4, -1], [5, 4, 6]]
    assert rules.with_discovery(lists, fresh, known, places=2).tolist() == [[0, 4, 5], [0, 4, 5], [0, 4, -1], [5, 4, 6]]
    assert rules.with_discovery(lists, fresh, known, places=0).tolist() == lists.tolist()


@pytest.mark.parametrize("wrong", [{"discovery": -1}, {"not_again_hours": float("nan")}])
def test_a_rule_below_zero_is_an_error(wrong):
    with pytest.raises(ValueError, match=f"`{next(iter(wrong))}` must be 0 or more"):
        rules.Rules(**wrong)
