"""The recommender of the example shop, and its lists for everybody."""

import light_shop
import pytest


@pytest.fixture(scope="session")
def recommender():
    return light_shop.recommender()


@pytest.fixture(scope="session")
def everyone(recommender):
    return recommender.recommend(k=8)
