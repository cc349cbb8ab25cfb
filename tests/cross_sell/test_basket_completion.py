from dataclasses import asdict

import keras
import numpy as np
import pytest
import scipy.sparse as sp
from basket_tables import table_of, themed
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_kit import evaluation, workspace
from recsys_kit.cross_sell import basket_completion

TINY = basket_completion.Settings(width=8, blocks=1, epochs=2, tokens=64, candidates=6, dropout=0.0)
TABLE = themed()


def test_one_item_is_hidden_and_the_rest_is_left():
    cases = basket_completion.cases(TABLE, min_items=3, seed=1)
    assert (np.diff(cases.answers.indptr) == 1).all()
    assert cases.rest.multiply(cases.answers).nnz == 0
    whole = (cases.rest + cases.answers.astype(np.float32)).toarray()
    np.testing.assert_array_equal(whole, TABLE.matrix[TABLE.sizes() >= 3].toarray())


def test_too_small_baskets_are_refused_with_reasons():
    with pytest.raises(ValueError, match="no basket holds `min_items`=9 items"):
        basket_completion.cases(TABLE, min_items=9)
    with pytest.raises(ValueError, match="at least 2"):
        basket_completion.cases(TABLE, min_items=1)


def test_counts_match_hand_work():
    table = table_of([[1, 1, 0, 0], [1, 1, 1, 0]])
    counted = basket_completion.Counted(table, from_power=1, to_power=0, neighbours=None)
    np.testing.assert_allclose(counted.table.toarray()[0], [0, (1 + 0.5) / 2, 0.5 / 2, 0])


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 399), st.integers(0, 10))
def test_a_training_basket_is_taken_out_of_its_own_counts(basket, seed):
    """The prior of a hidden item must be what counting all other baskets gives."""
    items = TABLE.matrix[basket].indices
    hidden = items[seed % len(items)]
    rest = sp.csr_matrix(np.where(np.arange(20) == hidden, 0, TABLE.matrix[basket].toarray()).astype(np.float32))
    powers = {"from_power": 0, "to_power": 0, "neighbours": None}  # so that frequencies do not change
    counted = basket_completion.Counted(TABLE, **powers)
    others = basket_completion.Counted(TABLE.rows(np.arange(400) != basket), **powers)
    every = np.arange(20)
    weight = counted.pair_weight[[basket]]
    mine = counted.log_chances(rest, every, (np.array([0]), np.array([hidden]), weight))[0, hidden]
    scale = (rest @ others.mass)[0] / (rest @ counted.mass)[0]
    table = (rest @ others.table).toarray()[0, hidden] / (rest @ others.mass)[0]
    expected = 0.95 * table * scale + 0.05 * counted.popular[hidden]
    assert np.exp(mine) == pytest.approx(expected, rel=1e-4)


def test_some_candidates_get_to_the_bit_what_they_get_among_all():
    counted = basket_completion.Counted(TABLE, neighbours=7)
    rest, some = TABLE.matrix[:50].astype(np.float32), np.array([3, 4, 11, 19])
    among_all = counted.log_chances(rest, np.arange(20))
    np.testing.assert_array_equal(counted.log_chances(rest, some), among_all[:, some])


def test_batches_hide_a_part_of_every_basket_and_find_the_answers():
    counted = basket_completion.Counted(TABLE)
    batches = basket_completion.MaskedBaskets(TABLE, counted, TINY)
    seen = 0
    for i in range(len(batches)):
        inputs, weights = batches[i]
        ids = inputs["ids"]
        assert (ids[:, 0] == 21).all()  # the mask token
        row = inputs["place"] // ids.shape[1]
        answer = inputs["candidates"][inputs["columns"][:, 0]]
        assert not any(a in ids[r] for a, r in zip(answer, row, strict=True))
        assert inputs["prior"].shape == (len(answer), len(inputs["candidates"]))
        assert set(row) == set(range(len(ids)))
        assert np.isfinite(inputs["prior"]).all()
        seen += len(ids)
        assert len(weights) == len(answer)
    assert seen == (TABLE.sizes() >= 2).sum()
    first = batches[0][0]["ids"].copy()
    batches.on_epoch_end()
    assert not np.array_equal(first, batches[0][0]["ids"])


def test_the_order_of_items_changes_nothing_and_neither_does_padding():
    keras.utils.set_random_seed(0)
    model = basket_completion.completion_model(20, TINY)
    scores = keras.ops.convert_to_numpy(model(np.array([[21, 3, 7, 9], [21, 9, 3, 7]], "int32")))[:, 0]
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-5)
    padded = keras.ops.convert_to_numpy(model(np.array([[21, 3, 7, 9, 0, 0]], "int32")))[0, 0]
    np.testing.assert_allclose(scores[0], padded, atol=1e-5)


def test_an_untrained_model_hardly_moves_the_counts():
    cases = basket_completion.cases(TABLE)
    prior = basket_completion.Counted(TABLE).scorer(cases.rest)
    both = basket_completion.scorer(basket_completion.completion_model(20, TINY), cases.rest, prior)
    rows = np.arange(10)
    assert np.abs(both(rows) - prior(rows)).max() < 0.5


@pytest.fixture(scope="module")
def trained():
    return basket_completion.train(TABLE, basket_completion.Counted(TABLE), TINY).model


def test_a_trained_model_completes_themed_baskets(trained):
    new = themed(seed=5)
    cases = basket_completion.cases(new)
    prior = basket_completion.Counted(TABLE).scorer(cases.rest)
    scorer = basket_completion.scorer(trained, cases.rest, prior)
    result = evaluation.evaluate(scorer, cases.answers, 3, exclude=cases.rest)
    assert result["recall"].mean() > 0.9  # a theme has 5 items, so 3 are left at most
    means = basket_completion.household_means(result, cases, "recall")
    assert len(means) == 1
    assert means.iloc[0] == pytest.approx(result["recall"].mean())


def test_the_same_seed_gives_the_same_model(trained):
    again = basket_completion.train(TABLE, basket_completion.Counted(TABLE), TINY).model
    for a, b in zip(trained.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_a_model_survives_the_workspace(trained, tmp_path):
    store = workspace.Workspace(tmp_path)
    loaded = store.get("completion", lambda: trained, params=asdict(TINY))
    cases = basket_completion.cases(TABLE)
    rows = np.arange(5)
    scores = [basket_completion.scorer(model, cases.rest)(rows) for model in (trained, loaded)]
    np.testing.assert_allclose(*scores, atol=1e-6)


def test_the_twin_without_blocks_reads_the_mean_of_the_basket_and_no_order():
    keras.utils.set_random_seed(0)
    twin = basket_completion.completion_model(6, basket_completion.Settings(width=8, blocks=0, dropout=0.0))
    mask = 7
    one, other, padded = (
        keras.ops.convert_to_numpy(twin(np.array([ids])))[0, 0]
        for ids in ([mask, 1, 2, 4], [mask, 4, 1, 2], [mask, 4, 1, 2, 0, 0])
    )
    np.testing.assert_allclose(one, other, atol=1e-6)
    np.testing.assert_allclose(one, padded, atol=1e-6)
    assert not np.allclose(one, keras.ops.convert_to_numpy(twin(np.array([[mask, 1, 2, 5]])))[0, 0])
