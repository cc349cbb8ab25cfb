"""The two heads: their attention counts, sees the past alone, and does not care for padding or order."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_kit.training.heads import DiscoverHead, GroupCounts, PurchaseCounts, RepeatHead

GROUPS = [[0, 1, 1, 2, 2, 3], [0, 1, 1, 1, 1, 2]]  # of items 1 to 5
B, L, H, P, C, D, K = 2, 6, 4, 3, 5, 8, 2


def array(tensor):
    return keras.ops.convert_to_numpy(tensor)


def history(seed=0):
    rng = np.random.default_rng(seed)
    days = np.cumsum(rng.uniform(1, 9, (B, L)), 1).astype("float32")
    incidence = (rng.random((B, L, H)) < 0.5).astype("float32")
    position = np.tile(np.array([1, 3, 4], "int32"), (B, 1))
    target_day = np.take_along_axis(days, position, 1) + 2.0
    items = np.stack([rng.permutation(5)[:H] + 1 for _ in range(B)]).astype("int32")
    return dict(items=items, incidence=incidence, days=days, position=position, target_day=target_day)


def market(items):
    """Facts (B, P, items, 2) that depend on the item alone."""
    facts = np.stack([np.sin(items), np.cos(items)], -1).astype("float32")
    return np.broadcast_to(facts if facts.ndim == 2 else facts[:, None], (B, P, items.shape[-1], 2))


def awake(layer):
    """Gives weights that start at zero some value, so that a test of the layer tests all of it."""
    rng = np.random.default_rng(1)
    for weight in layer.trainable_weights:
        weight.assign(weight + 0.1 * rng.normal(size=weight.shape))
    return layer


@pytest.fixture(scope="module")
def vectors():
    return np.random.default_rng(2).normal(size=(5 + 1, D)).astype("float32")


@pytest.fixture(scope="module")
def states():
    return np.random.default_rng(3).normal(size=(B, P, D)).astype("float32")


@pytest.fixture(scope="module")
def repeat(vectors, states):
    head, x = RepeatHead(GROUPS), history()
    head(states, vectors[x["items"]], market(x["items"]), x)
    return awake(head)


@pytest.fixture(scope="module")
def discover(vectors, states):
    head, x = DiscoverHead(GROUPS), history()
    head(states, vectors[1:], np.arange(1, 6), market(np.arange(1, 6)), x)
    return awake(head)


def ask(head, x, vectors, states, candidates=None):
    """Returns what a head says of a history, and of all items as candidates."""
    if isinstance(head, RepeatHead):
        return array(head(states, vectors[x["items"]], market(x["items"]), x))
    candidates = np.arange(1, C + 1) if candidates is None else candidates
    return array(head(states, vectors[candidates], candidates, market(candidates), x))


def test_forty_purchases_count_more_than_two_of_the_same_mean():
    def counted(times):
        days = np.full((1, times), 10.0, "float32")
        x = {
            "incidence": np.ones((1, times, 1), "float32"),
            "days": days,
            "target_day": np.full((1, 1), 12.0, "float32"),
        }
        return array(PurchaseCounts([30.0])(x | {"position": np.full((1, 1), times - 1, "int32")})).item()

    assert counted(40) == pytest.approx(20 * counted(2), rel=1e-5)  # the mean of both is the same


def test_a_count_is_the_sum_of_its_kernels_worked_by_hand():
    x, decays = history(), [7.0, 30.0]
    found = array(PurchaseCounts(decays)(x))
    for b, k, p, h in np.ndindex(B, K, P, H):
        past = slice(0, x["position"][b, p] + 1)
        age = x["target_day"][b, p] - x["days"][b, past]
        expected = (np.exp(-age / decays[k]) * x["incidence"][b, past, h]).sum()
        assert found[b, k, p, h] == pytest.approx(expected, abs=1e-5)


def test_the_kernels_learn_from_what_is_bought():
    x, layer = history(), PurchaseCounts([7.0, 30.0])
    layer(x)
    assert len(layer.trainable_weights) == 1
    slower = PurchaseCounts([14.0, 60.0])
    slower(x)
    assert (array(slower(x)) >= array(layer(x))).all()
    layer.log_tau.assign(np.log([14.0, 60.0]))
    np.testing.assert_allclose(array(layer(x)), array(slower(x)), atol=1e-5)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6))
def test_a_group_holds_the_sum_of_its_items(seed):
    x = history(seed)
    counts = array(PurchaseCounts([7.0, 30.0])(x))  # (B, K, P, H)
    layer = GroupCounts(GROUPS)
    tables = layer(counts, x["items"])
    for kind, groups in enumerate(np.array(GROUPS)):
        found = array(layer.of(tables[kind], np.arange(1, 6), kind))  # (B, C, K, P)
        for b, c in np.ndindex(B, C):
            alike = groups[x["items"][b]] == groups[c + 1]
            np.testing.assert_allclose(found[b, c], counts[b][..., alike].sum(-1), atol=1e-4)


@pytest.mark.parametrize("name", ["repeat", "discover"])
def test_a_head_sees_nothing_after_its_position(name, request, vectors, states):
    head, x = request.getfixturevalue(name), history()
    before = ask(head, x, vectors, states)
    changed = x | {"incidence": x["incidence"].copy(), "days": x["days"].copy()}
    changed["incidence"][:, 4:] = 1 - changed["incidence"][:, 4:]
    changed["days"][:, 4:] += 1
    after = ask(head, changed, vectors, states)
    np.testing.assert_allclose(after[:, :2], before[:, :2], atol=1e-5)  # their positions are 1 and 3
    assert np.abs(after[:, 2] - before[:, 2]).max() > 1e-3  # its position is 4


@pytest.mark.parametrize("name", ["repeat", "discover"])
def test_padding_changes_nothing(name, request, vectors, states):
    head, x = request.getfixturevalue(name), history()
    before = ask(head, x, vectors, states)
    padded = x | {
        "incidence": np.pad(x["incidence"], ((0, 0), (0, 3), (0, 2))),
        "days": np.pad(x["days"], ((0, 0), (0, 3))),
    }
    padded |= {"items": np.pad(x["items"], ((0, 0), (0, 2)))}
    after = ask(head, padded, vectors, states)
    np.testing.assert_allclose(after[..., : before.shape[-1]], before, atol=1e-5)


def test_items_in_another_order_get_the_same_scores(repeat, discover, vectors, states):
    x, order = history(), [2, 0, 3, 1]
    mixed = x | {
        "incidence": x["incidence"][..., order],
        "items": x["items"][:, order],
    }
    expected = ask(repeat, x, vectors, states)[..., order]
    np.testing.assert_allclose(ask(repeat, mixed, vectors, states), expected, atol=1e-5)
    plain = ask(discover, x, vectors, states)
    np.testing.assert_allclose(ask(discover, mixed, vectors, states), plain, atol=1e-5)
    candidates = np.array([4, 1, 3])
    few = ask(discover, x, vectors, states, candidates)
    np.testing.assert_allclose(few, plain[..., candidates - 1], atol=1e-5)


def test_what_is_bought_of_an_items_group_matters_to_both_heads(repeat, discover, vectors, states):
    x = history() | {"items": np.tile(np.array([1, 2, 3, 5], "int32"), (B, 1))}
    more = x | {"incidence": x["incidence"].copy()}
    more["incidence"][:, 0, 1] = 1 - more["incidence"][:, 0, 1]  # item 2, of the same group as item 1
    difference = ask(repeat, more, vectors, states) - ask(repeat, x, vectors, states)
    assert np.abs(difference[..., 0]).max() > 1e-4
    np.testing.assert_allclose(difference[..., 3], 0, atol=1e-5)  # item 5 shares no group with it
    difference = ask(discover, more, vectors, states) - ask(discover, x, vectors, states)
    assert np.abs(difference[..., 0]).max() > 1e-4
    np.testing.assert_allclose(difference[..., 4], 0, atol=1e-5)


@pytest.mark.parametrize(
    "layer", [PurchaseCounts([7, 30]), GroupCounts(GROUPS), RepeatHead(GROUPS), DiscoverHead(GROUPS)]
)
def test_a_head_knows_its_arguments_when_it_is_made_anew(layer):
    twin = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert type(twin) is type(layer) and twin.get_config() == layer.get_config()
