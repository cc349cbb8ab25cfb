"""Made-up baskets: each sampler has what it promises, and the measures say what is worked out by hand."""

import keras
import light_shop
import numpy as np
import pandas as pd
import pytest

from recsys_kit import datasets
from recsys_kit.privacy import membership, synthetic

TYPES = 12


def pairs_world(count=1500, seed=0):
    """Types come in pairs, 0 with 1, 2 with 3 and so on: who has one has the other nine times in ten."""
    rng = np.random.default_rng(seed)
    first = (rng.random((count, TYPES // 2)) < 0.35).astype(np.float32)
    second = np.where(rng.random(first.shape) < 0.9, first, 0)
    made = np.stack([first, second], axis=-1).reshape(count, TYPES).astype(np.float32)
    return made[made.sum(1) >= 2]


def together(made):
    """How often the partner is there when the first one is."""
    return (made[:, ::2] * made[:, 1::2]).sum() / made[:, ::2].sum()


def trained_chain(real, epochs=30):
    keras.utils.set_random_seed(0)
    model = synthetic.chain(real.mean(0), learning_rate=0.02)
    model.fit(real, real, batch_size=64, epochs=epochs, verbose=0)
    return model


@pytest.mark.parametrize("sampler", [synthetic.marginal, synthetic.markov])
def test_a_counting_sampler_keeps_the_frequencies(sampler):
    real = pairs_world()
    made = sampler(real, 3000, np.random.default_rng(0))
    assert set(np.unique(made)) <= {0.0, 1.0}
    assert np.abs(made.mean(0) - real.mean(0)).max() < 0.1


def test_only_a_walk_keeps_the_sizes():
    real = pairs_world()
    rng = np.random.default_rng(0)
    walked, drawn = synthetic.markov(real, 3000, rng), synthetic.marginal(real, 3000, rng)
    assert walked.sum(1).mean() == pytest.approx(real.sum(1).mean(), rel=0.05)
    assert abs(walked.sum(1).std() - real.sum(1).std()) < abs(drawn.sum(1).std() - real.sum(1).std())


def test_a_chain_learns_what_belongs_together_and_the_marginals_do_not():
    real = pairs_world()
    rng = np.random.default_rng(0)
    made = synthetic.sample(trained_chain(real), 2000, rng)
    assert together(made) == pytest.approx(together(real), abs=0.1)
    assert together(synthetic.marginal(real, 2000, rng)) < 0.5


def test_a_type_of_a_chain_leans_on_earlier_ones_alone():
    model = trained_chain(pairs_world(), epochs=2)
    kernel, _ = model.get_layer("earlier").get_weights()
    assert (np.tril(kernel) == 0).all()
    assert np.abs(kernel).max() > 0


def test_the_generator_of_a_gan_is_trained_against_its_critic():
    real = pairs_world()
    keras.utils.set_random_seed(0)
    generator, model = synthetic.gan(real.mean(0), noise=8, width=16)
    before = [part.get_weights() for part in (generator, model.get_layer("critic"))]
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((len(real), 8)).astype("float32")
    model.fit([noise, real], np.zeros(len(real)), batch_size=64, verbose=0)
    after = [part.get_weights() for part in (generator, model.get_layer("critic"))]
    moved = [max(np.abs(a - b).max() for a, b in zip(*both, strict=True)) for both in zip(before, after, strict=True)]
    assert min(moved) > 0
    assert set(np.unique(generator.predict(noise[:50], verbose=0))) <= {0.0, 1.0}


def test_what_helps_the_critic_is_what_the_generator_avoids():
    import tensorflow as tf

    x = tf.Variable([[1.0, 2.0]])
    with tf.GradientTape() as tape:
        y = synthetic._Reversed()(x)
        total = tf.reduce_sum(3 * y)
    assert y.numpy().tolist() == [[1.0, 2.0]]
    assert tape.gradient(total, x).numpy().tolist() == [[-3.0, -3.0]]


def test_a_hidden_type_is_found_from_real_pairs_and_not_from_marginals():
    real, test = pairs_world(), pairs_world(500, seed=1)
    rng = np.random.default_rng(0)
    found = synthetic.hits(real, test, k=1, penalty=1.0).mean()
    assert found > synthetic.hits(synthetic.marginal(real, 1500, rng), test, k=1, penalty=1.0).mean() + 0.2


def test_the_nearest_basket_is_itself_where_it_is_there():
    real = pairs_world()
    assert (synthetic.nearest(real[:10], real) == 1).all()
    assert synthetic.nearest(np.eye(3)[:1], np.eye(3)[1:]).tolist() == [0.0]


def test_baskets_that_are_all_but_copies_give_their_originals_away():
    rng = np.random.default_rng(0)
    world = (rng.random((600, 60)) < 0.15).astype(np.float32)
    world = world[world.sum(1) >= 3]
    half = len(world) // 2
    real, others = world[:half], world[half:]
    for sampler, low, high in ((synthetic.copies, 0.75, 1.0), (synthetic.marginal, 0.4, 0.6)):
        made = sampler(real, 2000, rng)
        auc = membership.attack(synthetic.nearest(real, made), synthetic.nearest(others, made), draws=20).auc
        assert low < auc < high, sampler


def test_a_copy_is_one_exchange_away_from_a_real_basket():
    real = pairs_world(200)
    made = synthetic.copies(real, 300, np.random.default_rng(0))
    away = np.abs(made[:, None] - real[None]).sum(-1).min(1)
    assert away.max() == 2  # less where the exchange leads close to another real basket


def test_real_baskets_hold_each_type_once_and_know_whose_they_are():
    split = light_shop.task().test
    types = datasets.items.item_types(light_shop.shop().items, split.items)
    found, user, names = synthetic.baskets(split, types, most=50, least=2)
    assert set(np.unique(found)) == {0.0, 1.0}
    assert found.sum(1).min() >= 2
    assert len(found) == len(user)
    assert len(names) == found.shape[1]
    bought = split.history.assign(type=types.to_numpy()[split.history["item"]])
    first = bought[bought["user"] == user[0]].groupby("basket_id", observed=True)["type"].agg(set)
    assert set(names[found[0] > 0]) in [some & set(names) for some in first]


def test_a_shop_without_large_baskets_gives_none():
    history = pd.DataFrame({"user": [0, 1], "basket_id": ["a", "b"], "item": [0, 0]})
    split = type("Split", (), {"history": history})()
    found, user, _ = synthetic.baskets(split, pd.Series(["tea"]), least=2)
    assert found.shape == (0, 1)
    assert len(user) == 0
