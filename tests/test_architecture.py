"""The picture and the page of the architecture tell what the code is."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import architecture
import pytest

ROOT = Path(__file__).parents[1]
RENEW = "docs/architecture.svg is out of date; run: python docs/architecture.py"
PAGES = ["docs/ARCHITECTURE.md", "CONTRIBUTING.md"]


def test_the_picture_shows_the_rooms_and_arrows_of_the_code():
    boxes, arrows = architecture.drawn()
    assert {name: floor for name, (floor, _, _) in boxes.items()} == {r.name: r.floor for r in architecture.rooms()}, (
        RENEW
    )
    assert arrows == architecture.arrows(), RENEW


def test_the_picture_shows_about_the_size_of_each_room():
    """Within a third: a picture that every change makes stale would soon be renewed without a look."""
    boxes, _ = architecture.drawn()
    for name, (files, lines) in architecture.sizes().items():
        _, drawn_files, drawn_lines = boxes[name]
        assert abs(files - drawn_files) <= max(2, files / 3), f"{name}: {RENEW}"
        assert abs(lines - drawn_lines) <= max(150, lines / 3), f"{name}: {RENEW}"


def test_drawing_twice_gives_the_same_picture():
    assert architecture.draw() == architecture.draw()


def test_no_arrow_is_drawn_that_no_import_has():
    links = {
        (architecture.room_of(architecture.module_name(path)), architecture.room_of(module))
        for path in architecture.FILES
        for module in architecture.imported(path)
    }
    assert architecture.arrows() <= links


def test_every_room_has_a_box_of_its_own_inside_the_picture():
    picture = ET.fromstring(architecture.draw())
    width, height = map(float, picture.get("viewBox").split()[2:])
    corners = []
    for box in picture.iter("{http://www.w3.org/2000/svg}g"):
        if box.get("id"):
            shape = box.find("{http://www.w3.org/2000/svg}rect")
            corners.append(tuple(float(shape.get(key)) for key in ("x", "y", "width", "height")))
    assert len(corners) == len(architecture.rooms())
    for number, (x, y, wide, high) in enumerate(corners):
        assert 0 <= x and x + wide <= width and 0 <= y and y + high <= height
        assert not [1 for a, b, w, h in corners[:number] if x < a + w and a < x + wide and y < b + h and b < y + high]


def test_the_rooms_of_a_floor_stand_together_in_the_table():
    floors = [room.floor for room in architecture.rooms()]
    assert [floor for place, floor in enumerate(floors) if floor in floors[:place] and floors[place - 1] != floor] == []


def test_every_notebook_that_the_table_names_exists():
    notebooks = {path.stem[:2] for path in (ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb")}
    assert {room.notebook for room in architecture.rooms()} - {""} <= notebooks


@pytest.mark.parametrize("page", PAGES)
def test_links_and_files_that_a_page_names_exist(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    links = [
        link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)", text) if not link.startswith(("http", "#"))
    ]
    assert links
    assert [link for link in links if not ((ROOT / page).parent / link).exists()] == []
    # `recsys_kit/name.py` and `notebooks/NN_name.ipynb` stand for any of their kind
    named = re.findall(r"`((?:docs|tests|recsys_kit|notebooks|benchmarks|data)/[\w./]*)`", text)
    assert [path for path in named if "NN" not in path and "name" not in path and not (ROOT / path).exists()] == []
