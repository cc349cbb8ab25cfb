"""What counting knows, as sources: each says what its name promises."""

import numpy as np
import pytest
import two_tastes

from recsys_kit.diagnosis import sources


@pytest.fixture(scope="module")
def split():
    return two_tastes.split()


@pytest.fixture(scope="module")
def families(split):
    return sources.counting(split)


def scores(source, rows=(0, 1)):
    return source(np.array(rows))


def test_without_titles_and_plan_there_are_four_families(families):
    assert list(families) == ["popularity", "own counts", "time", "follows"]


def test_every_source_says_something_of_every_item(split, families):
    for name, source in families.items():
        for array in scores(source):
            assert array.shape == (2, len(split.items)), name
            assert np.isfinite(array).all(), name


def test_own_counts_are_the_customers_own(split, families):
    log_counts, bought = scores(families["own counts"], range(len(split.test_users)))
    seen = split.seen().toarray()
    assert (bought == seen).all()
    assert np.exp(log_counts) - 0.05 == pytest.approx(split.counts()[split.test_users].toarray(), abs=1e-4)


def test_what_follows_tells_the_tastes_apart(split, families):
    row = int(np.flatnonzero(split.users[split.test_users] == "u00")[0])
    items = list(split.items)
    same, other = [items.index(name) for name in "abcde"], [items.index(name) for name in "fghij"]
    for array in scores(families["follows"], [row])[:3]:
        assert array[0, same].min() > array[0, other].max()


def test_a_table_learned_from_nobody_of_one_taste_knows_nothing_of_it(split):
    even = np.array([str(name)[1:].isdigit() and int(str(name)[1:]) % 2 == 0 for name in split.users])
    popular = scores(sources.counting(split, even)["popularity"])[1][0]
    items = list(split.items)
    assert popular[items.index("a")] > popular[items.index("f")] + 2


def test_tables_may_be_older_than_what_customers_did(split):
    early = split.cutoff - np.timedelta64(60, "D")
    then, now = sources.counting(split, until=early), sources.counting(split)
    for name, same in (("popularity", True), ("own counts", True), ("follows", False)):
        assert np.allclose(scores(then[name])[0], scores(now[name])[0]) == same


def test_titles_bring_what_is_called_alike(split):
    titles = np.array([[1.0, 0.0] if name in "abcdez" else [0.0, 1.0] for name in split.items])
    array = scores(sources.counting(split, titles=titles)["texts"], [0])[0][0]
    items = list(split.items)
    row = split.users[split.test_users][0]
    own, other = ("a", "f") if row in ("u00", "u02") else ("f", "a")
    assert row == "new" or array[items.index(own)] > array[items.index(other)]


def test_tables_of_one_age_may_be_shared_between_moments(split):
    early = split.cutoff - np.timedelta64(60, "D")
    known = sources.tables(split, until=early)
    alone, shared = sources.counting(split, until=early), sources.counting(split, until=early, known=known)
    for name in alone:
        for one, other in zip(scores(alone[name]), scores(shared[name]), strict=True):
            assert np.array_equal(one, other), name
