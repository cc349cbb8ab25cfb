"""Reads the package's rooms and imports, and draws `docs/architecture.svg` from them.

The order of the rooms is the table in `docs/ARCHITECTURE.md`, from the ground up; the tests read the same table. Run
`python docs/architecture.py` after a room was added, moved or much enlarged.
"""

from __future__ import annotations

import ast
import itertools
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "FILES",
    "PICTURE",
    "Room",
    "arrows",
    "draw",
    "drawn",
    "imported",
    "module_name",
    "room_of",
    "rooms",
    "sizes",
]

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "recsys_kit"
TABLE = ROOT / "docs" / "ARCHITECTURE.md"
PICTURE = ROOT / "docs" / "architecture.svg"
FILES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")

EVERYBODYS = ("ground", "foundations")
"""Floors that every floor above stands on: arrows to them would hide the others."""

# Okabe and Ito (2008), as in `recsys_kit.plots`; a floor takes the next one.
COLOURS = ("#0072B2", "#56B4E9", "#009E73", "#E69F00", "#D55E00", "#CC79A7", "#555555")
WIDTH, LABEL, MARGIN = 800, 98, 12  # pixels
SLOTS, BOX_WIDTH, BOX_HEIGHT = 5, 120, 56  # boxes side by side, and their pixels
PITCH = (WIDTH - LABEL - 2 * MARGIN) / SLOTS
PAD, GAP = 10, 26  # pixels around the boxes of a floor, and between floors


@dataclass(frozen=True)
class Room:
    """One row of the table: a module or sub-package of the kit.

    Args:
        name: As it is imported from `recsys_kit`.
        floor: The word for the rooms that stand side by side.
        notebook: Number of its notebook, or nothing.
    """

    name: str
    floor: str
    notebook: str


def rooms() -> list[Room]:
    """Returns the rooms in the order of the table, from the ground up."""
    row = r"(?m)^\| (\w[\w ]*) \| `(\w+)` \| (\d\d)? ?\|"
    return [Room(name, floor, number) for floor, name, number in re.findall(row, TABLE.read_text(encoding="utf-8"))]


def module_name(path: Path) -> str:
    """Returns the full name under which a file of the package is imported."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def room_of(module: str) -> str:
    """Returns the room of a module, given its full name."""
    return module.split(".")[1]


def imported(path: Path) -> set[str]:
    """Returns every module of the kit that a file imports, at its top or inside a function, by its full name."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.startswith("recsys_kit.")}
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "recsys_kit":
            inside = PACKAGE.joinpath(*node.module.split(".")[1:])
            for alias in node.names:
                is_module = (inside / f"{alias.name}.py").exists() or (inside / alias.name).is_dir()
                found.add(f"{node.module}.{alias.name}" if is_module else node.module)
    return found - {"recsys_kit"}


def sizes() -> dict[str, tuple[int, int]]:
    """Returns each room's number of files and of lines."""
    found = dict.fromkeys((room_of(module_name(path)) for path in FILES), (0, 0))
    for path in FILES:
        files, lines = found[room_of(module_name(path))]
        found[room_of(module_name(path))] = files + 1, lines + len(path.read_text(encoding="utf-8").splitlines())
    return found


def arrows() -> set[tuple[str, str]]:
    """Returns who imports whom, as it is drawn: only what tells something.

    Left out are the command (it opens every room), the floors that everybody stands on, and an arrow to a room that a
    longer way reaches, too.
    """
    floors = {room.name: room.floor for room in rooms()}
    below: dict[str, set[str]] = {room.name: set() for room in rooms()}
    for path in FILES:
        own = room_of(module_name(path))
        below[own] |= {room_of(module) for module in imported(path)} - {own}

    order = [room.name for room in rooms()]
    reached: dict[str, set[str]] = {}  # by any way; whoever imports upward is the business of another test
    for name in order:
        below[name] = {other for other in below[name] if other in reached}
        reached[name] = below[name].union(*(reached[other] for other in below[name]))
    return {
        (name, other)
        for name in order
        for other in below[name]
        if floors[other] not in EVERYBODYS and floors[name] != "command"
        if not any(other in reached[between] for between in below[name])
    }


def _rows() -> list[list[Room]]:
    """Returns the rooms by rows from the ground up; a floor with many rooms has several rows."""
    floors = [list(group) for _, group in itertools.groupby(rooms(), key=lambda room: room.floor)]
    return [floor[start : start + SLOTS] for floor in floors for start in range(0, len(floor), SLOTS)]


def _tangle(rows: list[list[Room]], slots: dict[str, float], links: list[tuple[str, str]]) -> float:
    """Returns how hard the arrows are to follow: length, arrows that cross, arrows behind a box."""
    row_of = {room.name: number for number, row in enumerate(rows) for room in row}
    lines = [(slots[a], row_of[a], slots[b], row_of[b]) for a, b in links]
    cost = sum(abs(slot - (SLOTS - 1) / 2) for slot in slots.values()) / 100
    for x, y, to_x, to_y in lines:
        cost += abs(x - to_x)
        if y == to_y:
            cost += 10 * sum(min(x, to_x) < slots[room.name] < max(x, to_x) for room in rows[y])
        for between in range(to_y + 1, y):
            at = to_x + (x - to_x) * (between - to_y) / (y - to_y)
            cost += 10 * sum(abs(slots[room.name] - at) < 0.6 for room in rows[between])
    return cost + 3 * sum(_cross(one, other) for one, other in itertools.combinations(lines, 2))


def _cross(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    """Whether two arrows, each `(x, y, to_x, to_y)`, meet between their ends."""

    def side(line: tuple[float, ...], x: float, y: float) -> float:
        return (line[2] - line[0]) * (y - line[1]) - (line[3] - line[1]) * (x - line[0])

    return side(one, *other[:2]) * side(one, *other[2:]) < 0 and side(other, *one[:2]) * side(other, *one[2:]) < 0


def _places(rows: list[list[Room]], links: list[tuple[str, str]]) -> dict[str, float]:
    """Returns a slot for each room: one row after the other is put in its best order, until none gets better."""
    slots = {room.name: place + (SLOTS - len(row)) / 2 for row in rows for place, room in enumerate(row)}
    ends = {name for link in links for name in link}
    movable = [row for row in rows if any(room.name in ends for room in row)]
    slots |= {room.name: float(place) for row in movable for place, room in enumerate(row)}
    best, before = _tangle(rows, slots, links), float("inf")
    while best < before:
        before = best
        for row in movable:
            for places in itertools.permutations(range(SLOTS), len(row)):
                trial = slots | {room.name: float(place) for room, place in zip(row, places, strict=True)}
                cost = _tangle(rows, trial, links)
                if cost < best:
                    slots, best = trial, cost
    return slots


def draw() -> str:
    """Returns the picture as SVG: a band a floor, a box a room, and the arrows."""
    rows, links, size = _rows(), sorted(arrows()), sizes()
    slots = _places(rows, links)
    row_of = {room.name: number for number, row in enumerate(rows) for room in row}
    step = BOX_HEIGHT + 2 * PAD + GAP
    tops = [MARGIN + PAD + step * number for number in reversed(range(len(rows)))]
    height = tops[0] + BOX_HEIGHT + PAD + GAP + MARGIN

    def middle(name: str) -> float:
        return LABEL + MARGIN + PITCH * (slots[name] + 0.5)

    bands, boxes = [], []
    floors = list(dict.fromkeys(room.floor for row in rows for room in row))
    for number, row in enumerate(rows):
        floor, top = row[0].floor, tops[number]
        colour = COLOURS[floors.index(floor) % len(COLOURS)]
        band = f'x="{MARGIN}" y="{top - PAD}" width="{WIDTH - 2 * MARGIN}" height="{BOX_HEIGHT + 2 * PAD}" rx="8"'
        bands.append(f'<rect {band} fill="{colour}" fill-opacity="0.14"/>')
        bands.append(f'<text x="{2 * MARGIN}" y="{top + BOX_HEIGHT / 2 + 4}" font-weight="bold">{floor}</text>')
        boxes += [_box(room, middle(room.name), top, colour, *size[room.name]) for room in row]

    def line(a: str, b: str) -> str:
        (x, y), (to_x, to_y) = (middle(a), tops[row_of[a]]), (middle(b), tops[row_of[b]])
        if row_of[a] == row_of[b]:
            sign = 1 if to_x > x else -1
            x, to_x, y = x + sign * BOX_WIDTH / 2, to_x - sign * (BOX_WIDTH / 2 + 2), y + BOX_HEIGHT / 2
            to_y = y
        else:
            x, y, to_x, to_y = _port(a, b, links, middle, x), y + BOX_HEIGHT, _port(b, a, links, middle, to_x), to_y - 2
        ends = f'x1="{x:.0f}" y1="{y:.0f}" x2="{to_x:.0f}" y2="{to_y:.0f}"'
        return f'<line class="{a} {b}" {ends} marker-end="url(#tip)"/>'

    note = (
        f"An arrow: imports. Not drawn: arrows to {' and '.join(EVERYBODYS)}, and where a longer way leads there, too."
    )
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        'font-family="Helvetica, Arial, sans-serif" font-size="12">',
        "<title>The rooms of recsys_kit, from the ground up, and who imports whom</title>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0 L8 4 L0 8 z" fill="#333333"/></marker></defs>',
        f'<rect width="{WIDTH}" height="{height}" rx="8" fill="#ffffff"/>',
        *bands,
        '<g stroke="#333333" stroke-width="1.5">',
        *(line(a, b) for a, b in links),
        "</g>",
        *boxes,
        f'<text x="{2 * MARGIN}" y="{height - MARGIN - 6}" fill="#333333">{note}</text>',
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _box(room: Room, x: float, top: float, colour: str, files: int, lines: int) -> str:
    """Returns one room's box; its lines are rounded, so that it stays true for a while."""
    rounded = max(50, round(lines, -2))
    size = f"{files} files, {rounded:,} lines" if files > 1 else f"{rounded:,} lines"
    inside = [f"notebook {room.notebook}"] * bool(room.notebook) + [size]
    first = top + (BOX_HEIGHT - 15 * len(inside)) / 2 + 4
    text = f'<text x="{x:.0f}" text-anchor="middle"'
    name_size = min(12, 180 // len(room.name))  # pixels; a wide font and a long name fit, too
    return "\n".join(
        [
            f'<g id="{room.name}" data-floor="{room.floor}" data-files="{files}" data-lines="{rounded}">',
            f'<rect x="{x - BOX_WIDTH / 2:.0f}" y="{top}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="6" '
            f'fill="#ffffff" stroke="{colour}" stroke-width="1.5"/>',
            f'{text} y="{first:.0f}" font-weight="bold" font-size="{name_size}">{room.name}</text>',
            *(
                f'{text} y="{first + 15 * (number + 1):.0f}" font-size="11" fill="#333333">{words}</text>'
                for number, words in enumerate(inside)
            ),
            "</g>",
        ]
    )


def _port(own: str, other: str, links: list[tuple[str, str]], middle: Callable[[str], float], x: float) -> float:
    """Returns where an arrow touches a box: those that share an edge stand side by side, in the order of their ends."""
    leaves = (own, other) in links
    others = sorted((b if leaves else a for a, b in links if own == (a if leaves else b)), key=middle)
    return x + 22 * (others.index(other) - (len(others) - 1) / 2)


def drawn() -> tuple[dict[str, tuple[str, int, int]], set[tuple[str, str]]]:
    """Returns what the committed picture shows: floor, files and lines of each room, and the arrows."""
    picture = ET.parse(PICTURE).getroot()
    boxes = {
        box.get("id", ""): (box.get("data-floor", ""), int(box.get("data-files", 0)), int(box.get("data-lines", 0)))
        for box in picture.iter("{http://www.w3.org/2000/svg}g")
        if box.get("id")
    }
    lines = picture.iter("{http://www.w3.org/2000/svg}line")
    return boxes, {tuple(line.get("class", "").split()) for line in lines}


if __name__ == "__main__":
    PICTURE.write_text(draw(), encoding="utf-8")
