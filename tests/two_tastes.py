"""A tiny shop of two tastes, and how to make a split by hand."""

import numpy as np
import pandas as pd

from recsys_kit import preprocessing

CUTOFF = pd.Timestamp("2024-03-01", tz="UTC")


def make_split(baskets, answers=()):
    """Makes a split of baskets (user, days before the cutoff, "items") and of answers (user, "items")."""
    rows = [(user, CUTOFF - pd.Timedelta(days=days), item) for user, days, items in baskets for item in items]
    rows += [(user, CUTOFF + pd.Timedelta(days=1), item) for user, items in answers for item in items]
    events = pd.DataFrame(rows, columns=["user_id", "timestamp", "item_id"])
    events["basket_id"] = events["user_id"] + events["timestamp"].astype("str")
    events = events.sort_values("timestamp", kind="stable").reset_index(drop=True)
    return preprocessing.split_by_time(events, CUTOFF, min_users=1, min_items=1)


def split():
    """Two tastes: even users buy a to e, odd users f to j; everybody also buys z. User `new` has no history."""
    rng = np.random.default_rng(0)
    baskets, answers = [], [("new", "az")]
    for number in range(40):
        taste = "abcde" if number % 2 == 0 else "fghij"
        for day in range(5, 85, 8):
            baskets.append((f"u{number:02}", day, [*rng.choice(list(taste), 3, replace=False), "z"]))
        answers.append((f"u{number:02}", taste))
    return make_split(baskets, answers)


def random_split(seed, users=40):
    """Makes a split of random baskets of ten items, with an answer for some of the users."""
    rng = np.random.default_rng(seed)
    events = [
        (f"u{rng.integers(users)}", int(rng.integers(1, 200)), "abcdefghij"[rng.integers(10)]) for _ in range(400)
    ]
    return make_split(events, [(f"u{user}", "a") for user in rng.permutation(users)[:25]])


def score(scorer, split, user):
    """Returns the scores of one user of a split, by item."""
    row = int(np.flatnonzero(split.users[split.test_users] == user)[0])
    return dict(zip(split.items, scorer(np.array([row]))[0], strict=True))
