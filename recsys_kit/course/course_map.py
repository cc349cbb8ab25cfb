"""The course as a picture: which notebooks there are, and how data flows through them (notebook 00)."""

from __future__ import annotations

import textwrap
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Polygon

from recsys_kit.course import notebooks
from recsys_kit.plots import COLOURS

__all__ = ["contents", "course_map"]

# The steps of the pipeline: letter, name, what comes out, and the numbers of the notebooks that teach it.
_STEPS = (
    ("A", "Preprocessing", "clean, split events", range(1, 2)),
    ("B", "Features", "users and items as numbers", range(2, 3)),
    ("C", "Training", "models that rank", range(3, 6)),
    ("D", "Prediction and\noptimisation", "the model that holds up", range(6, 8)),
    ("E", "Recommendations", "lists that a shop can show", range(8, 10)),
)
_PARTS = ("Part 1 · The pipeline", "Part 2 · Applications", "Part 3 · Trust and scale")
_COLOURS = (*COLOURS[:4], COLOURS[5])
_WIDTH, _BOX, _ROW = 10.0, 1.84, 0.62  # of the page, of a box, of a row of boxes: inches


def contents(folder: str | Path = ".") -> pd.DataFrame:
    """Lists the notebooks that exist.

    Args:
        folder: Where the notebooks lie.

    Returns:
        One row a notebook in course order: number, title, sentence (what it is about), part (1 to 3), step (A to E,
        empty outside the pipeline), file.
    """
    rows = []
    for path in notebooks.find(folder):
        number = int(path.name[:2])
        title, sentence = notebooks.title(notebooks.read(path))
        title = title.partition("·")[2].strip() or path.stem[3:].replace("_", " ")
        step = "".join(letter for letter, _, _, numbers in _STEPS if number in numbers)
        part = min(number // 10 + 1, len(_PARTS))
        rows.append((f"{number:02d}", title, sentence, part, step, path.name))
    return pd.DataFrame(rows, columns=["number", "title", "sentence", "part", "step", "file"])


def course_map(folder: str | Path = ".") -> Figure:
    """Draws the map: the five steps of the pipeline with their notebooks under them, then the other parts.

    Only notebooks that exist are drawn; a step or part that has none yet says so or is left out.

    Args:
        folder: Where the notebooks lie.
    """
    table = contents(folder)
    pipeline = table[table["part"] == 1]
    deepest = max(1, pipeline["step"][pipeline["step"] != ""].value_counts().max() if len(pipeline) else 1)
    rest = [(number, table[table["part"] == number]) for number in (2, 3)]
    rows = {number: -(-len(part) // len(_STEPS)) for number, part in rest}
    height = 2.35 + deepest * _ROW + sum(0.55 + n * _ROW for n in rows.values() if n)
    figure = plt.figure(figsize=(_WIDTH, height), layout="none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, _WIDTH), ylim=(height, 0))
    axes.axis("off")

    start = pipeline[pipeline["step"] == ""]
    axes.text(0.2, 0.32, _PARTS[0], fontsize=13, weight="bold", va="center")
    for place, row in enumerate(start.itertuples()):
        _box(axes, 0.2 + (2 + place) * (_BOX + 0.1), 0.1, row.number, row.title, COLOURS[6], height=0.44)
        axes.text(0.1 + (2 + place) * (_BOX + 0.1), 0.32, "first:", fontsize=9, style="italic", ha="right", va="center")
    for position, (letter, name, result, _) in enumerate(_STEPS):
        left, colour = 0.2 + position * (_BOX + 0.1), _COLOURS[position]
        _arrow(axes, left, 0.7, colour, last=position == len(_STEPS) - 1)
        axes.text(left + 0.23, 1.1, letter, fontsize=15, weight="bold", va="center")
        axes.text(left + 0.47, 1.1, name, fontsize=9, weight="bold", va="center", linespacing=1.1)
        axes.text(left + 0.06, 1.68, f"→ {result}", fontsize=8, va="center", color="#444444")
        taught = pipeline[pipeline["step"] == letter]
        for place, row in enumerate(taught.itertuples()):
            _box(axes, left, 1.92 + place * _ROW, row.number, row.title, colour)
        if taught.empty:
            axes.text(left + 0.06, 2.15, "in preparation", fontsize=8.5, style="italic", va="center", color="#666666")
    top = 2.1 + deepest * _ROW
    for number, part in rest:
        if part.empty:
            continue
        axes.plot([0.2, _WIDTH - 0.2], [top, top], color="#bbbbbb", linewidth=0.8)
        axes.text(0.2, top + 0.28, _PARTS[number - 1], fontsize=13, weight="bold", va="center")
        for place, row in enumerate(part.itertuples()):
            line, column = divmod(place, len(_STEPS))
            _box(axes, 0.2 + column * (_BOX + 0.1), top + 0.52 + line * _ROW, row.number, row.title, "#555555")
        top += 0.55 + rows[number] * _ROW
    return figure


def _arrow(axes: plt.Axes, left: float, top: float, colour: str, last: bool) -> None:
    tip, notch, tall = (0.0 if last else 0.16), 0.16, 0.8
    right = left + _BOX
    points = [
        (left, top),
        (right, top),
        (right + tip, top + tall / 2),
        (right, top + tall),
        (left, top + tall),
        (left + notch, top + tall / 2),
    ]
    axes.add_patch(Polygon(points, closed=True, facecolor=to_rgba(colour, 0.15), edgecolor=colour))


def _box(
    axes: plt.Axes, left: float, top: float, number: str, title: str, colour: str, height: float = _ROW - 0.1
) -> None:
    style = "round,pad=0,rounding_size=0.06"
    axes.add_patch(
        FancyBboxPatch((left, top), _BOX, height, boxstyle=style, facecolor="white", edgecolor=colour, linewidth=1.2)
    )
    axes.text(left + 0.1, top + height / 2, number, fontsize=9, weight="bold", va="center")
    lines = textwrap.wrap(title, 20, max_lines=2, placeholder=" …")
    axes.text(left + 0.38, top + height / 2, "\n".join(lines), fontsize=8.5, va="center", linespacing=1.1)
