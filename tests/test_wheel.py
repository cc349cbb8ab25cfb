"""The wheel works anywhere: built, installed elsewhere, started, run and searched, with no checkout in sight."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NEEDED = ("pyproject.toml", "setup.py", "README.md", "LICENSE", "LICENSE-TEXT", "recsys_kit", "data", "notebooks")

pytestmark = pytest.mark.slow


def call(*words, folder, **more):
    """Runs a command in a folder, without a PYTHONPATH that would lead back to the checkout."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "RECSYS_KIT"))}
    done = subprocess.run(
        [str(word) for word in words], cwd=folder, env=clean | more, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from copies of what it needs, without a network: TensorFlow brings setuptools along."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in NEEDED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, source)
    stale = source / "build" / "lib" / "recsys_kit" / "gone.py"  # from a build before
    stale.parent.mkdir(parents=True)
    stale.touch()
    command = ("wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", folder / "dist", source)
    call(sys.executable, "-m", "pip", *command, folder=folder)
    shutil.rmtree(source)
    (path,) = (folder / "dist").iterdir()
    return path


@pytest.fixture(scope="module")
def elsewhere(wheel, tmp_path_factory):
    """The folder of commands of an environment with the wheel, and beside it the libraries of the present one."""
    folder = tmp_path_factory.mktemp("elsewhere") / "env"
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    site = Path(call(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", folder=folder).strip())
    libraries = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (site / "libraries.pth").write_text("\n".join(sorted(libraries)))  # what a .pth file names is not searched for more
    share = Path(sys.prefix) / "share" / "jupyter"  # kernels and templates of pages
    (folder / "share").mkdir(exist_ok=True)
    (folder / "share" / "jupyter").symlink_to(share)
    command = ("install", "--no-deps", "--no-index", "--force-reinstall", wheel)
    call(sys.executable, "-m", "pip", "--python", python, *command, folder=folder)
    return python.parent


@pytest.fixture(scope="module")
def course(elsewhere, tmp_path_factory):
    folder = tmp_path_factory.mktemp("reader")
    call(elsewhere / "recsys-kit", "start", "course", folder=folder)
    return folder / "course"


def test_the_wheel_has_every_module_table_and_notebook_and_nothing_stale(wheel):
    there = set(zipfile.ZipFile(wheel).namelist())
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "recsys_kit").rglob("*.py")}
    assert {name for name in there if name.endswith(".py") and "/shipped/" not in name} == modules
    left_out = ("__pycache__", ".ipynb_checkpoints", "flat", "noto")  # setup.py: further styles of drawings, 0.5 MB
    listed = ("checksums.sha256", "LICENSE-APACHE", "make.py")  # names them all; theirs; made them
    for folder in ("data", "notebooks"):
        files = {path for path in (ROOT / folder).rglob("*") if path.is_file()}
        files = {path for path in files if path.parent.name not in left_out and path.name not in listed}
        names = {f"recsys_kit/shipped/{path.relative_to(ROOT).as_posix()}" for path in files}
        assert {name for name in there if name.startswith(f"recsys_kit/shipped/{folder}/")} == names


def test_the_wheel_is_small_and_its_notebooks_have_not_run(wheel):
    pages = len(list((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb")))
    assert wheel.stat().st_size < 70_000 * pages  # with its room, data and solutions
    archive = zipfile.ZipFile(wheel)
    for name in archive.namelist():
        if name.endswith(".ipynb"):
            cells = json.loads(archive.read(name))["cells"]
            assert not [cell for cell in cells if cell.get("outputs") or cell.get("execution_count")], name


def test_the_installed_package_is_the_wheels_and_the_checkout_is_out_of_reach(elsewhere, tmp_path):
    script = (
        "import sys, recsys_kit; print(recsys_kit.__file__); print(*sys.path, *map(repr, sys.meta_path), sep='\\n')"
    )
    file, *path = call(elsewhere / "python", "-c", script, folder=tmp_path).splitlines()
    assert Path(file).is_relative_to(elsewhere.parent)
    assert str(ROOT) not in path
    assert not [line for line in path if "__editable__" in line]


def test_a_notebook_runs_in_a_started_folder(elsewhere, course):
    said = call(elsewhere / "recsys-kit", "run", "--profile", "quick", "--only", "00", folder=course)
    assert "00_start_here: ok" in said
    (result,) = json.loads((course / "runs" / "quick" / "results.json").read_text(encoding="utf-8"))["results"]
    assert result["status"] == "ok" and result["headline"]


def test_a_query_is_answered_from_any_folder(elsewhere, course, tmp_path):
    """The glossary and the judged queries come out of the wheel; the shop is small, so that it takes seconds."""
    shop = course / "data" / "example_shop"
    said = call(elsewhere / "recsys-kit", "search", "red wine", "--data", shop, "--k", "3", folder=tmp_path)
    assert len(said.splitlines()) >= 3, said


def test_doctor_knows_what_the_wheel_needs(elsewhere, tmp_path):
    said = call(elsewhere / "recsys-kit", "doctor", folder=tmp_path)
    assert "recsys_kit is not installed" not in said and " installed, in their ranges" in said
