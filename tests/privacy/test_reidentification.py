import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from recsys_kit.privacy import reidentification


@pytest.fixture
def shop():
    """Thirty households, forty items, half a year."""
    rng = np.random.default_rng(0)
    user, item = rng.integers(0, 30, 3000), rng.integers(0, 40, 3000)
    times = pd.Series(pd.Timestamp("2020-01-01", tz="UTC") + pd.to_timedelta(rng.integers(0, 180, 3000), "D"))
    return user, pd.Series(item), times


def test_a_period_holds_its_times_and_a_longer_one_joins_shorter_ones(shop):
    times = shop[2]
    for when in reidentification.WHEN:
        assert (reidentification.periods(times, when) <= times).all()
    months = pd.DataFrame(
        {"day": reidentification.periods(times, "day"), "month": reidentification.periods(times, "month")}
    )
    assert months.groupby("day")["month"].nunique().max() == 1
    with pytest.raises(ValueError, match="Received: 'hour'"):
        reidentification.periods(times, "hour")


def test_an_attacker_knows_true_and_different_purchases(shop):
    user, item, times = shop
    place = reidentification.places(item, times, "week")
    targets, rows = reidentification.known_purchases(user, place, 4, 3, 1)
    assert rows.shape == (len(targets), 3, 4)
    assert (user[rows] == targets[:, None, None]).all()
    assert all(len(set(place[drawn])) == 4 for target in rows for drawn in target)


def test_who_has_bought_too_little_is_no_target():
    targets, rows = reidentification.known_purchases(np.array([0, 0, 1]), np.array([0, 1, 1]), 2)
    assert targets.tolist() == [0] and rows.shape == (1, 5, 2)


def test_a_crowd_is_counted_as_by_hand(shop):
    user, item, times = shop
    place = reidentification.places(item, times, "month")
    _, rows = reidentification.known_purchases(user, place, 3, 2, 0)
    found = reidentification.crowds(user, place, rows)
    owners = [set(user[place == p]) for p in range(place.max() + 1)]
    for n, d in np.ndindex(rows.shape[:2]):
        left = set(user)
        for m, row in enumerate(rows[n, d]):
            left &= owners[place[row]]
            assert found[n, d, m] == len(left) >= 1


def test_more_knowledge_and_a_finer_release_never_make_the_crowd_larger(shop):
    user, item, times = shop
    fine = reidentification.places(item, times, "week")
    _, rows = reidentification.known_purchases(user, fine, 5, 2, 0)
    found = reidentification.crowds(user, fine, rows)
    assert (np.diff(found, axis=2) <= 0).all()
    assert (reidentification.crowds(user, reidentification.places(item, times, "year"), rows) >= found).all()


def test_releases_of_the_same_households_are_linked_and_a_tie_is_none():
    profiles = sp.csr_matrix(np.eye(6) * 3 + 1)
    assert reidentification.linked(profiles, profiles).all()
    assert not reidentification.linked(sp.csr_matrix(np.ones((4, 3))), sp.csr_matrix(np.ones((4, 3)))).any()
