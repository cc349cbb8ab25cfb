"""Promises of `transfer`: parts do not overlap, and a gain is counted household by household."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from recsys_kit.optimization import small_task, transfer

USERS = pd.Index([f"u{i}" for i in range(100)])


def visits():
    store = np.arange(100) % 10
    rows = [(user, f"s{s}") for user, s in zip(USERS, store, strict=True) for _ in range(3)]
    rows += [(user, f"s{(s + 1) % 10}") for user, s in zip(USERS, store, strict=True)]  # a visit elsewhere
    return pd.DataFrame(rows, columns=["user_id", "store_id"]), store


def test_a_household_belongs_to_the_store_that_it_visits_most():
    events, store = visits()
    part = transfer.store_parts(events, USERS, 0.3)
    assert part.sum() == 30
    assert all(len(set(part[store == s])) == 1 for s in range(10))


@pytest.mark.parametrize("events", [pd.DataFrame({"user_id": USERS}), visits()[0].assign(store_id="one")])
def test_without_stores_the_parts_are_drawn(events):
    part = transfer.store_parts(events, USERS, 0.3)
    assert part.sum() == 30
    assert (part == transfer.store_parts(events, USERS, 0.3)).all()


def test_the_part_of_the_new_stores_must_be_a_part():
    with pytest.raises(ValueError, match=r"`target` must lie between 0 and 1. Received: target=1"):
        transfer.store_parts(visits()[0], USERS, 1)


def toy_task():
    """Households walk through types in order, so that the next one is known to whoever has seen others walk."""
    ids = np.stack([np.arange(u % 4 + 1, u % 4 + 10) for u in range(100)]).astype(np.int32)  # (U, L + 1)
    answers = sp.csr_matrix(np.eye(15, dtype=bool)[ids[:, -1]])  # id last + 1, as column last
    look = small_task.Moment(ids[:, 1:], np.arange(100), answers)
    return small_task.NextTypes(pd.Index(range(15)), USERS, ids, look, look)


def test_what_the_old_stores_taught_helps_where_there_is_little_to_learn_from():
    target = np.arange(100) % 2 == 0
    recipe = small_task.Recipe(width=16, epochs=3, patience=2, learning_rate=1e-2)
    results, cost = transfer.curves(toy_task(), target, recipe, (0.05, 1.0), (2, 1), pretrain_epochs=12)
    gains = transfer.gains(results, draws=200)
    assert gains.index.tolist() == [0.05, 1.0]
    assert gains.loc[0.05, "low"] > 0
    assert results[0.0, "pretrained"]["ndcg"].mean() > gains.loc[0.05, "scratch"]
    assert all(len(result) == target.sum() for result in results.values())
    assert cost.loc[cost["share"] == 0.05, "households"].eq(2).all()


def test_a_gain_is_the_mean_of_the_paired_differences():
    a, b = pd.DataFrame({"ndcg": [0.5, 0.7]}), pd.DataFrame({"ndcg": [0.4, 0.2]})
    gains = transfer.gains({(0.1, "pretrained"): a, (0.1, "scratch"): b}, draws=50)
    assert gains.loc[0.1, "difference"] == pytest.approx(0.3)
    assert SimpleNamespace(**gains.loc[0.1]).cases == 2
