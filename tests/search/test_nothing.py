"""Nothing fits: a model that has seen what no shelf holds, rules for what says nothing, and the words of the answer."""

import numpy as np
import pandas as pd
import pytest

from recsys_kit import datasets, search, workspace
from recsys_kit.search import commands, engine, nothing
from recsys_kit.search import index as search_index


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    """A part of the kit's own shop, nothing trained but the doubt."""
    store = workspace.Workspace(tmp_path_factory.mktemp("ws"))
    return search.build(datasets.load(users=20), store, light=True, limit=800)


@pytest.mark.parametrize("query", ["gearbox repair", "the", "12345", "sdfg hjklz", "Heiratsurkunde", "发动机"])
def test_what_no_shelf_holds_is_refused_and_said_so_in_words(index, query):
    assert search.search(index, query).empty
    assert "nothing fits" in commands.nothing_fits(query) and query in commands.nothing_fits(query)


@pytest.mark.parametrize(
    "query", ["milk", "something against a cold", "papel higiénico", "Hundefutter", "牙膏", "shampo", "2 liter soda"]
)
def test_what_a_shelf_holds_is_answered(index, query):
    assert not search.search(index, query).empty


@pytest.mark.parametrize(("part", "good", "bad"), [(nothing.DOUBTED, 0.05, 0.8), (0.002, 0.01, 0.7)])
def test_the_limit_doubts_few_good_queries_and_the_model_survives_the_workspace(part, good, bad, monkeypatch):
    monkeypatch.setattr(nothing, "DOUBTED", part)
    draw = np.random.default_rng(0)
    vector = draw.normal(size=(400, 8))
    vector[:100, 0] += 4
    known = 0.7 * draw.random((400, 4))
    groups = [""] * 100 + [f"i{row // 3}" for row in range(300)]
    doubt = nothing.fit(vector, known, groups)
    assert (doubt.score(vector, known)[100:] > 0).mean() < good
    assert (doubt.score(vector, known)[:100] > 0).mean() > bad
    assert nothing.Doubt.of(doubt.arrays()).score(vector, known) == pytest.approx(doubt.score(vector, known))


def test_a_shop_without_judged_queries_refuses_only_what_is_made_of_no_words(index):
    import dataclasses

    plain = dataclasses.replace(index, doubt=None)
    found = search_index.verdicts(plain, ["qxzvb wkjhq", "the", "gearbox", "milk"])
    assert found.tolist() == ["nothing", "nothing", "fits", "fits"]


def test_between_the_limits_products_are_shown_with_a_word_of_doubt(index):
    import dataclasses

    vector, known = search_index._evidence(index, ["milk gearbox", "milk"])
    above = index.doubt.score(vector, known)
    for further, verdict in ((0.1, "doubtful"), (nothing.FAR + 0.1, "nothing"), (-0.1, "fits")):
        limit = index.doubt.limit + above[0] - further
        moved = dataclasses.replace(index, doubt=dataclasses.replace(index.doubt, limit=limit))
        assert search_index.verdicts(moved, ["milk gearbox", "milk"]).tolist() == [verdict, "fits"]
        table, notes = commands.search_file(moved, pd.DataFrame({"query_id": ["q"], "query": ["milk gearbox"]}), 2)
        assert len(table) == (0 if verdict == "nothing" else 2)
        said = {"fits": None, "doubtful": "in doubt: q: perhaps nothing fits", "nothing": "no answer: q: nothing fits"}
        assert [note.startswith(said[verdict]) for note in notes] == [True] * (verdict != "fits")
        assert (table["doubtful"] == (verdict == "doubtful")).all()
    assert not search.search(moved, "milk", 2)["doubtful"].any()


def test_one_query_in_doubt_has_its_word_above_the_table(index, monkeypatch):
    monkeypatch.setattr(commands, "open_index", lambda *_: (None, index))
    for verdict in ("fits", "doubtful"):
        monkeypatch.setattr(engine, "verdicts", lambda index, texts, verdict=verdict: [verdict] * len(texts))
        lines = commands.run_one("milk", None, 3, "", "ws").splitlines()
        assert (lines[0] == commands.may_not_fit("milk")) == (verdict == "doubtful")
        assert len(lines) == 4 + (verdict == "doubtful") and "doubtful" not in "".join(lines)


def test_what_is_learned_from_is_not_what_is_judged():
    import hard_search

    test = set(hard_search.read("test")["query"])
    assert not test & set(nothing.unanswerable())
    assert set(nothing.unanswerable()) <= set(hard_search.read("dev")["query"])
