import keras
import numpy as np
import pytest

from recsys_kit import transformer
from recsys_kit.next_item import additive, laboratory
from recsys_kit.next_item.laboratory import Truth


@pytest.fixture
def model():
    keras.utils.set_random_seed(1)
    return additive.mean_model(items=9, width=8, dropout=0.0)


def logits(model, ids):
    return keras.ops.convert_to_numpy(model(np.array(ids)))


def test_what_two_items_say_together_is_the_sum_of_what_they_say_alone(model):
    """In logits, at the last of three places: a pair has nothing to add. With a block, it has."""
    one, other, neither, both = (logits(model, [ids])[0, -1] for ids in ([1, 5, 3], [4, 2, 3], [4, 5, 3], [1, 2, 3]))
    np.testing.assert_allclose(both - neither, (one - neither) + (other - neither), atol=1e-5)
    block = transformer.next_item_model(9, 3, 8, 1)
    one, other, neither, both = (logits(block, [ids])[0, -1] for ids in ([1, 5, 3], [4, 2, 3], [4, 5, 3], [1, 2, 3]))
    assert not np.allclose(both - neither, (one - neither) + (other - neither), atol=1e-5)


def test_the_twin_does_not_see_the_future_and_padding_changes_nothing(model):
    whole = logits(model, [[1, 2, 3, 0, 0]])
    np.testing.assert_allclose(whole[:, :2], logits(model, [[1, 2, 7]])[:, :2], atol=1e-5)
    np.testing.assert_allclose(whole[:, :3], logits(model, [[1, 2, 3]]), atol=1e-5)


def test_without_blocks_the_sequence_model_reads_the_last_item_alone_and_the_twin_reads_all(model):
    last_only = transformer.next_item_model(9, 3, 8, blocks=0)
    np.testing.assert_allclose(logits(last_only, [[1, 2, 3]])[0, -1], logits(last_only, [[5, 4, 3]])[0, -1], atol=1e-5)
    assert not np.allclose(logits(model, [[1, 2, 3]])[0, -1], logits(model, [[5, 4, 3]])[0, -1])


def test_the_twin_survives_being_saved(model, tmp_path):
    model.save(tmp_path / "twin.keras")
    again = keras.saving.load_model(tmp_path / "twin.keras")
    np.testing.assert_allclose(logits(again, [[1, 2, 3]]), logits(model, [[1, 2, 3]]), atol=1e-6)


def test_training_keeps_the_epoch_that_is_best_on_validation():
    truth = Truth(markov=1.0, groups=2, each=2)
    data = laboratory.simulate(truth, users=200, length=8)
    keras.utils.set_random_seed(0)
    scores, curve = additive.fit(
        additive.mean_model(data.size, 16, 0.0), data, 6, additive.Settings(epochs=6, tokens=64)
    )
    validation = laboratory.judge(scores.scorer(2), data, 2).mean()
    assert validation == pytest.approx(max(curve), abs=1e-6)
    best = laboratory.judge(laboratory.oracle(truth, data, 2), data, 2).mean()
    assert validation > 0.9 * best
