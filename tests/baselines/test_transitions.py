import os
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from two_tastes import make_split

from recsys_kit import baselines, evaluation
from recsys_kit.baselines import PairWeights

EVENTS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5), st.integers(0, 6)), min_size=1, max_size=40)


def test_the_future_does_not_change_a_score():
    cut = make_split([("u", 10, "ab"), ("v", 3, "bc")], [("u", "a"), ("v", "c")])
    longer = make_split([("u", 10, "ab"), ("v", 3, "bc")], [("u", "a"), ("v", "c"), ("u", "bbb"), ("w", "b")])
    rows = np.arange(2)
    assert np.array_equal(baselines.cooccurrence(cut)(rows), baselines.cooccurrence(longer)(rows))


def test_cooccurrence_matches_a_table_worked_by_hand():
    # One user, bags of one item: 0, then 1, then 2. Lag 1 counts 1, lag 2 counts 1/2, backward pairs a tenth.
    table = baselines.cooccurrence_table(
        np.zeros(3, int), np.arange(3), np.arange(3), 3, lags=2, weights=PairWeights(0.1, 0, 0)
    )
    assert table.toarray() == pytest.approx(np.array([[0, 1, 0.5], [0.1, 0, 1], [0.05, 0.1, 0]]))


def test_cooccurrence_of_baskets_pairs_every_item_with_every_later_item():
    table = baselines.cooccurrence_table([0, 0, 0], [0, 0, 1], [0, 1, 2], 3, weights=PairWeights(0, 0, 0))
    assert table.toarray().tolist() == [[0, 0, 1], [0, 0, 1], [0, 0, 0]]


def test_cooccurrence_keeps_the_strongest_followers():
    users, steps, items = [0] * 5, [0, 1, 2, 3, 4], [0, 1, 2, 1, 3]
    full = baselines.cooccurrence_table(users, steps, items, 4, block=2).toarray()
    few = baselines.cooccurrence_table(users, steps, items, 4, neighbours=2, block=2).toarray()
    assert ((few > 0).sum(1) <= 2).all()
    assert np.array_equal(few, np.where(full >= np.sort(full, 1)[:, -2:-1], full, 0))


def test_cooccurrence_never_pairs_items_of_different_users():
    table = baselines.cooccurrence_table([0, 1], [0, 1], [0, 1], 2)
    assert table.nnz == 0


def test_recent_items_weigh_the_newest_most():
    weights = baselines.recent_items([0, 0, 0], [0, 1, 2], [0, 1, 2], 2, 3, last=2, decay=0.5)
    assert weights.toarray().tolist() == [[0, 0.5, 1], [0, 0, 0]]


@settings(max_examples=25, deadline=None)
@given(EVENTS, st.randoms())
def test_the_order_of_the_rows_does_not_change_the_cooccurrence_table(events, random):
    shuffled = events.copy()
    random.shuffle(shuffled)
    tables = [baselines.cooccurrence_table(*np.array(rows).T, 7, block=3).toarray() for rows in (events, shuffled)]
    assert np.allclose(*tables)


@settings(max_examples=25, deadline=None)
@given(EVENTS)
def test_the_same_weight_both_ways_gives_a_symmetric_table(events):
    same = PairWeights(backward=1, from_power=0.5, to_power=0.5)
    table = baselines.cooccurrence_table(*np.array(events).T, 7, weights=same).toarray()
    assert np.allclose(table, table.T, atol=1e-5)


def benchmark_file():
    folder = Path(os.environ.get("RECSYS_KIT_BENCHMARKS", Path(__file__).parents[3] / "shared" / "benchmarks"))
    return folder / "Beauty.txt"


@pytest.mark.slow
@pytest.mark.skipif(
    not benchmark_file().exists(), reason="no Beauty.txt; set RECSYS_KIT_BENCHMARKS to the folder that holds it"
)
def test_cooccurrence_beats_the_known_figure_on_amazon_beauty():
    sequences = [np.array(line.split()[1:], int) - 1 for line in benchmark_file().read_text().splitlines()]
    n_items = max(s.max() for s in sequences) + 1
    answers = sp.csr_matrix((np.ones(len(sequences), bool), (np.arange(len(sequences)), [s[-1] for s in sequences])))

    def events(cut):  # without the last `cut` items of each user
        users = np.repeat(np.arange(len(sequences)), [len(s) - cut for s in sequences])
        steps = np.concatenate([np.arange(len(s) - cut) for s in sequences])
        return users, steps, np.concatenate([s[: len(s) - cut] for s in sequences])

    table = baselines.cooccurrence_table(*events(2), n_items)
    recent = baselines.recent_items(*events(1), len(sequences), n_items)
    users, _, items = events(1)
    seen = sp.csr_matrix((np.ones(len(users), bool), (users, items)), recent.shape)
    answers.resize(recent.shape)
    result = evaluation.evaluate(lambda rows: (recent[rows] @ table).toarray(), answers, exclude=seen)
    assert result["recall"].mean() > 0.0789
    assert result["ndcg"].mean() > 0.0492


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.integers(0, 4), min_size=6, max_size=6), min_size=1, max_size=5), st.integers(1, 7))
def test_the_largest_entries_of_a_row_are_kept_with_those_equal_to_the_smallest_of_them(rows, k):
    table = np.array(rows, np.float32)
    least = np.sort(table, axis=1)[:, -min(k, 6)][:, None]
    kept = baselines.largest_entries(sp.csr_matrix(table), k)
    assert np.array_equal(kept.toarray(), np.where(table >= least, table, 0))


def test_a_look_ahead_of_no_step_is_refused_with_what_arrived(shop):
    with pytest.raises(ValueError, match=r"`lags`.*Received"):
        baselines.cooccurrence(shop, lags=0)
