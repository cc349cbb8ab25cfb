"""What counting knows, as sources of a logit: each says what its name promises, and the weights are the likeliest."""

import numpy as np
import pytest
import scipy.sparse as sp
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


def test_titles_bring_what_is_called_alike(split):
    titles = np.array([[1.0, 0.0] if name in "abcdez" else [0.0, 1.0] for name in split.items])
    array = scores(sources.counting(split, titles=titles)["texts"], [0])[0][0]
    items = list(split.items)
    row = split.users[split.test_users][0]
    own, other = ("a", "f") if row in ("u00", "u02") else ("f", "a")
    assert row == "new" or array[items.index(own)] > array[items.index(other)]


def drawn(cases=400, items=30, count=300, seed=0):
    """One source tells all (weight 2), the other nothing."""
    rng = np.random.default_rng(seed)
    value, noise = rng.standard_normal((2, cases, items)).astype(np.float32)
    chance = np.exp(2 * value)
    chance /= chance.sum(axis=1, keepdims=True)
    bought = [rng.choice(items, p=one / one.sum()) for one in chance.astype(float)]
    answers = sp.coo_matrix((np.ones(cases, bool), (np.arange(cases), bought)), (cases, items)).tocsr()
    families = {"signal": lambda rows: [value[rows]], "noise": lambda rows: [noise[rows]]}
    return families, answers, sources.candidates(families, answers, np.arange(cases), count)


def test_a_logit_finds_the_weights_that_made_the_data():
    *_, data = drawn()
    logit = sources.fit_logit(data, ("signal", "noise"))
    assert logit.weights == pytest.approx([2, 0], abs=0.2)


def test_drawn_candidates_give_nearly_the_weights_of_the_whole_catalogue():
    whole, part = drawn(items=200)[2], drawn(items=200, count=100)[2]
    assert part.values.shape[1] == 100
    both = [sources.fit_logit(data, ("signal", "noise")).weights for data in (whole, part)]
    assert both[0] == pytest.approx(both[1], abs=0.15)


def test_a_logit_uses_no_family_but_those_named():
    families, answers, data = drawn()
    logits = {name: sources.fit_logit(data, (name,)) for name in ("signal", "noise")}
    assert [logit.columns.tolist() for logit in logits.values()] == [[0], [1]]
    found = sources.evaluated(families, logits, answers, np.arange(0, 400, 2))
    assert found.index.tolist() == list(range(0, 400, 2))
    assert found["signal"].mean() > 2 * found["noise"].mean()
