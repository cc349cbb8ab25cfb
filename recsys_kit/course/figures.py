"""The figures of an executed notebook: stored small, and the main one as a thumbnail."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from typing import Any

import nbformat

from recsys_kit.report import HEADLINE_MIME

__all__ = ["MAIN", "PNG", "main_figure", "shrink", "thumbnail"]

MAIN = "main-figure"
"""Tag of the cell whose figure stands for its notebook."""

PNG = "image/png"
_COLOURS = (32, 64, 128, 256)  # sizes of a palette; a PNG's holds 256
_VISIBLE = 32  # of 255: the largest palette may change no colour by more
_SAME = 3  # of 255: a smaller one no more than this
_WIDTH = 440  # pixels of a thumbnail, shown at half of that, so that it is sharp on every screen


def shrink(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Stores the figures of a notebook with the smallest palette that does not show, in place.

    A figure with transparent parts stays as it is, and so does one with so many colours that a palette would show.
    """
    for _, output in _outputs(notebook):
        if PNG in output.get("data", {}):
            output.data[PNG] = base64.b64encode(_with_palette(base64.b64decode(output.data[PNG]))).decode()
    return notebook


def _with_palette(png: bytes) -> bytes:
    from PIL import Image, ImageChops

    old = Image.open(io.BytesIO(png))
    if old.mode == "P" or ("A" in old.mode and old.getchannel("A").getextrema()[0] < 255):
        return png
    old = old.convert("RGB")
    for colours in _COLOURS:
        new = old.quantize(colours, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        changed = max(most for _, most in ImageChops.difference(old, new.convert("RGB")).getextrema())
        if changed <= (_SAME if colours < _COLOURS[-1] else _VISIBLE):
            written = io.BytesIO()
            new.save(written, "png", optimize=True)
            return min(written.getvalue(), png, key=len)
    return png


def main_figure(notebook: nbformat.NotebookNode) -> bytes | None:
    """Returns the figure that stands for a notebook, as PNG; None if it has none.

    That is the figure of the cell tagged `main-figure`; without one the last figure down to the headline, which most
    pages lead to; else the last of all.
    """
    tagged, before, last, reached = None, None, None, False
    for cell, output in _outputs(notebook):
        data = output.get("data", {})
        if PNG in data:
            last = data[PNG]
            before = before if reached else last
            tagged = last if MAIN in cell.metadata.get("tags", []) else tagged
        reached = reached or HEADLINE_MIME in data
    found = tagged or before or last
    return base64.b64decode(found) if found else None


def thumbnail(png: bytes) -> str:
    """Returns a figure in small as a data URI, a few kilobytes."""
    from PIL import Image

    with Image.open(io.BytesIO(png)) as opened:
        picture = opened.convert("RGB")
    picture.thumbnail((_WIDTH, _WIDTH), Image.Resampling.LANCZOS)
    written = io.BytesIO()
    picture.save(written, "webp", quality=75, method=6)
    return "data:image/webp;base64," + base64.b64encode(written.getvalue()).decode()


def _outputs(notebook: nbformat.NotebookNode) -> Iterator[tuple[Any, Any]]:
    """Yields each output of a notebook with its cell."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            yield cell, output
