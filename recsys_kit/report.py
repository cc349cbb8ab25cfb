"""What a notebook reports: a headline metric, promises that it keeps, progress on long work."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from tqdm import tqdm

__all__ = ["HEADLINE_MIME", "headline", "progress", "promise", "quiet"]

HEADLINE_MIME = "application/vnd.recsys-kit.headline+json"


def headline(
    metric: str,
    value: float,
    baseline_name: str,
    baseline_value: float,
    higher_is_better: bool = True,
    data: str = "",
) -> None:
    """Shows the notebook's main result beside its baseline; the run report picks it up from the output.

    Args:
        metric: What is measured, such as "NDCG@10, all items".
        value: The result.
        baseline_name: What it is compared with.
        baseline_value: The baseline's result on the same cases.
        higher_is_better: False for errors and costs.
        data: Whose data it was measured on, where that is not the shop of the run; empty: the shop's.
    """
    from IPython.display import display

    better = (value > baseline_value) == higher_is_better and value != baseline_value
    text = f"{metric}: {value:.4f} ({baseline_name}: {baseline_value:.4f}; {'better' if better else 'not better'})"
    found = {"metric": metric, "value": float(value), "baseline": baseline_name}
    found |= {"baseline_value": float(baseline_value), "higher_is_better": higher_is_better}
    if data:
        text, found["data"] = f"{text}; measured on {data}, not on this shop", data
    display({HEADLINE_MIME: found, "text/plain": text}, raw=True)


def promise(text: str, holds: bool, strict: bool) -> None:
    """Keeps a promise of the course, or says that it does not hold here.

    Args:
        text: The promise, in words.
        holds: Whether it holds.
        strict: True on the kit's own, whole data: there a broken promise is an error.

    Raises:
        AssertionError: If the promise is broken and `strict` is True.
    """
    if strict and not holds:
        raise AssertionError(f"promise broken: {text}")
    print(f"{'holds' if holds else 'does not hold on this data'}: {text}")


def progress(iterable: Iterable | None = None, label: str = "", total: int | None = None) -> Any:
    """Shows a progress bar that vanishes when the work is done."""
    return tqdm(iterable, desc=label, total=total, file=sys.stdout, leave=False, mininterval=0.5)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Hides what a native library writes to stderr while it starts, such as TensorFlow looking for a GPU driver.

    A Python exception still comes through. Afterwards TensorFlow logs errors only: its advice about batches of many
    lengths is not for us, ours are meant.

    Example:
        >>> with quiet():
        ...     os.write(2, b"hidden") and None
    """
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
        logging.getLogger("tensorflow").setLevel("ERROR")  # loading it sets the level, so this comes after
