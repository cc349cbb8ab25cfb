"""The smallest change is found, and only what was tried is said."""

import pytest

from recsys_kit.explainability import counterfactual


def test_the_single_item_without_which_it_leaves_the_list_is_found(by_hand):
    found = counterfactual.counterfactual(by_hand, item=7, k=1)
    assert found.rank == 1 and found.without == (3,) and found.smallest
    assert found.place == 3  # 2 points are left, below 3.5 and 2.5


def test_items_that_must_stay_stay_and_more_are_needed(by_hand):
    found = counterfactual.counterfactual(by_hand, item=7, k=1, fixed=[3])
    assert set(found.without) == {2, 4} and not found.smallest


def test_where_nothing_helps_no_cause_is_named(by_hand):
    found = counterfactual.counterfactual(by_hand, item=7, k=8)
    assert found.without == ()
    assert "no single purchase" in counterfactual.sentence(found, [f"item {n}" for n in range(9)])


def test_both_languages_name_the_cause_and_the_places(by_hand):
    found = counterfactual.counterfactual(by_hand, item=7, k=1)
    titles = [f"T{n}" for n in range(9)]
    for language in ("en", "zh"):
        text = counterfactual.sentence(found, titles, language)
        assert all(part in text for part in ("T7", "T3", "3", "1"))
    with pytest.raises(ValueError, match="`language` must be one of en, zh"):
        counterfactual.sentence(found, titles, "fr")
