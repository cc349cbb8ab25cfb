"""The mutants of a source file: all that cosmic-ray makes, those that can matter, and a sample of them."""

from __future__ import annotations

import ast
import difflib
import random
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

UNSEEN = {"cache", "lru_cache", "overload", "override", "final"}
"""Decorators that no test of behaviour can see."""

INSTALL = 'cosmic-ray is missing. It is no part of the kit: pip install -e ".[mutation]"'


class Refused(Exception):
    """A run can't be made or doesn't count; the message says why."""


@dataclass(frozen=True)
class Mutant:
    """One small change.

    Attributes:
        file: The file, seen from the repository's folder.
        operator: cosmic-ray's name of the change, without `core/`.
        text: The line that it changes; with `occurrence` it names the mutant wherever that line stands.
        occurrence: The how-manieth mutant of this operator on lines with this text, from 0.
        line: The line's number.
        position: The how-manieth mutant of this operator in the file, from 0, which is what cosmic-ray asks for.
    """

    file: str
    operator: str
    text: str
    occurrence: int
    line: int = field(compare=False)
    position: int = field(compare=False)


def population(tree: Path, files: Sequence[str]) -> list[Mutant]:
    """Returns all mutants of some files in a fixed order, with those that can't matter."""
    cosmic = cosmic_ray()
    found, seen = [], Counter()
    for file in files:
        lines = (tree / file).read_text(encoding="utf-8").splitlines()
        with tempfile.TemporaryDirectory() as folder, cosmic.use_db(Path(folder) / "work.sqlite") as work:
            cosmic.init([tree / file], work, {})
            specs = [spec for item in work.work_items for spec in item.mutations]
        for spec in sorted(specs, key=lambda spec: (spec.operator_name, spec.occurrence)):
            operator, line = spec.operator_name.removeprefix("core/"), spec.start_pos[0]
            key = (file, operator, lines[line - 1].strip())
            found.append(Mutant(*key, seen[key], line, spec.occurrence))
            seen[key] += 1
    return found


def draw(tree: Path, mutants: Sequence[Mutant], count: int, seed: str) -> list[Mutant]:
    """Returns up to `count` of the mutants that can matter, each as likely as any other."""
    order = random.Random(seed).sample(mutants, len(mutants))  # a text as seed means the same in every process
    found = []
    for mutant in order:
        if len(found) == count:
            break
        if matters((tree / mutant.file).read_text(encoding="utf-8"), mutated(tree, mutant)):
            found.append(mutant)
    return found


def find(tree: Path, files: Sequence[str], wanted: Sequence[Mapping]) -> list[Mutant]:
    """Returns the mutants that rows of a results file, or entries of a list, name.

    Raises:
        Refused: If the source no longer has one of them.
    """
    there = {mutant: mutant for mutant in population(tree, files)} if wanted else {}
    found = []
    for one in wanted:
        mutant = Mutant(one["file"], one["operator"], one["text"], one["occurrence"], 0, 0)
        if mutant not in there:
            raise Refused(
                f"{mutant.file} has no mutant {mutant.operator} number {mutant.occurrence} on a line `{mutant.text}`. "
                "Has the line changed? Then make the results file anew, or correct mutation_equivalents.yaml."
            )
        found.append(there[mutant])
    return found


def mutated(tree: Path, mutant: Mutant) -> str:
    """Returns the source with the change."""
    cosmic = cosmic_ray()
    operator = cosmic.get_operator(f"core/{mutant.operator}")()
    return cosmic.mutate_code((tree / mutant.file).read_text(encoding="utf-8"), operator, mutant.position)


def matters(before: str, after: str) -> bool:
    """Returns whether a change of a source can make a difference to who uses it, as far as its grammar says."""
    try:
        return _program(before) != _program(after)
    except SyntaxError:
        return False


class _Behaviour(ast.NodeTransformer):
    """Takes from a source what has no behaviour."""

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        node.annotation = ast.Constant(None)
        return self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> ast.AST | None:
        named = [target.id for target in node.targets if isinstance(target, ast.Name)]
        return None if named == ["__all__"] else self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        return None if isinstance(node.value, ast.Constant) else self.generic_visit(node)  # docstrings

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        node.decorator_list = [one for one in node.decorator_list if _name(one) not in UNSEEN]
        return self.generic_visit(node)


def _name(decorator: ast.expr) -> str:
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    return called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")


def _program(source: str) -> str:
    compile(source, "<mutant>", "exec")  # `return` outside a function is grammar, and no Python
    return ast.dump(_Behaviour().visit(ast.parse(source)))


def difference(old: str, new: str) -> list[str]:
    """Returns the lines that differ, each with `-` or `+` in front."""
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), lineterm="", n=0)
    return [line for line in list(lines)[2:] if not line.startswith("@@")]


def cosmic_ray() -> SimpleNamespace:
    """Returns what is used of cosmic-ray, which is no part of the kit's install, in one namespace.

    Raises:
        Refused: If it is not installed; the message says how to install it.
    """
    try:
        from cosmic_ray.commands import init
        from cosmic_ray.mutating import mutate_and_test, mutate_code
        from cosmic_ray.plugins import get_operator
        from cosmic_ray.work_db import use_db
        from cosmic_ray.work_item import MutationSpec
    except ModuleNotFoundError as error:
        raise Refused(INSTALL) from error
    return SimpleNamespace(
        init=init,
        mutate_and_test=mutate_and_test,
        mutate_code=mutate_code,
        get_operator=get_operator,
        use_db=use_db,
        MutationSpec=MutationSpec,
    )
