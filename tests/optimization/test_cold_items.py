"""Promises of `cold_items`: a new item is known by its text alone, and an old one is never a help to itself."""

import favourite_types
import numpy as np
import pandas as pd
import pytest

from recsys_kit import baselines
from recsys_kit.optimization import cold_items


@pytest.fixture(scope="module")
def split():
    return favourite_types.split()


@pytest.fixture(scope="module")
def types(split):
    return np.array([int(item[1:]) // 5 for item in split.items])


@pytest.fixture(scope="module")
def case(split):
    return cold_items.arrivals(split, np.arange(len(split.items)) % 5 == 0)


def test_no_trace_of_a_new_item_is_left_in_the_history(split, case):
    assert not case.new[case.split.history["item"]].any()
    assert split.history["item"].isin(np.flatnonzero(case.new)).any()


def test_the_answers_are_the_new_items_and_the_rest_is_kept_apart(split, case):
    together = (case.split.answers + case.warm).astype(bool)
    assert (together != split.answers).nnz == 0
    assert case.split.answers.multiply(case.warm).nnz == 0


def test_which_items_are_new_must_be_said_of_each(split):
    with pytest.raises(ValueError, match=r"`new` must say yes or no of each item. Received: shape \(3,\)"):
        cold_items.arrivals(split, np.ones(3, bool))


def test_text_says_what_is_known_and_leaves_out_what_is_not():
    items = pd.DataFrame(
        {"item_id": ["a", "b"], "title": ["Milk, 1 l", "Tea"], "category": ["DAIRY", "unknown"], "brand": ["X", "Y"]}
    )
    assert cold_items.item_text(items, pd.Index(["b", "a"])) == ["tea. y", "milk, 1 l. dairy. x"]


def test_every_method_tells_new_items_apart_only_by_what_is_known_of_them(case, types):
    cases = np.arange(len(case.split.test_users))
    vectors = np.eye(8, dtype=np.float32)[types]
    for scorer in (
        cold_items.category_popularity(case, types),
        cold_items.own_types(case, types, types // 2),
        cold_items.text_neighbours(case, vectors),
    ):
        scores = scorer(cases)
        assert scores.shape == (len(cases), len(types))
        for item_type in range(8):
            assert np.allclose(scores[:, types == item_type], scores[:, types == item_type][:, :1])


def test_an_item_does_not_recommend_itself():
    layer = cold_items.TextTied((3, 3), width=3)
    layer.build()
    layer.table.assign(np.eye(3))
    layer.adapter.assign(np.eye(3))
    bought = np.array([[1.0, 0.0, 0.0]], np.float32)
    alone = layer(bought, np.array([[1.0]], np.float32), np.array([0]))  # the only such item is the candidate itself
    other = layer(bought, np.array([[0.0]], np.float32), np.array([0]))  # another item of the same text was bought
    assert float(alone[0, 0]) == pytest.approx(np.log(0.01), abs=1e-3)
    assert float(other[0, 0]) == pytest.approx(np.log(1.01), abs=1e-3)


@pytest.mark.parametrize("fine_tune", [False, True])
def test_a_trained_adapter_ranks_new_items_and_only_fine_tuning_moves_the_text(case, types, fine_tune):
    noise = np.random.default_rng(1).normal(0, 0.3, (8, 6)).astype(np.float32)
    vectors = np.hstack([np.eye(8, dtype=np.float32), noise])
    settings = cold_items.Settings(width=8, epochs=6, windows=2, batch_size=20, drawn=10, learning_rate=1e-2)
    model, curve = cold_items.train(case, vectors, types, fine_tune, settings)
    assert curve["loss"].iloc[-1] < curve["loss"].iloc[0]
    scores = cold_items.model_scorer(model, case, types)(np.arange(len(case.split.test_users)))
    assert np.isneginf(scores[:, ~case.new]).all() and np.isfinite(scores[:, case.new]).all()
    bought = case.split.counts()[case.split.test_users].toarray()  # (N, V)
    of_type = np.stack(
        [bought[:, types == item_type].sum(1) > 0 for item_type in range(8)], axis=1
    )  # two of eight types each
    assert of_type[np.arange(len(scores)), types[scores.argmax(1)]].mean() > 0.9
    moved = np.abs(np.asarray(model.get_layer("tied").table) - vectors).max()
    assert (moved > 1e-4) == fine_tune


def test_the_layer_survives_a_save():
    layer = cold_items.TextTied((5, 4), width=3, fine_tune=True)
    assert cold_items.TextTied.from_config(layer.get_config()).get_config() == layer.get_config()


def test_a_history_too_short_to_learn_from_is_an_error(split):
    case = cold_items.arrivals(split, np.zeros(len(split.items), bool))
    with pytest.raises(ValueError, match="the history is too short to learn from: no 500 users in 2 windows"):
        cold_items.train(
            case,
            np.eye(8, dtype=np.float32),
            np.zeros(len(split.items), int),
            settings=cold_items.Settings(windows=2, batch_size=500),
        )


def test_untrained_attention_is_the_layer_with_the_texts_themselves_as_embeddings(case, types):
    vectors = np.eye(8, dtype=np.float32) + 0.1
    rows = np.arange(5)
    scores = cold_items.untrained_attention(case, vectors, types, sharp=8.0)(rows)
    layer = cold_items.TextTied((8, 8), width=8)
    layer.build()
    layer.table.assign(vectors)
    layer.adapter.assign(np.eye(8))
    counts = (baselines.decayed_counts(case.split, 120).log1p()[case.split.test_users] @ group(types))[rows]
    new = np.flatnonzero(case.new)
    theirs = layer(counts.astype("float32"), np.zeros((5, len(new)), "float32"), types[new].astype("int32"))
    assert np.allclose(np.log(scores[:, new] + 0.01), theirs, atol=1e-4)
    assert np.isneginf(scores[:, ~case.new]).all()


def group(code):
    return np.eye(code.max() + 1, dtype=np.float32)[code]
