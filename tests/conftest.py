"""What all tests share: in which order and where notebooks are executed, and a folder that looks like the course."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import executions
import hypothesis
import nbformat
import pytest
from small_course import PARAMETERS
from typer.testing import CliRunner

from recsys_kit import cli, datasets, preprocessing

hypothesis.settings.register_profile("kit", deadline=None)  # no test asserts an absolute time
hypothesis.settings.load_profile("kit")


def pytest_configure(config: pytest.Config) -> None:
    """Makes the workspace that all runs on a sample share, also those in other processes; lets waiting threads sleep.

    Each of two processes has as many threads as there are cores: those that wait for others would keep a core busy.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if executions.WORKSPACE not in os.environ:  # xdist's processes have it; set it to keep what was built
        folder = os.environ[executions.WORKSPACE] = tempfile.mkdtemp(prefix="recsys_kit-test-")
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
        config.add_cleanup(lambda: os.environ.pop(executions.WORKSPACE, None))


@pytest.hookimpl(tryfirst=True)  # counts before -k and -m leave some out
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Gives nbval its values, counts what executes which notebook, and puts what takes long first."""
    planned = executions.plan()
    counted: dict[tuple[str, str], set[str]] = {}
    for item in items:
        run, name = executed(item)
        if name not in planned:
            continue
        item.user_properties.append(("executes", (run, name)))
        counted.setdefault((run, name), set()).add(executions.unit(item.nodeid))  # nbval: a file of cells is one
        if run == executions.NBVAL:
            prepare(item, planned[name])
    config.stash[executions.COLLECTED] = Counter({key: len(units) for key, units in counted.items()})
    place = {run: number for number, run in enumerate(executions.order(planned))}
    slow = {executions.unit(item.nodeid) for item in items if item.get_closest_marker("slow")}

    def turn(item: pytest.Item) -> tuple[int, bool]:  # behind the notebooks: first the files with a slow test
        return place.get(executed(item), len(place)), executions.unit(item.nodeid) not in slow

    items.sort(key=turn)


def executed(item: Any) -> tuple[str, str]:
    """Returns which run a test is, and which notebook it executes; two empty texts if none."""
    if hasattr(item, "cell"):  # a cell of nbval
        return executions.NBVAL, item.path.stem if item.path.parent == executions.FOLDER else ""
    mark = item.get_closest_marker("executes")
    return (mark.args[0], item.callspec.params["name"]) if mark else ("", "")


def prepare(item: Any, planned: executions.Plan) -> None:
    """Changes one cell as nbval is to run it."""
    tags = item.cell.metadata.get("tags", [])
    if "parameters" in tags:
        item.cell.source += "".join(f"\n{name} = {value!r}" for name, value in executions.values(planned).items())
    if planned.nbval == "quick" and executions.WHOLE_DATA in tags:
        item.options["check"] = False


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Gives a process one file after the other, but executed notebooks one by one, so that all are busy to the end."""
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class ByUnit(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return executions.unit(nodeid)

    config.option.loadscopereorder = False  # the order of the items is the order of the work
    return ByUnit(config, log)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Prints the table of executions, with what each took, when there were any."""
    spent: Counter[tuple[str, str]] = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                if key := dict(report.user_properties).get("executes"):
                    spent[tuple(key)] += report.duration
    if spent:
        terminalreporter.section("executions of the notebooks")
        terminalreporter.write_line("\n".join(executions.table(executions.plan(), spent)))


@pytest.fixture(scope="session")
def shop() -> datasets.Shop:
    """The kit's own shop with a sample of its households."""
    return datasets.load(users=200)


@pytest.fixture(scope="session")
def splits(shop: datasets.Shop) -> preprocessing.Task:
    """The next-basket task of `shop`."""
    return preprocessing.task(shop)


@pytest.fixture
def recsys_kit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Returns a function that calls the command line in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return lambda *words: CliRunner().invoke(cli.app, list(words))


@pytest.fixture
def write_notebook(tmp_path: Path) -> Callable[..., Path]:
    """Returns a function that writes a notebook of the given code cells into `tmp_path/notebooks`."""

    def write(name: str, *sources: str, markdown: str = "", parameters: str = PARAMETERS) -> Path:
        text = markdown or f"# {name[:2]} · {name[3:].title()}\n\nOne plain sentence.\n\n<!-- nav -->\n<!-- /nav -->"
        cells = [nbformat.v4.new_markdown_cell(text)]
        if parameters:
            cells.append(nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]}))
        cells += [nbformat.v4.new_code_cell(source) for source in sources]
        for number, cell in enumerate(cells):
            cell.id = f"cell-{number}"
        path = tmp_path / "notebooks" / f"{name}.ipynb"
        (path.parent / "profiles").mkdir(parents=True, exist_ok=True)
        (path.parent / "profiles" / "quick.yaml").touch()
        nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
        return path

    return write
