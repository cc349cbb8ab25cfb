"""A network that ranks a list as a whole: each candidate gets a score, the loss looks at all of them (notebook 08).

Letters for shapes: B lists of a batch, M candidates of a list, F facts of a candidate.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
import pandas as pd
from keras import layers, ops

from recsys_kit.neural import losses

__all__ = ["lists", "model", "predict", "train"]


def model(facts: int, hidden: int = 64, dropout: float = 0.2) -> keras.Model:
    """Builds the listwise network: (B, M, F) facts to (B, M) scores, each candidate by itself."""
    x = keras.Input((None, facts), name="facts")
    y = layers.Dense(hidden, "gelu")(x)
    y = layers.Dropout(dropout)(y)
    y = layers.Dense(hidden // 2, "gelu")(y)
    y = layers.Dense(1, kernel_initializer="zeros")(y) + layers.Dense(1, use_bias=False)(x)
    return keras.Model(x, y[..., 0], name="listwise")


def lists(table: pd.DataFrame, names: Sequence[str], most: int) -> tuple[np.ndarray, np.ndarray]:
    """Arranges a table as padded lists for `model`.

    Args:
        table: Rows sorted by `list`, with `names`; `label` if there is one.
        names: F columns; those that are NaN become 0.
        most: M; longer lists are cut.

    Returns:
        (lists, M, F) facts and (lists, M) labels, -1 where there is no candidate (0 everywhere if there are none).
    """
    number = pd.factorize(table["list"])[0]
    start = np.searchsorted(number, np.arange(number.max(initial=-1) + 2))
    place = np.arange(len(table)) - start[number]
    keep = place < most
    x = np.zeros((len(start) - 1, most, len(names)), np.float32)
    for column, name in enumerate(names):
        x[number[keep], place[keep], column] = np.nan_to_num(table[name].to_numpy(np.float32)[keep])
    y = np.full(x.shape[:2], -1, np.float32)
    y[number[keep], place[keep]] = table["label"].to_numpy()[keep] if "label" in table else 0
    return x, y


def train(
    table: pd.DataFrame, names: Sequence[str], epochs: int = 4, most: int = 256, batch_size: int = 32, seed: int = 0
) -> tuple[keras.Model, pd.DataFrame]:
    """Trains the network on candidates whose answers are known.

    Args:
        table: Rows sorted by `list`, with `names` and `label`.
        names: What to learn from.
        epochs: Passes over the lists.
        most: M.
        batch_size: B.
        seed: Seed of everything random.

    Returns:
        The network, and what the facts are to be less and divided by: a row each (`mean`, `spread`).
    """
    keras.utils.set_random_seed(seed)
    facts = _squeeze(table, names)
    scale = pd.DataFrame({"mean": facts.mean(), "spread": facts.std() + 1e-3})
    useful = _useful(table, most)  # the other lists teach nothing, and would take as much memory
    facts = _scaled(facts[useful], scale)
    x, y = lists(facts.assign(list=table.loc[useful, "list"], label=table.loc[useful, "label"]), names, most)
    network = model(len(names))
    network.compile(keras.optimizers.Adam(2e-3), loss=losses.softmax_loss, jit_compile=False)
    network.optimizer.build(network.trainable_variables)  # else its step is traced twice
    if len(x) > batch_size:
        x, y = (
            x[: len(x) // batch_size * batch_size],
            y[: len(x) // batch_size * batch_size],
        )  # batches of one size: one trace
    network.fit(x, y, batch_size=batch_size, epochs=epochs, verbose=0)
    return network, scale


def predict(network: keras.Model, scale: pd.DataFrame, table: pd.DataFrame, block: int = 100_000) -> np.ndarray:
    """Returns (R,) scores of the rows of a table.

    Args:
        network: What `train` returned.
        scale: What `train` returned.
        table: R rows with the facts.
        block: Rows at a time.
    """
    names = list(scale.index)
    scores = []
    for start in range(0, len(table), block):
        x = _scaled(_squeeze(table.iloc[start : start + block], names), scale).to_numpy(np.float32)
        scores.append(ops.convert_to_numpy(network(np.nan_to_num(x)[None]))[0])
    return np.concatenate(scores) if scores else np.zeros(0, np.float32)


def _useful(table: pd.DataFrame, most: int) -> np.ndarray:
    """Returns (R,) which rows belong to a list with something bought among its first `most`."""
    near = table.groupby("list", sort=False).cumcount() < most
    return table["list"].isin(table.loc[near & (table["label"] > 0), "list"].unique()).to_numpy()


def _squeeze(table: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Long-tailed facts, such as counts and days, as sign(x) log(1 + |x|): a network wants numbers of one size."""

    def squeezed(x: pd.Series) -> pd.Series:
        return np.sign(x) * np.log1p(np.abs(x))

    # One by one: a table is large.
    return pd.DataFrame({name: squeezed(table[name].astype(np.float32)) for name in names}, copy=False)


def _scaled(facts: pd.DataFrame, scale: pd.DataFrame) -> pd.DataFrame:
    columns = {  # means are of 64 bits, a batch is of 32
        name: ((facts[name] - scale["mean"][name]) / scale["spread"][name]).astype(np.float32) for name in facts
    }
    return pd.DataFrame(columns, copy=False)
