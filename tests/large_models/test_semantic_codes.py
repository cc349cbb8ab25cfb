import numpy as np
import pytest

from recsys_kit.large_models import semantic_codes


def test_items_with_equal_words_are_refused_by_a_trie():
    with pytest.raises(ValueError, match="number those that are equal"):
        semantic_codes.Trie(np.array([[1, 1], [1, 1]]), (2, 2))


def test_more_levels_say_more_of_a_vector_and_a_new_vector_gets_the_nearest_word():
    vectors = np.random.default_rng(0).normal(size=(200, 5))
    book = semantic_codes.learn_codes(vectors, levels=3, size=8)
    words = book.codes(vectors)
    left = [((vectors - semantic_codes.Codebook(book.levels[:m]).vectors(words[:, :m])) ** 2).mean() for m in (1, 2, 3)]
    assert left[0] > left[1] > left[2]
    assert (book.codes(vectors[:3] + 1e-4) == words[:3]).all()


def test_every_word_leads_to_its_item_and_other_words_to_none():
    words = semantic_codes.numbered(semantic_codes.random_codes(50, 2, 6), np.arange(50))
    trie = semantic_codes.Trie(words, words.max(axis=0) + 1)
    assert trie.items_of(words).tolist() == list(range(50))
    known = set(map(tuple, words))
    every = np.stack(np.meshgrid(*map(np.arange, trie.sizes), indexing="ij"), axis=-1).reshape(-1, 3)
    assert [tuple(word) in known for word in every] == (trie.items_of(every) >= 0).tolist()


def test_numbers_tell_all_items_apart_and_the_best_seller_gets_0():
    codes = semantic_codes.random_codes(200, 1, 5)
    order = np.random.default_rng(0).permutation(200)
    words = semantic_codes.numbered(codes, order)
    assert len(np.unique(words, axis=0)) == 200
    for code in range(5):
        group = np.flatnonzero(codes[:, 0] == code)
        assert words[group[order[group].argmax()], 1] == 0


def test_what_counts_for_more_lies_closer_to_its_centroid():
    vectors = np.random.default_rng(0).normal(size=(300, 5))
    weights = np.where(np.arange(300) < 30, 100.0, 1.0)

    def left(book):
        return ((vectors - book.vectors(book.codes(vectors)))[:30] ** 2).mean()

    plain = semantic_codes.learn_codes(vectors, levels=1, size=20)
    assert left(semantic_codes.learn_codes(vectors, levels=1, size=20, weights=weights)) < 0.5 * left(plain)
