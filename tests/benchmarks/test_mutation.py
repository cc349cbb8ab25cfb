"""The mutation run draws the same mutants each time, leaves out what can't matter, and tells what survives."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

import mutation
import pytest
from mutants import Mutant, Refused, difference, draw, find, matters, mutated, population

pytest.importorskip("cosmic_ray", reason='cosmic-ray is missing: pip install -e ".[mutation]"')

SOURCE = '''"""Text."""

from __future__ import annotations

__all__ = ["larger", "total"]


def larger(a: int | float, b: float) -> bool:
    """Text of 1 line."""
    return a > b


def total(a: float, *, b: float = 2) -> float:
    return a + b
'''
TESTS = """from goods.sums import larger, total


def test_larger():
    assert larger(2, 1) and not larger(1, 2)


def test_total():
    assert total(3, b=4) == 7
"""
GOODS = mutation.Module(("goods/sums.py",), ("test_sums*.py",))
TIE = Mutant("goods/sums.py", "ReplaceComparisonOperator_Gt_GtE", "return a > b", 0, 0, 0)  # no test asks for equal
TURNED = Mutant("goods/sums.py", "ReplaceComparisonOperator_Gt_Lt", "return a > b", 0, 0, 0)


@pytest.fixture
def tree(tmp_path):
    """A package with tests that overlook what happens to equal numbers."""
    (tmp_path / "goods").mkdir()
    (tmp_path / "goods" / "__init__.py").touch()
    (tmp_path / "goods" / "sums.py").write_text(SOURCE)
    (tmp_path / "test_sums.py").write_text(TESTS)
    (tmp_path / "pyproject.toml").write_text("[tool.pytest.ini_options]\nmarkers = ['slow']\n")
    return tmp_path.resolve()


def test_a_sample_is_the_same_in_every_process_and_another_for_another_seed(tree):
    there = population(tree, GOODS.files)
    first = draw(tree, there, 8, "0 sums")
    assert len(set(first)) == 8 and first != draw(tree, there, 8, "1 sums")
    code = (
        "import sys\nfrom pathlib import Path\nfrom mutants import draw, population\n"
        f"tree = Path(sys.argv[1])\nprint(draw(tree, population(tree, {GOODS.files}), 8, '0 sums'))"
    )
    path = os.pathsep.join([str(Path(mutation.__file__).parent), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-c", code, str(tree)]
    env = os.environ | {"PYTHONPATH": path, "PYTHONHASHSEED": "7"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(first)


def test_what_can_not_matter_is_never_drawn(tree):
    there = population(tree, GOODS.files)
    drawn = draw(tree, there, len(there), "0 sums")
    signature = "def total(a: float, *, b: float = 2) -> float:"
    assert {mutant.text for mutant in drawn} == {"return a > b", "return a + b", signature}
    for mutant in there:
        assert (mutant in drawn) == matters(SOURCE, mutated(tree, mutant)), mutant
    assert any("|" in mutant.text for mutant in there) and not any("|" in mutant.text for mutant in drawn)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("x: int | None = 1", "x: int & None = 1", False),
        ("def f(a: 1) -> 2:\n    return a", "def f(a: 2) -> 3:\n    return a", False),
        ("@cache\ndef f():\n    return 1", "def f():\n    return 1", False),
        ("@functools.lru_cache(1)\ndef f():\n    return 1", "@functools.lru_cache(2)\ndef f():\n    return 1", False),
        ("__all__ = ['a'] + b", "__all__ = ['a'] - b", False),
        ("def f(a, *, b): pass", "def f(a, +, b): pass", False),
        ("for x in y:\n    break", "while x:\n    pass\ncontinue", False),
        ("@dataclass(frozen=True)\nclass A: pass", "@dataclass(frozen=False)\nclass A: pass", True),
        ("@contextmanager\ndef f():\n    yield 1", "def f():\n    yield 1", True),
        ("def f(a=1): pass", "def f(a=2): pass", True),
        ("x: int = 1", "x: int = 2", True),
    ],
)
def test_only_behaviour_matters(before, after, expected):
    assert matters(before, after) is expected


def test_a_mutant_is_found_again_when_its_line_has_moved_and_refused_when_it_is_gone(tree):
    (found,) = find(tree, GOODS.files, [vars(TIE)])
    path = tree / "goods" / "sums.py"
    path.write_text(SOURCE.replace("def larger", "NUMBER = 3 > 2\n\n\ndef larger"))
    (again,) = find(tree, GOODS.files, [vars(TIE)])
    assert again == found and again.line == found.line + 3
    assert difference(path.read_text(), mutated(tree, again)) == ["-    return a > b", "+    return a >= b"]
    path.write_text(SOURCE.replace("a > b", "b < a"))
    with pytest.raises(Refused, match="no mutant ReplaceComparisonOperator_Gt_GtE number 0 on a line `return a > b`"):
        find(tree, GOODS.files, [vars(TIE)])


def test_a_planted_survivor_is_told_from_a_killed_mutant(tree, monkeypatch, capsys):
    monkeypatch.setitem(mutation.MODULES, "sums", GOODS)
    rows = mutation.try_all(tree, "sums", find(tree, GOODS.files, [vars(TURNED), vars(TIE)]))
    assert [row["verdict"] for row in rows] == ["killed", "survived"]
    assert "goods/sums.py:10  ReplaceComparisonOperator_Gt_GtE 0" in capsys.readouterr().out
    assert (tree / "goods" / "sums.py").read_text() == SOURCE
    found = mutation.table(rows).set_index("module").loc["sums"]
    assert found.to_dict() == {"mutants": 2, "killed": 1, "survived": 1, "equivalent": 0, "share killed": 0.5}


def test_an_equivalent_is_counted_apart_and_a_killed_one_is_refused(tree, monkeypatch):
    monkeypatch.setitem(mutation.MODULES, "sums", GOODS)
    (tree / "same.yaml").write_text(
        "sums:\n"
        + "".join(
            f"  - {{file: {one.file}, operator: {one.operator}, text: {one.text}, occurrence: 0, why: for a test}}\n"
            for one in (TIE, TURNED)
        )
    )
    monkeypatch.setattr(mutation, "EQUIVALENTS", tree / "same.yaml")
    monkeypatch.setattr(mutation.Bench, "verdict", lambda self, mutant: "killed" if mutant == TURNED else "survived")
    monkeypatch.setattr(mutation.Bench, "__init__", lambda self, tree, module: setattr(self, "seconds", 0))
    rows = mutation.try_all(tree, "sums", find(tree, GOODS.files, [vars(TIE)]))
    assert mutation.table(rows)["equivalent"].tolist() == [1, 1]
    with pytest.raises(Refused, match="a test kills it"):
        mutation.try_all(tree, "sums", find(tree, GOODS.files, [vars(TURNED)]))


def test_more_equivalents_than_a_twentieth_of_a_sample_are_refused(tree, monkeypatch):
    monkeypatch.setitem(mutation.MODULES, "sums", GOODS)
    monkeypatch.setattr(mutation, "known", lambda tree, name: {TIE: "for a test"})
    options = argparse.Namespace(modules=["sums"], mutants=100, seed=0, only_survivors=None)
    number = len(draw(tree, population(tree, GOODS.files), 100, "0 sums"))
    monkeypatch.setattr(mutation, "MOST_EQUIVALENT", 1 / number)
    assert TIE in mutation.chosen(tree, options)["sums"]
    monkeypatch.setattr(mutation, "MOST_EQUIVALENT", 0.99 / number)
    with pytest.raises(Refused, match=f"1 of {number} mutants are said to be equivalent"):
        mutation.chosen(tree, options)


def test_only_what_survived_is_tried_again(tree, monkeypatch):
    monkeypatch.setitem(mutation.MODULES, "sums", GOODS)
    killed, survived = find(tree, GOODS.files, [vars(TURNED), vars(TIE)])
    rows = [mutation.entry(tree, "sums", killed, "killed"), mutation.entry(tree, "sums", survived, "survived")]
    monkeypatch.setattr(mutation.results_file, "read", lambda path: argparse.Namespace(rows=rows))
    options = argparse.Namespace(modules=["tables", "sums"], only_survivors=tree / "before.json")
    assert mutation.chosen(tree, options) == {"sums": [TIE]}


def test_tests_that_fail_without_a_change_and_other_copies_are_refused(tree):
    (tree / "test_sums.py").write_text("def test_it():\n    assert False\n")
    with pytest.raises(Refused, match="the tests fail without any change"):
        mutation.Bench(tree, GOODS)
    with pytest.raises(Refused, match="the tests would not import"):
        mutation.Bench(tree, mutation.Module(("json/decoder.py",), GOODS.tests))


def test_each_module_has_its_files_and_its_tests():
    for name, module in mutation.MODULES.items():
        assert all((mutation.ROOT / file).is_file() for file in module.files), name
        assert all(list(mutation.ROOT.glob(pattern)) for pattern in module.tests), name
