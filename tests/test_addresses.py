"""Every address of the kit: whatever its builder uses changes it, and what only shows something does not."""

import ast
import json
import shutil
from pathlib import Path

import pytest

from recsys_kit.code_version import Sources

ROOT = Path(__file__).parents[1]
METHODS = {"get", "path", "file", "forget"}
STORES = {"ws", "store", "workspace"}
SHOWN = ("report.py", "plots.py")


def is_address(node):
    """Whether a call asks a workspace for an artifact: `store.get("name", build, ...)`."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or node.func.attr not in METHODS:
        return False
    store = node.func.value
    made = isinstance(store, ast.Call) and ast.unparse(store.func).endswith("Workspace")
    return (made or (isinstance(store, ast.Name) and store.id in STORES)) and bool(node.args)


def builders(call, around=None):
    """Returns the expressions of an address that are code: its builder, and what it is said to use.

    A name that the function around the call assigned stands for what it was assigned, a partial for its function.
    """
    given = {}
    for node in ast.walk(around) if around else ():
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            given[node.targets[0].id] = node.value
    named = {keyword.arg: keyword.value for keyword in call.keywords}
    found = call.args[1] if len(call.args) > 1 else named.get("build")
    found = given.get(getattr(found, "id", ""), found)
    if isinstance(found, ast.Call) and ast.unparse(found.func).endswith("partial"):
        found = found.args[0]
    uses = given.get(getattr(named.get("uses"), "id", ""), named.get("uses"))
    return [found, *getattr(uses, "elts", ())]


def notebook_source(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")


def addresses():
    """Returns every address of package, notebooks, solutions and pages: module, artifact, definition, builders.

    The definition is the one whose code counts: the builder's own, or the one around it if it is defined inside; for a
    notebook it is empty, because there only the builder counts.
    """
    found = []
    for path in sorted((ROOT / "recsys_kit").rglob("*.py")):
        if path.name == "workspace.py":
            continue
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        body = ast.parse(path.read_text(encoding="utf-8")).body
        own = {statement.name for statement in body if isinstance(statement, ast.FunctionDef)}
        for statement in body:
            for node in filter(is_address, ast.walk(statement)):
                code = builders(node, statement)
                name = getattr(code[0], "id", "")
                found.append((module, ast.unparse(node.args[0]), name if name in own else statement.name, code))
    for path in sorted((ROOT / "notebooks").rglob("*.ipynb")):
        module = f"notebook_{path.parent.name}_{path.stem}"
        for node in ast.walk(ast.parse(notebook_source(path))):
            if is_address(node):
                found.append((module, ast.unparse(node.args[0]), "", builders(node)))
    return found


FOUND = addresses()


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of the package; notebooks lie beside it as modules, with a function around each builder."""
    folder = tmp_path_factory.mktemp("copy")
    shutil.copytree(ROOT / "recsys_kit", folder / "recsys_kit", ignore=shutil.ignore_patterns("__pycache__"))
    for path in (ROOT / "notebooks").rglob("*.ipynb"):
        module = f"notebook_{path.parent.name}_{path.stem}"
        own = [(i, each) for i, each in enumerate(FOUND) if each[0] == module]
        lines = [f"def address_{i}():\n    return {ast.unparse(ast.Tuple(each[3]))}\n" for i, each in own]
        (folder / f"{module}.py").write_text("\n".join([notebook_source(path), *lines]), encoding="utf-8")
    return folder


def keys(sources, index):
    """Returns the definitions that an address is made of, as a running program would find them."""
    module, _, definition, code = FOUND[index]
    found = {(module, definition or f"address_{index}")}
    for expression in code[1:] if definition else ():
        found |= sources.meaning(module, tuple(ast.unparse(expression).split(".")))
    return found


def versions(sources):
    sources.refresh()
    return [sources.version(*keys(sources, index)) for index in range(len(FOUND))]


def changed(path, name=None):
    """Appends a statement to a function or class of a file, or to all of them; returns the text as it was."""
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    for node in ast.parse(text).body[::-1]:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and name in (None, node.name):
            lines.insert(node.end_lineno, " " * node.body[0].col_offset + "changed = 1")
    path.write_text("\n".join(lines), encoding="utf-8")
    return text


def test_every_address_is_found_and_says_what_builds_it():
    names = {name.strip("'") for _, name, _, _ in FOUND}
    assert {"basket_transformer", "training", "ranker", "tower", "search_tower", "search_vectors", "events"} <= names
    assert {"search_reranker", "intent_head", "completion"} <= names
    assert len(FOUND) > 25
    assert [each[:3] for each in FOUND if each[3][0] is None] == []


def test_whatever_a_builder_uses_changes_its_address(copy):
    sources = Sources(copy)
    before = versions(sources)
    used = [{line.split()[0] for line in sources.closure(keys(sources, index))} for index in range(len(FOUND))]
    wanted = {}  # each definition of the kit that some builder uses: the addresses that must change with it
    for index, lines in enumerate(used):
        for line in lines:
            module, name = line.split(":")
            if module.startswith("recsys_kit.") and name != "*":
                wanted.setdefault((module, name), set()).add(index)
    idle = set(range(len(FOUND))).difference(*wanted.values())
    shown = {FOUND[index][0] for index in idle}  # a page that stores tables of its own, to show that they are removed
    assert shown <= {"notebook_notebooks_20_privacy"}
    for module in sorted({module for module, _ in wanted}):
        names = sorted(name for other, name in wanted if other == module)
        path = sources.file(module)
        text, last = path.read_text(encoding="utf-8"), dict(enumerate(before))
        defined = {
            node.name for node in ast.parse(path.read_bytes()).body if isinstance(node, ast.FunctionDef | ast.ClassDef)
        }
        for name in [name for name in names if name in defined]:
            changed(path, name)
            sources.refresh()
            after = {index: sources.version(*keys(sources, index)) for index in wanted[module, name]}
            stale = [index for index, version in after.items() if version == last[index]]
            last.update(after)
            assert not stale, (module, name, [FOUND[i][:3] for i in stale])
        path.write_text(text, encoding="utf-8")
    assert versions(sources) == before


@pytest.mark.parametrize(
    ("artifact", "dependency"),
    [
        ("'basket_transformer'", "preprocessing.clean"),
        ("'basket_transformer'", "neural.losses.inclusion_bce"),
        ("'search_vectors'", "search.vectors.encode"),
        ("'search_vectors'", "search.corpus.paraphrases"),
        ("'search_tower'", "search.vectors.pairs"),
        ("'search_tower'", "neural.text_encoder.encode"),
        ("'search_reranker'", "search.index.facts"),
        ("'search_reranker'", "search.queries.grades"),
        ("'search_doubt'", "search.nothing.facts"),
        ("'search_doubt'", "search.spelling.corrected"),
        ("'search_folds'", "search.index.facts"),
        ("'search_folds'", "search.judging.task"),
        ("'intent_head'", "customer_service.intent_head.train"),
        ("'intent_held_out'", "customer_service.intents.folds"),
        ("'ranker'", "recommendation.candidates.collect"),
        ("'tower'", "training.baskets.item_groups"),
        ("'completion'", "training.baskets.item_groups"),
        ("'search'", "optimization.small_task.fit"),
    ],
)
def test_an_artifact_depends_on_what_lies_in_another_module(copy, artifact, dependency):
    module, name = dependency.rsplit(".", 1)
    sources = Sources(copy)
    used = set()
    for index, (_, found, *_) in enumerate(FOUND):
        if found == artifact:
            used |= {line.split()[0] for line in sources.closure(keys(sources, index))}
    assert any(line.endswith(f":{name}") and home_of(module, name) == line for line in used), sorted(used)


def home_of(module, name):
    """Returns a definition's key, wherever the rooms of the package have moved it."""
    found = Sources(ROOT).meaning(f"recsys_kit.{module}", (name,)) - {(f"recsys_kit.{module}", "*")}
    return ":".join(*found) if found else ""


@pytest.mark.parametrize("file", SHOWN)
def test_what_only_shows_something_changes_no_address(copy, file):
    sources = Sources(copy)
    before = versions(sources)
    path = copy / "recsys_kit" / file
    text = changed(path)
    after = versions(Sources(copy))
    path.write_text(text, encoding="utf-8")
    assert after == before
