"""The drawn pictures of the pages: text stays inside its box and inside the picture, whatever sans-serif is at hand."""

from __future__ import annotations

import itertools
import unicodedata
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import pytest
from PIL import ImageFont

IMAGES = sorted((Path(__file__).parents[2] / "notebooks" / "images").glob("*.svg"))
SVG = "{http://www.w3.org/2000/svg}"
MARGIN = 4  # pixels that must be free between a text and the edge of its box
SIZE = 100  # at which widths are measured


@cache
def font(bold: bool) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, the widest font that a browser falls back to: what fits in it fits in Helvetica and Arial."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name, SIZE)


def width(text: str, size: float, bold: bool) -> float:
    """How wide a text is, in pixels; a Chinese character is a square."""
    wide = [letter for letter in text if unicodedata.east_asian_width(letter) in "WF"]
    narrow = "".join(letter for letter in text if letter not in wide)
    return (font(bold).getlength(narrow) / SIZE + len(wide)) * size


@dataclass
class Box:
    left: float
    top: float
    right: float
    bottom: float
    text: str = ""

    def holds(self, x: float, y: float) -> bool:
        return self.left <= x <= self.right and self.top <= y <= self.bottom

    def meets(self, other: Box) -> bool:
        across = min(self.right, other.right) - max(self.left, other.left)
        return across > 0 and min(self.bottom, other.bottom) - max(self.top, other.top) > 0


def parts(path: Path) -> tuple[Box, list[Box], list[Box]]:
    """A picture as boxes: itself, its rectangles, and its texts (from the baseline up to a small letter's height)."""
    rectangles, texts = [], []

    def walk(node, inherited):
        own = inherited | {name: node.get(name) for name in inherited if node.get(name)}
        number = {name: float(node.get(name, 0)) for name in ("x", "y", "width", "height")}
        if node.tag == f"{SVG}rect":
            left, top = number["x"], number["y"]
            rectangles.append(Box(left, top, left + number["width"], top + number["height"]))
        if node.tag == f"{SVG}text":
            assert not node.get("transform") and not len(node), "a text that this test can't measure"
            size, bold = float(own["font-size"]), own["font-weight"] == "bold"
            long = width(node.text, size, bold)
            left = number["x"] - long * {"start": 0, "middle": 0.5, "end": 1}[own["text-anchor"]]
            texts.append(Box(left, number["y"] - 0.55 * size, left + long, number["y"], node.text))
        for child in node:
            walk(child, own)

    root = ElementTree.parse(path).getroot()
    walk(root, {"font-size": "16", "font-weight": "normal", "text-anchor": "start"})
    *_, wide, high = map(float, root.get("viewBox").split())
    whole = Box(0, 0, wide, high)
    return whole, [box for box in rectangles if box != whole], texts


def problems(path: Path) -> list[str]:
    """Which texts leave the picture, run over the edge of a box, or over another text."""
    whole, rectangles, texts = parts(path)
    found = [f"{text.text!r} leaves the picture" for text in texts if text.left < 0 or text.right > whole.right]
    for text in texts:
        own = [box for box in rectangles if box.holds(text.left + 1, text.top)]
        if own:
            box = min(own, key=lambda box: box.right - box.left)
            if min(text.left - box.left, box.right - text.right) < MARGIN:
                found.append(f"{text.text!r} runs over the edge of its box")
        elif any(text.meets(box) for box in rectangles):
            found.append(f"{text.text!r} runs into a box")
    crossing = [(a, b) for a, b in itertools.combinations(texts, 2) if a.meets(b)]
    return found + [f"{a.text!r} runs over {b.text!r}" for a, b in crossing]


@pytest.mark.parametrize("path", IMAGES, ids=lambda path: path.stem)
def test_text_stays_inside_its_box(path):
    assert problems(path) == []


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ('<rect x="9" y="5" width="60" height="30"/><text x="15" y="25">much too long</text>', "over the edge"),
        ('<rect x="150" y="5" width="60" height="30"/><text x="60" y="25">much too long</text>', "into a box"),
        ('<text x="220" y="25" font-weight="bold">much too long</text>', "leaves the picture"),
        ('<text x="15" y="25">one and</text><text x="40" y="27">another</text>', "runs over 'another'"),
        ('<g font-size="30"><rect x="9" y="5" width="60" height="40"/><text x="15" y="35">酸奶</text></g>', "the edge"),
        (
            '<g text-anchor="middle"><rect x="9" y="5" width="80" height="30"/><text x="49" y="25">fits</text></g>',
            "",
        ),
    ],
)
def test_the_check_finds_text_that_runs_over(tmp_path, content, problem):
    path = tmp_path / "a.svg"
    path.write_text(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 300 50">{content}</svg>', encoding="utf-8")
    found = problems(path)
    assert bool(found) == bool(problem) and problem in "".join(found)
