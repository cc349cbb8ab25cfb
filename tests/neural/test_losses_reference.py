"""Each loss against a plain loop that says what its docstring says, at the edges, and through saving."""

import math

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_kit.neural import losses
from recsys_kit.transformer import ItemEmbedding, TiedLogits

few = settings(deadline=None, max_examples=20)
calibrations = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])
SEEDS = st.integers(0, 999)


def softplus(x):
    return math.log1p(math.exp(x))


def log_softmax(scores):
    total = math.log(sum(math.exp(score) for score in scores))
    return [score - total for score in scores]


def numbers(rng, *shape):
    return rng.normal(size=shape).astype("float32")


def values(tensor):
    return keras.ops.convert_to_numpy(tensor)


def batch(rng, positions, candidates, negatives):
    """Returns logits (T, C) and columns (T, 1 + N): an answer and negatives, all different."""
    columns = np.stack([rng.permutation(candidates)[: 1 + negatives] for _ in range(positions)]).astype("int32")
    return 2 * numbers(rng, positions, candidates), columns


# ---- next-item losses


def slow_binary(logits, columns, beta=1.0):
    """Yes or no, asked of each item of each position by itself; the mean over the negatives."""
    found = []
    for row, (right, *wrong) in zip(logits.tolist(), columns.tolist(), strict=True):
        found.append((beta * softplus(-row[right]) + sum(softplus(row[item]) for item in wrong)) / len(wrong))
    return found


@few
@given(st.integers(1, 4), st.integers(1, 4), st.integers(0, 3), st.integers(0, 40), calibrations, SEEDS)
def test_both_binary_losses_equal_a_slow_plain_python_reference(positions, negatives, unused, more, t, seed):
    logits, columns = batch(np.random.default_rng(seed), positions, 1 + negatives + unused, negatives)
    items = 1 + negatives + unused + more
    drawn = negatives / (items - 1)
    beta = drawn * (t * (1 - 1 / drawn) + 1 / drawn)
    found = values(losses.gbce(logits, columns, None, items, t=t))
    np.testing.assert_allclose(found, slow_binary(logits, columns, beta), rtol=1e-4)
    plain = values(losses.binary_crossentropy(logits, columns, None, items))
    np.testing.assert_allclose(plain, slow_binary(logits, columns), rtol=1e-4)


@few
@given(st.integers(1, 4), st.integers(2, 6), SEEDS)
def test_both_softmax_losses_equal_a_slow_plain_python_reference(positions, candidates, seed):
    rng = np.random.default_rng(seed)
    logits, columns = batch(rng, positions, candidates, 1)
    log_chance = np.log(rng.uniform(0.05, 1, candidates)).astype("float32")
    expected = [-log_softmax(row)[right] for row, (right, _) in zip(logits.tolist(), columns, strict=True)]
    np.testing.assert_allclose(values(losses.softmax(logits, columns)), expected, rtol=1e-4, atol=1e-6)
    corrected = (logits - log_chance).tolist()
    expected = [-log_softmax(row)[right] for row, (right, _) in zip(corrected, columns, strict=True)]
    found = values(losses.sampled_softmax(logits, columns, log_chance))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_a_candidate_that_is_seldom_drawn_stands_for_those_that_were_not():
    """Of two equal rivals the one that is a candidate in one of four batches counts four times."""
    logits, columns = np.zeros((1, 3), "float32"), np.array([[0]])
    chance = np.log(np.array([1, 1, 0.25], "float32"))
    assert values(losses.sampled_softmax(logits, columns, chance))[0] == pytest.approx(math.log(1 + 1 + 4), rel=1e-5)


def test_the_losses_have_the_names_that_settings_use():
    assert losses.LOSSES == {
        "bce": losses.binary_crossentropy,
        "gbce": losses.gbce,
        "sampled_softmax": losses.sampled_softmax,
        "softmax": losses.softmax,
    }


def test_calibration_runs_from_zero_to_one_and_is_three_quarters_if_not_stated():
    logits, columns = batch(np.random.default_rng(0), 3, 6, 2)
    for t in (0, 1):
        assert np.isfinite(values(losses.gbce(logits, columns, None, 50, t=t))).all()
    for t in (-0.01, 1.01, 2, float("nan")):
        with pytest.raises(ValueError, match=r"`t` must lie in 0\.\.1"):
            losses.gbce(logits, columns, None, 50, t=t)
    stated = losses.gbce(logits, columns, None, 50, t=0.75)
    np.testing.assert_array_equal(values(losses.gbce(logits, columns, None, 50)), values(stated))


@few
@given(st.lists(st.booleans(), min_size=1, max_size=5), st.sampled_from(["bool", "int32", "float64"]), SEEDS)
def test_the_mean_is_over_the_positions_that_count_and_zero_if_none_does(counts, kind, seed):
    per_position = numbers(np.random.default_rng(seed), len(counts))
    chosen = per_position[np.array(counts)]
    found = float(losses.mean_loss(np.array(counts).astype(kind), keras.ops.convert_to_tensor(per_position)))
    assert found == pytest.approx(chosen.mean() if len(chosen) else 0, abs=1e-5)


# ---- losses of baskets and lists


@few
@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 4), SEEDS)
def test_the_loss_of_baskets_equals_a_slow_plain_python_reference(rows, places, items, seed):
    rng = np.random.default_rng(seed)
    label, weight = rng.integers(0, 2, (rows, places, items)), rng.uniform(0, 3, (rows, places, items))
    logits = 3 * numbers(rng, rows, places, items)
    found = values(losses.inclusion_bce(np.stack([label, weight], -1).astype("float32"), logits))
    expected = np.zeros((rows, places))
    for b, p, i in np.ndindex(rows, places, items):
        wrong = softplus(-logits[b, p, i] if label[b, p, i] else logits[b, p, i])
        expected[b, p] += weight[b, p, i] * wrong / 10
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


@few
@given(st.integers(1, 3), st.integers(2, 5), SEEDS)
def test_the_weighted_softmax_equals_a_slow_plain_python_reference(rows, candidates, seed):
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, (rows, candidates))
    weight = rng.choice([0, 0.5, 1, 3, 40], (rows, candidates))  # an item that was bought stands for itself at least
    weight[:, 0] = 1
    logits = numbers(rng, rows, candidates)
    found = values(losses.weighted_softmax(np.stack([label, weight], -1).astype("float32"), logits))
    for b in range(rows):
        mass = [max(label[b, c], weight[b, c]) * math.exp(logits[b, c]) for c in range(candidates)]
        expected = -sum(math.log(mass[c] / sum(mass)) for c in range(candidates) if label[b, c]) / 10
        assert found[b] == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_a_candidate_of_no_weight_that_was_not_bought_has_no_part_in_the_softmax():
    y = np.array([[[1, 1], [0, 1], [0, 0]]], "float32")
    for score in (-5.0, 0.0, 9.0):
        logits = np.array([[0.0, 0.0, score]], "float32")
        assert float(losses.weighted_softmax(y, logits)[0]) == pytest.approx(math.log(2) / 10, rel=1e-4)


@few
@given(st.integers(1, 3), st.integers(1, 3), st.integers(2, 5), st.sampled_from([0.0, 0.1, 0.5, 1.0]), SEEDS)
def test_a_smoothed_target_gives_part_of_itself_to_all_items_but_the_padding(rows, length, items, smoothing, seed):
    rng = np.random.default_rng(seed)
    y, logits = rng.integers(0, items + 1, (rows, length, 1)), numbers(rng, rows, length, items + 1)
    found = values(losses.smoothed_softmax(smoothing)(y.astype("float32"), logits))
    assert found.shape == (rows, length)
    for b, p in np.ndindex(rows, length):
        chance = log_softmax(logits[b, p].tolist())
        expected = -(1 - smoothing) * chance[y[b, p, 0]] - smoothing * sum(chance[1:]) / items
        assert found[b, p] == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_a_target_is_not_smoothed_if_nothing_is_said():
    y, logits = np.array([[[2], [1]]]), numbers(np.random.default_rng(0), 1, 2, 4)
    stated = values(losses.smoothed_softmax(0.0)(y, logits))
    np.testing.assert_array_equal(values(losses.smoothed_softmax()(y, logits)), stated)
    np.testing.assert_allclose(stated[0, 0], -log_softmax(logits[0, 0].tolist())[2], rtol=1e-5)


@few
@given(st.integers(1, 4), st.integers(1, 6), SEEDS)
def test_the_loss_of_lists_equals_a_slow_plain_python_reference(rows, length, seed):
    rng = np.random.default_rng(seed)
    label = rng.choice([-1, 0, 1, 1], (rows, length)).astype("float32")
    logits = numbers(rng, rows, length)
    logits[label < 0] = rng.choice([-1e4, 0, 1e4])  # what stands where there is no candidate is of no importance
    found = values(losses.softmax_loss(label, logits))
    assert found.shape == (rows,)
    for b in range(rows):
        there = [i for i in range(length) if label[b, i] >= 0]
        bought = [place for place, i in enumerate(there) if label[b, i] == 1]
        chance = log_softmax(logits[b, there].tolist()) if there else []
        expected = -sum(chance[place] for place in bought) / max(1, len(bought))
        assert found[b] == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_lists_may_stand_in_a_table_and_each_has_the_loss_that_it_has_alone():
    rng = np.random.default_rng(0)
    logits, label = numbers(rng, 3, 2, 5), rng.choice([-1, 0, 1], (3, 2, 5)).astype("float32")
    y = np.stack([label.clip(0), rng.uniform(0.5, 2, label.shape)], -1).astype("float32")
    for loss, target in ((losses.softmax_loss, label), (losses.weighted_softmax, y), (losses.inclusion_bce, y)):
        alone = [values(loss(target[:, place], logits[:, place])) for place in range(2)]
        np.testing.assert_allclose(values(loss(target, logits)), np.stack(alone, 1), rtol=1e-4, atol=1e-6)


# ---- the layer


def end_of_model(size=6, width=3, seed=0):
    """Returns `TiedLogits` with a bias, and vectors that are not small."""
    rng = np.random.default_rng(seed)
    logits = TiedLogits(ItemEmbedding([], width=width, size=size))
    logits(np.zeros((1, 1, width), "float32"))
    for weight in logits.weights:
        weight.assign(numbers(rng, *weight.shape))
    return logits


def inputs(prior, seed=1):
    """Returns what the layer is called with: 2 x 2 states, of which 3 count, and 4 candidates."""
    rng = np.random.default_rng(seed)
    place, candidates = np.array([3, 0, 1]), np.array([5, 1, 4, 2])
    columns = np.array([[1, 0, 2], [3, 2, 0], [0, 3, 1]], "int32")
    log_chance = np.log(rng.uniform(0.1, 1, 4)).astype("float32")
    return numbers(rng, 2, 2, 3), place, candidates, columns, log_chance, numbers(rng, 3, 4) if prior else None


@pytest.mark.parametrize("prior", [False, True])
@pytest.mark.parametrize("loss", losses.LOSSES)
def test_the_layer_scores_candidates_by_vector_bias_and_prior_and_hands_them_to_its_loss(loss, prior):
    logits = end_of_model()
    states, place, candidates, columns, log_chance, more = inputs(prior)
    vectors, bias = values(logits.embedding(candidates)), logits.bias.numpy()[candidates]
    scores = states.reshape(4, 3)[place] @ vectors.T + bias + (more if prior else 0)
    expected = values(losses.LOSSES[loss](scores, columns, log_chance, 20))
    layer = losses.CandidateLoss(logits, loss, items=20)
    found = values(layer(states, place, candidates, columns, log_chance, prior=more))
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    assert found.shape == (3,)


def test_the_layer_comes_back_from_its_own_record_with_every_argument():
    layer = losses.CandidateLoss(end_of_model(), "gbce", 20, name="end")
    twin = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert (twin.loss, twin.items, twin.name) == ("gbce", 20, "end")
    twin.logits(np.zeros((1, 1, 3), "float32"))
    for to, weight in zip(twin.logits.weights, layer.logits.weights, strict=True):
        to.assign(weight)
    call = inputs(prior=True)
    np.testing.assert_allclose(values(twin(*call)), values(layer(*call)), rtol=1e-5)


@pytest.mark.parametrize("name", ["inclusion_bce", "softmax_loss", "CandidateLoss"])
def test_saved_models_find_what_they_name(name):
    assert keras.saving.get_registered_name(getattr(losses, name)) == f"recsys_kit.neural>{name}"
    assert keras.saving.get_registered_object(f"recsys_kit.neural>{name}") is getattr(losses, name)
