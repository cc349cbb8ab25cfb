"""What a source file defines, and which names a piece of it uses: read from the syntax tree, nothing is imported."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

__all__ = ["Definitions", "names_in", "stripped"]

Target = tuple[str, tuple[str, ...]]
"""What an import binds: a module, and the attribute taken from it, if any."""

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


class Definitions:
    """The top level of one module.

    Attributes:
        name: The module's name.
        path: Its file.
        is_package: Whether the file is a package's.
        statements: For each name that is defined there (function, class, constant), the statements that make it.
        imports: For each name that is imported, what it stands for; several if there is a choice (`try`, `if`).
        stars: Modules of which everything is imported.
        everything: All statements but the imports.

    Args:
        name: The module's name.
        path: Its file.
    """

    def __init__(self, name: str, path: Path):
        self.name, self.path, self.is_package = name, path, path.name == "__init__.py"
        self.statements: dict[str, list[ast.AST]] = {}
        self.imports: dict[str, list[Target]] = {}
        self.stars: list[str] = []
        self.everything: list[ast.AST] = []
        source = path.read_bytes()
        self._lines = source.splitlines()
        self._tree = ast.parse(source)
        self._read(self._tree.body)

    def names(self) -> set[str]:
        """Returns every name that the module defines or imports."""
        return self.statements.keys() | self.imports.keys()

    def text(self, name: str) -> list[bytes]:
        """Returns the lines of what is defined under a name; for a class all, as its makers belong to it."""
        nodes = self.statements[name]
        if any(isinstance(node, ast.ClassDef) for node in nodes):
            return list(self._lines)
        starts = [min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", ()))]) for node in nodes]
        return [b"\n".join(self._lines[at - 1 : node.end_lineno]) for at, node in zip(starts, nodes, strict=True)]

    def has_the_names_of(self, other: Definitions) -> bool:
        """Returns whether two readings of a module define and import the same names from the same places."""
        same = self.imports == other.imports and self.stars == other.stars
        return same and self.statements.keys() == other.statements.keys()

    def _read(self, body: Iterable[ast.stmt]) -> None:
        for statement in body:
            if isinstance(statement, ast.Import | ast.ImportFrom):
                for bound, target in self.bound(statement):
                    self.imports.setdefault(bound, []).append(target)
                continue
            inner = [getattr(statement, field, []) for field in ("body", "orelse", "finalbody", "handlers")]
            if isinstance(statement, ast.If | ast.Try | ast.With):
                for part in inner:
                    for one in part:
                        self._read(one.body if isinstance(one, ast.ExceptHandler) else [one])
                continue
            if _is_text(statement):
                continue
            self.everything.append(statement)
            for owner in self._owners(statement):
                self.statements.setdefault(owner, []).append(statement)

    def _owners(self, statement: ast.stmt) -> set[str]:
        """Returns the names that a statement makes, or changes: `TABLE["a"] = f` and `TABLE.update(...)`."""
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            return {statement.name}
        found = [node for node in ast.walk(statement) if isinstance(node, ast.Name)]
        made = {node.id for node in found if isinstance(node.ctx, ast.Store)}
        return made or {node.id for node in found} & self.statements.keys()

    def bound(self, statement: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, Target]]:
        """Returns the names that an import binds, and what each stands for."""
        if isinstance(statement, ast.Import):
            for alias in statement.names:
                top = alias.name.partition(".")[0]
                yield (alias.asname, (alias.name, ())) if alias.asname else (top, (top, ()))
            return
        base = statement.module or ""
        if statement.level:
            parts = self.name.split(".")
            kept = parts[: len(parts) - statement.level + self.is_package]
            base = ".".join([*kept, base] if base else kept)
        for alias in statement.names:
            if alias.name == "*":
                self.stars.append(base)
            else:
                yield alias.asname or alias.name, (base, (alias.name,))

    def makers(self, node: ast.AST) -> set[str]:
        """Returns the module's functions that return a class, if the node defines one."""
        if not isinstance(node, ast.ClassDef):
            return set()
        return {
            each.name
            for each in self.everything
            if isinstance(each, ast.FunctionDef) and each.returns is not None and node.name in _texts(each.returns)
        }

    def lazy(self, name: str) -> Iterator[str]:
        """Returns modules that may hold a name which the package's `__getattr__` looks up in a table.

        The table is any dictionary written out in the file, of names to modules or of modules to their names; or the
        keywords of a call, such as `door(__name__, module=["name"])`.
        """
        found: list[tuple[object, ast.AST]] = []
        for node in ast.walk(self._tree):
            if isinstance(node, ast.Dict):
                pairs = zip(node.keys, node.values, strict=True)
                found += [(key.value, value) for key, value in pairs if isinstance(key, ast.Constant)]
            elif isinstance(node, ast.keyword):
                found.append((node.arg, node.value))
        for key, value in found:
            texts = _texts(value)
            for module in texts[:1] if key == name else [key] if name in texts else []:
                relative, top = str(module).lstrip("."), self.name.partition(".")[0]
                yield relative if relative.startswith(f"{top}.") else f"{self.name}.{relative}"


def names_in(nodes: Sequence[ast.AST], module: Definitions) -> set[tuple[str | Target, tuple[str, ...]]]:
    """Returns the names from outside that statements use, each with the attributes that are asked of it.

    Args:
        nodes: The statements.
        module: Where they stand.

    Returns:
        Pairs such as `("np", ("random", "default_rng"))`; instead of the name, what it stands for if it was imported
        inside a function.
    """
    reader = _Reader(module)
    for node in nodes:
        reader.visit(node)
    return reader.found


def stripped(node: ast.AST) -> str:
    """Returns a statement as text that comments, docstrings and formatting leave as it is.

    Example:
        >>> one, other = (ast.parse(text).body[0] for text in ("x=[1]  # why", "x = [ 1 ]"))
        >>> stripped(one) == stripped(other)
        True
    """
    fields = (f"{name}={_stripped(value)}" for name, value in ast.iter_fields(node) if value not in (None, []))
    return f"{type(node).__name__}({', '.join(fields)})"


def _stripped(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_stripped(each) for each in value if not _is_text(each))}]"
    return stripped(value) if isinstance(value, ast.AST) else repr(value)


class _Reader(ast.NodeVisitor):
    """Collects the names that are not a function's own. Where in doubt (loops of comprehensions), they count."""

    def __init__(self, module: Definitions):
        self.module = module
        self.found: set[tuple[str | Target, tuple[str, ...]]] = set()
        self.scopes: list[tuple[set[str], dict[str, list[Target]]]] = []

    def _use(self, name: str, attributes: tuple[str, ...]) -> None:
        for own, imports in reversed(self.scopes):
            if name in imports:
                self.found |= {(target, attributes) for target in imports[name]}
                return
            if name in own:
                return
        self.found.add((name, attributes))

    def visit_Name(self, node):
        if isinstance(node.ctx, ast.Load):
            self._use(node.id, ())

    def visit_Attribute(self, node):
        attributes: list[str] = []
        inner: ast.AST = node
        while isinstance(inner, ast.Attribute):
            attributes.insert(0, inner.attr)
            inner = inner.value
        if isinstance(inner, ast.Name):
            self._use(inner.id, tuple(attributes))
        else:
            self.visit(inner)

    def visit_Call(self, node):
        asked = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if asked == "import_module" and node.args and isinstance(node.args[0], ast.Constant):
            self.found.add(((str(node.args[0].value), ()), ()))
        self.generic_visit(node)

    def _function(self, node):
        for part in (*getattr(node, "decorator_list", ()), getattr(node, "returns", None), node.args):
            if part is not None:
                self.visit(part)
        body = node.body if isinstance(node.body, list) else [node.body]
        own = {argument.arg for argument in ast.walk(node.args) if isinstance(argument, ast.arg)}
        imports: dict[str, list[Target]] = {}
        outside: set[str] = set()
        for inner in _own_nodes(body):
            if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
                own.add(inner.id)
            elif isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                own.add(inner.name)
            elif isinstance(inner, ast.Global | ast.Nonlocal):
                outside.update(inner.names)
            elif isinstance(inner, ast.Import | ast.ImportFrom):
                for bound, target in self.module.bound(inner):
                    imports.setdefault(bound, []).append(target)
        self.scopes.append((own - outside, imports))
        for statement in body:
            self.visit(statement)
        self.scopes.pop()

    visit_FunctionDef = visit_AsyncFunctionDef = visit_Lambda = _function


def _own_nodes(body: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """Walks through a function's statements, but not into the functions and comprehensions inside."""
    for node in body:
        yield node
        if not isinstance(node, (*_FUNCTIONS, ast.ClassDef, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
            yield from _own_nodes(ast.iter_child_nodes(node))


def _is_text(node: object) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _texts(node: ast.AST) -> list[str]:
    """Returns the names and texts in an expression."""
    found = (getattr(each, "id", getattr(each, "value", None)) for each in ast.walk(node))
    return [text for text in found if isinstance(text, str)]
