"""Promises of `context`: the term is what the context adds, the twin has none, and nothing of the future is read."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from recsys_kit import datasets, evaluation, preprocessing, training
from recsys_kit.localization import context, context_transformer
from recsys_kit.training import baskets

FOLDER = Path(__file__).parents[2] / "data" / "example_shop"
SETTINGS = context.Settings(epochs=2, batch_size=256, learning_rate=2e-2)


@pytest.fixture(scope="module")
def shop():
    return datasets.load(str(FOLDER))


@pytest.fixture(scope="module")
def task(shop):
    return preprocessing.task(shop)


@pytest.fixture(scope="module")
def stores(task):
    return pd.Index(task.validation.history["store_id"].unique())


@pytest.fixture(scope="module")
def rows(shop, task, stores):
    return context.training_rows(task.validation, shop.timezone, stores, weeks=4)


@pytest.fixture(scope="module")
def groups(task):
    return np.arange(len(task.test.items)) % 5


def test_a_visit_is_placed_by_the_local_clock():
    events = pd.DataFrame(
        {
            "user_id": ["a", "b"],
            "timestamp": pd.to_datetime(["2017-01-02 04:30", "2017-01-02 13:00"], utc=True),
            "store_id": ["s", "unknown to us"],
        }
    )
    found = context.visit_context(
        events["user_id"], events["timestamp"], events, "America/New_York", pd.Index(["r", "s"])
    )
    night, morning = len(context.HOURS) - 2, 0  # Sunday 23:30 and Monday 8:00
    assert found.tolist() == [[night, 6, 2], [morning, 0, 0]]


def test_rows_are_items_bought_before_and_never_from_the_future(shop, task, stores, rows):
    split = task.validation
    assert set(np.unique(rows["label"])) == {0.0, 1.0}
    assert (rows["weight"] > 0).all() and np.isfinite(rows["facts"]).all()
    owned = split.counts()
    assert (np.asarray(owned[rows["user"], rows["item"]]).ravel() > 0).all()
    again = context.training_rows(task.validation, shop.timezone, stores, weeks=4)
    assert all(np.array_equal(rows[name], again[name]) for name in rows)
    with pytest.raises(ValueError, match="`weeks` must reach back"):
        context.training_rows(task.validation, shop.timezone, stores, weeks=0)


def test_untrained_context_adds_nothing(groups, rows):
    model = context.context_model(groups, stores=3, width=4)
    where, columns = rows["context"][:4] * [1, 1, 0], np.tile(np.arange(6), (4, 1))
    assert np.allclose(context.term(model, groups, where, columns), 0)


def test_the_term_is_the_difference_that_the_context_makes(task, groups, stores, rows):
    model, losses = context.train(rows, groups, len(stores) + 1, settings=SETTINGS)
    assert losses[1] < losses[0]
    where = np.array([[0, 1, 1], [3, 5, 0]], np.int32)
    columns = np.tile(np.arange(4), (2, 1))
    term = context.term(model, groups, where, columns)

    def logit(place):
        visit = np.repeat(where[place : place + 1], 4, 0)
        x = {"item": np.arange(4, dtype=np.int32), "group": groups[:4].astype(np.int32), "context": visit}
        return np.asarray(model(x | {"facts": rows["facts"][:4]}))[:, 0]

    assert np.allclose(logit(0) - logit(1), term[0] - term[1], atol=1e-4)
    parts = sum(context.term(model, groups, where, columns, (name,)) for name in context.FACTORS)
    assert np.allclose(parts, term, atol=1e-5)


def test_the_twin_ignores_the_context_and_its_scorer_agrees_with_the_model(task, groups, stores, rows):
    twin, _ = context.train(rows, groups, len(stores) + 1, with_context=False, settings=SETTINGS)
    x = {"item": rows["item"][:5], "group": groups[rows["item"][:5]].astype(np.int32), "facts": rows["facts"][:5]}
    one = np.asarray(twin(x | {"context": rows["context"][:5]}))
    other = np.asarray(twin(x | {"context": np.zeros((5, 3), np.int32)}))
    assert np.allclose(one, other)
    split = task.test
    scores = context.history_scores(twin, split, groups)(np.arange(3))
    owned = split.counts()[split.test_users[:3]]
    assert scores.shape == (3, len(split.items))
    assert scores[owned.toarray() > 0].min() > scores[owned.toarray() == 0].max()
    assert (context.row_loss(twin, rows, groups) > 0).all()


def test_shortlists_score_as_the_whole_catalogue_does():
    rng = np.random.default_rng(0)

    bought = rng.random((30, 200)) < 0.05
    bought[:, 0] = True  # an answer is never empty

    class Split:
        test_users = np.arange(30)
        answers = sp.csr_matrix(bought)

    scores = rng.normal(size=(30, 200)).astype(np.float32)
    short = context.shortlists(lambda rows: scores[rows], Split, size=40, block=7)
    full = evaluation.evaluate(scores, Split.answers)["ndcg"]
    assert np.allclose(short.ndcg(), full)
    extra = 0.1 * rng.normal(size=scores.shape).astype(np.float32)
    moved = short.ndcg(np.take_along_axis(extra, short.columns, 1))
    assert np.allclose(moved, evaluation.evaluate(scores + extra, Split.answers)["ndcg"])


# As an input of the Transformer


@pytest.fixture(scope="module")
def plain(shop, task):
    return training.build(shop, task.test, training.Settings())


def visits(split, events, timezone, stores):
    users = pd.Series(split.users[split.test_users])
    return context.visit_context(users, pd.Series(split.answer_times), events, timezone, stores)


def test_each_basket_keeps_its_context(shop, task, stores):
    history = task.validation.history
    rows = context.visit_context(history["user_id"], history["timestamp"], history, shop.timezone, stores)
    seq = baskets.sequences(task.validation, context=rows)
    assert seq.context.shape == (len(seq.days), 3) and baskets.sequences(task.validation).context.shape[1] == 0
    data = training.BasketBatches(seq, training.Settings(candidates=20))
    x, _ = data[0]
    assert x["context"].shape == (*x["position"].shape, 3)
    when = pd.to_datetime(seq.origin) + pd.to_timedelta(x["target_day"].ravel().astype(float), unit="D")
    local = when.tz_convert(shop.timezone)
    assert (np.abs(local.day_of_week - x["context"][..., 1].ravel()) % 6 <= 1).all()  # a float day may lose seconds
    assert (local.day_of_week == x["context"][..., 1].ravel()).mean() > 0.99


def test_a_model_with_context_starts_as_the_plain_one_and_its_twin_has_no_such_input(shop, task, stores, plain):
    split, rows = task.test, np.arange(5)
    where = visits(split, task.events, shop.timezone, stores)
    aware = context_transformer.train(plain, shop, task, stores, epochs=0).model
    twin = context_transformer.train(plain, shop, task, None, epochs=0).model
    assert "context" in aware.input and "context" not in twin.input
    expected = training.scorer(plain, split)(rows)
    np.testing.assert_allclose(training.scorer(aware, split, context=where)(rows), expected, atol=1e-5)
    np.testing.assert_allclose(training.scorer(twin, split)(rows), expected, atol=1e-5)


def test_learning_on_moves_the_vectors_of_the_context_and_leaves_the_plain_model_alone(shop, task, stores, plain):
    before = [weight.copy() for weight in plain.get_weights()]
    aware = context_transformer.train(plain, shop, task, stores, epochs=1, count=2).model
    assert all(np.abs(aware.get_layer(f"context_{i}").get_weights()[0]).max() > 0 for i in range(3))
    assert all(np.array_equal(a, b) for a, b in zip(before, plain.get_weights(), strict=True))
    where = visits(task.test, task.events, shop.timezone, stores)
    other = (where + 1) % np.array(context.sizes(len(stores) + 1))
    rows = np.arange(5)
    a, b = (training.scorer(aware, task.test, context=s)(rows) for s in (where, other))
    assert not np.allclose(a, b)
