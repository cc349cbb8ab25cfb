"""Measuring: queries for any shop, and a re-ranker that never meets the intents that it is judged by."""

from pathlib import Path

import pandas as pd
from search_shop import small_shop

from recsys_kit import datasets, search, workspace
from recsys_kit.neural.fitting import Fitted
from recsys_kit.search import corpus, reranker

ROOT = Path(__file__).parents[2]


def test_another_shop_is_asked_for_its_own_titles():
    shop = datasets.load(str(ROOT / "data" / "example_shop"))
    asked, grade = search.task(shop, corpus.documents(shop)[0], count=20)
    assert len(asked) == len(grade) == 20
    assert (grade.max(1) == 2).all()


def test_no_query_is_ranked_by_a_model_that_saw_its_intent(tmp_path, monkeypatch):
    shop, store = small_shop(), workspace.Workspace(tmp_path)
    index = search.build(shop, store, rerank=False, epochs=1)
    asked, grade = search.task(shop, index.documents)
    is_dev = (asked["split"] == "dev").to_numpy()
    asked, grade = asked[is_dev].reset_index(drop=True), grade[is_dev]
    vectors = search.scores(index, asked["query"])["query"]
    intent = {row.tobytes(): name for row, name in zip(vectors, asked["intent_id"], strict=True)}
    seen = []

    def train(short, grades, **settings):
        seen.append({intent[row.tobytes()] for row in short.query})
        return Fitted("model", pd.DataFrame())

    def adjust(model, short, scale):
        assert not seen[-1] & {intent[row.tobytes()] for row in short.query}
        return short.base

    monkeypatch.setattr(reranker, "train", train)
    monkeypatch.setattr(reranker, "adjust", adjust)
    held = search.cross_validate(index, shop, store, asked, grade, folds=2)
    assert len(seen) == 2 and seen[0] | seen[1] == set(asked["intent_id"])
    best = search.scores(index, asked["query"])["translated"].argmax(1)
    assert held.argmax(1).tolist() == best.tolist()
