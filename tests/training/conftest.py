import pytest
from unseen_shop import write_unseen_shop

from recsys_kit import datasets, preprocessing


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    return datasets.load(str(write_unseen_shop(tmp_path_factory.mktemp("shop"))))


@pytest.fixture(scope="module")
def task(shop):
    return preprocessing.task(shop)
