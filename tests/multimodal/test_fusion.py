"""Fusion: what is missing changes nothing, hidden means missing, and the sparse way gives what the layer gives."""

import keras
import numpy as np
import pytest
import scipy.sparse as sp

from recsys_kit.multimodal import fusion, modalities


@pytest.fixture(scope="module")
def facts(case):
    types = np.array([int(item[1:]) // 5 for item in case.split.items])
    named = np.eye(8, dtype=np.float32)[types]
    noise = np.random.default_rng(0).normal(size=(len(types), 4)).astype(np.float32)
    return {"text": noise, "picture": named, "id": modalities.behaviour(case, 6)}


SMALL = {"width": 8, "batch_size": 10, "drawn": 12, "windows": 2, "epochs": 4, "learning_rate": 0.02}


def layer(way, values, **settings):
    found = fusion.FusedItems([value.shape[1] for value in values], len(values[0]), 8, way, **settings)
    found.build()
    found.assign(values)
    return found


@pytest.mark.parametrize("way", fusion.WAYS)
def test_an_item_s_vectors_have_length_one_and_do_not_depend_on_the_others(way, facts):
    fused = layer(way, list(facts.values()))
    alone, _ = fused(np.array([3]))
    together, there = fused(np.array([0, 3, 7]))
    assert together.shape == (3, 3 if way == "late" else 1, 8) and there.shape == together.shape[:2]
    assert np.allclose(alone[0], together[1], atol=1e-5)
    if way != "late":  # there, what an item lacks has no vector
        assert np.allclose(np.linalg.norm(together, axis=-1), 1, atol=1e-3)


@pytest.mark.parametrize("way", fusion.WAYS)
def test_what_an_item_lacks_is_told_apart_from_what_it_has(way, facts):
    values = [value.copy() for value in facts.values()]
    values[1][3] = 0
    fused = layer(way, values)
    before, there = fused(np.array([3]))
    if way == "late":
        assert there[0].numpy().tolist()[1] == 0 and np.allclose(before[0, 1], 0, atol=1e-3)
    values[1][3] = 1
    fused.assign(values)
    assert not np.allclose(fused(np.array([3]))[0], before, atol=1e-3)


@pytest.mark.parametrize("way", fusion.WAYS)
def test_facts_are_hidden_while_training_only_and_never_all(way, facts):
    values = list(facts.values())
    fused = layer(way, values, dropout=0.9)
    items = np.arange(len(values[0]))
    assert np.allclose(fused(items)[0], layer_like(fused, values, dropout=0.0)(items)[0], atol=1e-5)
    hidden, there = fused(items, training=True)
    assert not np.allclose(hidden, fused(items)[0], atol=1e-3)
    assert (np.asarray(there).max(1) == 1).all()


def test_only_the_modality_that_may_be_hidden_is(facts):
    values = list(facts.values())
    fused = layer("late", values, dropout=[0.0, 0.9, 0.0])
    items = np.arange(len(values[0]))
    _, hidden = fused(items, training=True)
    _, there = fused(items)
    lost = np.asarray(there) - np.asarray(hidden)
    assert lost[:, 1].mean() > 0.5 and not lost[:, [0, 2]].any()


def layer_like(fused, values, dropout):
    other = layer(fused.way, values, dropout=dropout)
    other.set_weights(fused.get_weights()[: len(other.get_weights())])
    return other


def test_late_fusion_adds_up_the_scores_of_the_facts_that_are_there(facts):
    first, second = facts["text"], facts["picture"]
    rng, nothing = np.random.default_rng(1), np.zeros_like
    counts = rng.random((4, 5)).astype(np.float32)
    scored = fusion.HistoryScore(layer("late", [first, second]))

    def scores(*values):
        scored.fused.assign(values)
        return np.asarray(scored(counts, np.arange(5), np.array([6, 9])))

    both, one, other = scores(first, second), scores(first, nothing(second)), scores(nothing(first), second)
    assert np.allclose(both, one + other, atol=1e-4)
    assert np.allclose(scores(nothing(first), nothing(second)), 0)


@pytest.mark.parametrize("way", fusion.WAYS)
def test_the_sparse_way_gives_what_the_layer_gives(way, facts):
    values = list(facts.values())
    scored = fusion.HistoryScore(layer(way, values))
    counts = sp.random(6, len(values[0]), 0.5, "csr", np.float32, np.random.default_rng(2))
    some, items = np.array([1, 4, 8]), np.arange(len(values[0]))
    dense = scored(counts.toarray(), items, some)
    vectors, there = (np.asarray(part) for part in scored.fused(items))
    assert np.allclose(fusion._scores(scored, counts, vectors, there, some, block=2), dense, atol=1e-4)


def test_what_was_bought_of_the_candidate_itself_can_be_taken_out(facts):
    scored = fusion.HistoryScore(layer("early", list(facts.values())))
    counts = np.array([[2.0, 1.0]], np.float32)
    without = scored(np.array([[2.0, 0.0]], np.float32), np.array([3, 7]), np.array([7]))
    assert np.allclose(scored(counts, np.array([3, 7]), np.array([7]), np.array([[1.0]])), without, atol=1e-4)


@pytest.mark.parametrize("way", fusion.WAYS)
def test_a_picture_that_tells_the_type_ranks_new_items_well_and_a_shuffled_one_does_not(way, case, facts):
    found = {}
    for name, picture in {"own": facts["picture"], "dealt out": modalities.dealt_out(facts["picture"], 5)}.items():
        values = facts | {"picture": picture}
        model, curve = fusion.train(case, values, fusion.Settings(way=way, dropout=0.3, **SMALL))
        assert len(curve) == SMALL["epochs"]
        result = fusion.ranked(model, case, values)
        assert set(result.index) == set(np.flatnonzero(np.diff(case.split.answers.indptr)))
        found[name] = result["ndcg"].mean()
    assert found["own"] > found["dealt out"] + 0.1


def test_a_batch_says_of_each_item_what_was_bought_of_it_and_nothing_is_lost(case):
    data = fusion._Batches(case, np.arange(len(case.new)), 2, 10, 12, 0)
    for index in range(len(data)):
        (window, part), (x, _) = data.parts[index], data[index]
        counts = data.pairs[window][0][part].toarray()
        assert x["counts"].shape == (10, data.wide) and len(np.unique(x["items"])) == data.wide
        assert np.allclose(x["counts"], counts[:, x["items"]]) and "texts" not in x
        assert np.isclose(x["counts"].sum(), counts.sum()) or counts.any(0).sum() > data.wide


def test_the_warm_ranking_holds_old_items_that_were_not_bought_yet(case, facts):
    model, _ = fusion.train(case, facts, fusion.Settings(**SMALL | {"epochs": 1}))
    cases = np.array([0, 5, 7])
    warm = fusion.ranked(model, case, facts, cases, warm=True)
    seen = case.split.seen()[cases]
    new_to_them = (case.warm[cases].astype(int) - case.warm[cases].multiply(seen).astype(int)).sum(1)
    assert warm["relevant"].sum() == new_to_them.sum()


def test_a_layer_survives_a_save(tmp_path, facts):
    values = list(facts.values())
    inputs = keras.Input(batch_shape=(None,), dtype="int32")
    fused = fusion.FusedItems([value.shape[1] for value in values], len(values[0]), 8, "attention")
    model = keras.Model(inputs, fused(inputs)[0])
    fused.assign(values)
    model.save(tmp_path / "a.keras")
    again = keras.models.load_model(tmp_path / "a.keras")
    items = np.array([1, 2])
    assert np.allclose(model(items), again(items), atol=1e-5)


def test_an_unknown_way_is_refused():
    with pytest.raises(ValueError, match=r"`way` must be one of early, late, gated, attention. Received: way='mid'"):
        fusion.FusedItems([2], items=3, way="mid")
