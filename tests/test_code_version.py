"""What counts as an artifact's code: definitions that its builder uses, in files, in packages and in notebooks."""

import functools
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from recsys_kit import baselines, code_version, evaluation, preprocessing, report, training
from recsys_kit.code_version import Sources

ROOT = Path(__file__).parents[1]
FILES = {
    "__init__.py": "",
    "report.py": "def progress(x):\n    return x\n",
    "one.py": """
from recsys_kit import report, two
from recsys_kit.three import helper as renamed
from recsys_kit.room import Index, engine, thing

TABLE = {"a": renamed}


def build(index: Index):
    "What it does."
    from .four import late

    for x in report.progress(TABLE):  # why
        late(two.used(x))
    return late


def enter():
    return thing(), engine.start()


def whole():
    return getattr(two, "us" + "ed")


def shadowed(two):
    return two.used


def loop():
    return [two.used for two in [two]]
""",
    "two.py": "def used(x):\n    return x\n\n\ndef unused(x):\n    return x\n",
    "three.py": "def helper(x):\n    return inner(x)\n\n\ndef inner(x):\n    return x\n",
    "four.py": "def late(x):\n    return LIMIT\n\n\nLIMIT = 1\nOTHER = 1\n",
    "room/__init__.py": """
_NAMES = {"Index": "index", "engine": "engine", "start": "recsys_kit.room.engine"}
__getattr__ = door(__name__, engine=["thing"])
""",
    "room/index.py": "class Index:\n    pass\n\n\ndef make() -> Index:\n    return Index()\n",
    "room/engine.py": "from . import index\n\n\ndef thing():\n    return index.make()\n\n\ndef start():\n    pass\n",
}


@pytest.fixture
def change(tmp_path):
    """Writes a small kit; returns a function that gives versions of its builders, after a change if one is named."""
    for name, text in FILES.items():
        path = tmp_path / "recsys_kit" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def versions(file="one.py", old="", new=""):
        path = tmp_path / "recsys_kit" / file
        assert old in FILES[file]
        path.write_text(FILES[file].replace(old, new, 1))
        sources = Sources(tmp_path)
        names = ("build", "enter", "whole", "shadowed", "loop")
        found = {name: sources.version(("recsys_kit.one", name)) for name in names}
        path.write_text(FILES[file])
        return found

    before = versions()
    return lambda *args: {name for name, version in versions(*args).items() if version != before[name]}


@pytest.mark.parametrize(
    ("file", "old", "new", "changed"),
    [
        ("two.py", "    return x", "    return -x", {"build", "whole", "loop"}),  # used
        ("two.py", "unused(x):\n    return x", "unused(x):\n    return 0", {"whole", "loop"}),  # handed around
        ("three.py", "    return x", "    return -x", {"build"}),  # two steps away, by way of a table
        ("four.py", "LIMIT = 1", "LIMIT = 2", {"build"}),  # imported inside the function
        ("four.py", "OTHER = 1", "OTHER = 2", set()),
        ("room/index.py", "    pass", "    size = 1", {"build", "enter"}),  # an annotation, and a lazy name
        ("room/index.py", "return Index()", "return Index(1)", {"build", "enter"}),  # what makes the annotated class
        ("room/engine.py", "    pass", "    return 1", {"enter"}),  # a lazy module
        ("report.py", "return x", "return list(x)", set()),
    ],
)
def test_a_changed_definition_changes_the_builders_that_use_it_and_no_other(change, file, old, new, changed):
    assert change(file, old, new) == changed


@pytest.mark.parametrize(
    ("old", "new"),
    [("# why", "# another reason"), ("What it does.", "Says more."), ("def enter():", "\n\n\ndef enter( ):")],
)
def test_comments_docstrings_and_formatting_change_nothing(change, old, new):
    assert change("one.py", old, new) == set()


def test_reading_sources_imports_nothing():
    code = (
        "import sys; from recsys_kit.code_version import Sources; "
        "Sources('.').version(('recsys_kit.training.fit', 'trained')); print('keras' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def cell(text, **names):
    """Runs text as a notebook's cell would run: in `__main__`, from no file."""
    names["__name__"] = "__main__"
    exec(compile(text, "<ipython-input-1>", "exec"), names)
    return names["build"]


def test_a_notebook_function_counts_by_what_it_does_not_by_where_it_stands():
    one = cell("build = lambda: sum([1, 2])")
    assert code_version.code_version(one) == code_version.code_version(cell("\n\nbuild = lambda: sum( [1, 2] )"))
    assert code_version.code_version(one) != code_version.code_version(cell("build = lambda: sum([1, 3])"))
    assert code_version.code_version(one) != code_version.code_version(cell("build = lambda: max([1, 2])"))


def test_a_notebook_function_is_followed_into_others_and_into_the_kit():
    texts = [f"def helper(x):\n    return x + {n}\nbuild = lambda: helper(1)" for n in (1, 2)]
    assert len({code_version.code_version(cell(text)) for text in texts}) == 2
    text = "build = lambda: kit.{}"
    assert code_version.code_version(cell(text.format("als(1)"), kit=baselines)) != code_version.code_version(
        cell(text.format("als(1)"), kit=evaluation)
    )
    keys = followed(cell("build = lambda: kit.als(split)", kit=baselines))
    assert ("recsys_kit.baselines.factorisation", "als") in keys and ("recsys_kit.baselines", "*") not in keys
    assert ("recsys_kit.baselines", "*") in followed(cell("build = lambda: getattr(kit, 'als')", kit=baselines))
    assert ("recsys_kit.baselines.factorisation", "als") in followed(
        cell("def build():\n    from recsys_kit.baselines import als\n    return als")
    )
    assert followed(cell("build = lambda: kit.progress([1])", kit=report)) == set()
    assert ("recsys_kit.baselines.factorisation", "als") in followed(
        cell("build = lambda: table['a']", table={"a": baselines.als})
    )


def followed(function):
    found = code_version._Running(code_version._IMPORTED)
    found.add(function)
    return found.keys


def test_what_a_function_holds_counts_if_it_is_code_and_not_if_it_is_data():
    def builder(value):
        return lambda: value

    assert code_version.code_version(builder(1)) == code_version.code_version(builder(2))
    assert code_version.code_version(builder(baselines.als)) != code_version.code_version(builder(baselines.bpr))
    settings = training.Settings()
    assert ("recsys_kit.training.basket_batches", "Settings") in followed(builder(settings))


def test_partials_methods_and_decorated_functions_count_as_what_they_stand_for():
    plain = code_version.code_version(baselines.als)
    assert code_version.code_version(functools.partial(baselines.als, 1)) == plain
    assert code_version.code_version(functools.cache(baselines.als)) == plain
    applied = [functools.partial(map, function) for function in (baselines.als, baselines.bpr)]
    assert code_version.code_version(applied[0]) != code_version.code_version(applied[1])
    bound = preprocessing.Split.counts.__get__(object.__new__(preprocessing.Split))
    assert ("recsys_kit.preprocessing", "Split") in followed(bound)

    def logged(function):
        @functools.wraps(function)
        def inner(*args):
            return function(*args)

        return inner

    assert code_version.code_version(logged(baselines.als)) == plain


SAME = """
from recsys_kit import baselines
from recsys_kit.code_version import code_version
names = {"__name__": "__main__", "kit": baselines}
exec(compile("build = lambda x: x in {'a', 'b', 'c'} and kit.als(x)", "<cell>", "exec"), names)
print(code_version(names["build"]))
"""


def test_a_version_is_the_same_in_another_process():
    runs = [
        subprocess.run(
            [sys.executable, "-c", SAME],
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | {"PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    ]
    assert runs[0] == runs[1] and len(runs[0].strip()) == 12


def test_a_module_of_your_own_counts_and_is_read_anew_when_it_changes(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    path = tmp_path / "mine_for_a_test.py"
    versions = []
    for number in (1, 22):
        path.write_text(f"def build():\n    return helper()\n\n\ndef helper():\n    return {number}\n")
        import mine_for_a_test

        versions.append(code_version.code_version(mine_for_a_test.build))
    assert versions[0] != versions[1]


def test_what_can_not_be_called_is_no_builder():
    with pytest.raises(TypeError, match="`build` must be a function"):
        code_version.code_version(3)


def test_asking_again_takes_milliseconds():
    code_version.code_version(training.trained)
    began = time.perf_counter()
    for _ in range(10):
        code_version.code_version(training.trained)
    assert (time.perf_counter() - began) / 10 < 0.05
