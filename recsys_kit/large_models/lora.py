"""Low-rank adaptation: a language model learns a shop's baskets by a file of kilobytes (notebook 09).

Letters for shapes: N sentences, B of them at a time, T tokens of the longest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from keras import ops

from recsys_kit.large_models import llama
from recsys_kit.large_models.lm_ranker import FRAMES, Frame
from recsys_kit.neural.fitting import Fitted

__all__ = [
    "Settings",
    "adapter",
    "enable",
    "fit",
    "load",
    "loss",
    "save",
    "sentences",
    "tokens",
    "train_top",
    "trained",
]


@dataclass(frozen=True)
class Settings:
    """How a language model is fine-tuned.

    Attributes:
        steps: Batches.
        batch_size: Sentences a batch.
        longest: Tokens of a sentence; what is longer is cut.
        learning_rate: Of Adam.
        seed: Of the order of the sentences.
    """

    steps: int = 40
    batch_size: int = 8
    longest: int = 48
    learning_rate: float = 1e-3
    seed: int = 0


def sentences(baskets: pd.Series, frame: Frame = FRAMES["list"], seed: int = 0) -> list[str]:
    """Writes baskets as sentences, the items of each in a random order: a basket has none.

    Args:
        baskets: Names of what each basket holds, one sequence a basket.
        frame: How it is written.
        seed: Of the orders.

    Example:
        >>> sentences(pd.Series([["milk"]]))
        ['Shopping list: milk']
    """
    rng = np.random.default_rng(seed)
    return [frame.prompt(rng.permutation(names)).removesuffix(frame.after) for names in baskets]


def tokens(tokenizer, texts: Sequence[str], longest: int, width: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Returns the (N, T) ids of sentences, at least `width` of them a row, and which are real."""
    found = [tokenizer.encode(text).ids[:longest] for text in texts]
    ids = np.zeros((len(found), max(width, *map(len, found))), np.int32)
    for row, some in enumerate(found):
        ids[row, : len(some)] = some
    return ids, np.arange(ids.shape[1]) < np.array([[len(some)] for some in found])


def enable(model: keras.Model, rank: int) -> int:
    """Freezes a model but for a low-rank addition to its queries and values: W + A B, A (D, rank), B (rank, outputs).

    B starts at zero, so nothing changes before the first step.

    Args:
        model: A Llama model without such additions.
        rank: Of the additions.

    Returns:
        How many numbers are trained.
    """
    _freeze(model)
    for block in llama.blocks(model):
        block.trainable = True  # else what is trained in it counts as frozen
        feed, own = block.feed_forward, block.attention
        for part in (block.norm, block.second_norm, own.key, own.out, feed.gate, feed.up, feed.down):
            part.trainable = False
    for dense in _adapted(model):
        dense.enable_lora(rank)
    return trained(model)


def train_top(model: keras.Model, count: int) -> int:
    """Freezes a model but for its topmost blocks: the opponent of `enable`; returns how many numbers are trained."""
    _freeze(model)
    for block in llama.blocks(model)[-count:]:
        block.trainable = True
    return trained(model)


def trained(model: keras.Model) -> int:
    """Returns how many numbers of a model are trained."""
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)


def fit(model: keras.Model, tokenizer, texts: Sequence[str], settings: Settings | None = None) -> Fitted:
    """Trains what is not frozen to predict the next token of sentences.

    Args:
        model: A Llama model.
        tokenizer: Its tokenizer.
        texts: Sentences.
        settings: How; None for the defaults.

    Returns:
        The model, and the loss of each step in nats a token.
    """
    settings = settings or Settings()
    rng, losses = np.random.default_rng(settings.seed), []
    model.compile(keras.optimizers.Adam(settings.learning_rate, clipnorm=1.0), _mean_loss())
    # To trace a step of so many layers takes as long as many steps: built beforehand and all of one shape, it is once.
    model.optimizer.build(model.trainable_variables)
    width = tokens(tokenizer, texts, settings.longest)[0].shape[1]
    for part in _batches(len(texts), settings.batch_size, settings.steps, rng):
        ids, real = tokens(tokenizer, [texts[i] for i in part], settings.longest, width)
        losses.append(float(model.train_on_batch(ids[:, :-1], ids[:, 1:], real[:, 1:].astype("float32"))))
    return Fitted(model, pd.DataFrame({"step": np.arange(len(losses)) + 1, "loss": losses}))


def loss(model: keras.Model, tokenizer, texts: Sequence[str], batch_size: int = 16, longest: int = 48) -> float:
    """Returns the mean loss of sentences in nats a token: what `fit` lowers, on sentences that it did not see."""
    total = count = 0.0
    for start in range(0, len(texts), batch_size):
        ids, real = tokens(tokenizer, texts[start : start + batch_size], longest)
        logs = ops.log_softmax(model.predict_on_batch(ids[:, :-1]))  # (B, T, V)
        found = np.take_along_axis(ops.convert_to_numpy(logs), ids[:, 1:, None], 2)[..., 0]
        total, count = total - found[real[:, 1:]].sum(), count + real[:, 1:].sum()
    return float(total / count)


def adapter(model: keras.Model) -> dict[str, np.ndarray]:
    """Returns what LoRA has learned: for each adapted layer its A and B."""
    found = {}
    for i, dense in enumerate(_adapted(model)):
        found |= {
            f"{i}_a": ops.convert_to_numpy(dense.lora_kernel_a),
            f"{i}_b": ops.convert_to_numpy(dense.lora_kernel_b),
        }
    return found


def save(model: keras.Model, path: str | Path) -> int:
    """Writes the adapter, in half precision, and returns the size of the file in bytes."""
    np.savez(path, **{name: part.astype(np.float16) for name, part in adapter(model).items()})
    return Path(path).stat().st_size


def load(model: keras.Model, path: str | Path) -> None:
    """Puts an adapter into a model, which must have none or one of the same rank."""
    with np.load(path, allow_pickle=False) as parts:
        if not any(dense.lora_enabled for dense in _adapted(model)):
            enable(model, parts["0_a"].shape[1])
        for i, dense in enumerate(_adapted(model)):
            dense.lora_kernel_a.assign(parts[f"{i}_a"].astype(np.float32))
            dense.lora_kernel_b.assign(parts[f"{i}_b"].astype(np.float32))


def _adapted(model: keras.Model) -> list[keras.layers.Dense]:
    return [dense for block in llama.blocks(model) for dense in (block.attention.query, block.attention.value)]


def _freeze(model: keras.Model) -> None:
    model.trainable = True  # of everything in it; then layer by layer
    for layer in (model.get_layer("words"), model.get_layer("norm"), *llama.blocks(model)):
        layer.trainable = False


def _batches(count: int, size: int, steps: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    order = np.concatenate([rng.permutation(count) for _ in range(-(-size * steps // count))])
    yield from (order[i * size : (i + 1) * size] for i in range(steps))


def _mean_loss() -> keras.losses.Loss:
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="mean_with_sample_weight")
