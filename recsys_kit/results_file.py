"""Figures that take too long for a notebook: a script makes them once, a file keeps them, a page reads them.

A results file says what made it: command, commit, seeds, date, class of machine, fingerprint of the data and version of
the code. So a page can refuse figures of another shop, and a test can compute one row again.
"""

from __future__ import annotations

import datetime
import importlib.util
import json
import math
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from recsys_kit.code_version import code_version
from recsys_kit.workspace import atomic

__all__ = ["Outdated", "Results", "function", "machine", "read", "recompute", "write"]


class Outdated(ValueError):
    """A results file was made from other data or by other code; the message says how to make it anew."""


@dataclass(frozen=True)
class Results:
    """What a results file holds.

    Attributes:
        command: What to type in the repository's folder to make the file anew.
        row: Which function makes a row, as `folder/file.py:function`, seen from the repository's folder. It takes
            keyword arguments that are columns of the row, and returns the row as a dictionary.
        cheapest: The arguments of the row that is the cheapest to compute again.
        seeds: The seeds that it used; empty if nothing was drawn.
        data: Fingerprint of the data.
        code: Version of the code of `row` and of what it uses.
        rows: The figures, one dictionary a row.
        commit: The commit that was checked out, with a `+` if files had changed since; empty outside git.
        date: The day, as YYYY-MM-DD.
        machine: The class of machine; see `machine`.
        versions: Versions of the packages that the figures depend on, where they do.
    """

    command: str
    row: str
    cheapest: dict[str, Any]
    seeds: list[int]
    data: str
    code: str
    rows: list[dict[str, Any]]
    commit: str
    date: str
    machine: dict[str, Any]
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def table(self) -> pd.DataFrame:
        """The rows as a table."""
        return pd.DataFrame(self.rows)


def write(
    path: str | Path,
    rows: Sequence[Mapping[str, Any]],
    *,
    command: str,
    row: str,
    cheapest: Mapping[str, Any],
    data: str,
    seeds: Sequence[int] = (),
    packages: Sequence[str] = (),
) -> Results:
    """Writes a results file in one step, so that an interruption leaves the old one whole.

    Args:
        path: Where it goes, a file of the repository.
        rows: The figures, one dictionary a row; numbers, texts and lists.
        command: What to type to make the file anew.
        row: The function that makes a row; see `Results`.
        cheapest: The arguments of the row that is the cheapest to compute again.
        data: Fingerprint of the data, such as `Shop.fingerprint`; empty: the rows depend on nothing but the code.
        seeds: The seeds that it used.
        packages: The installed packages whose versions the figures depend on.

    Raises:
        ValueError: If no row, or more than one, has the arguments in `cheapest`.
    """
    path = Path(path)
    made = Results(
        command=command,
        row=row,
        cheapest=dict(cheapest),
        seeds=list(seeds),
        data=data,
        code=_version(path, row),
        rows=[dict(one) for one in rows],
        commit=_commit(path.resolve().parent),
        date=f"{datetime.date.today():%Y-%m-%d}",
        machine=machine(),
        versions={name: version(name) for name in packages},
    )
    _row(made)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic(path) as part:
        part.write_text(json.dumps(asdict(made), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return made


def read(path: str | Path, data: str = "", same_code: bool = False) -> Results:
    """Reads a results file.

    Args:
        path: The file.
        data: Fingerprint of the data that the figures must have been made from; empty: any.
        same_code: Whether the code that made them must be what it was. A page asks for its shop's data alone: code
            changes often and figures seldom, and a test computes a row of each file again.

    Raises:
        Outdated: If the file was made from other data or by other code.
    """
    made = Results(**json.loads(Path(path).read_text(encoding="utf-8")))
    code = _version(path, made.row) if same_code else ""
    for what, wanted, found in (("from other data", data, made.data), ("by other code", code, made.code)):
        if wanted and wanted != found:
            raise Outdated(f"{path} was made {what} ({found}, not {wanted}). This makes it anew: {made.command}")
    return made


def recompute(path: str | Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Computes the cheapest row of a results file again.

    Returns:
        The row as the file has it, and as it comes out now.
    """
    made = read(path)
    return _row(made), dict(function(path, made.row)(**made.cheapest))


def function(path: str | Path, name: str) -> Callable:
    """Returns a function by the name that a results file has for it.

    Args:
        path: A file of the repository, such as the results file.
        name: The function, as `folder/file.py:function`, seen from the repository's folder.
    """
    file, _, wanted = name.partition(":")
    folders = [folder for folder in Path(path).resolve().parents if (folder / "pyproject.toml").exists()]
    if not folders:
        raise ValueError(f"`path` must be a file of the repository. Received: {path}.")
    spec = importlib.util.spec_from_file_location(f"results_of_{Path(file).stem}", folders[0] / file)
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)  # there, for who asks where it is from
    spec.loader.exec_module(module)
    return getattr(module, wanted)


def machine() -> dict[str, Any]:
    """Returns what kind of machine this is, and nothing that would tell whose.

    Example:
        >>> sorted(machine())
        ['cores', 'memory_gb', 'python', 'system']
    """
    import psutil

    return {
        "cores": os.cpu_count(),
        "memory_gb": math.ceil(psutil.virtual_memory().total / 2**30),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def _version(path: str | Path, name: str) -> str:
    return code_version(function(path, name))


def _row(made: Results) -> dict[str, Any]:
    found = [row for row in made.rows if made.cheapest.items() <= {key: row[key] for key in made.cheapest}.items()]
    if len(found) != 1:
        raise ValueError(f"`cheapest` must be the arguments of one row; {len(found)} rows have {made.cheapest}.")
    return found[0]


def _commit(folder: Path) -> str:
    try:
        command = ["git", "describe", "--always", "--dirty=+", "--exclude=*"]
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
