"""The project hangs together: environments in step, commands that exist, names and imports in order."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version
from typer.main import get_command

import recsys_kit
from recsys_kit import cli

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
READMES = ["README.md", "README.zh-CN.md"]
MODULES = sorted(path for path in (ROOT / "recsys_kit").rglob("*.py") if path.stem != "__init__")
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


def requirements(lines):
    parsed = [Requirement(line) for line in lines]
    return {requirement.name.lower().replace("_", "-"): requirement.specifier for requirement in parsed}


# Environments


def test_environment_yml_has_the_names_and_ranges_of_pyproject():
    python, pip, rest = yaml.safe_load(read("environment.yml"))["dependencies"]
    assert python.removeprefix("python ") == PROJECT["requires-python"]
    assert pip.startswith("pip ")
    assert rest["pip"][0] == "-e ."
    assert requirements(rest["pip"][1:]) == requirements(PROJECT["dependencies"] + EXTRAS["dev"])


def test_environment_yml_says_of_every_line_why_it_is_there():
    lines = [line for line in read("environment.yml").splitlines() if line.strip().startswith("- ")]
    assert len(lines) > 25
    assert [line for line in lines if "  # " not in line and line.strip() != "- pip:"] == []


def test_every_constraint_is_one_exact_version_in_the_range_of_pyproject():
    lines = [line for line in read("constraints.txt").splitlines() if line and not line.startswith("#")]
    pinned = {}
    for line in lines:
        requirement = Requirement(line)
        (exact,) = requirement.specifier
        assert exact.operator == "==", line
        pinned[requirement.name.lower().replace("_", "-")] = Version(exact.version)
    assert len(pinned) == len(lines)
    wanted = PROJECT["dependencies"] + [line for name, extra in EXTRAS.items() if name != "gpu" for line in extra]
    for name, allowed in requirements(wanted).items():
        assert name in pinned, f"constraints.txt lacks {name}"
        assert pinned[name] in allowed, f"{name} {pinned[name]} is not in {allowed}"


def test_constraints_hold_no_index_addresses():
    assert not re.search(r"https?:|--|@", read("constraints.txt"))


def test_installing_pulls_in_no_other_backend():
    names = set(requirements(PROJECT["dependencies"] + EXTRAS["dev"] + EXTRAS["baselines"]))
    assert not names & {"torch", "jax", "jaxlib"}
    assert "cuda" not in " ".join(PROJECT["dependencies"] + EXTRAS["dev"])


def dry_run(*words, path=""):
    """What `make` would do where there is no environment yet, and not what the make that runs this test was told."""
    clean = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS", "UV")}
    clean["PATH"] = f"{path}{os.pathsep}{clean['PATH']}" if path else clean["PATH"]
    command = ["make", "--dry-run", "VENV=nowhere/at/all", *words]
    return subprocess.run(command, cwd=ROOT, env=clean, capture_output=True, text=True, check=True).stdout


def installs(uv):
    """The commands that fill an environment: what installs, and what follows the word `install`."""
    return re.findall(r"(\S+(?: -m)? pip) install (.*)", dry_run("test", "BACKENDS=torch,jax", f"UV={uv}"))


def test_uv_and_pip_are_asked_for_the_same_requirements():
    by_pip, by_uv = installs(""), installs("/some/where/uv")
    assert {tool for tool, _ in by_pip} == {"nowhere/at/all/bin/python -m pip"}
    assert {tool for tool, _ in by_uv} == {"/some/where/uv pip"}
    into = "--python nowhere/at/all/bin/python "
    assert all(rest.startswith(into) for _, rest in by_uv)
    assert [rest.removeprefix(into) for _, rest in by_uv] == [rest for _, rest in by_pip]
    assert len(by_pip) == 4  # the kit, what is welcome, the language model, what was asked for


def test_make_finds_uv_on_the_path_by_itself(tmp_path):
    (tmp_path / "uv").write_text("#!/bin/sh\n")
    (tmp_path / "uv").chmod(0o755)
    assert f"\n{tmp_path / 'uv'} pip install " in dry_run("run", path=tmp_path)


def test_the_development_container_makes_the_environment_of_make():
    container = json.loads(read(".devcontainer/devcontainer.json"))
    assert Version(container["image"].rpartition(":")[2]) in SpecifierSet(PROJECT["requires-python"])
    assert container["postCreateCommand"] == "make .venv/.ready"
    assert container["forwardPorts"] == [8888]


def test_the_citation_is_of_this_version_and_these_authors():
    citation = yaml.safe_load(read("CITATION.cff"))
    assert citation["version"] == recsys_kit.__version__
    assert citation["authors"] == PROJECT["authors"]
    assert " AND ".join(citation["license"]) == PROJECT["license"]


# Commands


def commands(readme):
    """The commands in a README's code blocks, without comments."""
    blocks = re.findall(r"(?ms)^```(?:bash|sh|console)?\n(.*?)^```", read(readme))
    lines = [re.sub(r"\s+#.*", "", line).strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def test_both_readmes_have_the_same_commands_in_the_same_order():
    assert commands("README.md") == commands("README.zh-CN.md")
    assert "make run" in commands("README.md") and "make test" in commands("README.md")


def test_both_readmes_have_the_same_numbers_in_the_table_of_notebooks():
    tables = [
        re.findall(r"^\| \[.*?\]\((notebooks/.*?)\) \| .*? \| (.*?) \| (.*?) \|", read(name), re.MULTILINE)
        for name in READMES
    ]
    assert tables[0] == tables[1]
    assert [name for name, _, _ in tables[0]] == [f"notebooks/{path.name}" for path in NOTEBOOKS]


@pytest.mark.parametrize("readme", READMES)
def test_links_and_pictures_of_the_readmes_resolve(readme):
    urls = re.findall(r"\]\(([^)\s]+)", read(readme)) + re.findall(r"""(?:src|href)=["']([^"']+)""", read(readme))
    local = [url.partition("#")[0] for url in urls if not re.match(r"https?:|#", url)]
    assert [url for url in local if not (ROOT / url).exists()] == []


def complete(line):
    """What the shell is offered for a line that was begun."""
    asked = {"_RECSYS_KIT_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
    command = [sys.executable, "-c", "from recsys_kit.cli import app; app(prog_name='recsys-kit')"]
    return subprocess.run(command, env=os.environ | asked, capture_output=True, text=True).stdout.split()


def test_the_shell_completes_commands_and_options():
    assert complete("recsys-kit st") == ["start"]
    assert complete("recsys-kit run --pro") == ["--profile"]


def makefile_targets():
    return re.findall(r"(?m)^([a-z]+):.*## ", read("Makefile"))


def test_the_makefile_has_eight_targets_at_most():
    targets = makefile_targets()
    assert len(targets) <= 8
    assert set(re.search(r"(?m)^\.PHONY: (.*)", read("Makefile"))[1].split()) == set(targets)


def test_every_command_in_the_readme_exists():
    known = set(get_command(cli.app).commands)
    for command in commands("README.md"):
        words = command.split()
        if words[0] == "make" and len(words) > 1:
            assert words[1] in makefile_targets(), command
        if words[0].endswith("recsys-kit"):
            assert words[1] in known, command


def test_every_command_of_the_makefile_exists():
    known = set(get_command(cli.app).commands)
    assert set(re.findall(r"recsys-kit (\w+)", read("Makefile"))) <= known | {"bench"}


def test_ci_runs_the_test_command_of_the_readme():
    assert re.search(r"(?m)^make test\b", read(".ci/run"))
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


def test_the_changelog_begins_with_this_version_or_what_is_not_released():
    first = re.search(r"(?m)^## \[(.+?)\]", read("CHANGELOG.md"))[1]
    assert first in ("Unreleased", recsys_kit.__version__)


# Modules


def test_importing_the_package_loads_nothing_heavy():
    script = "import sys; old = set(sys.modules); import recsys_kit; print(*sorted(set(sys.modules) - old))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert {name.partition(".")[0] for name in done.stdout.split()} <= {"recsys_kit"} | set(sys.stdlib_module_names)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_no_module_imports_tensorflow_itself(path):
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [getattr(node, "module", "")]
        assert not [name for name in names if (name or "").partition(".")[0] == "tensorflow"]


def test_evaluation_depends_on_no_other_module():
    files = sorted((ROOT / "recsys_kit").glob("evaluation*")) + sorted((ROOT / "recsys_kit").glob("evaluation/*.py"))
    texts = [path.read_text(encoding="utf-8") for path in files if path.suffix == ".py"]
    assert texts
    assert not [text for text in texts if re.search(r"(?m)^\s*(from|import) recsys_kit\.(?!evaluation)", text)]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_a_module_names_what_is_public_and_describes_it(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree)
    public = [ast.literal_eval(n.value) for n in tree.body if isinstance(n, ast.Assign) and "__all__" in ast.unparse(n)]
    assert public, "no __all__"
    defined = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    assert [name for name in public[0] if name in defined and not ast.get_docstring(defined[name])] == []
