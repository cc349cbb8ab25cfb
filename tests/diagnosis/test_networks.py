"""Histories as sequences: no order inside a basket, none across baskets where it is shuffled; and a training."""

import numpy as np
import two_tastes

from recsys_kit.diagnosis import networks


def histories(data):
    return [data.items[low:high].tolist() for low, high in zip(data.start[:-1], data.start[1:], strict=True)]


def test_each_basket_ends_and_holds_what_was_bought():
    split = two_tastes.make_split([("u", 3, "ab"), ("u", 2, "c"), ("v", 1, "b")])
    first, second = histories(networks.sequences(split, True))
    assert (sorted(first[:2]), first[2:]) == ([1, 2], [4, 3, 4])
    assert second == [2, 4]


def test_the_order_inside_a_basket_is_not_the_files():
    split = two_tastes.make_split([(f"u{user:03}", 1, "abcdef") for user in range(60)])
    first = {tuple(one) for one in histories(networks.sequences(split, False))}
    assert len(first) > 40


def test_shuffled_histories_hold_the_same_baskets():
    split = two_tastes.make_split([("u", 9 - day, item) for day, item in enumerate("abcdefgh")] + [("v", 1, "b")])
    (plain, other), (mixed, same) = (histories(networks.sequences(split, False, shuffle=s)) for s in (False, True))
    assert plain == list(range(1, 9)) and sorted(mixed) == plain and mixed != plain
    assert other == same == [2]


def test_only_the_newest_places_are_kept_and_only_learners_have_any():
    split = two_tastes.make_split([("u", 9 - day, item) for day, item in enumerate("abcd")] + [("v", 1, "b")])
    assert histories(networks.sequences(split, False, newest=2)) == [[3, 4], [2]]
    assert histories(networks.sequences(split, False, learners=np.array([False, True]))) == [[], [2]]


def test_a_network_learns_what_follows_and_forgets_it_when_trained_again():
    rng = np.random.default_rng(0)
    starts = rng.integers(0, 6, 200)
    rows = [
        (f"u{user:03}", 9 - day, "abcdef"[(start + day) % 6]) for user, start in enumerate(starts) for day in range(6)
    ]
    data = networks.sequences(two_tastes.make_split(rows), False)
    network, users = networks.Network(data.size, 4, True), np.arange(200)
    last = np.array([one[-1] for one in histories(data)])
    wanted = last % 6  # the column of the item after the last

    def hits(scorer):
        return 0.01 + (scorer(users).argmax(axis=1) == wanted).mean()

    network.fit(data, hits, data, 80)
    assert hits(network.scorer(data)) > 0.9
    network.fit(networks.sequences(two_tastes.make_split(rows), False, shuffle=True), lambda scorer: 1.0, data, 2)
    assert hits(network.scorer(data)) < 0.9


def test_a_training_with_many_items_ends_when_nothing_gets_better(monkeypatch):
    monkeypatch.setattr(networks, "WHOLE", 2)
    rows = [(f"u{user:03}", 9 - day, "abcdef"[(user + day) % 6]) for user in range(60) for day in range(6)]
    data, looks = networks.sequences(two_tastes.make_split(rows), False), []
    network = networks.Network(data.size, 4, True)

    def falling(scorer):
        looks.append(len(looks))
        return 1 / (1 + len(looks))

    network.fit(data, falling, data, 400)
    assert not network.whole and 3 <= len(looks) < 20
