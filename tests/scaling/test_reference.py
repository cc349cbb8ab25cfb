"""The reference is the kit's own: what it writes equals what the notebooks compute."""

from __future__ import annotations

import numpy as np
import pandas as pd
import scaling_shop
import scipy.sparse as sp

from recsys_kit import features, preprocessing
from recsys_kit.scaling import copies, reference


def test_pairs_are_the_interaction_features_of_notebook_02(tmp_path):
    shop = scaling_shop.shop()
    load = copies.write(shop, tmp_path / "shop", scaling_shop.CUTOFF, min_users=5)
    reference.run_pandas(load, tmp_path / "out")
    split = preprocessing.split_by_time(preprocessing.clean(shop)[0], scaling_shop.CUTOFF, min_users=5, min_items=1)
    table = features.interaction_features(split)
    found = pd.read_parquet(tmp_path / "out" / "pairs.parquet")
    assert (found["user_id"].to_numpy() == split.users[table["user"]]).all()
    assert (found["item_id"].to_numpy() == split.items[table["item"]]).all()
    for name in features.PAIR_COLUMNS:
        np.testing.assert_allclose(found[name], table[name], rtol=1e-6)


def test_users_are_the_user_features_of_notebook_02(tmp_path):
    shop = scaling_shop.shop()
    load = copies.write(shop, tmp_path / "shop", scaling_shop.CUTOFF, min_users=5)
    reference.run_pandas(load, tmp_path / "out")
    events = preprocessing.clean(shop)[0]
    items = shop.items.assign(category="", product_type="")
    table = features.user_features(events, items, shop.users, scaling_shop.CUTOFF, shop.timezone).dropna(
        subset="recency_days"
    )
    found = pd.read_parquet(tmp_path / "out" / "users.parquet").set_index("user_id")
    for name in reference.USER_COLUMNS:
        np.testing.assert_allclose(found[name], table[name].loc[found.index].astype(float), rtol=1e-6, err_msg=name)


def test_equal_counts_are_cut_by_the_smaller_id():
    counts = sp.csr_matrix(np.array([[0, 2, 2], [1, 0, 0], [0, 0, 0]], np.float32))
    table = reference.kept(counts, pd.Index(["a", "b", "c"]), most=1)
    assert table.to_numpy().tolist() == [["a", "b", 2], ["b", "a", 1]]
