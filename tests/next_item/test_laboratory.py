import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import mutual_info_score

from recsys_kit import baselines, datasets, preprocessing
from recsys_kit.next_item import LeaveOneOut, laboratory
from recsys_kit.next_item.laboratory import Truth

SMALL = {"users": 1500, "length": 10}
EACH = [Truth(counts=1.0), Truth(markov=1.0), Truth(combinations=1.0)]
MIXED = Truth(counts=0.3, markov=0.2, combinations=0.4, lags=(1, 3))


def ndcg(scorer, data):
    return laboratory.judge(scorer, data).mean()


def grid(data):
    """The sequences as (U, L) columns; all are of one length."""
    return data.items.reshape(len(data.start) - 1, -1) - 1


def bits(one, other):
    """How much one label says about another, in bits; without the part that chance alone would give."""
    chance = (len(np.unique(one)) - 1) * (len(np.unique(other)) - 1) / (2 * len(one))
    return (mutual_info_score(one, other) - chance) / np.log(2)


def told(truth, data, lags=(1, 2)):
    """What two colours say of the shelf of the next item, each alone and both together, in bits."""
    items = grid(data)[:, 4:]
    past = grid(data)
    colours = [truth.colour[past[:, 4 - lag : past.shape[1] - lag]].ravel() for lag in lags]
    shelf = truth.shelf[items].ravel()
    return [bits(colour, shelf) for colour in colours] + [bits(colours[0] * truth.groups + colours[1], shelf)]


def test_each_shelf_holds_as_many_items_of_each_colour():
    truth = Truth(groups=4, each=2)
    assert pd.crosstab(truth.shelf, truth.colour).to_numpy().tolist() == [[2] * 4] * 4


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.integers(0, 4))
def test_true_chances_add_up_to_one_at_every_place(seed, place):
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 3, (5, MIXED.size))
    recent = rng.integers(0, MIXED.size, (5, 3))
    recent[:, place:] = -1
    np.testing.assert_allclose(MIXED.chances(counts, recent).sum(axis=1), 1)


def test_a_combination_worked_by_hand_needs_both_colours():
    truth = Truth(combinations=1.0, groups=4, each=3)
    recent = np.array([[np.flatnonzero(truth.colour == 1)[0], np.flatnonzero(truth.colour == 2)[0]]])
    chances = truth.chances(np.zeros((1, truth.size)), recent)[0]
    assert (chances[truth.shelf == 3] == 1 / 12).all() and chances[truth.shelf != 3].sum() == 0  # 01 and 10 make 11


@pytest.mark.parametrize("truth", [*EACH, MIXED])
def test_the_same_seed_gives_the_same_shop_and_another_one_another(truth):
    first, again, other = (laboratory.simulate(truth, seed=seed, **SMALL) for seed in (1, 1, 2))
    assert first.fingerprint == again.fingerprint != other.fingerprint
    assert np.array_equal(first.items, again.items)


def test_one_of_two_colours_says_nothing_and_both_say_all():
    truth = Truth(combinations=1.0, groups=4, each=3)
    one, other, both = told(truth, laboratory.simulate(truth, **SMALL))
    assert abs(one) < 0.01 and abs(other) < 0.01 and both == pytest.approx(2, abs=0.01)  # log2 of four shelves


def test_in_a_shop_of_combinations_no_single_item_and_no_count_says_anything():
    truth = Truth(combinations=1.0)
    data = laboratory.simulate(truth, users=4000, length=10)
    guess = ndcg(lambda users: np.tile(np.arange(truth.size) * 1.0, (len(users), 1)), data)
    for scorer in (laboratory.by_household(data, 1), laboratory.by_last_item(data, 1)):
        assert ndcg(scorer, data) == pytest.approx(guess, abs=0.02)
    assert ndcg(laboratory.by_pairs(data, 1), data) > 1.8 * guess


@pytest.mark.parametrize("lags", [(1, 2), (1, 4), (2, 3)])
def test_the_two_items_of_a_combination_may_lie_apart(lags):
    truth = Truth(combinations=1.0, lags=lags)
    one, other, both = told(truth, laboratory.simulate(truth, **SMALL), lags)
    assert abs(one) < 0.01 and abs(other) < 0.01 and both > 0.95


def test_with_all_knobs_at_0_nothing_says_anything():
    truth = Truth()
    data = laboratory.simulate(truth, **SMALL)
    assert max(told(truth, data)) < 0.01
    best = ndcg(laboratory.oracle(truth, data, 1), data)
    assert best == pytest.approx(ndcg(laboratory.by_last_item(data, 1), data), abs=0.02)


@pytest.mark.parametrize("truth", [*EACH[1:], Truth(combinations=1.0, groups=4, each=3)])
def test_with_a_knob_at_1_the_oracle_never_names_a_wrong_shelf(truth):
    data = laboratory.simulate(truth, **SMALL)
    scores = laboratory.oracle(truth, data, 1)(np.arange(SMALL["users"]))
    answer = grid(data)[:, -1]
    assert (truth.shelf[scores.argmax(axis=1)] == truth.shelf[answer]).all()


@pytest.mark.parametrize("truth", [*EACH, MIXED])
def test_no_counting_rule_beats_the_oracle(truth):
    data = laboratory.simulate(truth, users=3000, length=10)
    best = ndcg(laboratory.oracle(truth, data, 1), data)
    rules = laboratory.by_household, laboratory.by_last_item, laboratory.by_pairs
    assert max(ndcg(rule(data, 1), data) for rule in rules) < best + 0.01


def test_where_only_counts_matter_counting_is_the_oracle_and_order_changes_nothing():
    truth = Truth(counts=1.0)
    data = laboratory.simulate(truth, **SMALL)
    mixed = laboratory.shuffled(data, held_out=1)
    users = np.arange(SMALL["users"])
    np.testing.assert_allclose(
        laboratory.oracle(truth, mixed, 1)(users), laboratory.oracle(truth, data, 1)(users), atol=1e-6
    )
    best = ndcg(laboratory.oracle(truth, data, 1), data)
    assert ndcg(laboratory.by_household(data, 1), data) == pytest.approx(best, abs=0.01)


def test_where_the_last_item_matters_shuffling_takes_most_of_it():
    truth = Truth(markov=1.0)
    data, noise = (laboratory.simulate(one, **SMALL) for one in (truth, Truth()))
    mixed = laboratory.shuffled(data)
    there, left, nothing = (ndcg(laboratory.by_last_item(one, 1), one) for one in (data, mixed, noise))
    assert nothing - 0.01 < left < nothing + 0.25 * (there - nothing)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.integers(0, 3))
def test_shuffling_keeps_each_users_items_and_the_answers(seed, held_out):
    data = laboratory.simulate(MIXED, users=20, length=6)
    mixed = laboratory.shuffled(data, held_out, seed)
    np.testing.assert_array_equal(np.sort(grid(mixed)), np.sort(grid(data)))
    np.testing.assert_array_equal(grid(mixed)[:, 6 - held_out :], grid(data)[:, 6 - held_out :])
    assert laboratory.shuffled(data, held_out, seed).fingerprint == mixed.fingerprint


def test_decayed_counts_prefer_the_newer_item():
    data = laboratory.simulate(Truth(), users=50, length=4)
    scores = laboratory.by_household(data, 1, decay=0.5)(np.arange(50))
    last = grid(data)[:, 2]
    assert (scores.argmax(axis=1) == last).mean() > 0.95  # an older item bought twice may be level


def test_what_followed_a_pair_is_found_in_whichever_order_the_pair_comes():
    """The first user took 1, 2, then 3; the second has taken 2 and 1."""
    data = LeaveOneOut(np.array([1, 2, 3, 4, 4, 2, 1, 3], np.int32), np.array([0, 5, 8]), 4, "by hand")
    scores = laboratory.by_pairs(data, 1, strength=0.1)(np.array([1]))
    assert scores.argmax() == 3 - 1


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A simulated shop, read as one's own would be."""
    folder = tmp_path_factory.mktemp("laboratory")
    data = laboratory.simulate(Truth(counts=0.8), users=300, length=30)
    laboratory.to_events(data).to_csv(folder / "events.csv", index=False)
    return data, datasets.read_shop(folder)


def test_the_events_of_a_simulated_shop_are_the_sequences(shop):
    data, read = shop
    events = read.events.sort_values("timestamp")
    first = events[events["user_id"] == "household 7"]["item_id"].tolist()
    assert first == [f"item {item + 1}" for item in grid(data)[7]]
    assert len(events) == len(data.items) and events["basket_id"].is_unique


def test_shuffled_baskets_stay_whole_keep_the_times_and_leave_the_answers(shop):
    split = preprocessing.task(shop[1]).test
    mixed = laboratory.shuffled_baskets(split, seed=3)
    assert mixed.answers is split.answers
    assert mixed.history["timestamp"].is_monotonic_increasing
    keys = ["user", "basket_id", "item"]
    before, after = (part.history[keys].sort_values(keys).to_numpy() for part in (split, mixed))
    np.testing.assert_array_equal(before, after)
    times = [
        sorted(part.history.groupby("user")["timestamp"].apply(sorted).to_dict().items()) for part in (split, mixed)
    ]
    assert times[0] == times[1]
    moved = split.history.merge(mixed.history, on=keys, suffixes=("", "_after"))
    assert (moved["timestamp"] != moved["timestamp_after"]).mean() > 0.8


def test_shuffling_baskets_changes_decayed_counts_and_not_plain_ones(shop):
    split = preprocessing.task(shop[1]).test
    mixed, rows = laboratory.shuffled_baskets(split), np.arange(20)
    assert (split.counts() != mixed.counts()).nnz == 0
    decayed = [baselines.personal_frequency(part, decay=20)(rows) for part in (split, mixed)]
    assert not np.allclose(*decayed)


@pytest.mark.parametrize("knobs", [{"counts": 0.7, "markov": 0.7}, {"counts": -0.1}, {"lags": (2, 1)}, {"groups": 3}])
def test_knobs_that_make_no_sense_are_refused(knobs):
    with pytest.raises(ValueError, match="Received"):
        Truth(**knobs)
