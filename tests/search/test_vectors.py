"""Vectors and training pairs: the light ones are the same, and what is hardly sold teaches nothing."""

import numpy as np
from search_shop import small_shop

from recsys_kit import workspace
from recsys_kit.search import corpus
from recsys_kit.search import vectors as search_vectors


def test_the_light_vectors_are_the_same_and_only_what_the_views_read(tmp_path):
    store, documents = workspace.Workspace(tmp_path), corpus.documents(small_shop())[0]
    full, light = (search_vectors.vectors(small_shop(), store, documents, light) for light in (False, True))
    assert set(full) - set(light) == {"raw", "paraphrase"}
    assert all(np.array_equal(full[name], light[name]) for name in light)


def test_every_text_is_paired_with_the_document_that_it_was_made_from(tmp_path):
    documents = corpus.documents(small_shop("corner shop"))[0].assign(sold=[0, 9, 9, 9, 9, 9])
    parts = search_vectors.vectors(small_shop("corner shop"), workspace.Workspace(tmp_path), documents)
    text, target = search_vectors.pairs(documents, parts, codes=False)
    assert len(text) == len(target)
    assert set(target) == {1, 2, 3, 4, 5}  # the first was never sold
    assert np.array_equal(text[:5], parts["name"][1:])
