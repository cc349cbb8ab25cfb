"""The Transformer of all series: its quantiles can't cross, it doesn't look ahead, it learns what a promotion does."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from recsys_kit.demand import forecasts, quantile_transformer

SMALL = quantile_transformer.Settings(width=8, heads=2, window=6, epochs=2)


def test_quantiles_do_not_cross_whatever_the_weights():
    model = quantile_transformer.quantile_transformer(3, 5, 2, SMALL)
    random = np.random.default_rng(0)
    model.set_weights([random.normal(0, 3, w.shape) for w in model.get_weights()])
    found = model.predict([random.normal(0, 9, (50, 6, 3)), random.normal(0, 9, (50, 2, 5))], verbose=0)
    assert found.shape == (50, 2, 7)
    assert (np.diff(found, axis=-1) >= 0).all() and (found >= 0).all()


def test_the_untrained_model_forecasts_about_the_base():
    model = quantile_transformer.quantile_transformer(3, 5, 2, SMALL)
    found = model.predict([np.zeros((1, 6, 3)), np.zeros((1, 2, 5))], verbose=0)
    assert found[0, 0, 3] == pytest.approx(1.05, abs=0.01)


@pytest.mark.parametrize("plan", [True, False])
def test_what_is_sold_later_changes_nothing(tree, facts, plan):
    known = facts if plan else None
    gone = tree.units.copy()
    gone[:, 20:] = 999
    found = []
    for units in (tree.units, gone):
        model = quantile_transformer.train(units, 20, 3, known, SMALL).model
        found.append(quantile_transformer.forecast(model, units, [20], 3, known))
    np.testing.assert_array_equal(*found)


def test_without_blocks_a_week_sees_no_other(tree, facts):
    model = quantile_transformer.quantile_transformer(3, 5, 2, quantile_transformer.Settings(blocks=0, window=6))
    random = np.random.default_rng(0)
    model.set_weights([w + random.normal(0, 0.3, w.shape) for w in model.get_weights()])
    coming = random.normal(size=(1, 2, 5))
    one, other = (model.predict([np.full((1, 6, 3), x), coming], verbose=0) for x in (0.0, 1.0))
    np.testing.assert_array_equal(one, other)


def test_with_a_block_a_week_sees_the_others_and_knows_their_places():
    model = quantile_transformer.quantile_transformer(1, 2, 2, quantile_transformer.Settings(window=6))
    random = np.random.default_rng(0)
    model.set_weights([w + random.normal(0, 0.3, w.shape) for w in model.get_weights()])
    past = np.arange(6.0)[None, :, None]
    one, other = (model.predict([x, np.zeros((1, 2, 2))], verbose=0) for x in (past, past[:, ::-1].copy()))
    assert np.abs(one - other).max() > 1e-3
    assert len([w for w in model.trainable_weights if w.shape in ((6, 32), (2, 32))]) >= 2  # learned, not drawn once


def test_the_loss_is_the_judges(tree):
    random = np.random.default_rng(0)
    truth, made = random.gamma(2, 5, (40, 3)), np.sort(random.gamma(2, 5, (40, 3, 7)), axis=-1)
    loss = np.mean(quantile_transformer.pinball_loss()(truth[..., None].astype("float32"), made.astype("float32")))
    parts = [
        forecasts.pinball(made[None, ..., place], truth[None], q).mean() * truth.mean()
        for place, q in enumerate(forecasts.QUANTILES)
    ]
    assert loss == pytest.approx(np.mean(parts), rel=1e-4)


def test_a_saved_model_forecasts_the_same(tree, facts, tmp_path):
    model = quantile_transformer.train(tree.units, 20, 3, facts, SMALL).model
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    found = [quantile_transformer.forecast(one, tree.units, [20], 3, facts) for one in (model, loaded)]
    np.testing.assert_allclose(*found, rtol=1e-5)
