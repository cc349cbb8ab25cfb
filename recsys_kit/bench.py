"""The sequence model on a public next-item benchmark: leave one out, full ranking, one JSON line.

With one item a token the kit's blocks are a SASRec-style model. Trained with a softmax over the batch's own items and
sampled ones (log-Q corrected), on real positions only.

Letters for shapes: U users, B users of a batch, L positions, T real positions of a batch, C candidates, D width,
V items (ids 1..V; 0 is padding).
"""

from __future__ import annotations

import hashlib
import platform
import time
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import scipy.sparse as sp
from keras import ops

from recsys_kit import baselines, baskets, evaluation, report, transformer

__all__ = ["LeaveOneOut", "NextItemBatches", "bench", "read"]

_NEGATIVES = 512  # sampled items a batch, beside the batch's own


@dataclass(frozen=True)
class LeaveOneOut:
    """Sequences split by place: the last item is the test, the one before it the validation, the rest is trained on.

    Attributes:
        items: (rows,) item ids 1..V, user after user, in time order.
        start: (U + 1,) where each user's items begin.
        size: V.
        fingerprint: Short hash of the sequences.
    """

    items: np.ndarray
    start: np.ndarray
    size: int
    fingerprint: str

    def history(self, held_out: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns (U,) where each user's visible items begin and end when the last `held_out` are hidden."""
        return self.start[:-1], self.start[1:] - held_out

    def matrix(self, low: np.ndarray, high: np.ndarray) -> sp.csr_matrix:
        """Returns the (U, V) boolean matrix of the items in each user's range."""
        flat, owner, _ = baskets.ragged(low, high)
        shape = (len(low), self.size)
        return sp.coo_matrix((np.ones(len(flat), bool), (owner, self.items[flat] - 1)), shape).tocsr()


def read(path: str | Path) -> LeaveOneOut:
    """Reads a benchmark file: one user a line (user id, then item ids in time order), or a table.

    Args:
        path: Text file; or CSV or Parquet with the columns user_id, item_id and timestamp.

    Raises:
        ValueError: If a line can't be read, or no user has at least three items.
    """
    path = Path(path)
    if path.suffix in (".csv", ".parquet"):
        table = pd.read_csv(path, dtype=str) if path.suffix == ".csv" else pd.read_parquet(path)
        missing = {"user_id", "item_id", "timestamp"} - set(table.columns)
        if missing:
            raise ValueError(f"{path.name}: no column {', '.join(sorted(missing))}. Found: {', '.join(table.columns)}.")
        numbers = pd.to_numeric(table["timestamp"], errors="coerce")
        when = numbers if numbers.notna().all() else pd.to_datetime(table["timestamp"], utc=True)
        table = table.assign(timestamp=when).sort_values(["user_id", "timestamp"], kind="stable")
        users, names = table["user_id"].to_numpy(), table["item_id"].to_numpy()
    else:
        lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        short = [i + 1 for i, line in enumerate(lines) if len(line) < 2]
        if short:
            raise ValueError(f"{path.name}: a line holds a user id and item ids. Not so in {len(short)}: {short[:5]}.")
        users = np.repeat([line[0] for line in lines], [len(line) - 1 for line in lines])
        names = np.concatenate([line[1:] for line in lines])
    user, items = pd.factorize(users)[0], pd.factorize(names)[0] + 1
    order = np.argsort(user, kind="stable")
    user, items = user[order], items[order].astype(np.int32)
    enough = np.bincount(user)[user] >= 3
    user, items = pd.factorize(user[enough])[0], items[enough]
    if not len(user):
        raise ValueError(f"{path.name}: no user has at least 3 items; two are held out for validation and test.")
    start = np.searchsorted(user, np.arange(user[-1] + 2))
    digest = hashlib.sha256(items.tobytes() + start.tobytes()).hexdigest()[:12]
    return LeaveOneOut(items, start, int(items.max()), digest)


class NextItemBatches(keras.utils.PyDataset):
    """Batches of users with histories of similar length: ids (B, L), and the T real positions with their next items.

    Args:
        data: The sequences; the last two items of each user are not touched.
        length: The longest sequence; of longer ones the newest items are kept.
        users: B.
        seed: Seed of order and negatives.
    """

    def __init__(self, data: LeaveOneOut, length: int, users: int = 256, seed: int = 0, **kwargs):
        super().__init__(**kwargs)
        low, high = data.history(held_out=2)
        rows = np.flatnonzero(high - low >= 2)
        self.data, self.seed, self.epoch = data, seed, 0
        self.low, self.high = np.maximum(low, high - length - 1), high
        rows = rows[np.argsort((self.high - self.low)[rows], kind="stable")]
        self.batches = [rows[i : i + users] for i in range(0, len(rows), users)]
        trained_on = data.items[baskets.ragged(low, high)[0]]
        self.share = np.bincount(trained_on, minlength=data.size + 1) / len(trained_on)
        self.draw = self.share**0.75 / (self.share**0.75).sum()
        self.shuffle()

    def __len__(self) -> int:
        """How many batches an epoch has."""
        return len(self.batches)

    def shuffle(self) -> None:
        """Orders the batches; the first two have different shapes, as Keras reads off them which axes vary."""
        n = len(self.batches)
        middle = np.random.default_rng((self.seed, self.epoch)).permutation(np.arange(1, n - 1))
        self.order = np.r_[0, n - 1, middle].astype(int)[:n]

    def on_epoch_end(self) -> None:
        """Moves on to the next epoch's order and negatives."""
        self.epoch += 1
        self.shuffle()

    def __getitem__(self, index: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Returns ids (B, L), place (T,), candidates (C,), their log chance of being one (C,); and labels (T,)."""
        rng = np.random.default_rng((self.seed, self.epoch, index))
        users = self.batches[self.order[index]]
        ids, place, target = _padded(self.data.items, self.low[users], self.high[users] - 1)
        drawn = rng.choice(len(self.draw), _NEGATIVES, p=self.draw)
        candidates = np.unique(np.r_[target, drawn]).astype(np.int32)
        missed = (1 - self.draw[candidates]) ** _NEGATIVES * (1 - self.share[candidates]) ** len(target)
        inputs = {
            "ids": ids,
            "place": place.astype(np.int32),
            "candidates": candidates,
            "log_chance": np.log(1 - missed).astype(np.float32),
        }
        return inputs, np.searchsorted(candidates, target).astype(np.int32)


def _padded(items: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns ids (B, L) padded on the right, the flat places (T,) that are real, and the item that follows each."""
    flat, owner, place = baskets.ragged(low, high)
    ids = np.zeros((len(low), int((high - low).max())), np.int32)
    ids[owner, place] = items[flat]
    return ids, owner * ids.shape[1] + place, items[np.minimum(flat + 1, len(items) - 1)]


@keras.saving.register_keras_serializable(package="recsys_kit")
class CandidateLogits(keras.layers.Layer):
    """Scores T states against C candidates with the item embedding itself, corrected for how candidates were drawn.

    Args:
        logits: The full model's `TiedLogits`, whose embedding and bias are used.

    Source: Yi et al. (2019), Sampling-bias-corrected neural modeling for large corpus item recommendations.
    """

    def __init__(self, logits: transformer.TiedLogits, **kwargs):
        super().__init__(**kwargs)
        self.logits = logits

    def call(self, states, place, candidates, log_chance):
        """Maps states (B, L, D), places (T,) and candidates (C,) to logits (T, C)."""
        states = ops.take(ops.reshape(states, (-1, states.shape[-1])), place, axis=0)  # (T, D)
        vectors = self.logits.embedding(candidates)  # (C, D)
        scores = ops.matmul(states, ops.transpose(vectors)) + ops.take(self.logits.bias, candidates)
        return scores - log_chance[None]


def _build(data: LeaveOneOut, length: int, width: int, blocks: int, dropout: float) -> tuple[keras.Model, ...]:
    """Returns three models that share their weights: ids -> logits, ids -> states (B, L, D), and the one to train."""
    full = transformer.next_item_model(data.size, length, width=width, blocks=blocks, dropout=dropout)
    states, logits = full.get_layer("norm").output, full.get_layer("logits")
    place = keras.Input(batch_shape=(None,), dtype="int32", name="place")
    candidates = keras.Input(batch_shape=(None,), dtype="int32", name="candidates")
    chance = keras.Input(batch_shape=(None,), dtype="float32", name="log_chance")
    output = CandidateLogits(logits, name="candidate_logits")(states, place, candidates, chance)
    inputs = {"ids": full.inputs[0], "place": place, "candidates": candidates, "log_chance": chance}
    return full, keras.Model(full.inputs, states), keras.Model(inputs, output)


def _scorer(full: keras.Model, states: keras.Model, data: LeaveOneOut, held_out: int, length: int) -> evaluation.Scorer:
    """Returns the function users (B,) -> scores (B, V) of the item after the visible ones."""
    head = full.get_layer("logits")
    table = ops.convert_to_numpy(head.embedding(np.arange(1, data.size + 1)))
    bias = ops.convert_to_numpy(head.bias)[1 : data.size + 1]
    low, high = data.history(held_out)

    def score(rows: np.ndarray) -> np.ndarray:
        ids, _, _ = _padded(data.items, np.maximum(low, high - length)[rows], high[rows])
        last = np.asarray(states.predict_on_batch(ids))[np.arange(len(rows)), (ids > 0).sum(1) - 1]  # (B, D)
        return last @ table.T + bias

    return score


def _judge(scorer: evaluation.Scorer, data: LeaveOneOut, held_out: int) -> dict[str, float]:
    """Ranks the catalogue for every user; seen items are left out, ties count against the method."""
    low, high = data.history(held_out)
    answers, seen = data.matrix(high, high + 1), data.matrix(low, high)
    result = {k: evaluation.evaluate(scorer, answers, k=k, exclude=seen, block=512) for k in (5, 10)}
    return {f"{name}@{k}": float(result[k][name].mean()) for k in (5, 10) for name in ("recall", "ndcg")}


def _baselines(data: LeaveOneOut, held_out: int) -> dict[str, evaluation.Scorer]:
    """Fits popularity and co-occurrence on the training part; the latter reads the newest visible items."""
    users = len(data.start) - 1

    def events(hidden: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        flat, owner, place = baskets.ragged(*data.history(hidden))
        return owner, place, data.items[flat] - 1

    owner, place, items = events(2)
    popular = np.bincount(items, minlength=data.size).astype(np.float32)
    table = baselines.cooccurrence_table(owner, place, items, data.size)
    recent = baselines.recent_items(*events(held_out), users, data.size)
    return {
        "popularity": lambda rows: np.tile(popular, (len(rows), 1)),
        "cooccurrence": lambda rows: (recent[rows] @ table).toarray() + 1e-9 * popular,
    }


def bench(
    path: str | Path,
    seeds: tuple[int, ...] = (0,),
    time_limit: float = 600,
    epochs: int = 60,
    length: int = 50,
    width: int = 64,
    blocks: int = 2,
    dropout: float = 0.5,
    learning_rate: float = 2e-3,
) -> dict:
    """Trains the next-item model on a benchmark file and judges it once on the test items.

    Training stops when the validation NDCG@10 has not risen for 5 epochs, or at the time limit.

    Args:
        path: The file, see `read`.
        seeds: One training run each.
        time_limit: Seconds of training for each seed.
        epochs: Most passes over the users.
        length: Longest sequence.
        width: D.
        blocks: Transformer blocks.
        dropout: Dropout.
        learning_rate: AdamW's.

    Returns:
        What is printed as the JSON line: the data, each method's mean metrics and the model's spread over seeds, cost.
    """
    data = read(path)
    began, runs, cost = time.perf_counter(), [], []
    test = {name: _judge(scorer, data, 1) for name, scorer in _baselines(data, 1).items()}
    for seed in seeds:
        keras.utils.set_random_seed(seed)
        full, states, model = _build(data, length, width, blocks, dropout)
        batches = NextItemBatches(data, length, seed=seed)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.AdamW(learning_rate, weight_decay=0.01, clipnorm=1.0), loss=loss)
        tokens = int((batches.high - batches.low - 1).clip(0).sum())
        start, trained, best, best_epoch, weights = time.perf_counter(), 0.0, -1.0, 0, full.get_weights()
        bar = report.progress(range(epochs), f"seed {seed}")
        for epoch in bar:
            before = time.perf_counter()
            model.fit(batches, epochs=1, verbose=0)
            trained += time.perf_counter() - before
            score = _judge(_scorer(full, states, data, 2, length), data, 2)["ndcg@10"]
            bar.set_postfix_str(f"validation NDCG@10 {score:.4f}")
            if score > best:
                best, best_epoch, weights = score, epoch, full.get_weights()
            if epoch - best_epoch >= 5 or time.perf_counter() - start > time_limit:
                break
        bar.close()
        full.set_weights(weights)
        runs.append(_judge(_scorer(full, states, data, 1, length), data, 1))
        seconds = trained / (epoch + 1)
        cost.append({"epochs": epoch + 1, "epoch_seconds": seconds, "tokens_per_second": tokens / seconds})
    metrics = pd.DataFrame(runs)
    return {
        "data": {
            "file": Path(path).name,
            "fingerprint": data.fingerprint,
            "users": len(data.start) - 1,
            "items": data.size,
            "interactions": len(data.items),
        },
        "transformer": metrics.mean().to_dict(),
        "transformer_std": metrics.std(ddof=0).to_dict(),
        "baselines": test,
        "seeds": list(seeds),
        "cost": pd.DataFrame(cost).mean().to_dict() | {"total_seconds": time.perf_counter() - began},
        "parameters": full.count_params(),
        "peak_memory_mb": _peak_memory(),
        "versions": {
            "python": platform.python_version(),
            "keras": keras.__version__,
            "backend": keras.backend.backend(),
        },
    }


def _peak_memory() -> float:
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024**2 if platform.system() == "Darwin" else 1024)
