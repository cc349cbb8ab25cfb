"""What it takes to train and ask the next-item Transformer: batches of real positions, a loss, scores.

Letters for shapes: U users, B rows of a batch, L positions, T real positions of a batch, C candidate items, N negatives
of a position, D width, V items (ids 1..V; 0 is padding).
"""

from __future__ import annotations

import itertools

import keras
import numpy as np
from keras import ops

from recsys_kit import evaluation
from recsys_kit.neural import devices, losses, sampling
from recsys_kit.neural.batches import EpochBatches, first_and_last_first
from recsys_kit.neural.ranges import ragged
from recsys_kit.next_item import leave_one_out, prior
from recsys_kit.next_item.leave_one_out import LeaveOneOut

__all__ = ["NEGATIVES", "MaskedItemBatches", "NextItemBatches", "NextItemScores", "training_model"]

NEGATIVES = {"bce": 1, "gbce": 128, "sampled_softmax": 1, "softmax": 1}  # N


class NextItemBatches(EpochBatches):
    """Batches of rows of similar length, each with about as many real positions; every position has a next item.

    A long history is cut into rows of `length` items, so that each item but a user's first is learned once an epoch.
    The candidates of a batch are its own next items, filled up with sampled ones to a fixed number, so that few shapes
    come up. All of it is array work on whole batches: the cost of an epoch grows with the number of events.

    Args:
        data: The sequences.
        held_out: The last items of each user that are not touched.
        length: The longest row.
        loss: A name in `losses.LOSSES`; it says how negatives are drawn.
        tokens: T; rows are added to a batch until they hold so many positions. None: 1,536, or less on little data.
        candidates: C; all items if there are no more, or if the loss is "softmax".
        seed: Seed of order and negatives.
    """

    def __init__(
        self,
        data: LeaveOneOut,
        held_out: int = 2,
        length: int = 50,
        loss: str = "sampled_softmax",
        tokens: int | None = None,
        candidates: int = 2048,
        seed: int = 0,
        **kwargs,
    ):
        super().__init__(seed, **kwargs)
        self.data, self.length = data, length
        first, last = data.history(held_out)
        rows = np.maximum(-(-(last - first - 1) // length), 0)
        _, owner, place = ragged(np.zeros_like(rows), rows)
        self.high = last[owner] - 1 - place * length  # one past the row's last item, which still has a next one
        self.low = np.maximum(first[owner], self.high - length)
        self.positions = int((self.high - self.low).sum())
        self.tokens = max(length, tokens or int(np.clip(self.positions // 16, 64, 1536)))
        counts = np.bincount(data.events(held_out)[2], minlength=data.size)
        self.share = counts / counts.sum()  # (V,) how likely an item is to be some position's next one
        self.draw = prior.popularity(data, held_out) ** (sampling.POWER if loss == "sampled_softmax" else 0.0)
        self.negatives = NEGATIVES[loss]
        self.candidates = data.size if loss == "softmax" else min(data.size, max(candidates, self.tokens + 64))
        self.size = self._sizes()
        self.start_epoch(0)

    def __len__(self) -> int:
        """How many batches an epoch has."""
        return len(self.edges) - 1

    def plan(self) -> None:
        """Groups rows of similar length to batches."""
        rng = self.rng()
        self.rows = np.lexsort((rng.random(len(self.size)), self.size))
        self.edges = _groups(self.size[self.rows], self.tokens, max(self.length, self.size.max(initial=0)))
        self.order = first_and_last_first(len(self), rng)

    def __getitem__(self, index: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Returns ids (B, L), place (T,), candidates (C,), columns (T, 1 + N), log_chance (C,); and weights (T,).

        A batch with fewer than T real positions is filled up with place 0 at weight 0.
        """
        rng = self.rng(index)
        batch = self.order[index]
        rows = self.rows[self.edges[batch] : self.edges[batch + 1]]
        ids, real, target = self._questions(rows, rng)
        candidates, drawn, log_chance = sampling.draw_by_keys(self.draw, self.share, self.candidates, target, rng)
        columns = np.zeros((self.tokens, 1 + self.negatives), np.int32)
        columns[: len(target), 0] = np.searchsorted(candidates, target)
        chosen = rng.integers(0, len(drawn), (len(target), self.negatives))
        again = drawn[chosen] == columns[: len(target), :1]
        columns[: len(target), 1:] = drawn[(chosen + again) % len(drawn)]
        place = np.zeros(self.tokens, np.int32)
        place[: len(real)] = real
        inputs = {"ids": ids, "place": place, "candidates": (candidates + 1).astype(np.int32)}
        inputs |= {"columns": columns, "log_chance": log_chance}
        return inputs, (np.arange(self.tokens) < len(real)).astype(np.float32)

    def _sizes(self) -> np.ndarray:
        """Returns how many tokens each row has."""
        return self.high - self.low

    def _questions(self, rows: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Returns ids (B, L), flat places that are asked, and the items 0..V - 1 that are the answers."""
        ids, real, flat = _cut(self.data, self.low[rows], self.high[rows], self.tokens, self.length)
        return ids, real, self.data.items[flat + 1] - 1


class MaskedItemBatches(NextItemBatches):
    """Batches for a BERT-style model: in each row some items are hidden behind a mask token, and have to be found.

    The last item of a row is always hidden: what comes next is what the model is asked in the end. Of the others each
    is hidden with the same chance.

    Args:
        *args: As of `NextItemBatches`; a row has one token more, as it needs no next item.
        hidden: The chance.
        **kwargs: Likewise.

    Source: Sun et al. (2019), BERT4Rec, section 3.6.
    """

    def __init__(self, *args, hidden: float = 0.3, **kwargs):
        self.hidden = hidden
        super().__init__(*args, **kwargs)
        self.positions = int(len(self.size) + hidden * (self.size.sum() - len(self.size)))  # on average

    def _sizes(self) -> np.ndarray:
        return self.high - self.low + 1

    def _questions(self, rows: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        ids, real, flat = _cut(self.data, self.low[rows], self.high[rows] + 1, self.tokens, self.length + 1)
        asked = rng.random(len(flat)) < self.hidden
        asked[np.cumsum(self.size[rows]) - 1] = True
        ids.ravel()[real[asked]] = self.data.size + 1
        return ids, real[asked], self.data.items[flat[asked]] - 1


def training_model(model: keras.Model, loss: str = "sampled_softmax") -> keras.Model:
    """Puts a loss over candidates on the end of `transformer.next_item_model`; both share their weights.

    Args:
        model: Next-item model.
        loss: A name in `losses.LOSSES`.

    Returns:
        A model from the inputs of `NextItemBatches` (BERT-style: `MaskedItemBatches`) to losses (T,); compile it with
        `losses.mean_loss`.
    """
    states, logits = model.get_layer("norm").output, model.get_layer("logits")
    items = logits.embedding.size - (2 if model.name == "bert_style" else 1)
    layer = losses.CandidateLoss(logits, loss, items, name="loss")
    names = {"place": "int32", "candidates": "int32", "log_chance": "float32"}
    inputs = {name: keras.Input(batch_shape=(None,), dtype=dtype, name=name) for name, dtype in names.items()}
    inputs["columns"] = keras.Input((1 + NEGATIVES[loss],), dtype="int32", name="columns")
    output = layer(states, **inputs)
    return keras.Model({"ids": model.inputs[0], **inputs}, output)


class NextItemScores:
    """Asks a next-item model for the item after the visible ones.

    Args:
        model: `transformer.next_item_model`.
        data: The sequences.
        length: How many of the newest items are read.
    """

    def __init__(self, model: keras.Model, data: LeaveOneOut, length: int):
        self.data, self.length, self.head = data, length, model.get_layer("logits")
        self.mask = data.size + 1 if model.name == "bert_style" else 0  # a BERT-style model is asked at a mask
        self.encoder = devices.trace_once(keras.Model(model.inputs, model.get_layer("norm").output))

    def scorer(self, held_out: int, users: np.ndarray | None = None) -> evaluation.Scorer:
        """Returns users (B,) -> logits (B, V), where the last `held_out` items of each user are hidden.

        Args:
            held_out: 2 for the validation item, 1 for the test item.
            users: (N,) the users that will be asked for; None for all.
        """
        table = self.head.embedding(np.arange(1, self.data.size + 1))  # (V, D)
        table = np.asarray(ops.convert_to_numpy(table), np.float32)  # also where products are made in 16 bits
        bias = ops.convert_to_numpy(self.head.bias)[1 : self.data.size + 1]
        low, high = self.data.history(held_out)
        low = np.maximum(low, high - self.length)
        users = np.arange(len(low)) if users is None else users
        users = users[np.argsort((high - low)[users], kind="stable")]
        states = np.zeros((len(low), table.shape[1]), np.float32)
        tokens = max(4096, self.length)
        for start, end in itertools.pairwise(_groups((high - low)[users], tokens, self.length)):
            part = users[start:end]
            ids, _, _ = _cut(self.data, low[part], high[part], tokens, self.length)
            row, size = np.arange(len(part)), (high - low)[part]
            if self.mask:
                ids = np.pad(ids, ((0, 0), (0, 1)))
                ids[row, size] = self.mask
            encoded = ops.convert_to_numpy(self.encoder.predict_on_batch(ids))  # (B, L, D)
            states[part] = encoded[row, size - (0 if self.mask else 1)]
        return lambda rows: states[rows] @ table.T + bias


def _groups(size: np.ndarray, tokens: int, length: int) -> np.ndarray:
    """Returns the edges of batches of rows (in ascending order of `size`) that take at most `tokens` places each."""
    size, edges = _rounded(size, length), [0]
    while edges[-1] < len(size):
        ahead = size[edges[-1] : edges[-1] + tokens]
        places = ahead * np.arange(1, len(ahead) + 1)  # the longest row's length, times the number of rows
        edges.append(edges[-1] + int(np.searchsorted(places, tokens, side="right")))
    return np.array(edges)


def _cut(data: LeaveOneOut, low: np.ndarray, high: np.ndarray, tokens: int, length: int) -> tuple[np.ndarray, ...]:
    """Pads rows as `leave_one_out.padded` does; to few shapes where each is compiled anew."""
    width = int(_rounded((high - low).max(), length))
    shape = (devices.even(tokens // width), width) if devices.few_shapes() else (0, 0)
    return leave_one_out.padded(data, low, high, shape)


def _rounded(size: np.ndarray, length: int) -> np.ndarray:
    multiple = 8 if devices.few_shapes() else 1
    return np.minimum(-(-size // multiple) * multiple, max(length, 1))
