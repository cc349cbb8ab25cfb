import time

import numpy as np
import pytest
from tqdm import tqdm
from typer.testing import CliRunner

from recsys_kit import cli, next_item
from recsys_kit.next_item import fit


def run(*arguments):
    return CliRunner().invoke(cli.app, ["bench", *map(str, arguments)])


@pytest.mark.parametrize("objective", fit.OBJECTIVES)
def test_both_objectives_learn_what_is_certain(data, objective):
    trainer = fit.Trainer(data, 12, fit.Settings(objective=objective, width=16, blocks=1, dropout=0.0))
    before = trainer.ndcg(2, np.arange(60))
    trainer.fit(2, 30, 0, tqdm(disable=True), time.perf_counter() + 600)
    assert trainer.ndcg(2, np.arange(60)) > max(0.7, before)


def test_an_unknown_objective_is_refused(benchmark):
    result = run(benchmark, "--objective", "both")
    assert result.exit_code and "must be one of causal, masked" in result.output


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"heads": 3}, "`heads` divide the width"),
        ({"blocks": -1}, "`blocks` must be 0 or more"),
        ({"averaging": 1.0}, "`averaging` must lie in 0..1"),
        ({"block_start": -1.0}, "`block_start` be 0 or more"),
        ({"candidates": 0}, "`candidates` must be at least 1"),
        ({"dropout": 1.0}, "`dropout` lie in 0..1"),
        ({"learning_rate": 0.0}, "`learning_rate` must be above 0"),
        ({"weight_decay": float("nan")}, "`weight_decay` 0 or more"),
    ],
)
def test_a_setting_that_breaks_its_rule_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        fit.Settings(**settings)


def test_what_keras_compiles_with_is_handed_on(data):
    trainer = fit.Trainer(data, 12, fit.Settings(width=16, blocks=0), run_eagerly=True)
    assert trainer.training.run_eagerly


def test_the_number_of_candidates_reaches_the_batches(data, monkeypatch):
    seen = {}

    def spy(*args, **kwargs):
        seen.update(kwargs)
        return next_item.NextItemBatches(*args, **kwargs)

    monkeypatch.setitem(fit.OBJECTIVES, "causal", spy)
    fit.Trainer(data, 12, fit.Settings(width=16, blocks=0, candidates=33))
    assert seen["candidates"] == 33


def test_blocks_that_start_at_nothing_leave_the_counted_vectors_as_they_are(data):
    settings = [fit.Settings(width=16, blocks=blocks, block_start=0.0, learning_rate=1e-9) for blocks in (2, 0)]
    scores = []
    for each in settings:
        trainer = fit.Trainer(data, 12, each)
        trainer.fit(2, 1, 0, tqdm(disable=True), deadline=0.0)  # one batch
        item, place = (trainer.model.get_layer(name).weights[0] for name in ("item", "position"))
        rng = np.random.default_rng(0)
        for table in (item, place):
            table.assign(rng.normal(size=table.shape))
        scores.append(trainer.scores.scorer(2)(np.arange(60)))
    np.testing.assert_allclose(*scores, atol=1e-3)
