"""A saved model in a process of its own, on another backend of Keras."""

import importlib.util
import os
import subprocess
import sys

import numpy as np
import pytest

SCRIPT = """
import keras, numpy as np
from recsys_kit.training import basket_transformer
model = keras.models.load_model("model.keras", compile=False)
scores = model(dict(np.load("inputs.npz")) if len(model.inputs) > 1 else np.load("inputs.npz")["ids"])
scores = scores if isinstance(scores, dict) else {"logits": scores}
np.savez("scores.npz", **{name: keras.ops.convert_to_numpy(values) for name, values in scores.items()})
"""


def scores(backend, model, inputs, folder):
    """Returns what the model says there, by the names of its outputs; skips the test without that backend."""
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed: `make test BACKENDS={backend}` installs it")
    model.save(folder / "model.keras")
    np.savez(folder / "inputs.npz", **inputs)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=folder,
        env=os.environ | {"KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    with np.load(folder / "scores.npz") as found:
        return dict(found)
