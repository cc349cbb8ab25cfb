"""The kit's own shop and the example shop, read once for all tests of datasets."""

from pathlib import Path

import pytest

from recsys_kit import datasets


@pytest.fixture(scope="package")
def journey():
    return datasets.complete_journey.load()


@pytest.fixture
def example():
    return datasets.read_shop(Path(__file__).parents[2] / "data" / "example_shop")
