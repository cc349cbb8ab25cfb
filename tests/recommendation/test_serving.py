"""Serving: the served list is that of the scorer, and a process without the kit answers the same."""

import light_shop
import numpy as np
import pytest

from recsys_kit import evaluation, training
from recsys_kit.recommendation import serving, towers
from recsys_kit.training import baskets


@pytest.fixture(scope="module")
def model():
    """An untrained model with noise on its weights, so that no two items have one score."""
    settings = training.Settings(width=8, blocks=1)
    model = training.build(light_shop.shop(), light_shop.task().test, settings)
    rng = np.random.default_rng(0)
    model.set_weights([w + 0.05 * rng.normal(size=w.shape).astype(w.dtype) for w in model.get_weights()])
    return model


@pytest.fixture(scope="module")
def served(model):
    split = light_shop.task().test
    return serving.serving_model(model, len(split.items), k=10)


def test_the_served_list_is_that_of_the_scorer(model, served):
    split, rows = light_shop.task().test, np.arange(6)
    answer = {name: np.asarray(value) for name, value in served(serving.request(split, rows)).items()}
    scores = training.scorer(model, split)(rows)
    np.testing.assert_array_equal(answer["items"], evaluation.top_k(scores, 10))
    np.testing.assert_allclose(answer["scores"], np.take_along_axis(scores, answer["items"], 1), atol=1e-4)


@pytest.mark.slow
def test_a_process_without_the_kit_answers_the_same(served, tmp_path):
    x = serving.request(light_shop.task().test, np.arange(4))
    expected = {name: np.asarray(value) for name, value in served(x).items()}
    table = serving.export(served, tmp_path, ["saved_model"])
    assert table.loc["saved_model", "note"] == "" and table.loc["saved_model", "mb"] > 0
    checked = serving.check(tmp_path, table, x, expected).loc["saved_model"]
    assert checked["note"] == ""
    assert not checked["uses_kit"]
    assert checked["same_items"] == 1 and checked["max_difference"] < 1e-4


def test_an_unknown_format_is_named(served, tmp_path):
    with pytest.raises(ValueError, match="Received: 'pmml'"):
        serving.export(served, tmp_path, ["pmml"])


@pytest.mark.slow
def test_a_tower_runs_without_tensorflow_s_graph(tmp_path):
    split = light_shop.task().test
    tower = towers.tower(baskets.item_groups(light_shop.shop().items, split.items), interests=2, width=8)
    small = serving.serving_tower(tower, len(split.items), k=10)
    items = towers.recent(seq := baskets.sequences(split), users := split.test_users[:4], seq.basket_start[users + 1])
    expected = {name: np.asarray(value) for name, value in small({"items": items}).items()}
    assert expected["items"].shape == (4, 10)
    table = serving.export(small, tmp_path, ["litert"])
    assert table.loc["litert", "note"] == ""
    checked = serving.check(tmp_path, table, {"items": items}, expected).loc["litert"]
    assert not checked["uses_kit"] and checked["max_difference"] < 1e-4
