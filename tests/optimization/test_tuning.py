"""Promises of `tuning`: a search goes on where it stopped, and the choice never sees the test."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from recsys_kit.optimization import small_task, tuning


@pytest.fixture(scope="module")
def task():
    """Households that walk through types in order, so that the next type can be learned."""
    ids = np.stack([np.arange(u % 4 + 1, u % 4 + 10) for u in range(60)]).astype(np.int32)
    answers = sp.csr_matrix(np.eye(15, dtype=bool)[ids[:, -1]])
    look = small_task.Moment(ids[:, 1:], np.arange(60), answers)
    return small_task.NextTypes(pd.Index(range(15)), pd.Index(range(60)), ids, look, look)


RECIPE = small_task.Recipe(width=32, epochs=2)


@pytest.fixture
def no_training(monkeypatch):
    """A stand-in for training, whose score depends on the recipe alone."""

    def fit(task, recipe, users=None):
        curve = pd.DataFrame({"epoch": [1, 2], "ndcg": [0.1, 0.3 - recipe.dropout / 10]})
        return small_task.Result(None, curve, 0.1)

    monkeypatch.setattr(small_task, "fit", fit)


@pytest.mark.usefixtures("no_training")
def test_a_search_goes_on_where_it_stopped(task, tmp_path):
    file = tmp_path / "deep" / "search.journal"
    first = tuning.trials_table(tuning.search(task, RECIPE, file, trials=2))
    assert sorted(first.index) == [0, 1]
    study = tuning.search(task, RECIPE, file, trials=3)
    assert sorted(tuning.trials_table(study).index) == [0, 1, 2]
    assert tuning.trials_table(study).loc[first.index, "ndcg"].equals(first["ndcg"])
    assert len(tuning.search(task, RECIPE, file, trials=3).trials) == 3  # nothing is left to do


@pytest.mark.usefixtures("no_training")
def test_the_first_trial_is_the_recipe_itself(task, tmp_path):
    study = tuning.search(task, RECIPE, tmp_path / "search.journal", trials=1)
    assert study.trials[0].params["width"] == 32
    assert study.trials[0].params["dropout"] == RECIPE.dropout
    assert tuning.best_recipe(study, RECIPE).epochs == RECIPE.epochs


@pytest.mark.usefixtures("no_training")
def test_no_time_means_no_trial(task, tmp_path):
    study = tuning.search(task, RECIPE, tmp_path / "search.journal", trials=3, seconds=0)
    assert len(tuning.trials_table(study)) == 0


@pytest.mark.usefixtures("no_training")
def test_the_number_of_trials_must_be_positive(task, tmp_path):
    with pytest.raises(ValueError, match=r"`trials` must be at least 1. Received: trials=0"):
        tuning.search(task, RECIPE, tmp_path / "search.journal", trials=0)


def test_an_ablation_has_a_row_for_each_run_with_its_gap(task):
    changes = {"none": {}, "dropout": {"dropout": 0.3}}
    table, runs = tuning.ablation(task, RECIPE, np.arange(40), np.arange(40, 60), changes)
    assert list(table.index) == list(runs) == ["none", "dropout"]
    assert np.allclose(table["gap"], table["loss, unseen"] - table["loss, learned"])


def test_the_choice_is_the_best_on_validation_whatever_the_test_says(task):
    good, bad = (
        small_task.fit(task, small_task.Recipe(width=32, epochs=6, learning_rate=1e-2)),
        small_task.fit(task, RECIPE),
    )
    zeros = np.zeros((60, 15))
    models, nothing = {"good": good, "bad": bad}, [("nothing", zeros, zeros)]
    winner, validation, test = tuning.look_once(task, models, "bad", nothing)
    assert winner == validation.index[0] == validation.idxmax()
    assert list(validation.index) == list(test.table.index)
    assert test.table.loc["bad", "difference"] == 0
    assert tuning.look_once(task, models, "nothing", nothing)[2].table.loc["nothing", "difference"] == 0
    with pytest.raises(ValueError, match="`reference` must be one of good, bad"):
        tuning.look_once(task, {"good": good, "bad": bad}, "best")


@pytest.mark.usefixtures("no_training")
def test_a_random_search_begins_with_the_recipe_too(task, tmp_path):
    found = {
        sampler: tuning.trials_table(tuning.search(task, RECIPE, tmp_path / sampler, trials=3, sampler=sampler))
        for sampler in ("tpe", "random")
    }
    assert found["tpe"].loc[0, "ndcg"] == found["random"].loc[0, "ndcg"]  # both begin with the recipe
    with pytest.raises(ValueError, match="`sampler`"):
        tuning.search(task, RECIPE, tmp_path / "grid", sampler="grid")
