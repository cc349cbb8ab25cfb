"""Two JAX processes train one Keras model as one process does; what they can't do is said."""

from pathlib import Path

import jax_processes
import numpy as np
import pytest
import without_tensorflow

from recsys_kit import results_file

FILE = Path(__file__).parents[2] / "benchmarks" / "results" / "jax_processes.json"


def test_each_row_of_a_batch_is_brought_by_one_process():
    parts = [jax_processes.part_of_each_batch(rank, 2) for rank in range(2)]
    half = jax_processes.BATCH // 2
    for step in range(jax_processes.ROWS // jax_processes.BATCH):
        rows = np.sort(np.concatenate([part[step * half : (step + 1) * half] for part in parts]))
        assert (rows == np.arange(step * 2 * half, (step + 1) * 2 * half)).all()


@pytest.mark.slow
def test_two_processes_lose_what_one_loses_and_what_they_save_predicts_the_same():
    without_tensorflow.needs("jax")
    row = jax_processes.row(2)
    assert row["devices"] == 2
    assert row["losses_apart"] <= 1e-5 and row["saved_scores_apart"] <= 1e-5
    assert row["last_loss"] < 0.6


def test_the_file_says_what_the_page_says():
    table = results_file.read(FILE).table.set_index("processes")
    assert table.loc[2, "losses_apart"] <= 1e-5 and table.loc[2, "saved_scores_apart"] <= 1e-5
