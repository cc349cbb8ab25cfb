"""What each step of an experiment costs (notebook 07)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pandas as pd

__all__ = ["Costs"]


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
