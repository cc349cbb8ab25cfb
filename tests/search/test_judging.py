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


def write_log(folder, rows):
    columns = ["query_id", "query", "item_id", "event_type"]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "queries.csv", index=False)


def test_what_was_clicked_and_bought_after_a_query_are_its_answers(tmp_path):
    documents, items = corpus.documents(small_shop())
    milk, wine = (items["document"][items["title"].str.contains(word)].iloc[0] for word in ("Milk", "Wine"))
    rows = [
        ("1", " White  MILK", "21", "click"),
        ("2", "white milk", "22", "purchase"),  # another size: the same document
        ("3", "white milk", "51", "click"),
        ("4", "box wine", "51", "click"),
        ("5", "spaceship", None, None),
        ("6", "!?", "21", "click"),
        ("7", "toothpaste", "no such item", "click"),
        ("8", "dog", "31", "view"),
    ]
    write_log(tmp_path, rows)
    asked, grade = search.logged(str(tmp_path), items, len(documents))
    assert asked.to_dict("records") == [
        {"query": "white milk", "asked": 3, "answers": 2},
        {"query": "box wine", "asked": 1, "answers": 1},
    ]
    assert grade[:, [milk, wine]].tolist() == [[2, 1], [0, 1]] and grade.sum() == 4


def test_a_shop_without_a_log_has_no_queries_of_its_own(tmp_path):
    documents, items = corpus.documents(small_shop())
    assert search.logged(str(tmp_path), items, len(documents)) is None
    assert search.logged("", items, len(documents)) is None


def test_a_log_without_a_click_has_nothing_to_judge_by(tmp_path):
    documents, items = corpus.documents(small_shop())
    write_log(tmp_path, [("1", "milk", None, None)])
    asked, grade = search.logged(str(tmp_path), items, len(documents))
    assert asked.empty and grade.shape == (0, len(documents))
