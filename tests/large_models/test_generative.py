import keras
import numpy as np
import pytest

from recsys_kit.large_models import generative, semantic_codes
from recsys_kit.neural import losses
from recsys_kit.next_item import LeaveOneOut

ITEMS, LENGTH = 40, 6


@pytest.fixture(scope="module")
def codes():
    vectors = np.random.default_rng(0).normal(size=(ITEMS, 3))
    book = semantic_codes.learn_codes(vectors, levels=2, size=4)
    return semantic_codes.numbered(book.codes(vectors), np.arange(ITEMS))


def model(codes, parallel):
    keras.utils.set_random_seed(0)
    made = generative.build(codes, LENGTH, 8, parallel, blocks=1, dropout=0.0)
    for table in made.writer.embedding.tables:  # large enough that the chances differ
        table.assign(np.random.default_rng(1).normal(size=table.shape))
    return made


def states(count=5):
    return np.random.default_rng(2).normal(size=(count, 8)).astype("float32")


@pytest.mark.parametrize("parallel", [False, True])
def test_a_beam_that_holds_everything_is_exact_scoring(codes, parallel):
    step = generative.log_chances(model(codes, parallel).writer)
    trie = semantic_codes.Trie(codes, codes.max(axis=0) + 1)
    exact = generative.exact_scores(step, states(), trie)
    found, total = generative.beam_search(step, states(), trie.sizes, ITEMS, trie)
    for row in range(len(exact)):
        order = np.argsort(-exact[row])
        assert (found[row] == codes[order]).all()
        assert total[row] == pytest.approx(exact[row][order], abs=1e-4)


@pytest.mark.parametrize("parallel", [False, True])
def test_chances_of_all_words_sum_to_one(codes, parallel):
    step = generative.log_chances(model(codes, parallel).writer)
    sizes = codes.max(axis=0) + 1
    every = np.stack(np.meshgrid(*map(np.arange, sizes), indexing="ij"), axis=-1).reshape(-1, 3)
    exact = generative.exact_scores(step, states(), semantic_codes.Trie(every, sizes))
    assert np.exp(exact).sum(axis=1) == pytest.approx(np.ones(5), abs=1e-4)


def test_codes_begin_as_their_centroids_at_the_spread_of_chance(codes):
    made = generative.build(codes, LENGTH, 8)
    embedding = made.writer.embedding
    by_chance = [np.array(table) for table in embedding.tables]
    meanings = [np.random.default_rng(level).normal(5, 3, (4, 8)) for level in range(2)]
    embedding.start(meanings)
    first, second, number = (np.array(table) for table in embedding.tables)
    for table, meaning in zip((first, second), meanings, strict=True):
        assert table / generative.SPREAD == pytest.approx(meaning / meaning.std(), rel=1e-5)
    assert (number == by_chance[2]).all()  # says nothing of an item


def test_centroids_that_do_not_fit_are_refused(codes):
    embedding = generative.CodeEmbedding(codes, sizes=codes.max(axis=0) + 1, width=8)
    with pytest.raises(ValueError, match=r"a row for each value of a code, \(4, 8\) in all. Received: \(3, 8\)"):
        embedding.start([np.ones((3, 8))])
    with pytest.raises(ValueError, match=r"Received: \(4, 5\)"):
        embedding.start([np.ones((4, 5))])


def test_the_loss_is_minus_the_log_chance_of_the_word(codes):
    made = model(codes, False)
    scores = made.writer(states(3), codes[:3])
    loss = np.asarray(generative.CodeLoss()(scores, codes[:3]))
    trie = semantic_codes.Trie(codes, codes.max(axis=0) + 1)
    exact = generative.exact_scores(generative.log_chances(made.writer), states(3), trie)
    assert loss == pytest.approx(-np.diag(exact[:, :3]), abs=1e-4)


def test_a_code_is_scored_without_a_look_at_itself_or_later_ones(codes):
    writer, other = model(codes, False).writer, codes.copy()
    other[:, 1] = (other[:, 1] + 1) % (codes[:, 1].max() + 1)
    one, two = (writer(states(), c[:5]) for c in (codes, other))
    assert np.allclose(one[0], two[0]) and np.allclose(one[1], two[1], atol=1e-6)
    assert not np.allclose(one[2], two[2])


def test_only_items_come_out_of_a_beam_with_a_trie_and_others_out_of_one_without(codes):
    step, sizes = generative.log_chances(model(codes, False).writer), codes.max(axis=0) + 1
    known = set(map(tuple, codes))
    kept, total = generative.beam_search(step, states(), sizes, 10, semantic_codes.Trie(codes, sizes))
    assert np.isfinite(total).all() and {tuple(word) for row in kept for word in row} <= known
    free, _ = generative.beam_search(step, states(), sizes, 10)
    assert not {tuple(word) for row in free for word in row} <= known


def test_a_trie_of_some_items_finds_no_others(codes):
    step, sizes = generative.log_chances(model(codes, False).writer), codes.max(axis=0) + 1
    found, total = generative.beam_search(step, states(), sizes, 10, semantic_codes.Trie(codes[:4], sizes))
    assert (np.isfinite(total).sum(axis=1) == 4).all()
    assert {tuple(word) for row in found[:, :4] for word in row} == set(map(tuple, codes[:4]))


def test_targets_are_the_codes_of_the_next_items(codes):
    data = LeaveOneOut(np.arange(1, 13, dtype=np.int32), np.array([0, 6, 12]), ITEMS, "")
    feed = generative.CodeBatches(codes, data, 0, LENGTH)
    inputs, weights = feed[0]
    read = inputs["ids"].ravel()[inputs["place"]]
    real = weights > 0
    assert real.sum() == 10 and (inputs["target"][real] == codes[read[real]]).all()  # id i is followed by item i + 1


def test_training_learns_what_follows_what(codes):
    data = LeaveOneOut(np.tile(np.arange(1, ITEMS + 1, dtype=np.int32), 4), np.arange(5) * ITEMS, ITEMS, "")
    keras.utils.set_random_seed(0)
    made = generative.build(codes, ITEMS, 16, blocks=1, dropout=0.0)
    made.training.compile(keras.optimizers.Adam(0.02), loss=losses.mean_loss)
    feed = generative.CodeBatches(codes, data, 0, ITEMS)
    run = made.training.fit(feed, epochs=25, verbose=0, shuffle=False).history["loss"]
    assert run[-1] < 0.3 * run[0]
    hidden = np.asarray(made.encoder(data.items[:10][None]))[:, -1]
    sizes = codes.max(axis=0) + 1
    best, _ = generative.beam_search(
        generative.log_chances(made.writer), hidden, sizes, 5, semantic_codes.Trie(codes, sizes)
    )
    assert (best[0, 0] == codes[10]).all()
