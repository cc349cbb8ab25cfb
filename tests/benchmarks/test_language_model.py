from __future__ import annotations

from pathlib import Path

import language_model
import numpy as np
import pytest

from recsys_kit import datasets, results_file

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results" / "language_model.json"


@pytest.fixture(scope="module")
def some():
    return language_model.lists("test")


def test_all_candidates_are_new_to_their_household_and_one_is_an_answer(some):
    assert some.candidates.shape == some.answers.shape == (len(some.users), language_model.CANDIDATES)
    assert some.answers.any(1).all()
    history = language_model.task().test.history
    kind, _ = language_model.types()
    for user, candidates in zip(some.users[:20], some.candidates, strict=False):
        own = kind[history.loc[history["user"] == user, "item"]]
        assert not np.isin(candidates, own).any()


def test_what_is_learned_from_lies_before_the_validation_weeks_and_what_is_checked_on_within_them():
    task = language_model.task()
    assert len(language_model.sentences("train")) == 2000
    assert task.validation.cutoff < task.test.cutoff
    assert not set(language_model.sentences("train")) & set(language_model.sentences("validation"))


@pytest.mark.skipif(not RESULTS.exists(), reason="benchmarks/language_model.py has not written its file")
def test_the_committed_figures_come_out_again_from_this_data_and_this_code():
    results_file.read(RESULTS, data=datasets.load().fingerprint)
    kept, again = results_file.recompute(RESULTS)
    assert again == pytest.approx({name: kept[name] for name in again}, nan_ok=True)
