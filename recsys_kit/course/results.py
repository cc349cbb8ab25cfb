"""What came of running a notebook."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["LOG", "Result"]

LOG = ".log"
"""Suffix of the file beside an executed notebook that holds what its kernel wrote past Python."""


@dataclass(frozen=True)
class Result:
    """What came of one notebook.

    Attributes:
        name: The notebook's file name without its suffix.
        status: "ok", "skipped" (this shop can't show what it teaches), "failed", "interrupted", "running" or "waiting".
        seconds: Wall time, kernel start included.
        peak_mb: Highest resident memory of the kernel and its child processes, in MB.
        headline: What `report.headline` displayed, or None.
        error: Empty, or which cell failed and why, on a few lines; of a skipped notebook why it was.
        traceback: Empty, or Python's own account of the error.
    """

    name: str
    status: str = "waiting"
    seconds: float = 0.0
    peak_mb: float = 0.0
    headline: dict[str, Any] | None = None
    error: str = ""
    traceback: str = ""
