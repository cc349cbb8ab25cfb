"""The listwise network: padding, and that it learns an order."""

import keras
import numpy as np
import pandas as pd
import pytest

from recsys_kit.recommendation import listwise


def test_long_lists_are_cut_and_short_ones_padded():
    table = pd.DataFrame({"list": [7, 7, 7, 9], "a": [1.0, 2.0, np.nan, 4.0], "label": [0, 1, 0, 1]})
    x, y = listwise.lists(table, ["a"], most=2)
    assert x[..., 0].tolist() == [[1, 2], [4, 0]] and y.tolist() == [[0, 1], [1, -1]]


def test_only_lists_with_something_bought_among_their_first_are_learned_from(monkeypatch):
    seen = []
    monkeypatch.setattr(keras.Model, "fit", lambda self, x, y, **settings: seen.append((x, y)))
    rows = {"list": [1, 1, 2, 2, 2, 3], "a": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], "label": [0, 1, 0, 0, 1, 0]}
    _, scale = listwise.train(pd.DataFrame(rows), ["a"], most=2)
    ((x, y),) = seen
    assert y.tolist() == [[0, 1]] and x.shape == (1, 2, 1)  # what list 2 bought is its third
    assert scale.loc["a", "mean"] == pytest.approx(np.log1p(rows["a"]).mean())  # of all rows


@pytest.mark.slow
def test_the_network_learns_which_fact_matters():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"list": np.repeat(np.arange(200), 10), "a": rng.random(2000), "b": rng.random(2000)})
    table["label"] = (table.groupby("list")["a"].rank(ascending=False) <= 2).astype(int)
    network, scale = listwise.train(table, ["a", "b"], epochs=30, most=10)
    score = listwise.predict(network, scale, table)
    assert abs(np.corrcoef(score, table["a"])[0, 1]) > 0.8 > 0.3 > abs(np.corrcoef(score, table["b"])[0, 1])
