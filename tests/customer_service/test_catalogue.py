"""The catalogue: prices that many stand behind, and the product that a question names."""

import numpy as np
import pytest
from service_shop import small_shop

from recsys_kit import workspace
from recsys_kit.customer_service import intents
from recsys_kit.customer_service.catalogue import Shelf, product_words

TABLE = intents.utterances()


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return workspace.Workspace(tmp_path_factory.mktemp("ws"))


def test_a_price_needs_a_crowd(store):
    alone = Shelf(small_shop(), store)
    assert alone.price("0") == pytest.approx(4.5)
    assert np.isnan(alone.price("10"))
    assert not alone.sells("10")


@pytest.mark.parametrize("split", ["train", "test"])
def test_the_product_is_found_in_a_question(split):
    rows = TABLE[(TABLE["product"] != "") & (TABLE["split"] == split)]
    plain = rows["product"].str.lower().str.replace(r"\W", "", regex=True)
    found = rows["text"].map(product_words).str.replace(r"\W", "", regex=True)
    assert np.mean([a in b for a, b in zip(plain, found, strict=True)]) > 0.8
