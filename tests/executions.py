"""Which run executes which notebook, and how often: one plan, made from what the committed notebooks record.

`conftest` gives nbval its values and the processes their work from it, `course/test_executions.py` runs it and holds
what was collected to it. A new notebook follows by itself. (`test_wheel` runs 00 besides, as an installed wheel lays it
down: that is a test of the installation.)
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest

from recsys_kit.course import notebooks, profiles

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "notebooks"
RUNS = "tests/course/test_executions.py"
"""The file whose tests execute committed notebooks."""

SINGLE = (RUNS, "tests/test_results_file.py")
"""The files of which each test is a piece of work: a long file would keep one process busy when all others are done."""

LONGEST = 60
"""Seconds, as recorded in a notebook, up to which nbval runs it at its own values, so that its promises bind."""

FOREIGN = {
    "01_preprocessing": "reads, cleans and splits whatever arrives",
    "03_baselines": "trains every kind of simple method, with what is installed",
    "05_training": "trains the Transformer on it",
    "08_recommendation": "stands on what all the others make, and ends with a model that a server loads",
}
"""The notebooks that also run on a shop that the kit has never seen, and why these."""

WITHOUT = {"10_search": {"SEQUENCE_EPOCHS": 0}}
"""What nbval leaves out at a notebook's own values: 10 finds the Transformer that 05 trained when both are executed one
after the other. In a fresh checkout it would have to train it, for two minutes; the promises of that step are printed
then, and don't bind."""

WHOLE_DATA = "whole-data"
"""The tag of a cell whose output depends on the sample: at the quick profile's values nbval does not compare it."""

WORKSPACE = "RECSYS_KIT_TEST_WORKSPACE"
"""The environment variable that names the folder in which all runs on a sample find each other's artifacts."""

COLLECTED = pytest.StashKey[Counter]()
"""Where pytest's configuration holds how often each run was collected to execute each notebook."""

PAPERMILL, NBVAL, SHOP, SOLUTION = "papermill", "nbval", "foreign shop", "solution"


@dataclass(frozen=True)
class Plan:
    """What is executed of one notebook.

    Attributes:
        path: The notebook.
        seconds: What its last execution at its own values took; infinite if it says nothing.
        nbval: "own" or "quick": whose values it has when nbval runs it.
        foreign: Whether it also runs on a shop that the kit has never seen.
        solution: Whether it has solutions.
        promises: How many promises its last execution at its own values kept. Where nbval has the quick profile's
            values, they bind only when `recsys-kit notebooks` executes it.
    """

    path: Path
    seconds: float
    nbval: str
    foreign: bool
    solution: bool
    promises: int

    @property
    def executions(self) -> Counter[str]:
        """How often each run executes it, its solutions among them."""
        return Counter({PAPERMILL: 1, NBVAL: 1, SHOP: int(self.foreign), SOLUTION: int(self.solution)})


def plan(folder: Path = FOLDER) -> dict[str, Plan]:
    """Returns what is executed of each notebook of a folder, in course order, by its name."""
    made = {}
    for path in notebooks.find(folder):
        notebook = notebooks.read(path)
        seconds = float(notebook.metadata.get("recsys_kit", {}).get("seconds", "inf"))
        values = "own" if seconds <= LONGEST else "quick"
        has_solution = (folder / "solutions" / path.name).exists()
        promises = sum(
            len(re.findall(r"^holds: ", output.get("text", ""), re.MULTILINE))
            for cell in notebook.cells
            for output in cell.get("outputs", [])
        )
        made[path.stem] = Plan(path, seconds, values, path.stem in FOREIGN, has_solution, promises)
    return made


def values(planned: Plan) -> dict[str, Any]:
    """Returns the parameters that nbval gives to a notebook; those that are missing stay as the notebook has them."""
    if planned.nbval == "own":
        return dict(WITHOUT.get(planned.path.stem, {}))
    quick = profiles.values(planned.path.parent, "quick", [planned.path], {})[planned.path]
    return quick | {"WORKSPACE": str(workspace())}


def workspace() -> Path:
    """Returns the folder of artifacts that the runs on a sample share; `conftest` makes and removes it."""
    return Path(os.environ[WORKSPACE])


def unit(nodeid: str) -> str:
    """Returns the piece of work that a test belongs to: its file, or itself if it is one of `SINGLE`."""
    file = nodeid.partition("::")[0]
    return nodeid if file in SINGLE else file


def order(planned: Mapping[str, Plan]) -> list[tuple[str, str]]:
    """Returns all runs, each with its notebook, in the order in which processes take them.

    What takes long and builds artifacts comes first, so that no process is left with it at the end. Notebooks at their
    own values take turns with samples in papermill: they work for other artifacts, so processes don't wait for each
    other. Then follows what finds its artifacts there.
    """
    longest = sorted(planned, key=lambda name: -planned[name].seconds)
    own = [(NBVAL, name) for name in planned if planned[name].nbval == "own"]  # 10 builds what 16 asks for
    cold = [(PAPERMILL, name) for name in longest]
    turns = [run for pair in zip_longest(own, cold) for run in pair if run]
    rest = [(run, name) for name in longest for run in (NBVAL, SHOP, SOLUTION) if planned[name].executions[run]]
    return turns + [run for run in rest if run not in own]


def table(planned: Mapping[str, Plan], seconds: Mapping[tuple[str, str], float]) -> list[str]:
    """Returns the lines of a table: each notebook, which runs execute it, and what that took.

    Args:
        planned: What is executed of each notebook.
        seconds: What was measured, by run and notebook; what is missing is shown as a dash.
    """
    runs = (PAPERMILL, NBVAL, SHOP, SOLUTION)
    rows = [["notebook", "recorded", PAPERMILL, f"{NBVAL}, whose values", SHOP, SOLUTION, "promises"]]
    for name, one in planned.items():
        took = {run: f"{seconds[run, name]:.0f} s" if (run, name) in seconds else "yes" for run in runs}
        cells = [took[run] if one.executions[run] else "-" for run in runs]
        cells[1] += f", {one.nbval}"
        binding = f"{one.promises}" + (" (not bound here)" if one.promises and one.nbval == "quick" else "")
        rows.append([name, f"{one.seconds:.0f} s", *cells, binding])
    times = {run: sum(one.executions[run] for one in planned.values()) for run in runs}
    sums = {run: sum(value for (other, _), value in seconds.items() if other == run) for run in runs}
    together = [f"{times[run]} x" + (f", {sums[run]:.0f} s" if sums[run] else "") for run in runs]
    rows.append(["together", "", *together, str(sum(one.promises for one in planned.values()))])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


if __name__ == "__main__":
    print("\n".join(table(plan(), {})))
