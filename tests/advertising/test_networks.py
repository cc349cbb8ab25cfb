"""Networks: worked by hand, an ablation that is what it says, sequences from the past alone, a save that survives."""

from dataclasses import replace

import keras
import numpy as np
import pandas as pd
import pytest

from recsys_kit.advertising import networks, response

MAKERS = {
    "factorisation machine": lambda: networks.factorisation_machine(5, 2),
    "without pairs": lambda: networks.factorisation_machine(5, pairs=False),
    "cross network": lambda: networks.cross_network(5, 2, 4),
    "without crosses": lambda: networks.cross_network(5, 0, 4),
    "without depth": lambda: networks.cross_network(5, 2, 0),
    "interest network": lambda: networks.interest_network(5, (4, 2, 3), 4),
    "mean of the visits": lambda: networks.interest_network(5, (4, 2, 3), 4, attends=False),
    "with a block": lambda: networks.interest_network(5, (4, 2, 3), 4, blocks=1),
}


def asked(model, rows=6, seed=0):
    rng = np.random.default_rng(seed)
    parts = [rng.normal(size=(rows, *part.shape[1:])).astype("float32") for part in model.inputs]
    return parts if len(parts) > 1 else parts[0]


@pytest.mark.parametrize("name", MAKERS)
def test_a_network_gives_chances_learns_and_survives_a_save(name, tmp_path):
    keras.utils.set_random_seed(0)
    model = MAKERS[name]()
    x, y = asked(model, 64), (np.arange(64) % 2).astype(float)
    losses = networks.train(model, x, y, networks.Settings(epochs=12, learning_rate=0.02, batch_size=16))
    assert losses[-1] < losses[0]
    chance = model.predict(x, verbose=0)
    assert ((chance >= 0) & (chance <= 1)).all() and chance.shape == (64, 1)
    model.save(tmp_path / "model.keras")
    assert keras.models.load_model(tmp_path / "model.keras").predict(x, verbose=0) == pytest.approx(chance, abs=1e-6)


def test_pairs_match_all_pairs_worked_by_hand():
    rng, layer = np.random.default_rng(0), networks.Pairs(3)
    x, vectors = rng.normal(size=(2, 4)).astype("float32"), rng.normal(size=(4, 3)).astype("float32")
    layer.build((None, 4))
    layer.set_weights([vectors])
    by_hand = [sum(row[i] * row[j] * vectors[i] @ vectors[j] for i in range(4) for j in range(i)) for row in x]
    assert np.asarray(layer(x))[:, 0] == pytest.approx(by_hand, abs=1e-5)


@pytest.mark.parametrize("blocks", [0, 1])
def test_empty_visits_change_nothing(blocks):
    model = networks.interest_network(2, (4, 2, 3), 4, blocks)
    facts, visits, offers = asked(model)
    visits[:, :2] = 0
    shorter = networks.interest_network(2, (2, 2, 3), 4, blocks)
    shorter.set_weights(model.get_weights())
    padded = np.asarray(model([facts, visits, offers]))
    assert padded == pytest.approx(np.asarray(shorter([facts, visits[:, 2:], offers])), abs=1e-5)


def test_without_attention_the_offer_does_not_choose_among_visits():
    model = networks.interest_network(2, (4, 2, 3), 4, attends=False)
    facts, visits, offers = asked(model)
    turned = visits[:, ::-1].copy()
    assert np.asarray(model([facts, visits, offers])) == pytest.approx(
        np.asarray(model([facts, turned, offers])), abs=1e-5
    )


def test_visits_are_from_before_the_start_and_the_latest_is_last(shop_and_campaigns):
    shop, found = shop_and_campaigns
    start = found.plan.loc["summer", "start"]
    rows = pd.MultiIndex.from_product([["summer"], ["u01", "u02"]], names=["campaign_id", "user_id"])
    vectors = response.item_vectors(shop, start, width=6)
    whole = networks.visits(shop, found, rows, vectors, length=5)
    past = replace(shop, events=shop.events[shop.events["timestamp"] < start])
    assert whole == pytest.approx(networks.visits(past, found, rows, vectors, length=5))
    assert networks.visits(shop, found, rows, vectors, length=2) == pytest.approx(whole[:, -2:])


def test_offers_are_directions_of_the_campaigns_items(shop_and_campaigns):
    shop, found = shop_and_campaigns
    rows = pd.MultiIndex.from_product([["summer", "may"], ["u01"]], names=["campaign_id", "user_id"])
    vectors = response.item_vectors(shop, found.plan.loc["summer", "start"], width=6)
    seen = networks.offers(shop, found, rows, vectors, groups=2)
    assert seen.shape == (2, 2, 6)
    assert np.linalg.norm(seen[:, 0], axis=1) == pytest.approx([1, 1], abs=1e-4)
    assert not seen[:, 1].any()  # this shop knows one category
