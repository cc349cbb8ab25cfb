import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from basket_tables import ITEMS, table_of, themed
from hypothesis import given
from hypothesis import strategies as st

from recsys_kit import datasets
from recsys_kit.cross_sell import association

STALL = table_of([[0, 0, 1, 1], [0, 1, 1, 1], [0, 0, 0, 1], [1, 1, 0, 0], [1, 0, 1, 0]])


def test_measures_match_a_stall_worked_by_hand():
    pair = association.pair_measures(STALL, min_count=2).iloc[0]
    assert (pair["a"], pair["b"], pair["together"]) == (2, 3, 2)
    assert pair["support"] == 0.4
    assert pair["confidence_ab"] == pytest.approx(2 / 3)
    assert pair["lift"] == pytest.approx(2 / (3 * 3 / 5))


def test_measures_equal_those_of_mlxtend():
    import warnings

    with warnings.catch_warnings():
        from mlxtend.frequent_patterns import apriori, association_rules
    rng = np.random.default_rng(0)
    table = table_of(rng.random((200, 4)) < [0.5, 0.3, 0.4, 0.2])
    one_hot = pd.DataFrame(table.matrix.toarray().astype(bool), columns=ITEMS)
    sets = apriori(one_hot, min_support=0.01, use_colnames=True, max_len=2)
    rules = association_rules(sets, metric="support", min_threshold=0.01)
    theirs = {(*r.antecedents, *r.consequents): (r.support, r.confidence, r.lift) for r in rules.itertuples()}
    ours = association.pair_measures(table, min_count=2)
    assert len(ours) == len(theirs) / 2
    for row in ours.itertuples():
        mine = (row.support, row.confidence_ab, row.lift)
        np.testing.assert_allclose(mine, theirs[ITEMS[row.a], ITEMS[row.b]])


@given(st.integers(1, 50), st.floats(0.01, 50))
def test_the_lower_bound_lies_below_the_lift_and_the_upper_above(count, expected):
    low, high = association.lift_bounds(np.array([count]), np.array([expected]))
    assert low[0] < count / expected < high[0]


def test_more_baskets_make_the_same_lift_surer():
    low, high = association.lift_bounds(np.array([2, 20, 200]), np.array([0.2, 2.0, 20.0]))
    assert (np.diff(low) > 0).all()
    assert (np.diff(high) < 0).all()


def test_g2_is_zero_at_chance_and_signed():
    g2 = association.signed_g2(np.array([10, 30, 1]), np.full(3, 50), np.full(3, 20), 100)
    assert g2[0] == pytest.approx(0)
    assert g2[2] < 0 < g2[1]


def test_g2_matches_scipy():
    from scipy.stats import chi2_contingency

    cells = [[12, 28], [18, 42 + 50]]
    theirs = chi2_contingency(cells, correction=False, lambda_="log-likelihood")[0]
    assert association.signed_g2(12, 40, 30, 150) == pytest.approx(theirs)


def test_baskets_hold_an_item_once_and_only_catalogue_items():
    events = pd.DataFrame(
        {
            "user_id": ["b", "b", "a", "b", "b"],
            "basket_id": ["1", "1", "1", "2", "2"],
            "item_id": ["tea", "tea", "jam", "milk", "rum"],
            "timestamp": pd.date_range("2025-01-01", periods=5, tz="UTC"),
        }
    )
    table = association.basket_table(events, ITEMS)
    assert table.matrix.shape == (3, 4)  # basket 1 of a is not basket 1 of b
    assert table.matrix.max() == 1
    assert sorted(table.users[table.user]) == ["a", "b", "b"]
    assert table.sizes().tolist() == [1, 1, 1]
    later = association.basket_table(events, ITEMS, start=events["timestamp"].iloc[3])
    assert len(later.user) == 1


def test_a_group_is_in_a_basket_if_one_of_its_items_is():
    grouped = STALL.grouped(["food", "food", "drink", "drink"])
    assert grouped.items.tolist() == ["drink", "food"]
    assert grouped.matrix.toarray().tolist() == [[1, 0], [1, 1], [1, 0], [0, 1], [1, 1]]


def test_a_least_count_below_one_is_refused():
    with pytest.raises(ValueError, match=r"`min_count` must be at least 1\. Received: min_count=0"):
        association.pair_measures(STALL, min_count=0)


def test_a_pair_that_is_as_strong_as_told_keeps_its_whole_lift():
    table = table_of([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    pairs = association.pair_measures(table, min_count=1)
    later = association.seen_again(pairs, table)
    assert later["seen"].tolist() == [2] and later["by_chance"].tolist() == [1] and later["if_true"].tolist() == [2]
    found = association.told_and_kept(pairs, later)
    assert found["lift told"] == found["lift kept"] == 2
    assert found["of it"] == 1 and found["low"] < 1 < found["high"]
    assert found["by chance"] < found["if the lift were true"] < found["seen again"] == 1


def test_the_surest_pair_explains_a_suggestion_and_the_best_seller_does_not():
    # Milk (2) lies in nearly every basket; jam (1) goes with bread (0).
    rows = [[1, 1, 1, 0]] * 12 + [[0, 0, 1, 1]] * 40 + [[1, 0, 0, 0]] * 2 + [[0, 0, 0, 1]] * 6
    matrix = table_of(rows).matrix
    asked = {"basket": np.array([0, 2]), "suggested": np.array([1])}
    assert association.explain(matrix, **asked).tolist() == [0]
    assert association.explain(matrix, np.array([2]), np.array([1])).tolist() == [-1]
    assert association.explain(matrix, np.array([2]), np.array([1]), "together", 0).tolist() == [2]
    with pytest.raises(ValueError, match="`by`"):
        association.explain(matrix, **asked, by="lift")


def test_a_shop_of_single_items_is_told_that_nothing_goes_together():
    alone = table_of(np.eye(5, dtype=int).tolist())
    pairs = association.pair_measures(alone, min_count=2)
    with pytest.raises(datasets.NotForThisShop, match="no two items lie together"):
        association.seen_again(pairs, alone)


@pytest.mark.parametrize(("single", "several", "enough"), [(500, 50, True), (500, 49, False), (1900, 99, False)])
def test_a_shop_whose_baskets_hold_one_thing_each_is_told_why_nothing_goes_with_anything(single, several, enough):
    table = table_of([[1, 0, 0, 0]] * single + [[1, 1, 0, 0]] * several)
    if enough:
        return association.check_baskets(table)
    with pytest.raises(datasets.NotForThisShop, match=f"of {single + several:,} baskets only {several} hold two"):
        association.check_baskets(table)


def test_starting_vectors_bring_items_of_the_same_baskets_together():
    vectors = association.starting_vectors(themed(), 6)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    near = unit @ unit.T
    assert near[0, 1] > near[0, 7] + 0.2
    assert association.starting_vectors(themed(), 32).shape == (20, 32)


def test_the_start_vectors_alone_complete_themed_baskets_by_the_cosine_with_the_mean_of_the_rest():
    rest = sp.csr_matrix(np.eye(20, dtype=np.float32)[[0, 7]] + np.eye(20, dtype=np.float32)[[1, 7]])
    scores = association.by_vectors(themed(), rest, 6)(np.array([1, 0]))
    unit = association.starting_vectors(themed(), 6)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    mean = (unit[0] + unit[1]) / np.linalg.norm(unit[0] + unit[1])
    assert scores.shape == (2, 20) and np.allclose(scores[1], unit @ mean, atol=1e-5)
    assert np.allclose(scores[0], unit @ unit[7], atol=1e-5)  # twice the same item is that item
    assert set(np.argsort(-scores[1])[:5]) == set(range(5))  # its theme
