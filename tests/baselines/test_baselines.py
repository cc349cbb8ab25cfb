"""Promises of recsys_kit.baselines and recsys_kit.classic."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_kit import baselines, evaluation, preprocessing
from recsys_kit.baselines import lstm

EVENTS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5), st.integers(0, 6)), min_size=1, max_size=40)
CUTOFF = pd.Timestamp("2024-03-01", tz="UTC")


def make_split(baskets, answers=()):
    """Makes a split of baskets (user, days before the cutoff, "items") and of answers (user, "items")."""
    rows = [(user, CUTOFF - pd.Timedelta(days=days), item) for user, days, items in baskets for item in items]
    rows += [(user, CUTOFF + pd.Timedelta(days=1), item) for user, items in answers for item in items]
    events = pd.DataFrame(rows, columns=["user_id", "timestamp", "item_id"])
    events["basket_id"] = events["user_id"] + events["timestamp"].astype("str")
    events = events.sort_values("timestamp", kind="stable").reset_index(drop=True)
    return preprocessing.split_by_time(events, CUTOFF, min_users=1, min_items=1)


@pytest.fixture(scope="module")
def shop():
    """Two tastes: even users buy a to e, odd users f to j; everybody also buys z. User `new` has no history."""
    rng = np.random.default_rng(0)
    baskets, answers = [], [("new", "az")]
    for number in range(40):
        taste = "abcde" if number % 2 == 0 else "fghij"
        for day in range(5, 85, 8):
            baskets.append((f"u{number:02}", day, [*rng.choice(list(taste), 3, replace=False), "z"]))
        answers.append((f"u{number:02}", taste))
    return make_split(baskets, answers)


METHODS = {
    "popularity": baselines.popularity,
    "personal frequency": baselines.personal_frequency,
    "decayed frequency": lambda split: baselines.personal_frequency(split, decay=30),
    "user-kNN": lambda split: baselines.user_knn(split, neighbours=5),
    "item-kNN": lambda split: baselines.item_knn(split, neighbours=5),
    "co-occurrence": lambda split: baselines.cooccurrence(split, neighbours=5),
    "ALS": lambda split: baselines.als(split, factors=4),
    "BPR": lambda split: baselines.bpr(split, factors=4, iterations=100, rate=0.05),
    "SVD": lambda split: baselines.svd(split, factors=4),
    "WARP": lambda split: baselines.warp(split, factors=4),
}
EXTRA = {"SVD": "surprise", "WARP": "lightfm"}


def build(name, split):
    if name in EXTRA:
        pytest.importorskip(EXTRA[name], reason=f"{EXTRA[name]} comes with the extra `baselines`")
    return METHODS[name](split)


@pytest.mark.parametrize("name", METHODS)
def test_every_method_scores_the_whole_catalogue_with_finite_numbers(shop, name):
    scores = build(name, shop)(np.arange(len(shop.test_users)))
    assert scores.shape == shop.answers.shape
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("name", METHODS)
def test_the_same_seed_gives_the_same_scores(shop, name):
    rows = np.arange(len(shop.test_users))
    assert np.array_equal(build(name, shop)(rows), build(name, shop)(rows))


@pytest.mark.parametrize("name", METHODS)
def test_scores_do_not_depend_on_which_rows_are_asked_for_together(shop, name):
    scorer = build(name, shop)
    assert np.allclose(scorer(np.array([7, 3])), scorer(np.arange(10))[[7, 3]], atol=1e-5)


@pytest.mark.parametrize("name", [name for name in METHODS if name not in ("popularity", "SVD")])
def test_every_personal_method_finds_the_two_tastes(shop, name):
    known = np.arange(1, len(shop.test_users))  # case 0 is the user `new`
    scores = build(name, shop)(known)
    scores[:, shop.items.get_loc("z")] = -np.inf
    best = evaluation.top_k(scores, 5)
    assert np.take_along_axis(shop.answers[known].toarray(), best, 1).mean() > 0.9


@pytest.mark.parametrize("name", [name for name in METHODS if name not in ("popularity", "ALS", "BPR", "SVD", "WARP")])
def test_a_user_without_history_gets_the_popular_items(shop, name):
    case = int(np.flatnonzero(shop.users[shop.test_users] == "new")[0])
    scores = build(name, shop)(np.array([case]))[0]
    assert shop.items[np.argmax(scores)] == "z"


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


def test_the_future_does_not_change_a_score(shop):
    cut = make_split([("u", 10, "ab"), ("v", 3, "bc")], [("u", "a"), ("v", "c")])
    longer = make_split([("u", 10, "ab"), ("v", 3, "bc")], [("u", "a"), ("v", "c"), ("u", "bbb"), ("w", "b")])
    rows = np.arange(2)
    assert np.array_equal(baselines.cooccurrence(cut)(rows), baselines.cooccurrence(longer)(rows))


def test_cooccurrence_matches_a_table_worked_by_hand():
    # One user, bags of one item: 0, then 1, then 2. Lag 1 counts 1, lag 2 counts 1/2, backward pairs a tenth.
    table = baselines.cooccurrence_table(
        np.zeros(3, int), np.arange(3), np.arange(3), 3, lags=2, backward=0.1, from_power=0, to_power=0
    )
    assert table.toarray() == pytest.approx(np.array([[0, 1, 0.5], [0.1, 0, 1], [0.05, 0.1, 0]]))


def test_cooccurrence_of_baskets_pairs_every_item_with_every_later_item():
    table = baselines.cooccurrence_table([0, 0, 0], [0, 0, 1], [0, 1, 2], 3, backward=0, from_power=0, to_power=0)
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
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5), st.integers(0, 6)), min_size=1, max_size=40), st.randoms()
)
def test_the_order_of_the_rows_does_not_change_the_cooccurrence_table(events, random):
    shuffled = events.copy()
    random.shuffle(shuffled)
    tables = [baselines.cooccurrence_table(*np.array(rows).T, 7, block=3).toarray() for rows in (events, shuffled)]
    assert np.allclose(*tables)


@settings(max_examples=25, deadline=None)
@given(EVENTS)
def test_the_same_weight_both_ways_gives_a_symmetric_table(events):
    table = baselines.cooccurrence_table(*np.array(events).T, 7, backward=1, from_power=0.5, to_power=0.5).toarray()
    assert np.allclose(table, table.T, atol=1e-5)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda split: baselines.popularity(split, days=0), "`days`"),
        (lambda split: baselines.personal_frequency(split, decay=-1), "`decay`"),
        (lambda split: baselines.cooccurrence(split, lags=0), "`lags`"),
        (lambda split: lstm.examples(split, 4, items=4, negatives=4), "`negatives`"),
    ],
)
def test_a_setting_out_of_range_is_named_with_what_arrived(shop, call, words):
    with pytest.raises(ValueError, match=words + ".*Received"):
        call(shop)


@pytest.mark.parametrize("name", EXTRA)
def test_a_missing_extra_gives_one_clear_line(shop, name, monkeypatch):
    real = importlib.import_module
    missing = {"surprise", "lightfm"}

    def absent(module, *rest):
        if module in missing:
            raise ModuleNotFoundError(f"No module named {module!r}")
        return real(module, *rest)

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(ImportError, match=r"pip install 'recsys_kit\[baselines\]'") as caught:
        METHODS[name](shop)
    assert "\n" not in str(caught.value)


def test_importing_the_module_loads_no_optional_library():
    code = "import sys; from recsys_kit.baselines import frequency, lstm; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"implicit", "surprise", "lightfm", "keras", "tensorflow"} & set(loaded)


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


class TestClassicModel:
    def test_a_history_is_padded_on_the_right_and_keeps_the_newest(self):
        split = make_split([("u", 9, "a"), ("u", 5, "b"), ("u", 2, "c"), ("v", 1, "c")], [("u", "a")])
        assert lstm.histories(split, 2).tolist() == [[2, 3], [3, 0]]

    def test_examples_never_show_the_basket_that_is_asked_for(self):
        split = make_split([("u", 30 - day, [item]) for day, item in enumerate("abcdefgh")], [("u", "a")])
        past, items, labels = lstm.examples(split, 50, length=10, items=3, negatives=2)
        bought = items[:, 0]
        assert labels[:, 0].all() and not labels[:, 1:].any()
        assert (past[np.arange(50), (past > 0).sum(1) - 1] == bought - 1).all()
        assert not (past == bought[:, None]).any()

    def test_a_shop_without_second_baskets_is_refused_in_words(self):
        with pytest.raises(ValueError, match="at least two baskets"):
            lstm.examples(make_split([("u", 3, "ab"), ("v", 2, "b")], [("u", "a")]), 4)

    def test_scores_of_the_whole_catalogue_order_items_as_the_model_does(self, shop):
        model, curve = lstm.lstm(shop, count=256, epochs=1, width=8, length=6)
        logits = lstm.lstm_scorer(model, shop)(np.arange(5))
        past = lstm.histories(shop, 6)[shop.test_users[:5]]
        every = np.tile(np.arange(1, len(shop.items) + 1, dtype="int32"), (5, 1))
        probability = lstm.probabilities(model, past, every)
        assert len(curve) == 1
        assert np.allclose(lstm.lstm_scorer(model, shop, np.ones(11))(np.arange(5)), logits + 1, atol=1e-5)
        assert np.allclose(1 / (1 + np.exp(-logits)), probability, atol=1e-5)

    def test_padding_does_not_change_a_prediction(self):
        model = lstm.lstm_model(5, length=8, width=4)
        short, long = np.array([[1, 2, 0, 0, 0, 0, 0, 0]]), np.array([[1, 2, 0, 0]])
        other = lstm.lstm_model(5, length=4, width=4)
        other.set_weights(model.get_weights())
        item = np.array([[3]])
        assert lstm.probabilities(model, short, item) == pytest.approx(lstm.probabilities(other, long, item))

    def test_the_model_learns_the_two_tastes(self, shop):
        model, curve = lstm.lstm(shop, count=3000, epochs=8, width=8, length=6)
        known = np.arange(1, len(shop.test_users))
        assert curve["loss"].iloc[-1] < 0.5 < curve["loss"].iloc[0]
        scores = lstm.lstm_scorer(model, shop)(known)
        scores[:, shop.items.get_loc("z")] = -np.inf
        assert np.take_along_axis(shop.answers[known].toarray(), evaluation.top_k(scores, 5), 1).mean() > 0.9
