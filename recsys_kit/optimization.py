"""Better than plain training, and what it costs: the index of notebook 07.

Each idea has a module of its own:

- `cold_items`: embeddings tied to a pretrained text encoder, so that an item never sold gets a score;
- `text_preset`: another text encoder by name, for readers who are online;
- `next_kinds`: a small task and a small sequence model, on which an experiment takes seconds;
- `transfer`: pretrained in one part of the shop, fine-tuned in another;
- `newcomers`, `short_histories`, `meta_learning`: what to do when only a few baskets are known;
- `tuning`: regularisation, a search that can be resumed, and one look at the test.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pandas as pd

from recsys_kit import (
    cold_items,
    meta_learning,
    newcomers,
    next_kinds,
    short_histories,
    text_preset,
    transfer,
    tuning,
)

__all__ = [
    "Costs",
    "cold_items",
    "meta_learning",
    "newcomers",
    "next_kinds",
    "short_histories",
    "text_encoder",
    "transfer",
    "tuning",
]

text_encoder = text_preset.encoder


class Costs:
    """Adds up what each step costs.

    Example:
        >>> cost = Costs()
        >>> with cost("a step"):
        ...     total = sum(range(10))
        >>> list(cost.seconds)
        ['a step']
    """

    def __init__(self):
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, step: str) -> Iterator[None]:
        """Times what runs inside it."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[step] = self.seconds.get(step, 0.0) + time.perf_counter() - began

    def table(self) -> pd.DataFrame:
        """Returns one row a step, in the order in which they ran, with its `seconds`."""
        return pd.DataFrame({"seconds": self.seconds}).rename_axis("step")
