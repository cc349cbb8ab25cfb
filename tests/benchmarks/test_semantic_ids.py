from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import semantic_ids

from recsys_kit import results_file
from recsys_kit.large_models import generative, semantic_codes

FILE = Path(__file__).parents[2] / "benchmarks" / "results" / "semantic_ids.json"


class Split:
    """What `stream` asks of a split: two households, the first with a basket of two items and one of one."""

    users, items = pd.Index(["a", "b"]), pd.Index(list("wxyz"))
    history = pd.DataFrame(
        {
            "user": [0, 1, 0, 0],
            "item": [2, 3, 0, 1],
            "timestamp": pd.to_datetime(["2017-01-02", "2017-01-01", "2017-01-01", "2017-01-01"]),
            "basket_id": ["2", "3", "1", "1"],
        }
    )


def test_a_stream_keeps_the_order_of_baskets_and_not_that_inside_one(monkeypatch):
    monkeypatch.setattr(semantic_ids, "shop", lambda: type("Shop", (), {"fingerprint": ""}))
    data = semantic_ids.stream(Split)
    assert data.start.tolist() == [0, 3, 4] and data.items[2:].tolist() == [3, 4]
    assert sorted(data.items[:2]) == [1, 2]


def test_scores_that_are_summed_are_exact_scores():
    words = semantic_codes.numbered(semantic_codes.random_codes(30, 2, 4), np.arange(30))
    writer = generative.build(words, 5, 8, parallel=True, blocks=1).writer
    hidden = np.random.default_rng(0).normal(size=(3, 8)).astype("float32")
    trie = semantic_codes.Trie(words, words.max(axis=0) + 1)
    exact = generative.exact_scores(generative.log_chances(writer), hidden, trie)
    assert semantic_ids._summed(writer, hidden, words) == pytest.approx(exact, abs=1e-4)


def test_every_method_stands_in_a_task_and_is_compared_with_one_that_does():
    assert set(semantic_ids.CODED) <= {name for names in semantic_ids.METHODS.values() for name in names}
    for task, against in semantic_ids.AGAINST.items():
        assert against in semantic_ids.METHODS[task]


@pytest.mark.skipif(not FILE.exists(), reason="nothing was trained")
def test_a_trie_lets_no_beam_end_where_there_is_no_item():
    table = results_file.read(FILE).table
    checked = table[table["beams"].notna()]
    assert len(checked) and (checked["beams_no_item"] == 0).all() and (checked["beams"] == 10_000).all()
    assert (checked["largest_error"] < 1e-3).all()
