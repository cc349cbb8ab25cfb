import numpy as np
import pandas as pd
import pytest
from unseen_shop import write_unseen_shop

from recsys_kit import datasets, preprocessing
from recsys_kit.fairness import audit


@pytest.fixture
def easy():
    rng = np.random.default_rng(0)
    return pd.DataFrame({"history": rng.normal(size=600), "basket": rng.normal(size=600)})


def test_a_gap_that_is_only_the_basket_goes_away_when_adjusted(easy):
    rng = np.random.default_rng(1)
    group = pd.Series(np.where(easy["basket"] + rng.normal(size=600) > 0, "large", "small"))
    values = pd.Series(0.3 * easy["basket"] + 0.2 * rng.normal(size=600))
    found = audit.gaps(values, pd.DataFrame({"kind": group}), easy, draws=400).iloc[0]
    assert found["low"] > 0  # as it is: a wide gap
    assert found["adjusted_low"] < 0 < found["adjusted_high"]
    assert not found["clear"]


def test_a_true_gap_is_found_and_its_interval_holds_it(easy):
    rng = np.random.default_rng(2)
    group = pd.Series(rng.permutation(np.repeat(["a", "b", "c"], 200)))
    values = pd.Series(0.1 * easy["history"] + 0.5 * (group == "a") + 0.2 * rng.normal(size=600))
    found = audit.gaps(values, pd.DataFrame({"kind": group}), easy, draws=400).set_index("group")
    assert found.loc["a", "adjusted_low"] < 0.5 < found.loc["a", "adjusted_high"]
    assert found.loc["a", "clear"]
    assert found["cases"].sum() == 600


def test_small_groups_and_unknown_values_are_left_out(easy):
    group = pd.Series(["a"] * 300 + ["b"] * 280 + ["tiny"] * 5 + [None] * 15)
    found = audit.gaps(pd.Series(np.zeros(600)), pd.DataFrame({"kind": group}), easy, draws=50)
    assert found["group"].tolist() == ["a"]  # of two groups one is shown: the other is its mirror
    assert found["p"].item() == 1


def test_several_looks_cost_something(easy):
    rng = np.random.default_rng(3)
    kinds = pd.DataFrame({name: rng.permutation(np.repeat(["x", "y"], 300)) for name in "abcde"})
    found = audit.gaps(pd.Series(rng.normal(size=600)), kinds, easy, draws=200)
    assert (found["p_holm"] >= found["p"]).all()
    assert found["p_holm"].min() == pytest.approx(min(1, 5 * found["p"].min()))


def test_the_same_seed_gives_the_same_table(easy):
    kinds = pd.DataFrame({"kind": np.repeat(["x", "y"], 300)})
    one, two = (audit.gaps(easy["basket"], kinds, easy, draws=50) for _ in range(2))
    pd.testing.assert_frame_equal(one, two)


def test_rows_that_do_not_fit_together_are_refused(easy):
    with pytest.raises(ValueError, match="one row a case"):
        audit.gaps(pd.Series([1.0]), pd.DataFrame({"kind": ["a"]}), easy)


def test_a_shop_without_attributes_has_groups_of_history_alone(tmp_path):
    shop = datasets.load(str(write_unseen_shop(tmp_path / "shop")))
    split = preprocessing.task(shop).test
    groups = audit.groups(shop, split)
    assert groups.columns.tolist() == ["history"]
    assert groups["history"].value_counts().max() - groups["history"].value_counts().min() <= 1
    assert len(audit.covariates(split)) == len(groups) == len(split.test_users)
