"""The house is in order: one room for each notebook, imports point one way, no file too long, rooms light to enter."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from architecture import FILES, imported, rooms
from architecture import module_name as name
from architecture import room_of as room

TESTS = Path(__file__).parent
LONGEST = 400  # lines of a file
MOST_PARAMETERS = 8  # of a function; a command of cli.py has as many as it has options

# Rows of the table in docs/ARCHITECTURE.md, from the ground up. An import may name an earlier room, or its own.
ROOMS = [row.name for row in rooms()]
APPLICATIONS = {row.name for row in rooms() if row.floor == "applications"}
"""Rooms that don't know each other."""

COVERED = {
    "course.results": "course/test_runner.py",
    "localization.context_transformer": "localization/test_context.py",
}
"""Modules without a test file of their name, and the file in tests/ that covers each."""

ALIASES = {
    "recsys_kit.datasets.files": "table_files",
    "recsys_kit.search.index": "search_index",
    "recsys_kit.search.vectors": "search_vectors",
}
"""Modules that are imported under another name, the same one everywhere: `index` alone would say too little."""


def test_every_room_has_its_row_in_the_table_and_every_row_its_room():
    assert sorted(ROOMS) == sorted({room(name(path)) for path in FILES})


@pytest.mark.parametrize("path", FILES, ids=name)
def test_imports_point_one_way(path):
    own = room(name(path))
    later = {other for other in imported(path) if room(other) != own and ROOMS.index(room(other)) > ROOMS.index(own)}
    assert not later, f"{name(path)} is below {', '.join(sorted(later))}"


@pytest.mark.parametrize("path", FILES, ids=name)
def test_applications_do_not_know_each_other(path):
    own = room(name(path))
    if own in APPLICATIONS:
        assert {room(other) for other in imported(path)} & (APPLICATIONS - {own}) == set()


def test_no_import_is_relative():
    nodes = [node for path in FILES for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))]
    assert not [node for node in nodes if isinstance(node, ast.ImportFrom) and node.level]


def test_no_file_imports_in_a_circle():
    graph = {name(path): imported(path) for path in FILES}
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, " -> ".join([*trail, module])
        if module not in done:
            for other in graph.get(module, ()):
                visit(other, (*trail, module))
            done.add(module)

    for module in graph:
        visit(module, ())


@pytest.mark.parametrize(
    "path", [*FILES, *sorted(TESTS.rglob("*.py"))], ids=lambda path: f"{path.parent.name}/{path.stem}"
)
def test_no_file_is_too_long(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST


@pytest.mark.parametrize("path", [path for path in FILES if path.stem != "cli"], ids=name)
def test_no_function_has_too_many_parameters(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            own = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            own = [argument.arg for argument in own if argument.arg not in ("self", "cls")]
            assert len(own) <= MOST_PARAMETERS, f"{node.name}({', '.join(own)})"


def layers_of(path: Path) -> list[ast.ClassDef]:
    """The Keras layers that a module defines."""
    found, known = [], {"Layer", "layers.Layer", "keras.layers.Layer"}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ClassDef) and {ast.unparse(base) for base in node.bases} & known:
            found.append(node)
    return found


@pytest.mark.parametrize("path", [path for path in FILES if layers_of(path)], ids=name)
def test_every_layer_shows_an_example(path):
    assert [node.name for node in layers_of(path) if ">>>" not in ast.get_docstring(node)] == []


def sources() -> dict[str, str]:
    """All Python of the project by file: package, tests, benchmarks, and the code cells of the notebooks."""
    root = TESTS.parent
    found = {str(path): path.read_text(encoding="utf-8") for path in FILES}
    for path in [*TESTS.rglob("*.py"), *(root / "benchmarks").rglob("*.py")]:
        found[str(path.relative_to(root))] = path.read_text(encoding="utf-8")
    for path in (root / "notebooks").rglob("*.ipynb"):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        lines = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code").splitlines()
        found[str(path.relative_to(root))] = "\n".join("" if line.startswith(("%", "!")) else line for line in lines)
    return found


def test_a_module_has_one_name_everywhere():
    modules, wrong = {name(path) for path in FILES}, []
    for file, text in sources().items():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom | ast.Import):
                start = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
                wrong += [
                    f"{file}: {start}{alias.name} as {alias.asname}"
                    for alias in node.names
                    if start + alias.name in modules and alias.asname != ALIASES.get(start + alias.name)
                ]
    assert wrong == []


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__")


@pytest.mark.parametrize("path", FILES, ids=name)
def test_a_room_is_entered_by_its_door(path):
    """From outside, no name with `_` of another room's modules is used."""
    tree, own = ast.parse(path.read_text(encoding="utf-8")), room(name(path))
    aliases, private = {}, []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "recsys_kit":
            for alias in node.names:
                where = f"{node.module}.{alias.name}"
                if room(where) != own:
                    aliases[alias.asname or alias.name] = where
                    private += [where] * is_private(alias.name)
    private += [
        f"{node.value.id}.{node.attr}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
        if node.value.id in aliases and is_private(node.attr)
    ]
    assert private == []


@pytest.mark.parametrize("light", ["search", "localization", "recommendation", "datasets", "customer_service"])
def test_a_light_room_loads_no_keras(light):
    script = f"import sys, recsys_kit.{light}; print({{'keras', 'tensorflow'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_every_name_that_a_room_hands_out_exists():
    script = (
        "import importlib, pkgutil, recsys_kit\n"
        "for found in pkgutil.iter_modules(recsys_kit.__path__, 'recsys_kit.'):\n"
        "    module = importlib.import_module(found.name)\n"
        "    [getattr(module, name) for name in module.__all__]\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


TESTED = [path for path in FILES if path.stem != "__init__"]


def public(path: Path) -> list[str]:
    """What a module's `__all__` names."""
    nodes = [node for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.Assign)]
    return [
        name for node in nodes if ast.unparse(node.targets[0]) == "__all__" for name in ast.literal_eval(node.value)
    ]


@pytest.mark.parametrize("path", TESTED, ids=name)
def test_every_module_has_a_test_file_of_its_name_or_a_line_that_says_which_covers_it(path):
    module = name(path).removeprefix("recsys_kit.")
    *folder, stem = module.split(".")
    own = TESTS.joinpath(*folder, f"test_{stem}.py")
    assert own.exists() != (module in COVERED), f"{own} exists, or a line in COVERED, and not both"
    if module in COVERED:
        text = (TESTS / COVERED[module]).read_text(encoding="utf-8")
        assert re.search(rf"\b({'|'.join([stem, *public(path)])})\b", text), (
            f"{COVERED[module]} names nothing of {stem}"
        )


def test_no_line_names_a_module_that_is_gone():
    assert set(COVERED) <= {name(path).removeprefix("recsys_kit.") for path in TESTED}
