"""Reasons: each sentence says what the table holds."""

import light_shop
import numpy as np
import pandas as pd
import pytest

from recsys_kit.recommendation import reasons

TITLES = np.array(["Bread", "Butter", "Jam", "Soap"])


class Nothing:
    def of(self, users, items):
        return np.where(items == 2, 1, -1), np.ones(len(items))


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ({"count": 4, "gap_days": 9.2, "recency_days": 12.4}, "you buy it every 9 days, last 12 days ago"),
        ({"count": 2, "gap_days": 1.0, "recency_days": 0.3}, "you buy it every day, last today"),
        ({"count": 1, "recency_days": 1.2}, "you bought it yesterday"),
        ({"count": 1, "recency_days": 3, "now_display": 0.5}, "you bought it 3 days ago; on promotion this week"),
        ({"item": 2}, "goes with Butter, which you bought"),
        ({"item": 3, "type_count": 3}, "similar to what you buy: soap"),
        ({"item": 3}, "popular in the last weeks"),
    ],
)
def test_a_sentence_says_what_is_known(row, sentence):
    empty = {"user": 0, "item": 0, "count": np.nan, "gap_days": np.nan, "recency_days": np.nan, "type_count": 0}
    table = pd.DataFrame([empty | {"now_display": 0.0} | row])
    assert reasons.sentences(table, TITLES, np.char.upper(TITLES), Nothing()) == [sentence]


def test_a_companion_was_bought_lately_by_the_household():
    split = light_shop.task().validation
    companions = reasons.Companions(split)
    users = split.test_users[:20]
    items = np.arange(20) % len(split.items)
    best, weight = companions.of(users, items)
    counts = split.counts()
    for user, companion in zip(users[best >= 0], best[best >= 0], strict=True):
        assert counts[user, companion] > 0
    assert (weight[best >= 0] > 0).all()
