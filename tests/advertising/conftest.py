"""A shop with campaigns, read once for all tests of the room."""

import pytest
from coupon_shop import write_coupon_shop

from recsys_kit import datasets
from recsys_kit.advertising import campaigns


@pytest.fixture(scope="package")
def shop_and_campaigns(tmp_path_factory):
    folder = write_coupon_shop(tmp_path_factory.mktemp("shop"))
    shop = datasets.read_shop(folder)
    return shop, campaigns.load(shop, folder)
