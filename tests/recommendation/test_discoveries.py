"""Promises of the mix: what is believed of each is learned on what was bought, and plain where too little was."""

import numpy as np
import pandas as pd
import pytest

from recsys_kit.recommendation import discoveries


def candidates(size: int = 4000, seed: int = 0):
    """Old items are bought as the stages say, new ones as the next-item model says; each is noise of the other."""
    rng = np.random.default_rng(seed)
    stages, other, seen = rng.normal(-2, 1.5, size), rng.normal(-2, 1.5, size), rng.random(size) < 0.5
    truth = np.where(seen, stages, other)
    label = rng.random(size) < 1 / (1 + np.exp(-truth))
    return stages, pd.DataFrame({discoveries.SOURCE: other, "seen": seen, "label": label}), truth


def test_each_is_believed_where_it_knows():
    stages, table, truth = candidates()
    mix = discoveries.fit_mix(stages, table)
    again, other, truth = candidates(seed=1)
    found = discoveries.mixed(again, other, mix)
    assert np.corrcoef(found, truth)[0, 1] > 0.98 and np.abs(found - truth).mean() < 0.3


def test_chances_come_out_right_and_not_only_their_order():
    stages, table, _ = candidates()
    chance = 1 / (1 + np.exp(-discoveries.mixed(stages, table, discoveries.fit_mix(stages, table))))
    assert chance.mean() == pytest.approx(table["label"].mean(), abs=0.01)


def test_from_a_handful_of_purchases_nothing_is_learned():
    stages, table, _ = candidates(40)
    plain = discoveries.NextItem().mix
    assert discoveries.fit_mix(stages, table.assign(label=False)) == plain
    assert discoveries.fit_mix(stages, table.assign(label=np.arange(40) < 3)) == plain


def lead(truth):
    """How well an order agrees with the truth: what a mix is chosen by."""
    return lambda values: float(np.corrcoef(values, truth)[0, 1])


def test_a_mix_that_holds_on_other_cases_is_kept():
    stages, table, truth = candidates()
    table = table.assign(case=np.arange(len(table)) // 20)
    assert discoveries.choose_mix(stages, table, lead(truth)) == discoveries.fit_mix(stages, table)


def test_a_ranker_that_does_harm_is_not_heard():
    stages, table, _ = candidates()
    harm = np.where(np.arange(len(table)) // 20 % 2, 1, -1)  # half of the cases say the opposite of the other half
    table = table.assign(case=np.arange(len(table)) // 20, label=stages * harm > 1)
    mix = discoveries.choose_mix(stages, table, lead(table[discoveries.SOURCE].to_numpy()))
    assert mix == discoveries.ALONE
    assert discoveries.mixed(stages, table, mix) == pytest.approx(table[discoveries.SOURCE].to_numpy(), abs=1e-6)


@pytest.mark.parametrize(("again", "heard"), [(True, True), (False, False)])
def test_where_too_little_was_bought_the_ranker_is_heard_only_for_what_was_bought_again(again, heard):
    stages, table, truth = candidates(40)
    label = np.arange(40) == np.flatnonzero(table["seen"] if again else ~table["seen"])[0]
    table = table.assign(case=np.arange(40) // 4, label=label)
    mix = discoveries.choose_mix(stages, table, lambda values: lead(truth)(np.where(table["seen"], values, 0)))
    assert (mix != discoveries.ALONE) == heard
