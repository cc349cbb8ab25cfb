import numpy as np
import pandas as pd
import pytest

from recsys_kit.localization import store_taste


def test_counts_count_a_kind_once_a_basket():
    events = pd.DataFrame(
        {
            "store_id": ["s", "s", "s", "t", "u"],
            "basket_id": ["1", "1", "2", "3", "4"],
            "item_id": ["milk", "oat milk", "milk", "tea", "tea"],
        }
    )
    labels = pd.Series({"milk": "milk", "oat milk": "milk", "tea": "tea"})
    assert store_taste.counts(events, labels, ["s", "t"], ["milk", "tea"]).tolist() == [[2, 0], [0, 1]]


def test_smoothing_lies_between_the_store_and_the_chain_and_sums_to_one():
    rng = np.random.default_rng(0)
    count, prior = rng.poisson(2, (5, 4)).astype(float), np.array([0.1, 0.2, 0.3, 0.4])
    raw, smooth = store_taste.shares(count), store_taste.smoothed(count, prior, 7)
    assert np.allclose(smooth.sum(1), 1)
    assert (smooth >= np.minimum(raw, prior) - 1e-12).all() and (smooth <= np.maximum(raw, prior) + 1e-12).all()
    assert np.allclose(store_taste.smoothed(np.zeros((1, 4)), prior, 7), prior)
    with pytest.raises(ValueError, match="`strength` must be above 0"):
        store_taste.smoothed(count, prior, 0)


def test_the_estimated_strength_is_large_for_like_stores_and_small_for_unlike_ones():
    rng = np.random.default_rng(0)
    prior = np.full(20, 0.05)
    like = rng.multinomial(500, prior, 60).astype(float)
    unlike = np.stack([rng.multinomial(500, rng.dirichlet(prior * 10)) for _ in range(60)]).astype(float)
    assert store_taste.strength(like, prior) > 5000
    assert 7 < store_taste.strength(unlike, prior) < 14


def test_surprise_is_entropy_for_the_true_shares_and_larger_for_others():
    held = np.array([[5.0, 5.0], [0.0, 0.0]])
    assert store_taste.surprise(np.array([0.5, 0.5]), held)[0] == pytest.approx(1)
    assert store_taste.surprise(np.array([0.9, 0.1]), held)[0] > 1
    assert np.isnan(store_taste.surprise(np.array([0.5, 0.5]), held)[1])
