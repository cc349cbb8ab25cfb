"""Flower's training is ours: what it stored is what `federated.rounds` reaches today."""

import os
from pathlib import Path

import flower
import numpy as np
import pytest
from small_homes import homes

from recsys_kit import results_file

FILE = Path(__file__).parents[2] / "benchmarks" / "results" / "flower.json"


@pytest.fixture(scope="module")
def rows():
    table = results_file.read(FILE).table
    return {engine: part.set_index("round") for engine, part in table.groupby("engine")}


def test_flowers_weights_are_those_that_our_rounds_reach_today(rows):
    for number, weights in enumerate(flower.ours(flower.stores())):
        stored = np.array(rows["flower"].loc[number, "weights"])
        assert np.abs(stored - np.concatenate([part.ravel() for part in weights])).max() <= flower.NEAR, number


def test_both_engines_tell_the_same_and_have_learned_something(rows):
    assert np.allclose(rows["flower"]["loss"], rows["recsys_kit"]["loss"], atol=2e-6)
    assert (np.diff(rows["flower"]["loss"]) < 0).all()
    assert (rows["flower"]["apart"] <= flower.NEAR).all() and rows["flower"]["moved"].max() > 1e4 * flower.NEAR


def test_every_client_was_a_process_of_its_own_with_its_own_households(rows):
    trained = rows["flower"].loc[1:]
    assert (trained["processes"] == flower.CLIENTS).all()
    for sizes in trained["households"]:
        assert sorted(map(len, flower.stores()), reverse=True) == sizes
    assert max(trained["households"].iloc[0]) > 10 * min(trained["households"].iloc[0])  # uneven, as shops are


@pytest.mark.skipif("FLOWER" not in os.environ, reason="FLOWER must be the folder bin of an environment with Flower")
def test_flower_itself_trains_as_we_do():
    clients = [homes(2, seed=1), homes(5, seed=2)]
    path, told = flower.flowers(clients, Path(os.environ["FLOWER"]), rounds=2)
    near = 10 * flower.NEAR  # a few households at random: ten steps of a large rate carry the rounding further
    assert all(flower.apart(a, b) <= near for a, b in zip(path, flower.ours(clients, 2), strict=True))
    assert [sorted(one["num-examples"]) for one in told] == [[2, 5], [2, 5]]
    assert all(len(set(one["process"])) == 2 for one in told)
