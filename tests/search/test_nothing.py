"""Nothing fits: a model that has seen what no shelf holds, rules for what says nothing, and the words of the answer."""

import re
import unicodedata

import numpy as np
import pytest

from recsys_kit import datasets, search, workspace
from recsys_kit.search import commands, nothing, queries
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


@pytest.mark.parametrize(("part", "good", "bad"), [(0.01, 0.05, 0.8), (0.002, 0.01, 0.7)])
def test_the_limit_refuses_few_good_queries_and_the_model_survives_the_workspace(part, good, bad, monkeypatch):
    monkeypatch.setattr(nothing, "REFUSED", part)
    draw = np.random.default_rng(0)
    vector = draw.normal(size=(400, 8)) / 3  # of a length like the encoder's
    vector[:100, 0] += 4 / 3
    known = 0.7 * draw.random((400, 4))
    fits = np.arange(400) >= 100
    groups = [f"i{row // 3}" for row in range(400)]
    doubt = nothing.fit(vector, known, fits, groups)
    assert (doubt.score(vector, known)[100:] > 0).mean() < good
    assert (doubt.score(vector, known)[:100] > 0).mean() > bad
    assert nothing.Doubt.of(doubt.arrays()).score(vector, known) == pytest.approx(doubt.score(vector, known))
    said = np.where(np.arange(4) == 0, nothing.SAID, known)  # a document says it, whatever the model thinks
    assert (doubt.score(vector, said) == -np.inf).all()


def test_the_limit_is_set_on_what_is_asked_often():
    draw = np.random.default_rng(0)
    vector, known = draw.normal(size=(300, 8)) / 3, 0.7 * draw.random((300, 4))
    fits = np.arange(300) >= 100
    vector[~fits, 0] += 1
    vector[200:, 0] += 0.8  # good, and like what nothing answers
    groups = [str(row) for row in range(300)]
    often = fits & (np.arange(300) < 200)
    assert nothing.fit(vector, known, fits, groups, often).limit < nothing.fit(vector, known, fits, groups).limit


def test_a_shop_without_judged_queries_refuses_only_what_is_made_of_no_words(index):
    import dataclasses

    plain = dataclasses.replace(index, doubt=None)
    assert search_index.refuses(plain, ["qxzvb wkjhq", "the", "gearbox", "milk"]).tolist() == [True, True, False, False]


def plain(text):
    """A query as its words, without case, accents and the plural's s."""
    bare = "".join(c for c in unicodedata.normalize("NFKD", text.lower()) if not unicodedata.combining(c))
    return " ".join(word[:-1] if len(word) > 3 and word[-1] == "s" else word for word in re.findall(r"\w+", bare))


def test_no_example_asks_what_a_test_asks():
    import hard_search
    import new_intents
    import refusals

    judged = queries.texts(queries.judged())
    tests = [hard_search.read("test"), refusals.read(), new_intents.read(), judged[judged["split"] == "test"]]
    asked = {plain(text) for table in tests for text in table["query"]}
    examples = nothing.examples().query("not often")
    assert not asked & {plain(text) for text in examples["query"]}
    assert not examples.duplicated(["language", "query"]).any()
    assert set(examples["language"]) == set(queries.LANGUAGES) and set(examples["fits"]) == {True, False}
