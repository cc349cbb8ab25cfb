"""Training the next-basket Transformer: batches, loss, callbacks, and scores for evaluation (notebook 05).

Letters for shapes: B users of a batch, L baskets, H distinct items of a user's history, P positions to predict at,
C candidate items, V items of the catalogue (ids 1..V; 0 is padding), N test cases.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from keras import ops

from recsys_kit import baskets, evaluation, report, transformer
from recsys_kit.datasets import Shop
from recsys_kit.preprocessing import Split, Task
from recsys_kit.workspace import Workspace

__all__ = [
    "BasketBatches",
    "KeepBest",
    "Settings",
    "WarmCosine",
    "build",
    "history",
    "inclusion_bce",
    "run_folder",
    "scorer",
    "train",
    "trained",
]


@dataclass(frozen=True)
class Settings:
    """How the next-basket Transformer is built and trained.

    Attributes:
        width: D.
        blocks: Number of Transformer blocks.
        heads: Attention heads a block.
        dropout: Dropout on tokens and blocks.
        epochs: Passes over the households.
        learning_rate: Highest rate; it warms up over half an epoch and falls along a cosine.
        weight_decay: AdamW's.
        positions: P, target baskets drawn from each household in an epoch.
        candidates: Items drawn a batch as "not bought", beside all that were.
        rows: Target baskets a batch, B x P.
        window: The longest part of a history that is trained on, in baskets.
        patience: Epochs without a better validation NDCG before training stops.
        seed: Seed of everything random.
    """

    width: int = 64
    blocks: int = 2
    heads: int = 2
    dropout: float = 0.2
    epochs: int = 5
    learning_rate: float = 2e-3
    weight_decay: float = 0.01
    positions: int = 8
    candidates: int = 2500
    rows: int = 160
    window: int = 128
    patience: int = 3
    seed: int = 0


class BasketBatches(keras.utils.PyDataset):
    """Batches of households of similar length, with a few random target baskets each and shared candidate items.

    The candidates of a batch are all new items that its targets hold, and a sample of the catalogue in proportion to
    popularity^0.75. Each sampled item stands for those that were not drawn: its weight in the loss is one over its
    chance of being drawn, at most 30.

    Args:
        seq: The sequences.
        settings: Uses positions, candidates, rows, window and seed.
        min_items: Targets hold at least so many items, as the answers of the task do.
    """

    def __init__(self, seq: baskets.Sequences, settings: Settings, min_items: int = 1, **kwargs):
        super().__init__(**kwargs)
        self.seq, self.settings, self.min_items = seq, settings, min_items
        users = np.flatnonzero(seq.baskets() >= 3)
        if not len(users):
            raise ValueError("no user has at least 3 baskets before the cutoff: there is nothing to learn from.")
        distinct = np.diff(seq.item_start)[users]
        users = users[np.lexsort((distinct, np.minimum(seq.baskets()[users], settings.window) // 32))]
        step = max(1, settings.rows // settings.positions)
        self.batches = [users[i : i + step] for i in range(0, len(users), step)]
        share = np.bincount(seq.items, minlength=seq.trend.shape[1]) ** 0.75
        self.share = share / share.sum()
        chance = 1 - (1 - self.share) ** settings.candidates
        self.weight = np.minimum(1 / np.maximum(chance, 1e-9), 30.0).astype(np.float32)
        self.slots = min(len(share), settings.candidates + 5 * settings.rows)  # C
        self.start_epoch(0)

    def __len__(self) -> int:
        """How many batches an epoch has."""
        return len(self.batches)

    def start_epoch(self, epoch: int) -> None:
        """Sets the order of the batches and the seed of what is drawn.

        Keras reads off the first two batches which axes vary, so these are the shortest and the longest; should they
        have the same length, the second is padded more.
        """
        self.epoch, n = epoch, len(self.batches)
        middle = np.random.default_rng((self.settings.seed, epoch)).permutation(np.arange(1, n - 1))
        self.order = np.r_[0, n - 1, middle].astype(int)[:n]

    def __getitem__(self, index: int) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Returns a batch: the model's inputs, and for each head labels and weights, stacked (..., 2)."""
        rng = np.random.default_rng((self.settings.seed, self.epoch, index))
        seq, users = self.seq, self.batches[self.order[index]]
        length = np.minimum(seq.baskets()[users], self.settings.window)
        spare = seq.baskets()[users] - length
        low = seq.basket_start[users] + rng.integers(0, spare + 1)
        unlike = self._shape(self.batches[self.order[0]]) if index == 1 else (0, 0)
        x = baskets.history_arrays(seq, users, low, low + length, unlike)
        row = np.arange(len(users))[:, None]
        position = self._positions(x["incidence"].sum(-1), rng)  # (B, P)
        target = x["incidence"][row, position + 1]  # (B, P, H)
        x |= baskets.pair_arrays(x, position, x["days"][row, position + 1])
        known = baskets.known(x["last"])
        new = (target > 0) & ~known
        candidates, place = self._candidates(np.broadcast_to(x["items"][:, None], new.shape)[new], rng)
        place = place[x["items"]]  # (B, H): where an item of the history is among the candidates, or -1
        labels = np.zeros((*position.shape, len(candidates)), np.float32)
        weights = np.broadcast_to(self.weight[candidates] * (candidates > 0), labels.shape).copy()
        user, item = np.nonzero(place >= 0)
        weights[user, :, place[user, item]] *= ~known[user, :, item]
        user, at, item = np.nonzero(new & (place >= 0)[:, None])
        labels[user, at, place[user, item]] = weights[user, at, place[user, item]] = 1
        x |= baskets.market_arrays(seq, x, candidates)
        return x, {
            "repeat": np.stack([target, known.astype(np.float32)], axis=-1),
            "discover": np.stack([labels, weights], axis=-1),
        }

    def _shape(self, users: np.ndarray) -> tuple[int, int]:
        """Returns the padded lengths (L, H) of a batch of users."""
        baskets_of, items_of = np.diff(self.seq.basket_start)[users], np.diff(self.seq.item_start)[users]
        return tuple(-(-max(1, n) // 16) * 16 for n in (min(baskets_of.max(), self.settings.window), items_of.max()))

    def _positions(self, sizes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draws (B, P) last visible baskets, so that the basket after each is a target, from `sizes` (B, L)."""
        target = sizes[:, None, 2:]  # a target has at least two baskets before it
        chance = rng.random((len(sizes), self.settings.positions, target.shape[-1])) * (target > 0)
        chance += (target >= self.min_items) * 1.0  # smaller baskets only where there are no others
        return 1 + chance.argmax(-1)

    def _candidates(self, bought: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Returns (C,) candidate ids, padded with 0, and (V + 1,) each item's place among them, -1 if it has none."""
        bought = np.unique(bought)
        drawn = np.setdiff1d(rng.choice(len(self.share), self.settings.candidates, p=self.share), bought)
        chosen = np.r_[bought, drawn][: self.slots].astype(np.int32)
        place = np.full(len(self.share), -1)
        place[chosen] = np.arange(len(chosen))
        return np.pad(chosen, (0, self.slots - len(chosen))), place


@keras.saving.register_keras_serializable(package="recsys_kit")
def inclusion_bce(y, logits):
    """Binary cross-entropy of "is this item in the basket?", weighted and summed over the items.

    A basket is a set of yes-or-no decisions, so each item gets its own; a softmax would make them compete.

    Args:
        y: (B, P, items, 2) labels and weights.
        logits: (B, P, items).

    Returns:
        (B, P) losses, divided by 10 (about a basket's size).
    """
    label, weight = y[..., 0], y[..., 1]
    loss = ops.relu(logits) - logits * label + ops.log1p(ops.exp(-ops.abs(logits)))
    return ops.sum(weight * loss, axis=-1) / 10.0


@keras.saving.register_keras_serializable(package="recsys_kit")
class WarmCosine(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that rises from a tenth of its peak, then falls along a cosine to a fiftieth.

    Keras's own `CosineDecay` branches on the step, once a variable, which doubles the time that the first step takes
    to be traced. This one has no branch.

    Args:
        peak: The highest rate.
        steps: Training steps in all.
        warm: Steps until the peak.
    """

    def __init__(self, peak: float, steps: int, warm: int):
        self.peak, self.steps, self.warm = peak, steps, warm

    def __call__(self, step):
        """Returns the rate at a step (0 is the first)."""
        step = ops.cast(step, "float32")
        part = ops.clip((step - self.warm) / max(1, self.steps - self.warm), 0.0, 1.0)
        return self.peak * ops.minimum(0.1 + 0.9 * step / self.warm, 0.51 + 0.49 * ops.cos(np.pi * part))

    def get_config(self):
        """Returns the arguments, for saving."""
        return {"peak": self.peak, "steps": self.steps, "warm": self.warm}


class KeepBest(keras.callbacks.Callback):
    """Scores the validation split after each epoch, keeps the best weights, stops when it no longer improves.

    Its record survives an interruption, so a resumed run ends like one that was never interrupted.

    Args:
        data: The batches, told which epoch it is.
        validation: The split to score.
        seq: Its sequences.
        patience: Epochs without improvement before training stops.
        seed: Seed of dropout; set anew each epoch, so that a resumed epoch drops the same.
        folder: Where the record and the best weights are kept.
    """

    def __init__(self, data: BasketBatches, validation: Split, seq, patience: int, seed: int, folder: Path):
        super().__init__()
        self.data, self.validation, self.seq = data, validation, seq
        self.patience, self.seed, self.folder = patience, seed, folder
        self.record: list[dict] = []

    def on_train_begin(self, logs=None):
        """Takes up the record of an interrupted run."""
        path = self.folder / "record.json"
        self.record = json.loads(path.read_text()) if path.exists() else []
        self.bar = None

    def on_epoch_begin(self, epoch, logs=None):
        """Sets what is random in this epoch from its number."""
        self.record = self.record[:epoch]
        self.data.start_epoch(epoch)
        for i, variable in enumerate(self.model.non_trainable_variables):
            if "seed_generator" in variable.path:
                variable.assign(np.array([self.seed * 1000 + epoch, i], "uint32"))
        self.bar = report.progress(label=f"epoch {epoch + 1}", total=len(self.data))
        self.began = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        """Moves the progress bar."""
        self.bar.update()

    def on_epoch_end(self, epoch, logs=None):
        """Scores the validation split."""
        seconds = time.perf_counter() - self.began
        self.bar.close()
        scores = scorer(self.model, self.validation, self.seq)
        cases = np.arange(len(self.validation.test_users))
        scores = np.concatenate([scores(part) for part in np.array_split(cases, max(1, len(cases) // 512))])
        everything = evaluation.evaluate(scores, self.validation.answers)["ndcg"].mean()
        explore = evaluation.evaluate(scores, self.validation.answers, exclude=self.validation.seen())["ndcg"].mean()
        row = {"epoch": epoch + 1, "loss": float(logs["loss"]), "ndcg": float(everything), "explore": float(explore)}
        row["seconds"] = round(seconds, 2)
        logs.update(val_ndcg=row["ndcg"], val_explore=row["explore"])  # for the callbacks that follow
        best = max((r["ndcg"] for r in self.record), default=-1.0)
        self.record.append(row)
        if row["ndcg"] > best:
            self.model.save_weights(self.folder / "best.weights.h5")
        (self.folder / "record.json").write_text(json.dumps(self.record))
        print(
            f"epoch {epoch + 1:2d}  loss {row['loss']:.4f}  validation NDCG@10 {everything:.4f}, explore {explore:.4f}"
        )
        ndcg = [r["ndcg"] for r in self.record]
        if len(ndcg) - 1 - int(np.argmax(ndcg)) >= self.patience:
            self.model.stop_training = True

    def on_train_end(self, logs=None):
        """Puts the best weights back."""
        self.model.load_weights(self.folder / "best.weights.h5")


def train(
    shop: Shop,
    task: Task,
    settings: Settings,
    folder: str | Path,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> tuple[keras.Model, pd.DataFrame]:
    """Trains the next-basket Transformer on what lies before the validation weeks and keeps its best epoch.

    Every epoch is backed up in `folder`: calling again after an interruption goes on where it stopped, and ends with
    the same weights.

    Args:
        shop: The shop, for its items' groups.
        task: The task; its test answers are not looked at.
        settings: Sizes and training parameters.
        folder: Where backups and the best weights are kept; delete it to start afresh.
        callbacks: Further Keras callbacks, such as TensorBoard.

    Returns:
        The model with its best weights, and one row an epoch: epoch, loss, ndcg, explore (on the
        validation split) and the seconds of training.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(settings.seed)
    seq = baskets.sequences(task.validation)
    data = BasketBatches(seq, settings, task.min_items)
    model = build(shop, task.test, settings, steps=len(data) * settings.epochs)
    keep = KeepBest(data, task.validation, seq, settings.patience, settings.seed, folder)
    backup = keras.callbacks.BackupAndRestore(folder / "backup", double_checkpoint=True)
    # No shuffling by Keras, whose order a resumed run would not repeat: the batches have a random order of their own.
    model.fit(data, epochs=settings.epochs, verbose=0, shuffle=False, callbacks=[keep, *callbacks, backup])
    return model, pd.DataFrame(keep.record)


def build(shop: Shop, split: Split, settings: Settings, steps: int = 1000) -> keras.Model:
    """Builds and compiles the untrained model.

    Args:
        shop: The shop, for its items' groups.
        split: Gives the catalogue.
        settings: Sizes and training parameters.
        steps: Batches that the training will take; the learning rate falls over them.
    """
    model = transformer.basket_model(
        baskets.item_groups(shop.items, split.items),
        width=settings.width,
        blocks=settings.blocks,
        heads=settings.heads,
        dropout=settings.dropout,
    )
    rate = WarmCosine(settings.learning_rate, steps, warm=max(1, steps // (2 * settings.epochs)))
    optimizer = keras.optimizers.AdamW(rate, weight_decay=settings.weight_decay, clipnorm=1.0)
    optimizer.build(model.trainable_variables)  # or else TensorFlow traces the first step twice
    # No XLA: batches differ in shape, and each new shape would be compiled anew (on a GPU Keras would choose XLA).
    model.compile(optimizer, loss={"repeat": inclusion_bce, "discover": inclusion_bce}, jit_compile=False)
    return model


def trained(
    workspace: Workspace,
    shop: Shop,
    task: Task,
    settings: Settings,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    fresh: bool = False,
) -> keras.Model:
    """Returns the trained model from the workspace, training it first if it is missing.

    Args:
        workspace: Where the model is kept, and while it trains its backups.
        shop: The shop.
        task: The task.
        settings: Sizes and training parameters.
        callbacks: Further Keras callbacks; they see nothing if the model is there already.
        fresh: Trains again even if the model is there.
    """
    address = _address(shop, task, settings)
    folder = run_folder(workspace, shop, task, settings)
    if fresh:
        workspace.path("basket_transformer", **address).with_suffix(".keras").unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
    return workspace.get("basket_transformer", lambda: train(shop, task, settings, folder, callbacks)[0], **address)


def run_folder(workspace: Workspace, shop: Shop, task: Task, settings: Settings) -> Path:
    """Returns where the training of `trained` keeps its record, backups and best weights."""
    return workspace.path("training", **_address(shop, task, settings))


def history(workspace: Workspace, shop: Shop, task: Task, settings: Settings) -> pd.DataFrame:
    """Returns what the training of `trained` recorded: one row an epoch, as `train` returns it.

    Raises:
        FileNotFoundError: If there is no such training.
    """
    path = run_folder(workspace, shop, task, settings) / "record.json"
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing: call `trained` with the same settings first (or with fresh=True).")
    return pd.DataFrame(json.loads(path.read_text()))


def _address(shop: Shop, task: Task, settings: Settings) -> dict:
    """Returns what a trained model depends on, as `Workspace.get` wants it."""
    import recsys_kit.training as code

    params = asdict(settings) | {"cutoff": str(task.test.cutoff)}
    return {"data": shop.fingerprint, "params": params, "code": code}


def scorer(
    model: keras.Model, split: Split, seq: baskets.Sequences | None = None, window: int = 256, block: int = 32
) -> evaluation.Scorer:
    """Returns the function from rows (B,) of the split's test cases to scores (B, V).

    Items of the household's own history get the repeat head's logit, all others the discover head's.

    Args:
        model: A trained next-basket model.
        split: The split; the model sees its whole history.
        seq: The split's sequences, if they are at hand.
        window: The last baskets of a history that are read.
        block: Households scored at once.
    """
    seq = seq or baskets.sequences(split)
    everything = np.arange(1, len(split.items) + 1, dtype=np.int32)
    when = seq.day(split.answer_times)

    def one(rows: np.ndarray) -> np.ndarray:
        users, end = split.test_users[rows], seq.basket_start[split.test_users[rows] + 1]
        length = np.minimum(seq.baskets()[users], window)
        x = baskets.history_arrays(seq, users, end - length, end)
        x |= baskets.pair_arrays(x, np.maximum(length - 1, 0)[:, None], when[rows, None])
        x |= baskets.market_arrays(seq, x, everything)
        logits = model.predict_on_batch(x)
        scores, repeat = np.array(logits["discover"][:, 0]), np.asarray(logits["repeat"][:, 0])
        user, item = np.nonzero(x["items"])
        scores[user, x["items"][user, item] - 1] = repeat[user, item]
        return scores

    def score(rows: np.ndarray) -> np.ndarray:
        rows = np.asarray(rows)
        users = split.test_users[rows]
        order = np.lexsort((np.diff(seq.item_start)[users], seq.baskets()[users] // 32))
        scores = np.empty((len(rows), len(everything)), np.float32)
        for i in range(0, len(rows), block):
            part = order[i : i + block]
            scores[part] = one(rows[part])
        return scores

    return score
