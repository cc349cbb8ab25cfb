import math

import keras
import numpy as np
import pytest

from recsys_kit import next_item, transformer
from recsys_kit.neural import losses
from recsys_kit.next_item import leave_one_out

LOGITS = np.array([[2.0, 0.0, -1.0], [0.0, 1.0, 3.0]], "float32")  # two positions, three candidates
COLUMNS = np.array([[0, 1], [2, 0]], "int32")  # answers 0 and 2; negatives 1 and 0


def value(loss, logits=LOGITS, columns=COLUMNS, log_chance=None, items=3, **settings):
    return keras.ops.convert_to_numpy(losses.LOSSES[loss](logits, columns, log_chance, items, **settings))


def softplus(x):
    return math.log1p(math.exp(x))


def test_binary_crossentropy_matches_values_worked_by_hand():
    # position 0: -log sigmoid(2) - log(1 - sigmoid(0)); position 1: -log sigmoid(3) - log(1 - sigmoid(0))
    expected = [softplus(-2) + softplus(0), softplus(-3) + softplus(0)]
    np.testing.assert_allclose(value("bce"), expected, rtol=1e-6)


def test_softmax_matches_values_worked_by_hand():
    expected = [math.log(1 + math.exp(-2) + math.exp(-3)), math.log(1 + math.exp(-3) + math.exp(-2))]
    np.testing.assert_allclose(value("softmax"), expected, rtol=1e-6)


def test_sampled_softmax_over_all_items_is_the_full_softmax():
    np.testing.assert_allclose(value("sampled_softmax", log_chance=np.zeros(3, "float32")), value("softmax"), rtol=1e-6)


def test_log_q_correction_makes_up_for_items_that_are_left_out():
    """Item 1 is in every sample and two equal items in every other one: with the correction the sums agree."""
    logits = np.array([[1.0, 0.5, 0.5]], "float32")
    sample, chance = logits[:, :2], np.log(np.array([1.0, 0.5], "float32"))
    columns = np.array([[0, 1]], "int32")
    np.testing.assert_allclose(
        value("sampled_softmax", sample, columns, chance), value("softmax", logits, columns), rtol=1e-6
    )


def test_gbce_without_calibration_is_binary_crossentropy():
    logits = np.random.default_rng(0).normal(size=(5, 6)).astype("float32")
    columns = np.array([[i, (i + 1) % 6, (i + 2) % 6] for i in range(5)], "int32")
    np.testing.assert_allclose(
        value("gbce", logits, columns, items=50, t=0.0), value("bce", logits, columns, items=50), rtol=1e-6
    )


def test_fully_calibrated_gbce_damps_the_positive_by_the_share_of_negatives_drawn():
    # one of two wrong items is drawn: beta = 1/2
    expected = [softplus(-2) / 2 + softplus(0), softplus(-3) / 2 + softplus(0)]
    np.testing.assert_allclose(value("gbce", t=1.0), expected, rtol=1e-6)


def test_calibrated_gbce_estimates_the_true_chance():
    """The best logit for an item that is next with chance p is its log odds, however few negatives are drawn."""
    p, drawn, items = 0.2, 2, 11  # each wrong item is drawn with chance 2/10
    logit = np.linspace(-4, 4, 2001, dtype="float32")
    zeros = np.zeros_like(logit)
    right = value("gbce", np.stack([logit, zeros, zeros], 1), np.tile([0, 1, 2], (2001, 1)), items=items, t=1.0)
    wrong = value("gbce", np.stack([zeros, logit, zeros], 1), np.tile([0, 1, 2], (2001, 1)), items=items, t=1.0)
    total = p * right + (1 - p) * drawn / (items - 1) * wrong
    assert logit[total.argmin()] == pytest.approx(math.log(p / (1 - p)), abs=0.01)


def test_a_calibration_out_of_range_is_refused():
    with pytest.raises(ValueError, match=r"0\.\.1.*1\.5"):
        value("gbce", t=1.5)


def test_an_unknown_loss_is_refused():
    model = transformer.next_item_model(10, 5, width=8, blocks=1)
    with pytest.raises(ValueError, match=r"bce, gbce, sampled_softmax, softmax.*'hinge'"):
        losses.CandidateLoss(model.get_layer("logits"), "hinge", 10)


def test_mean_loss_leaves_out_positions_of_weight_zero():
    assert float(losses.mean_loss(np.array([1.0, 0.0]), np.array([3.0, 100.0]))) == 3.0


@pytest.mark.parametrize("loss", losses.LOSSES)
def test_the_same_model_trains_under_every_loss(loss, tmp_path):
    """Users walk a circle of 30 items; a few steps must bring the loss down and leave all weights finite."""
    lines = [f"u{u} " + " ".join(str((u + step) % 30) for step in range(8)) for u in range(40)]
    (tmp_path / "circle.txt").write_text("\n".join(lines))
    data = leave_one_out.read(tmp_path / "circle.txt")
    keras.utils.set_random_seed(0)
    model = transformer.next_item_model(data.size, 8, width=8, blocks=1, dropout=0.0)
    training = next_item.training_model(model, loss)
    training.compile(keras.optimizers.Adam(0.01), loss=losses.mean_loss)
    batches = next_item.NextItemBatches(data, length=8, loss=loss, tokens=40, candidates=16)
    history = training.fit(batches, epochs=8, verbose=0).history["loss"]
    assert history[-1] < history[0]
    assert all(np.isfinite(weight).all() for weight in model.get_weights())


def test_the_loss_layer_survives_its_own_config():
    model = transformer.next_item_model(10, 5, width=8, blocks=1)
    layer = losses.CandidateLoss(model.get_layer("logits"), "gbce", 10)
    again = losses.CandidateLoss.from_config(layer.get_config())
    assert (again.loss, again.items, again.logits.embedding.size) == ("gbce", 10, 11)


def test_the_loss_of_a_basket_is_the_one_worked_by_hand():
    logits = np.array([[0.0, 2.0, -1.0]], "float32")
    labels = np.array([[[1, 1], [0, 2], [1, 0]]], "float32")  # label and weight
    by_hand = (np.log(2) + 2 * np.log(1 + np.exp(2))) / 10
    assert float(losses.inclusion_bce(labels, logits)[0]) == pytest.approx(by_hand, rel=1e-5)


def test_a_candidate_of_weight_two_counts_like_two_candidates():
    def loss(logits, label, weight):
        y = np.stack([label, weight], axis=-1)[None].astype("float32")
        return float(losses.weighted_softmax(y, np.array([logits], "float32"))[0])

    twice = loss([1.0, 0.5, 0.5], [1, 0, 0], [1, 1, 1])
    assert loss([1.0, 0.5], [1, 0], [1, 2]) == pytest.approx(twice, abs=1e-5)


def test_label_smoothing_is_the_loss_against_a_smoothed_target():
    chance = np.array([0.7, 0.2, 0.1])
    logits = np.log(np.r_[1e-9, chance])[None, None].astype("float32")
    target = 0.8 * np.array([1, 0, 0]) + 0.2 / 3
    loss = keras.ops.convert_to_numpy(losses.smoothed_softmax(0.2)(np.array([[[1]]]), logits))
    assert loss[0, 0] == pytest.approx(-(target * np.log(chance)).sum(), abs=1e-4)


def test_the_loss_of_a_list_is_the_one_worked_by_hand_and_padding_has_no_part_in_it():
    logits = np.array([[2.0, 1.0, 0.0, 9.0]], "float32")
    label = np.array([[1, 0, 1, -1]], "float32")
    chance = np.exp([2.0, 1.0, 0.0]) / np.exp([2.0, 1.0, 0.0]).sum()
    expected = -(np.log(chance[0]) + np.log(chance[2])) / 2
    assert float(losses.softmax_loss(label, logits)[0]) == pytest.approx(expected, rel=1e-5)
    assert float(losses.softmax_loss(np.array([[0, 0, -1, -1]], "float32"), logits)[0]) == 0


def test_the_loss_of_pairs_matches_one_worked_by_hand():
    left, right = np.array([[1.0, 0], [0, 1]], "float32"), np.array([[1.0, 0], [1, 0]], "float32")
    own = losses.clip_loss(left, right, 2.0)
    # Cosines times 2: [[2, 2], [0, 0]]. Of pair 0: log(2 e^2) - 2 across, log(e^2 + 1) - 2 down; pair 1 likewise.
    across, down = np.log(2), np.log(np.exp(2) + 1)
    assert np.allclose(own, [(across + down - 2) / 2, (across + down) / 2], atol=1e-5)
    assert np.allclose(losses.clip_loss(left, left, 50.0), 0, atol=1e-5)
