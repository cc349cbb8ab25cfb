import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_kit.privacy import anonymity

TABLE = pd.DataFrame(
    {
        "age": ["19-24", "25-34", "35-44", "45-54", "19-24", "25-34"],
        "size": ["1", "1", "2", "2", "1", None],
        "income": ["low", "low", "high", "low", "low", "high"],
    }
)


def test_the_same_household_has_one_pseudonym_under_one_key_and_another_under_another():
    ids = pd.Series(["1", "2", "1"])
    a, b = anonymity.pseudonyms(ids, b"a"), anonymity.pseudonyms(ids, b"b")
    assert a[0] == a[2] != a[1] and not set(a) & set(b)


def test_an_empty_key_is_refused():
    with pytest.raises(ValueError, match="without a key"):
        anonymity.pseudonyms(pd.Series(["1"]), b"")


def test_classes_by_hand():
    found = anonymity.classes(TABLE, ["age", "size"], "income")
    assert found["k"].tolist() == [2, 1, 1, 1, 2, 1]
    assert found["l"].tolist() == [1] * 6
    assert anonymity.classes(TABLE, [], "income").iloc[0].tolist() == [6, 2]


def test_bands_are_joined_in_the_order_of_their_numbers():
    bands = pd.Series(["100K+", "Under 15K", "15-24K", "50-99K", None])
    assert anonymity.levels(bands)[1].tolist() == [
        "50-99K … 100K+",
        "Under 15K … 15-24K",
        "Under 15K … 15-24K",
        "50-99K … 100K+",
        anonymity.UNRECORDED,
    ]


def test_what_has_no_order_is_kept_or_left_out():
    assert [level.nunique() for level in anonymity.levels(pd.Series(["owner", "renter", "other"]))] == [3, 1]


def test_a_coarser_level_never_tells_apart_what_a_finer_one_joined():
    ages = pd.Series([f"{age}-{age + 4}" for age in range(20, 70, 5)])
    for fine, coarse in itertools.pairwise(anonymity.levels(ages)):
        assert pd.DataFrame({"fine": fine, "coarse": coarse}).groupby("fine")["coarse"].nunique().max() == 1


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.integers(2, 6), st.sampled_from([0.0, 0.1]), st.integers(1, 2))
def test_every_row_of_the_generalised_table_hides_among_k_with_l_values(seed, k, part, distinct):
    rng = np.random.default_rng(seed)
    table = pd.DataFrame({"age": rng.choice(["1-5", "6-9", "10+"], 40), "home": rng.choice(["a", "b"], 40)})
    table["income"] = rng.choice(["low", "high"], 40)
    found, kept = anonymity.generalise(table, ["age", "home"], k, "income", distinct, part)
    inside = anonymity.classes(found, ["age", "home"], "income")
    assert inside["k"].min() >= k and inside["l"].min() >= distinct
    assert len(found) >= 40 * (1 - part) and kept.between(0, 1 + 1e-9).all()


def test_nothing_is_made_coarser_than_it_must_be():
    table = pd.DataFrame({"age": ["1-5", "6-9", "10+", "20+"] * 5, "income": ["x"] * 20})
    found, kept = anonymity.generalise(table, ["age"], 5)
    assert found["age"].tolist() == table["age"].tolist() and kept["age"] == 1
    assert anonymity.generalise(table, ["age"], 6)[0]["age"].nunique() == 2


def test_what_cannot_be_done_is_said():
    with pytest.raises(ValueError, match="k=7 for 6 rows"):
        anonymity.generalise(TABLE, ["age"], 7)
    with pytest.raises(ValueError, match="3 values of 'income'"):
        anonymity.generalise(TABLE, ["age"], 2, "income", 3)
