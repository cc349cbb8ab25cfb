import pandas as pd
import pytest

from recsys_kit import conversion, datasets, preprocessing, your_data
from recsys_kit.your_data import orders_export

KEYS = ["user_id", "item_id", "timestamp", "basket_id", "quantity"]


@pytest.fixture(scope="module")
def small(shop):
    return datasets.sample_users(shop, 40)


@pytest.mark.parametrize("quirks", [0.0, 0.1])
def test_real_purchases_come_back_as_they_were_whatever_is_added(small, tmp_path, quirks):
    bought = preprocessing.clean(small)[0]
    counts = your_data.write_orders(small, bought, tmp_path / "export", quirks)
    conversion.convert(str(tmp_path / "export"), tmp_path / "shop", yes=True, say=str)
    back = datasets.read_shop(tmp_path / "shop").events
    names = {"user_id": your_data.as_customer(bought["user_id"]), "basket_id": "#" + bought["basket_id"]}
    left = bought.assign(**names).sort_values([*KEYS, "price"], ignore_index=True)
    right = back.sort_values([*KEYS, "price"], ignore_index=True)
    pd.testing.assert_frame_equal(left[KEYS], right[KEYS])
    assert (left["price"] - right["price"]).abs().max() <= 0.0051
    assert (sum(counts.values()) > 0) == (quirks > 0)


def test_what_belongs_to_an_order_stands_in_its_first_line_alone(small, tmp_path):
    bought = preprocessing.clean(small)[0].head(2000)
    your_data.write_orders(small, bought, tmp_path)
    export = pd.read_csv(tmp_path / "orders_export_1.csv", dtype="str")
    assert tuple(export) == tuple(orders_export.COLUMNS)
    first = ~export["Name"].duplicated()
    assert export.loc[~first, ["Email", "Financial Status", "Cancelled at"]].isna().all(axis=None)
    assert export.loc[first, "Financial Status"].notna().all()
    assert export["Lineitem price"].str.fullmatch(r"\d+\.\d{1,2}").all()


def test_a_customer_is_the_digest_of_an_address_in_small_letters():
    (digest,) = your_data.as_customer(pd.Series(["12"]))
    assert len(digest) == 16 and digest != your_data.as_customer(pd.Series(["13"])).iloc[0]
    assert orders_export.address("12") == "Household12@Example.com"
