"""What the next-basket Transformer is trained on: batches of households with target baskets (notebook 05).

Letters for shapes: B users of a batch, L baskets, H distinct items of a user's history, P positions to predict at,
C candidate items, S parts of a context, V items of the catalogue (ids 1..V; 0 is padding).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recsys_kit.datasets.tables import NotForThisShop
from recsys_kit.neural import devices, sampling
from recsys_kit.neural.batches import EpochBatches, first_and_last_first
from recsys_kit.training import baskets

__all__ = ["BasketBatches", "Settings"]


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
        batch_size: Target baskets a batch, B x P.
        window: The longest part of a history that is trained on, in baskets.
        patience: Epochs without a better validation NDCG before training stops.
        seed: Seed of everything random.
    """

    width: int = 64
    blocks: int = 2
    heads: int = 2
    dropout: float = 0.2
    epochs: int = 3
    learning_rate: float = 5e-3
    weight_decay: float = 0.01
    positions: int = 8
    candidates: int = 2500
    batch_size: int = 80
    window: int = 128
    patience: int = 3
    seed: int = 0


class BasketBatches(EpochBatches):
    """Batches of households of similar length, with a few random target baskets each and shared candidate items.

    The candidates of a batch are all new items that its targets hold, and a sample of the catalogue in proportion to
    popularity^0.75. Each sampled item stands for those that were not drawn: see `sampling.weights`.

    Args:
        seq: The sequences.
        settings: Uses positions, candidates, batch_size, window and seed.
        min_items: Targets hold at least so many items, as the answers of the task do.
        count: How many batches an epoch has at most, a random part of them; 0: all.

    Raises:
        NotForThisShop: If no customer has three baskets.
    """

    def __init__(self, seq: baskets.Sequences, settings: Settings, min_items: int = 1, count: int = 0, **kwargs):
        super().__init__(settings.seed, **kwargs)
        self.seq, self.settings, self.min_items = seq, settings, min_items
        # Two baskets to look back on, and one to predict.
        users = np.flatnonzero(seq.baskets() >= 3)
        if not len(users):
            raise NotForThisShop(
                "no customer has at least 3 baskets before the cutoff: a model learns from two what is in the third"
            )
        distinct = np.diff(seq.item_start)[users]
        users = users[np.lexsort((distinct, np.minimum(seq.baskets()[users], settings.window) // 32))]
        step = max(1, settings.batch_size // settings.positions)
        batches = [users[i : i + step] for i in range(0, len(users), step)]
        some = np.random.default_rng(settings.seed).permutation(len(batches))[: count or None]
        self.batches = [batches[place] for place in sorted(some)]
        self.share = sampling.popularity_share(np.bincount(seq.items, minlength=seq.trend.shape[1]))
        self.weight = sampling.weights(self.share, settings.candidates).astype(np.float32)
        self.slots = min(len(self.share), settings.candidates + 5 * settings.batch_size)  # C
        self.start_epoch(0)

    def __len__(self) -> int:
        """How many batches an epoch has."""
        return len(self.batches)

    def plan(self) -> None:
        """Sets the order of the batches; should the first two have the same length, the second is padded more."""
        self.order = first_and_last_first(len(self.batches), self.rng())

    def __getitem__(self, index: int) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Returns a batch: the model's inputs, and for each head labels and weights, stacked (..., 2)."""
        rng = self.rng(index)
        seq, users = self.seq, self.batches[self.order[index]]
        length = np.minimum(seq.baskets()[users], self.settings.window)
        spare = seq.baskets()[users] - length
        low = seq.basket_start[users] + rng.integers(0, spare + 1)
        unlike = self._shape(self.batches[self.order[0]]) if index == 1 and not devices.few_shapes() else (0, 0)
        x = baskets.history_arrays(seq, users, low, low + length, unlike)
        row = np.arange(len(users))[:, None]
        position = self._positions(x["incidence"].sum(-1), rng)  # (B, P)
        target = x["incidence"][row, position + 1]  # (B, P, H)
        x |= baskets.position_arrays(position, x["days"][row, position + 1])
        if seq.context.shape[1]:
            x["context"] = seq.context[low[:, None] + position + 1]  # (B, P, S)
        known = baskets.known(x)
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
        return tuple(devices.padded_size(n, 16) for n in (min(baskets_of.max(), self.settings.window), items_of.max()))

    def _positions(self, sizes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draws (B, P) last visible baskets, so that the basket after each is a target, from `sizes` (B, L)."""
        target = sizes[:, None, 2:]  # a target has at least two baskets before it
        chance = rng.random((len(sizes), self.settings.positions, target.shape[-1])) * (target > 0)
        chance += (target >= self.min_items) * 1.0  # smaller baskets only where there are no others
        return 1 + chance.argmax(-1)

    def _candidates(self, bought: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Returns (C,) candidate ids, padded with 0, and (V + 1,) each item's place among them, -1 if it has none."""
        chosen, _ = sampling.draw(self.share, self.settings.candidates, np.unique(bought), self.slots, rng)
        chosen = chosen.astype(np.int32)
        place = np.full(len(self.share), -1)
        place[chosen] = np.arange(len(chosen))
        return np.pad(chosen, (0, self.slots - len(chosen))), place
