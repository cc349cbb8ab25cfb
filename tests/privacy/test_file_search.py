import json
import pickle

import keras
import numpy as np
import pandas as pd
import pytest

from recsys_kit.privacy.file_search import Household, NotDecoded, search

WHO = Household("household 17", {50: 17})
NUMBER = Household("17", {50: 9})


def write(path, value):
    if path.suffix == ".json":
        path.write_text(json.dumps(value))
    elif path.suffix == ".npz":
        np.savez(path, **value)
    elif path.suffix == ".csv":
        pd.DataFrame(value).to_csv(path, index=False)
    elif path.suffix == ".parquet":
        pd.DataFrame(value).to_parquet(path)
    else:
        path.write_text(value)
    return path


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("a.csv", {"who": ["x", "household 17"]}),
        ("a.parquet", {"note": ["bought by household 17 yesterday"]}),
        ("a.parquet", {"household 17": [1.0]}),
        ("a.npz", {"ids": np.array(["a", "household 17"])}),
        ("a.npz", {"factors": np.zeros((50, 4))}),
        ("a.npz", {"with_padding": np.zeros((51, 4))}),
        ("a.npz", {"user": np.array([3, 17])}),
        ("a.npz", {"rows": np.arange(50).repeat(2)}),
        ("a.json", {"deep": [{"list": ["household 17"]}]}),
        ("a.json", {"household 17": 3}),
        ("a.json", {"user": 17}),
        ("a.txt", "sent to household 17, thanks"),
    ],
)
def test_a_household_is_found_in_every_format(tmp_path, name, value):
    assert search(write(tmp_path / name, value), WHO)[2]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("a.csv", {"who": ["household 1", "household 171"], "price": [17, 3]}),
        ("a.parquet", {"item_id": ["household 17"], "quantity": [17]}),
        ("a.npz", {"weights": np.zeros((7, 64)), "item": np.array([17, 3])}),
        ("a.json", {"epochs": 17, "names": ["household 1"]}),
        ("a.txt", "household 171"),
    ],
)
def test_what_only_looks_alike_is_no_household(tmp_path, name, value):
    count, values, found = search(write(tmp_path / name, value), WHO)
    assert found == [] and count and values


def test_a_number_as_id_is_found_among_households_and_not_among_prices(tmp_path):
    assert search(write(tmp_path / "a.csv", {"user_id": [17, 3]}), NUMBER)[2]
    assert not search(write(tmp_path / "a.csv", {"price": [17, 3]}), NUMBER)[2]
    assert search(write(tmp_path / "a.npz", {"user": np.array([9])}), NUMBER)[2]  # its place


def test_a_category_without_rows_is_found(tmp_path):
    table = pd.DataFrame({"who": pd.Categorical(["a", "household 17"])})
    table[table["who"] == "a"].to_parquet(tmp_path / "a.parquet")
    assert search(tmp_path / "a.parquet", WHO)[2]


def test_a_row_in_the_index_of_a_table_is_found(tmp_path):
    pd.DataFrame({"x": [1.0]}, index=pd.Index(["household 17"], name="user_id")).to_parquet(tmp_path / "a.parquet")
    assert search(tmp_path / "a.parquet", WHO)[2]


@keras.saving.register_keras_serializable(package="recsys_kit.tests")
class Rows(keras.layers.Layer):
    """Holds a table of ids as a constant, which Keras stores in the configuration."""

    def __init__(self, ids, **kwargs):
        super().__init__(**kwargs)
        self.ids = list(ids)

    def call(self, x):
        return x

    def get_config(self):
        return super().get_config() | {"ids": self.ids}


@pytest.mark.parametrize(
    ("layer", "there"),
    [
        (lambda: keras.layers.Embedding(50, 3), True),  # a vector for each household
        (lambda: keras.layers.Embedding(7, 3), False),
        (lambda: Rows(["household 1", "household 17"]), True),
        (lambda: Rows(list(range(50))), True),
        (lambda: Rows(["household 1"]), False),
    ],
)
def test_a_keras_file_is_opened_down_to_weights_and_constants(tmp_path, layer, there):
    keras.Sequential([keras.Input((2,), dtype="int32"), layer()]).save(tmp_path / "m.keras")
    count, values, found = search(tmp_path / "m.keras", WHO)
    assert bool(found) == there and count > 5 and values


@pytest.mark.parametrize(("name", "content"), [("a.bin", b"\xff\xfe\x00"), ("a.npz", b"PK"), ("a.json", b"{")])
def test_what_cannot_be_decoded_is_said_and_not_passed(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(NotDecoded):
        search(tmp_path / name, WHO)


def test_a_pickle_is_never_opened(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / "boom"), "w"))

    (tmp_path / "a.pickle").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(NotDecoded, match="runs what is in it"):
        search(tmp_path / "a.pickle", WHO)
    assert not (tmp_path / "boom").exists()
