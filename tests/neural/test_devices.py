import platform
import subprocess
import sys

import keras
import numpy as np
import pytest
import without_tensorflow
from threadpoolctl import threadpool_info, threadpool_limits

from recsys_kit.neural import devices, losses
from recsys_kit.neural.devices import Hardware
from recsys_kit.transformer import ItemEmbedding, TiedLogits

TRAININGS = """
import json, pathlib, tempfile, time
import circle, keras, numpy as np
from tqdm import tqdm
from recsys_kit.neural import devices
from recsys_kit.next_item import fit, leave_one_out

data = leave_one_out.read(circle.write(pathlib.Path(tempfile.mkdtemp()) / "circle.txt"))
users, found = np.arange(60), {}
for name, hardware in {
    "one": devices.Hardware(), "two": devices.Hardware(devices=2), "bfloat16": devices.Hardware("bfloat16", devices=2)
}.items():
    with devices.use(hardware):
        trainer = fit.Trainer(data, 12, fit.Settings(width=16, blocks=1, dropout=0.0))
        trainer.fit(2, 5, 0, tqdm(disable=True), time.perf_counter() + 600)
        batch = trainer.batches(2, 0)[0][0]
        found[name] = {
            "loss": trainer.training.history.history["loss"],
            "ndcg": trainer.ndcg(2, users),
            "scores": trainer.scores.scorer(2)(users[:8]).astype(float).ravel().tolist(),
            "parts": len(trainer.model.get_layer("item").own.value.sharding.device_set),
            "rows": len(batch["ids"]),
        }
layout = devices._EvenParallel(2).get_data_layout
found["layouts"] = [layout(shape).axes for shape in ((8, 12), (7, 12), ())]
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def trained():
    """The same trainings on one device, on two, and there with products in 16 bits; JAX, one CPU standing in."""
    return without_tensorflow.printed(TRAININGS, "jax", XLA_FLAGS="--xla_force_host_platform_device_count=2")


@pytest.mark.slow
def test_two_devices_lose_what_one_loses(trained):
    assert (trained["one"]["parts"], trained["two"]["parts"]) == (1, 2)
    np.testing.assert_allclose(trained["two"]["loss"], trained["one"]["loss"], rtol=1e-5)
    np.testing.assert_allclose(trained["two"]["scores"], trained["one"]["scores"], atol=1e-3)


@pytest.mark.slow
def test_a_batch_is_cut_in_two_and_what_does_not_divide_is_copied(trained):
    assert trained["two"]["rows"] % 2 == 0
    assert trained["layouts"] == [["batch", None], [None, None], []]


@pytest.mark.slow
def test_products_in_16_bits_train_about_as_well(trained):
    short, exact = trained["bfloat16"], trained["one"]
    assert short["loss"][-1] < 0.8 * short["loss"][0]
    assert short["loss"] != exact["loss"]  # or else nothing was in 16 bits
    np.testing.assert_allclose(short["loss"], exact["loss"], rtol=0.02)
    assert abs(short["ndcg"] - exact["ndcg"]) < 0.1
    assert np.corrcoef(short["scores"], exact["scores"])[0, 1] > 0.99


def test_what_keras_had_is_put_back_after_an_error(monkeypatch):
    with pytest.raises(RuntimeError), devices.use(Hardware("bfloat16", xla=True)):
        assert keras.config.dtype_policy().name == "mixed_bfloat16" and devices.compiled()
        raise RuntimeError
    assert keras.config.dtype_policy().name == "float32"
    assert devices.compiled() == devices.few_shapes() == (keras.backend.backend() == "jax")


@pytest.mark.parametrize("loss", losses.LOSSES)
def test_a_loss_is_computed_in_32_bits_whatever_the_products(loss):
    rng = np.random.default_rng(0)
    with devices.use(Hardware("bfloat16")):
        logits = TiedLogits(ItemEmbedding([], width=8, size=1001))
        logits.build((None, None, 8))
        logits.embedding.build()
        layer = losses.CandidateLoss(logits, loss, items=1000)
        states = np.zeros((1, 2, 8), "float32")
        asked = [np.arange(2), np.arange(1, 1001), rng.integers(0, 1000, (2, 2)), np.full(1000, -7.003, "float32")]
        got = layer(states, *asked)
    assert keras.backend.standardize_dtype(got.dtype) == "float32"
    if loss == "sampled_softmax":  # scores of 0, and chances that 16 bits would round away from each other
        np.testing.assert_allclose(keras.ops.convert_to_numpy(got), np.log(1000), atol=1e-4)


def test_compiled_steps_get_few_shapes():
    sizes = range(1, 600)
    with devices.use(Hardware(xla=True)):
        few = [devices.padded_size(size, 16) for size in sizes]
    assert all(size <= padded < 2 * size + 16 for size, padded in zip(sizes, few, strict=True))
    assert len(set(few)) == 7


@pytest.mark.parametrize(
    ("hardware", "words"),
    [
        (Hardware(precision="float16"), "one of float32, bfloat16. Received: precision='float16'"),
        (Hardware(devices=0), "`devices` must be 1, or more with the backend jax"),
        (Hardware(devices=2), "Received: devices=2 with"),
    ],
)
def test_what_cannot_be_is_refused(hardware, words, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "tensorflow")
    with pytest.raises(ValueError, match=words), devices.use(hardware):
        pass


def test_pytorch_is_not_asked_for_xla(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    with pytest.raises(ValueError, match="`xla` needs the backend jax or tensorflow"), devices.use(Hardware(xla=True)):
        pass


def test_products_take_one_thread_within_and_as_many_as_before_after():
    def threads():
        return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}

    with threadpool_limits(2, "blas"):
        before = threads()
        with devices.one_blas_thread(), devices.one_blas_thread():
            assert threads() == {1}
        assert threads() == before


FAULTS = """
import ctypes, resource, sys, threading
if sys.argv[1] == "kit":
    import recsys_kit.neural.fitting
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes, libc.free.argtypes = [ctypes.c_size_t], [ctypes.c_void_p]
libc.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
libc.mallopt(-1, 128 << 10)  # M_TRIM_THRESHOLD, as TensorFlow sets it with the first `fit`

def step():
    parts = [libc.malloc(1 << 20) for _ in range(24)]
    for part in parts:
        libc.memset(part, 1, 1 << 20)
    for part in parts:
        libc.free(part)

def steps():
    step()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        step()
    print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) // 10)

thread = threading.Thread(target=steps)
thread.start()
thread.join()
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told to keep memory")
def test_a_step_in_a_thread_gets_back_the_memory_of_the_step_before():
    faults = {
        who: int(subprocess.run([sys.executable, "-c", FAULTS, who], check=True, capture_output=True, text=True).stdout)
        for who in ("kit", "nobody")
    }
    assert faults["kit"] < 100, faults  # pages asked for anew in each step, of 6,144
    assert faults["nobody"] > 3000, faults  # else there is nothing left to mend


# A step that TensorFlow traces once


class Noticing(keras.layers.Layer):
    """Adds up what it is given, and notes each time that Python walks through it."""

    def __init__(self):
        super().__init__()
        self.walks = []

    def call(self, *given):
        self.walks.append(1)
        return sum(keras.ops.cast(one, "float32") for one in given)


@pytest.mark.parametrize("kind", ["one", "list", "dictionary"])
def test_batches_of_all_sizes_are_predicted_after_one_trace(kind):
    a, b = keras.Input((None,), name="a"), keras.Input((None,), dtype="int32", name="b")
    layer = Noticing()
    model = {
        "one": lambda: keras.Model(a, layer(a)),
        "list": lambda: keras.Model([a, b], layer(a, b)),
        "dictionary": lambda: keras.Model({"b": b, "a": a}, layer(a, b)),
    }[kind]()
    layer.walks.clear()
    assert devices.trace_once(model) is model
    for rows, length in ((2, 3), (2, 5), (4, 5), (1, 1)):
        left, right = np.random.default_rng(0).random((rows, length)), np.arange(rows * length).reshape(rows, length)
        given = {"one": left, "list": [left, right], "dictionary": {"a": left, "b": right, "not read": left}}[kind]
        np.testing.assert_allclose(model.predict_on_batch(given), left + (kind != "one") * right, rtol=1e-6)
    np.testing.assert_allclose(model.predict(given, verbose=0), left + (kind != "one") * right, rtol=1e-6)
    if keras.backend.backend() == "tensorflow":
        assert len(layer.walks) == 1


def test_a_model_that_has_predicted_keeps_its_step():
    inputs = keras.Input((2,))
    model = keras.Model(inputs, inputs + 1)
    model.predict_on_batch(np.zeros((1, 2)))
    step = model.predict_function
    assert devices.trace_once(model).predict_function is step


def test_steps_are_made_at_once_only_where_the_backend_can(monkeypatch):
    assert devices.at_once(8) == (1 if keras.backend.backend() == "torch" else 8)
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    assert devices.at_once(8) == 1
