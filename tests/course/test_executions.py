"""The committed notebooks run, each as often as the plan in `executions` says; nbval does its part of it.

Every test here that executes a notebook is work for a process of its own, and they share one workspace.
"""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import executions
import nbformat
import notebook_checks as checks
import pytest
from unseen_shop import write_unseen_shop

from recsys_kit.course import notebooks, runner

PLAN = executions.plan()
SHARED = {"WORKSPACE": str(executions.workspace())}


# They run


@pytest.mark.slow
@pytest.mark.executes(executions.PAPERMILL)
@pytest.mark.parametrize("name", PLAN)
def test_notebook_runs_with_the_quick_profile(name, tmp_path):
    (result,) = runner.run(executions.FOLDER, tmp_path, "quick", only=[name], parameters=SHARED, say=str)
    assert result.status == "ok", result.error
    assert result.headline
    assert checks.loads_from_elsewhere((tmp_path / f"{name}.html").read_text(encoding="utf-8")) == []
    assert f'href="{name}.html"' in (tmp_path / "index.html").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.executes(executions.SOLUTION)
@pytest.mark.parametrize("name", [name for name, planned in PLAN.items() if planned.solution])
def test_solution_runs_on_a_sample(name, tmp_path):
    path = executions.FOLDER / "solutions" / f"{name}.ipynb"
    result = runner.execute(path, tmp_path / path.name, {"USERS": 300, **SHARED}, progress=False)
    assert result.status == "ok", result.error


@pytest.mark.slow
@pytest.mark.executes(executions.SHOP)
@pytest.mark.parametrize("name", [name for name, planned in PLAN.items() if planned.foreign])
def test_notebook_runs_on_a_shop_that_the_kit_has_never_seen(name, tmp_path):
    options = ["--profile", "quick", "--data", write_unseen_shop(tmp_path / "shop"), "--out", tmp_path / "out"]
    command = [sys.executable, "-c", "from recsys_kit.cli import app; app()", "run", *map(str, options), "--only", name]
    command += ["-p", f"WORKSPACE={executions.workspace()}"]
    done = subprocess.run(command, cwd=executions.ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "The Complete Journey" not in done.stdout
    assert f"{name}: ok" in done.stdout
    assert (tmp_path / "out" / f"{name}.html").exists()


# As often as the rule says


def test_every_notebook_is_executed_as_often_as_planned(request):
    collected = request.config.stash[executions.COLLECTED]
    wanted = +Counter({(run, name): times for name, one in PLAN.items() for run, times in one.executions.items()})
    assert collected - wanted == Counter()
    missing = {run for run, _ in wanted - collected}
    assert missing <= {executions.NBVAL}  # which executes what it is given


def test_make_test_gives_every_notebook_to_nbval():
    lines = (executions.ROOT / "Makefile").read_text(encoding="utf-8").splitlines()
    (command,) = [line for line in lines if "-m pytest" in line]
    assert "--nbval-lax" in command and "$(sort $(wildcard notebooks/*.ipynb))" in command
    assert "--dist loadfile" in command  # by which `conftest` hands out the work


def test_the_plan_is_the_rule():
    for planned in PLAN.values():
        assert planned.executions == {"papermill": 1, "nbval": 1, "foreign shop": planned.foreign, "solution": 1}
        assert planned.nbval == ("own" if planned.seconds <= 60 else "quick")
    assert [name for name, planned in PLAN.items() if planned.foreign] == list(executions.FOREIGN)
    assert len(executions.FOREIGN) <= 4


@pytest.mark.parametrize(("seconds", "values"), [(60, "own"), (61, "quick"), (None, "quick")])
def test_a_new_notebook_follows_by_itself(write_notebook, seconds, values):
    path = write_notebook("99_new", "1 + 1")
    (path.parent / "profiles" / "quick.yaml").write_text("all: {USERS: 300}\n99_new: {EPOCHS: 1}")
    notebook = notebooks.read(path)
    notebook.metadata["recsys_kit"] = {"seconds": seconds} if seconds else {}
    nbformat.write(notebook, path)
    (planned,) = executions.plan(path.parent).values()
    assert planned.nbval == values
    given = {} if values == "own" else {"USERS": 300, "EPOCHS": 1, **SHARED}
    assert executions.values(planned) == given
    assert planned.executions == {"papermill": 1, "nbval": 1, "foreign shop": 0, "solution": 0}


def test_what_nbval_leaves_out_is_a_parameter_of_the_notebook():
    for name, values in executions.WITHOUT.items():
        known = notebooks.parameters(notebooks.read(PLAN[name].path))
        assert {parameter: type(known[parameter].default) for parameter in values} == {
            parameter: type(value) for parameter, value in values.items()
        }


@pytest.mark.parametrize("name", PLAN)
def test_nbval_compares_outputs_of_every_notebook_whatever_its_values(name):
    cells = [cell for cell in notebooks.read(PLAN[name].path).cells if "tags" in cell.metadata]
    tags = [set(cell.metadata["tags"]) for cell in cells if "nbval-check-output" in cell.metadata["tags"]]
    always = [found for found in tags if executions.WHOLE_DATA not in found]
    assert len(always if PLAN[name].nbval == "quick" else tags) >= 3
    assert all(
        "nbval-check-output" in cell.metadata["tags"]
        for cell in cells
        if executions.WHOLE_DATA in cell.metadata["tags"]
    )


def test_work_begins_with_what_takes_long_and_what_builds_comes_before_what_finds():
    order = executions.order(PLAN)
    assert Counter(order) == +Counter(
        {(run, name): n for name, one in PLAN.items() for run, n in one.executions.items()}
    )
    own = [order.index((executions.NBVAL, name)) for name, planned in PLAN.items() if planned.nbval == "own"]
    cold = [order.index((executions.PAPERMILL, name)) for name in PLAN]
    warm = [order.index((executions.NBVAL, name)) for name, planned in PLAN.items() if planned.nbval == "quick"]
    warm += [order.index((executions.SOLUTION, name)) for name in PLAN]
    assert max(own + cold) < min(warm)
    assert own == sorted(own)
    assert cold[list(PLAN).index("08_recommendation")] < cold[list(PLAN).index("00_start_here")]


def test_an_executed_notebook_is_a_piece_of_work_and_so_is_any_other_file():
    for file in executions.SINGLE:
        assert (executions.ROOT / file).exists()
        assert executions.unit(f"{file}::test_a[01]") != executions.unit(f"{file}::test_a[02]")
    assert executions.unit("notebooks/01_a.ipynb::Cell 1") == executions.unit("notebooks/01_a.ipynb::Cell 2")
    assert executions.RUNS == Path(__file__).relative_to(executions.ROOT).as_posix()


def test_the_table_shows_every_notebook_with_its_runs_and_their_seconds():
    lines = executions.table(PLAN, {("papermill", "00_start_here"): 12.4})
    assert len(lines) == len(PLAN) + 2
    assert lines[1].split()[0] == "00_start_here" and "12 s" in lines[1]
    assert f"{len(PLAN)} x, 12 s" in lines[-1]
