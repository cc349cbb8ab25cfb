import time

import numpy as np
import pytest
from tqdm import tqdm
from typer.testing import CliRunner

from recsys_kit import cli
from recsys_kit.next_item import bench, fit, prior


def run(*arguments):
    return CliRunner().invoke(cli.app, ["bench", *map(str, arguments)])


@pytest.mark.parametrize("objective", fit.OBJECTIVES)
def test_both_objectives_learn_what_is_certain(data, objective):
    trainer = fit.Trainer(data, length=12, objective=objective, width=16, blocks=1, dropout=0.0)
    before = trainer.ndcg(2, np.arange(60))
    trainer.fit(2, 30, 0, tqdm(disable=True), time.perf_counter() + 600)
    assert trainer.ndcg(2, np.arange(60)) > max(0.7, before)


def test_an_unknown_objective_is_refused(benchmark):
    result = run(benchmark, "--objective", "both")
    assert result.exit_code and "must be one of causal, masked" in result.output


def test_time_is_kept_for_judging_and_fewer_users_are_judged_if_it_is_short(data):
    scorer = prior.ItemPrior(data, held_out=2).scorer(2)
    users, _ = bench._affordable(scorer, data, seeds=1, time_limit=1000)
    assert sorted(users) == list(range(60))
    users, pause = bench._affordable(scorer, data, seeds=1, time_limit=1e-3)
    assert len(users) < 60 and pause < 1
