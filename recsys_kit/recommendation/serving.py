"""A model that a server can load without this kit: a request in, a list out (notebook 08).

Letters for shapes: B households, L baskets, H distinct items of a history, K places of a list, V items of the
catalogue (ids 1..V; 0 is padding).
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from keras import ops

from recsys_kit import report
from recsys_kit.neural import fitting
from recsys_kit.preprocessing import Split
from recsys_kit.training import baskets
from recsys_kit.training.scores import questions

__all__ = ["FORMATS", "BasketTopK", "TowerTopK", "check", "export", "request", "serving_model", "serving_tower"]

FORMATS = ("keras", "saved_model", "litert", "onnx")


@keras.saving.register_keras_serializable(package="recsys_kit.recommendation")
class BasketTopK(keras.layers.Layer):
    """Wraps the next-basket Transformer: scores the whole catalogue, joins both heads and returns the best K.

    Args:
        model: The next-basket Transformer.
        size: V.
        k: K.

    Example:
        A catalogue of two item types, and a household that bought the third of four items a week ago:

        >>> from recsys_kit.training.basket_transformer import basket_model
        >>> layer = BasketTopK(basket_model([[0, 1, 1, 2, 2]], width=8), size=4, k=2)
        >>> x = {"items": [[3]], "incidence": [[[1]]], "days": [[0]], "valid": [[1]], "position": [[0]]}
        >>> x |= {"target_day": [[7]], "market": np.zeros((1, 1, 1, 2))}
        >>> x["candidate_market"] = np.full((1, 1, 4, 2), -3.0)  # nobody buys these: known items come first
        >>> inputs = layer.model.input
        >>> x = {name: np.array(values, inputs[name].dtype) for name, values in x.items()}
        >>> best = layer(x)
        >>> tuple(best["scores"].shape), int(best["items"][0, 0])  # the third column
        ((1, 2), 2)
    """

    def __init__(self, model: keras.Model, size: int, k: int = 10, **kwargs):
        super().__init__(**kwargs)
        self.model, self.size, self.k = model, size, k

    def build(self, shapes):
        """Nothing to create: the weights are the model's."""

    def call(self, x):
        """Returns `items` (B, K), columns of the catalogue, and `scores` (B, K), best first."""
        everything = ops.arange(1, self.size + 1, dtype="int32")
        logits = self.model({**x, "candidates": everything})
        repeat, discover = logits["repeat"][:, 0], logits["discover"][:, 0]  # (B, H), (B, V)
        row = ops.broadcast_to(ops.arange(ops.shape(discover)[0])[:, None], ops.shape(x["items"]))
        place = ops.stack([ops.reshape(row, (-1,)), ops.reshape(x["items"], (-1,))], axis=-1)  # (B H, 2)
        shape = (ops.shape(discover)[0], self.size + 1)  # column 0 takes the padding
        own = ops.scatter(place, ops.reshape(repeat, (-1,)), shape)[:, 1:]
        bought = ops.scatter(place, ops.ones_like(ops.reshape(repeat, (-1,))), shape)[:, 1:]
        scores = ops.where(bought > 0, own, discover)
        best, items = ops.top_k(scores, self.k)
        return {"items": items, "scores": best}

    def compute_output_spec(self, x):
        """Returns the shapes, without running the model."""
        shape = (x["items"].shape[0], self.k)
        return {"items": keras.KerasTensor(shape, "int32"), "scores": keras.KerasTensor(shape, "float32")}

    def get_config(self):
        """Returns the arguments, for saving."""
        model = keras.saving.serialize_keras_object(self.model)
        return super().get_config() | {"model": model, "size": self.size, "k": self.k}

    @classmethod
    def from_config(cls, config):
        """Rebuilds the layer from its arguments."""
        return cls(keras.saving.deserialize_keras_object(config.pop("model")), **config)


def serving_model(model: keras.Model, size: int, k: int = 10) -> keras.Model:
    """Returns a model from a request to the best K items.

    Args:
        model: The next-basket Transformer.
        size: V.
        k: K.
    """
    inputs = {
        tensor.name: keras.Input(tensor.shape[1:], dtype=tensor.dtype, name=tensor.name)
        for tensor in model.inputs
        if tensor.name != "candidates"
    }
    return keras.Model(inputs, BasketTopK(model, size, min(k, size), name="serve")(inputs), name="recommend")


@keras.saving.register_keras_serializable(package="recsys_kit.recommendation")
class TowerTopK(BasketTopK):
    """Wraps a retriever of `towers`: a household's last `items` in, the best K of the catalogue out."""

    def call(self, x):
        """Returns `items` (B, K), columns of the catalogue, and `scores` (B, K), best first."""
        users, vectors = self.model([x["items"], ops.arange(1, self.size + 1, dtype="int32")])
        best, found = ops.top_k(ops.max(ops.matmul(users, ops.transpose(vectors)), axis=1), self.k)
        return {"items": found, "scores": best}


def serving_tower(model: keras.Model, size: int, k: int = 10, length: int = 48) -> keras.Model:
    """Returns a model from a household's last items (B, L) to the best K items.

    Args:
        model: A tower.
        size: V.
        k: K.
        length: L; fixed, for devices that want to know.
    """
    inputs = {"items": keras.Input((length,), dtype="int32", name="items")}
    return keras.Model(inputs, TowerTopK(model, size, min(k, size), name="serve")(inputs), name="retrieve")


def request(split: Split, rows: np.ndarray, seq: baskets.Sequences | None = None, window: int = 256) -> dict:
    """Returns what a server sends to the model for cases (B,): arrays by the names of the inputs.

    Args:
        split: The split.
        rows: The cases.
        seq: The split's sequences, if they are at hand.
        window: The last baskets of a history that are read.
    """
    x = questions(split, rows, seq, window)
    del x["candidates"]  # the server's model knows its catalogue
    return x


def export(model: keras.Model, folder: str | Path, formats: Sequence[str] = FORMATS) -> pd.DataFrame:
    """Writes a model in several formats with Keras's own `save` and `export`.

    Args:
        model: The model, such as `serving_model` returns.
        folder: Where to; a file or folder for each format.
        formats: Names in `FORMATS`.

    Returns:
        One row a format: `file`, `mb`, `seconds` and `note` (empty, or why it is not there).
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    files = {"keras": "model.keras", "saved_model": "saved_model", "litert": "model.tflite", "onnx": "model.onnx"}
    rows = {}
    for name in formats:
        if name not in files:
            raise ValueError(f"`formats` must be among {', '.join(FORMATS)}. Received: {name!r}.")
        path, note = folder / files[name], ""
        began = time.perf_counter()
        try:
            with report.quiet():
                if name == "keras":
                    model.save(path)
                elif name == "saved_model":
                    model.export(path, format="tf_saved_model", verbose=False)
                else:
                    model.export(path, format=name, verbose=False)
        except Exception as error:  # which libraries are there, and what they can convert, differs from place to place
            note = f"{type(error).__name__}: {str(error).strip().splitlines()[0][:120]}"
        parts = [path] if path.is_file() else list(path.rglob("*")) if path.exists() else []
        size = sum(part.stat().st_size for part in parts if part.is_file()) / 2**20
        rows[name] = (path.name if size and not note else "", size, time.perf_counter() - began, note)
    return pd.DataFrame.from_dict(rows, orient="index", columns=["file", "mb", "seconds", "note"]).rename_axis("format")


_CLIENT = """
import os, sys
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np
form, path, asked, answered = sys.argv[1:]
x = dict(np.load(asked))
if form == "keras":
    import keras, recsys_kit.recommendation.serving, recsys_kit.training.fit  # the file names their layers
    y = keras.models.load_model(path)(x)
elif form == "saved_model":
    import tensorflow as tf
    loaded = tf.saved_model.load(path)
    y = loaded.serve({name: tf.constant(value) for name, value in x.items()})
elif form == "litert":
    import tensorflow as tf
    runner = tf.lite.Interpreter(model_path=path).get_signature_runner()
    y = runner(**x)
elif form == "onnx":
    import onnxruntime
    session = onnxruntime.InferenceSession(path)
    y = dict(zip([o.name for o in session.get_outputs()], session.run(None, x)))
used = any(name.split(".")[0] == "recsys_kit" for name in sys.modules)
np.savez(answered, items=np.asarray(y["items"]), scores=np.asarray(y["scores"]), uses_kit=used)
"""


def check(
    folder: str | Path, table: pd.DataFrame, x: dict[str, np.ndarray], expected: dict[str, np.ndarray]
) -> pd.DataFrame:
    """Loads each exported model in a fresh process, away from this folder, and compares its answers.

    Args:
        folder: Where `export` wrote to.
        table: What `export` returned.
        x: A request.
        expected: `items` and `scores` that the Keras model answered.

    Returns:
        One row a format that was written: `uses_kit` (whether the process imported recsys_kit), `same_items` (share
        of the places with the same item), `max_difference` of the scores, and `note`.
    """
    fitting.give_back()  # the processes below want it
    rows = {}
    with tempfile.TemporaryDirectory() as place:
        asked = Path(place) / "request.npz"
        np.savez(asked, **x)
        for name, file in table["file"].items():
            if not file:
                continue
            answered = Path(place) / f"{name}.npz"
            words = [sys.executable, "-c", _CLIENT, name, str(Path(folder).resolve() / file), str(asked), str(answered)]
            done = subprocess.run(words, cwd=place, capture_output=True, text=True)
            if done.returncode:
                lines = [line for line in done.stderr.splitlines() if "Error" in line] or ["no answer"]
                rows[name] = (None, np.nan, np.nan, lines[-1].strip()[:160])
                continue
            with np.load(answered) as y:
                same = float((y["items"] == np.asarray(expected["items"])).mean())
                gap = float(np.abs(y["scores"] - np.asarray(expected["scores"])).max())
                rows[name] = (bool(y["uses_kit"]), same, gap, "")
    columns = ["uses_kit", "same_items", "max_difference", "note"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("format")
