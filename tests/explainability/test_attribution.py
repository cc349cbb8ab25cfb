"""What is taken out is gone for the model, and what attributions add up to."""

import numpy as np
import pytest

from recsys_kit import training
from recsys_kit.explainability import attribution
from recsys_kit.training import baskets


def asked_again(question, model, keep):
    """The scores after a change, computed from changed arrays by the functions that made the arrays at first."""
    x = {name: value for name, value in question.arrays.items() if name != "market"}
    x["incidence"] = x["incidence"] * keep[None, None].astype("float32")
    x |= baskets.market_arrays(question.seq, x, np.arange(1, question.size + 1, dtype=np.int32))
    return training.scores.joined(model.predict_on_batch(x), x["items"] - 1, keep[None, None] > 0)[0, 0]


def test_with_nothing_changed_the_scores_are_the_models_own(task, model, seq, question):
    own = training.scorer(model, task[1].test, seq)(np.array([3]))
    np.testing.assert_allclose(question.scores(np.ones(len(question.owned))), own, atol=1e-3)


def test_occluding_everything_gives_the_empty_historys_score(model, question):
    nothing = np.zeros(len(question.owned))
    empty = asked_again(question, model, nothing)
    np.testing.assert_allclose(question.scores(nothing)[0], empty, atol=1e-3)
    one_by_one = np.tril(np.ones((len(nothing), len(nothing))), -1)[::-1]  # all but one … the last row keeps nothing
    np.testing.assert_allclose(question.scores(one_by_one)[-1], empty, atol=1e-3)


def test_what_stays_is_asked_as_if_the_rest_had_never_been_bought(model, question):
    keep = (np.arange(len(question.owned)) % 2).astype(float)
    np.testing.assert_allclose(question.scores(keep)[0], asked_again(question, model, keep), atol=1e-3)


def test_scores_come_for_the_items_asked_for_in_their_order(question):
    keep, wanted = np.ones(len(question.owned)), np.array([question.owned[1], 5, question.owned[0], 2])
    np.testing.assert_allclose(question.scores(keep, wanted)[0], question.scores(keep)[0, wanted - 1], atol=1e-3)


def test_occlusion_is_the_fall_of_the_score(question):
    asked, keep = question.ranked(2), np.ones((2, len(question.owned)))
    keep[1, 0] = 0
    before, after = question.scores(keep, asked)
    np.testing.assert_allclose(attribution.occlusion(question, asked)[:, 0], before - after, atol=1e-3)


def test_integrated_gradients_add_up_to_the_difference_of_the_ends(question):
    for asked in (question.ranked(1), question.ranked(5), question.ranked(1, new=True)):
        values, gap = attribution.integrated_gradients(question, asked, steps=48)
        assert values.shape == question.owned.shape
        assert gap <= 0.01


def test_new_items_were_never_bought(question):
    assert not np.isin(question.ranked(5, new=True), question.owned).any()


def test_attention_is_shared_out_and_never_more_than_all_of_it(task, question, seq):
    paid = attribution.attention(question)
    assert (paid >= 0).all() and paid.sum() == pytest.approx(1, abs=1e-4)
    shop, splits = task
    blockless = training.build(shop, splits.test, training.Settings(width=8, blocks=0))
    with pytest.raises(ValueError, match="no attention to read"):
        attribution.attention(attribution.Question(blockless, splits.test, 3, seq))


def test_without_blocks_integrated_gradients_add_up_too(task, seq):
    shop, splits = task
    blockless = training.build(shop, splits.test, training.Settings(width=8, blocks=0))
    question = attribution.Question(blockless, splits.test, 3, seq)
    assert attribution.integrated_gradients(question, question.ranked(3))[1] <= 0.01
