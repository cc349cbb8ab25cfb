"""The orders of one customer, told as the shop lives."""

import pandas as pd
from service_shop import small_shop

from recsys_kit.customer_service import orders


def test_times_are_told_as_the_shop_lives():
    late = small_shop()
    late.events.loc[:, "timestamp"] = pd.Timestamp("2017-12-02 03:00", tz="UTC")  # 22:00 of the day before there
    assert orders.Orders(late).of("7").order()["timestamp"].date() == pd.Timestamp("2017-12-01").date()
