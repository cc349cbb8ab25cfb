"""The kit's own tables of texts: queries, glossary, intents, answers, titles, phrases."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from recsys_kit.datasets import shipped

__all__ = ["DATA", "read"]

DATA = shipped.folder("data")
"""Where they lie."""


def read(path: str | Path, columns: Sequence[str]) -> pd.DataFrame:
    """Returns a CSV table of texts; an empty field is an empty text.

    Args:
        path: The file.
        columns: What it must have.

    Raises:
        ValueError: If a column is missing.
    """
    path = Path(path)
    table = pd.read_csv(path, dtype="str", keep_default_na=False, encoding="utf-8")
    missing = [name for name in columns if name not in table]
    if missing:
        raise ValueError(f"{path.name}: columns must be {', '.join(columns)}. Missing: {', '.join(missing)}.")
    return table
