"""Laying the course down in a folder, for readers without a clone; behind `recsys-kit start`."""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import nbformat

from recsys_kit import __version__
from recsys_kit.course import notebooks, refresh
from recsys_kit.datasets import shipped
from recsys_kit.workspace import atomic

__all__ = ["Laid", "lay_down"]

_NOTE = ".recsys-kit.json"  # what was laid down, by hash: a file with that hash holds no work of its reader
_README = """# recsys_kit: the course

Laid down by `recsys-kit start`, version {version}. In this folder:

```bash
recsys-kit run            # runs every notebook, quick profile, and writes runs/quick/index.html
jupyter lab notebooks     # opens them
voila notebooks/pages/recommendation.ipynb   # a page on which to try recommendations
recsys-kit doctor         # checks this machine
```

`recsys-kit run --data data/example_shop` takes an example of a shop of your own. What the data are is in
[data/README.md](data/README.md); the kit's own tables of texts are inside the package.

## Notebooks

Minutes, memory and results are those of the default values, on two CPU cores.

{table}

Code: MIT. Texts and figures: CC BY 4.0 (https://creativecommons.org/licenses/by/4.0/), the recsys_kit authors.
"""


@dataclass
class Laid:
    """What `lay_down` did; all paths are relative to the folder.

    Attributes:
        new: Files that were written.
        same: Files that were there and say the same; a notebook may have been run since.
        different: Files that were there and say something else: left as they are.
        kept: With `upgrade`, for each of those the name under which it is kept beside the new one.
    """

    new: list[str] = field(default_factory=list)
    same: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)
    kept: dict[str, str] = field(default_factory=dict)


def lay_down(folder: str | Path, upgrade: bool = False) -> Laid:
    """Writes the course into a folder: notebooks without outputs, solutions, profiles, pages, and the example shop.

    From a checkout also the figures of the benchmarks, which pages read; a wheel doesn't carry them.

    Args:
        folder: Where; it is made if it is missing. What is in it already stays, unless it is as `lay_down` wrote it.
        upgrade: Whether a file that its reader changed gives its name to the kit's, and is kept as `mine_NAME` beside
            it.

    Raises:
        ValueError: If the folder is a file, or the place where the kit's own files lie.
        OSError: If it can't be written to.
    """
    folder, top = Path(folder), shipped.folder()
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"`folder` must be a folder. Received: {folder}")
    if folder.resolve() == top.resolve():
        raise ValueError(f"`folder` must not be where the kit's own files lie. Received: {folder}")
    note, laid = _read_note(folder / _NOTE), Laid()
    for name, content in _files(top).items():
        path = folder / name
        old = path.read_bytes() if path.exists() else None
        if old is not None and _said(name, old) == _said(name, content):
            laid.same.append(name)
            continue
        changed = old is not None and _hash(old) != note.get(name)
        if changed and not upgrade:
            laid.different.append(name)
            continue
        if changed:
            mine = _free(path)
            os.replace(path, mine)
            laid.kept[name] = mine.relative_to(folder).as_posix()
        _write(path, content)
        note[name] = _hash(content)
        laid.new.append(name)
    if laid.new:
        _write(folder / _NOTE, json.dumps(note, indent=1).encode())
    return laid


def _files(top: Path) -> dict[str, bytes]:
    """Returns what a started folder holds, by name."""
    paths = sorted((top / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    table = refresh.TABLE.search((top / "README.md").read_text(encoding="utf-8"))[0]
    found = {"README.md": _README.format(version=__version__, table=table).encode()}
    parts = [("solutions", "*.ipynb"), ("pages", "*.ipynb"), ("profiles", "*.yaml"), ("images", "*.svg")]
    paths += [path for part, pattern in parts for path in sorted((top / "notebooks" / part).glob(pattern))]
    shop = (path for path in sorted((top / "data" / "example_shop").iterdir()) if path.is_file())
    measured = sorted((top / "benchmarks" / "results").glob("*.json"))
    for path in [*paths, top / "data" / "README.md", *shop, *measured]:
        content = path.read_bytes()
        if path.suffix == ".ipynb":
            content = (nbformat.writes(notebooks.clean(notebooks.read(path))) + "\n").encode()
        elif path.suffix == ".md":  # the tables beside it stay in the package: no links to them
            content = re.sub(rb"\[(`[^`]+`)\]\([\w.]+\.csv\)", rb"\1", content)
        found[path.relative_to(top).as_posix()] = content
    return found


def _said(name: str, content: bytes) -> object:
    """Returns what a file says: of a notebook the cells' sources, so that one that was only run counts as the same."""
    if PurePosixPath(name).suffix == ".ipynb":
        try:
            cells = nbformat.reads(content.decode(), as_version=4).cells
            return [(cell.cell_type, cell.source) for cell in cells]
        except Exception:  # nbformat has many; what it can't read is no notebook and differs
            return content
    return content


def _free(path: Path) -> Path:
    """Returns a name beside a file that is free. It begins with a word, so that the course doesn't list it."""
    names = (path.with_name(f"mine{'' if n == 1 else f'_{n}'}_{path.name}") for n in range(1, 1000))
    return next(name for name in names if not name.exists())


def _read_note(path: Path) -> dict[str, str]:
    try:
        note = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}  # without it, everything that differs counts as the reader's
    return note if isinstance(note, dict) else {}


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic(path) as part:
        part.write_bytes(content)
