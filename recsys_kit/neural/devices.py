"""How training uses the hardware: 16-bit products, XLA with few shapes, threads, several devices (notebook 05).

Keras keeps precision and distribution as global state. `use` sets them for a while and puts back what was there; what
makes batches asks `few_shapes` and `even` how to pad them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import keras
from threadpoolctl import ThreadpoolController

__all__ = [
    "PRECISIONS",
    "Hardware",
    "at_once",
    "compiled",
    "even",
    "few_shapes",
    "one_blas_thread",
    "padded_size",
    "trace_once",
    "use",
]

PRECISIONS = {"float32": "float32", "bfloat16": "mixed_bfloat16"}
"""Keras's policy for each precision. With bfloat16 products are made in 16 bits; weights and losses stay in 32."""


@dataclass(frozen=True)
class Hardware:
    """What a training may use.

    Attributes:
        precision: A name in `PRECISIONS`.
        xla: Whether steps are compiled as a whole, for batches of few shapes; None: with JAX yes, else no.
        devices: How many devices share each batch; more than one takes JAX.
    """

    precision: str = "float32"
    xla: bool | None = None
    devices: int = 1


_now = Hardware()


@contextlib.contextmanager
def use(hardware: Hardware) -> Iterator[None]:
    """Models that are built and trained within use the hardware like this.

    Args:
        hardware: How.

    Raises:
        ValueError: If the backend, or this machine, can't.

    Example:
        >>> with use(Hardware(precision="bfloat16")):
        ...     layer = keras.layers.Dense(2)
        >>> layer.compute_dtype, layer.variable_dtype, keras.config.dtype_policy().name
        ('bfloat16', 'float32', 'float32')
    """
    global _now
    _check(hardware)
    before, policy = _now, keras.config.dtype_policy()
    spread = _EvenParallel(hardware.devices).scope() if hardware.devices > 1 else contextlib.nullcontext()
    try:
        _now = hardware
        keras.config.set_dtype_policy(PRECISIONS[hardware.precision])
        with spread:
            yield
    finally:
        _now = before
        keras.config.set_dtype_policy(policy)


def compiled() -> bool:
    """Says whether a step is compiled as a whole: what `compile` wants as `jit_compile`."""
    return keras.backend.backend() == "jax" if _now.xla is None else _now.xla


def few_shapes() -> bool:
    """Says whether batches should be padded to few shapes, because each new one is compiled anew."""
    return compiled() or keras.backend.backend() == "jax"


def even(rows: int) -> int:
    """Returns the next number of rows that the devices can share evenly."""
    return -(-rows // _now.devices) * _now.devices


def padded_size(size: int, multiple: int) -> int:
    """Returns what a size is padded to: the next multiple, or where few shapes are wanted the next power of 2.

    Example:
        >>> [padded_size(size, 16) for size in (1, 40, 130)]
        [16, 48, 144]
        >>> with use(Hardware(xla=True)):
        ...     [padded_size(size, 16) for size in (1, 40, 130)]
        [16, 64, 256]
    """
    multiples = -(-max(1, int(size)) // multiple)
    return multiple * (1 << (multiples - 1).bit_length() if few_shapes() else multiples)


def trace_once(model: keras.Model, inputs: list[keras.KerasTensor] | None = None) -> keras.Model:
    """Has TensorFlow trace a model's prediction once, for batches of all sizes; returns the model.

    Left alone, Keras has it traced for the first batch, and again for each axis of which a later batch has another
    length: seconds each time, where a small shop's predictions take less. `compile` forgets it.

    Args:
        model: A model with one input, a list or a dictionary of them. With other backends, and once it has predicted,
            it stays as it is.
        inputs: Shapes and types of what it reads, in a list, where the model is not functional.
    """
    if keras.backend.backend() != "tensorflow" or model.predict_function is not None:
        return model
    import tensorflow as tf

    names = list(model.input) if inputs is None and isinstance(model.input, dict) else []
    wanted = inputs or [model.input[name] for name in names] or model.inputs

    @tf.function(input_signature=[tf.TensorSpec(one.shape, one.dtype) for one in wanted], autograph=False)
    def step(*tensors):
        several = dict(zip(names, tensors, strict=True)) if names else list(tensors)
        return model(several if names or len(tensors) > 1 else tensors[0], training=False)

    def predict(batches):  # as Keras calls it: a list of one batch
        given, _, _ = keras.utils.unpack_x_y_sample_weight(batches[0])
        read = [given[name] for name in names] or keras.tree.flatten(given)
        return step(*(tf.cast(tensor, one.dtype) for tensor, one in zip(read, wanted, strict=True)))

    model.predict_function = predict
    return model


def at_once(steps: int) -> int:
    """Returns how many steps Keras makes before Python is asked again, as `compile` wants them: 1 where it can't."""
    return 1 if keras.backend.backend() == "torch" else steps


def one_blas_thread() -> contextlib.AbstractContextManager:
    """Within, NumPy's and SciPy's products of matrices take one thread each.

    Theirs are small where batches are made, and a second thread mostly waits: on the cores that the model's step wants.
    Two threads took three times the processor time for the same batches.

    Example:
        >>> import numpy as np
        >>> with one_blas_thread():
        ...     product = np.ones((2, 3)) @ np.ones((3, 2))
        >>> product.tolist()
        [[3.0, 3.0], [3.0, 3.0]]
    """
    return _pools().limit(limits=1, user_api="blas")


@cache
def _pools() -> ThreadpoolController:
    return ThreadpoolController()  # looks through all libraries that are loaded: some milliseconds


class _EvenParallel(keras.distribution.DataParallel):
    """Data parallelism that cuts what divides evenly among the devices, and copies the rest to each.

    JAX computes the same whatever the layout, so a copy costs time and changes nothing. A batch of ours holds arrays
    of several lengths (rows, positions, candidates), and not all of them divide evenly.
    """

    def __init__(self, devices: int):
        super().__init__(devices=keras.distribution.list_devices()[:devices])
        self.count = devices

    def get_data_layout(self, data_shape):
        """Returns the layout of an array."""
        if data_shape and data_shape[0] % self.count == 0:
            return super().get_data_layout(data_shape)
        return keras.distribution.TensorLayout([None] * len(data_shape), self.device_mesh)


def _check(hardware: Hardware) -> None:
    backend = keras.backend.backend()
    if hardware.precision not in PRECISIONS:
        names = ", ".join(PRECISIONS)
        raise ValueError(f"`precision` must be one of {names}. Received: precision={hardware.precision!r}.")
    if hardware.xla and backend == "torch":
        raise ValueError("`xla` needs the backend jax or tensorflow. Received: xla=True with torch.")
    if hardware.devices < 1 or (hardware.devices > 1 and backend != "jax"):
        raise ValueError(
            f"`devices` must be 1, or more with the backend jax. Received: devices={hardware.devices} with {backend}."
        )
    if hardware.devices > 1 and len(there := keras.distribution.list_devices()) < hardware.devices:
        raise ValueError(
            f"`devices` must be at most the {len(there)} that JAX sees. Received: devices={hardware.devices}. "
            f"A CPU can stand in for several: XLA_FLAGS=--xla_force_host_platform_device_count={hardware.devices}"
        )
