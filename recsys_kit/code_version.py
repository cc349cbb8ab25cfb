"""Which code an artifact is made by: a short hash of a function and of everything that it uses, directly or not.

Counted are definitions, not modules: a function, a class or a constant, what its body, its decorators and its
annotations name, what those name, and so on through all modules of the kit (and your own; not through libraries).
Comments, docstrings and formatting change nothing. A class stands together with the functions of its module that
return it, because an argument of that class was made by them. What only shows or stores something is left out.
"""

from __future__ import annotations

import dis
import functools
import hashlib
import inspect
import sys
import sysconfig
import threading
from collections.abc import Callable, Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from recsys_kit.source_names import Definitions, names_in, stripped

__all__ = ["Sources", "code_version"]

_KIT = __name__.partition(".")[0]
# Modules that change no artifact.
_PRESENTATION = ("report", "plots", "workspace", "formats", "code_version", "source_names")
_ALL = "*"  # stands for everything that a module defines

_TABLE = 1000  # entries; a larger collection in a notebook is data, not a table of functions

Key = tuple[str, str]
"""A definition: the name of its module, and its own."""


def code_version(*functions: Callable) -> str:
    """Returns a short hash of the code of functions and of what they use.

    A function that is defined inside another one counts as that other one, which made what it reads. A function of a
    notebook has no file; there its compiled code counts, and what its names stand for at the moment.

    Args:
        *functions: Functions, methods, classes or `functools.partial` of them. Values that a partial holds or that a
            function reads from its surroundings are data and don't count; functions among them do.

    Raises:
        TypeError: If something can't be called.

    Example:
        >>> def double(x):
        ...     return 2 * x
        >>> code_version(double) == code_version(functools.partial(double, 3)), len(code_version(double))
        (True, 12)
    """
    for function in functions:
        if not callable(function):
            raise TypeError(f"`build` must be a function. Received: {function!r}.")
    with _LOCK:
        _IMPORTED.refresh()
        found = _Running(_IMPORTED)
        for function in functions:
            found.add(function)
        return _hash([*sorted(found.compiled), *_IMPORTED.closure(found.keys)])


class Sources:
    """Source files, their definitions, and what each of those uses.

    Args:
        folder: Where packages are looked for, to read them without importing anything; None: where Python finds them.
    """

    def __init__(self, folder: str | Path | None = None):
        self.folder = None if folder is None else Path(folder)
        self._forget()

    def _forget(self) -> None:
        """Forgets all that was read."""
        self._files: dict[str, Path | None] = {}
        self._modules: dict[str, Definitions] = {}
        self._stamps: dict[Path, tuple[int, int]] = {}
        self._parts: dict[Key, tuple[str, frozenset[Key]]] = {}

    def refresh(self) -> None:
        """Reads anew what has changed since it was read."""
        for name, old in list(self._modules.items()):
            if _stamp(old.path) == self._stamps[old.path]:
                continue
            if not old.path.exists() or old.is_package:
                return self._forget()
            del self._modules[name]
            if not self.module(name).has_the_names_of(old):  # then names elsewhere may mean something else
                return self._forget()
            same = {(name, each) for each in old.statements if self._modules[name].text(each) == old.text(each)}
            self._parts = {key: part for key, part in self._parts.items() if key[0] != name or key in same}

    def version(self, *keys: Key) -> str:
        """Returns a short hash of definitions, each given as (module, name), and of what they use."""
        return _hash(self.closure(keys))

    def closure(self, keys: Iterable[Key]) -> list[str]:
        """Returns a line for each definition among those given and those that they use: module, name and hash."""
        todo, done = set(keys), {}
        while todo:
            key = todo.pop()
            digest, uses = self._part(key)
            done[key] = digest
            todo |= uses - done.keys()
        return [f"{module}:{name} {digest}" for (module, name), digest in sorted(done.items())]

    def file(self, name: str) -> Path | None:
        """Returns the file of a module that is followed; None for libraries, and for what only shows something."""
        if name not in self._files:
            self._files[name] = self._found(name)
        return self._files[name]

    def _found(self, name: str) -> Path | None:
        top, *rest = name.split(".")
        if _only_shows(name):
            return None
        if self.folder is not None:
            return _in_folder(self.folder, [top, *rest])
        if rest and not _is_package(self.file(top)):
            return None
        loaded = getattr(sys.modules.get(name), "__file__", None)
        if loaded:
            path = Path(loaded)
        elif rest:
            return _in_folder(self.file(top).parent, rest)
        else:
            try:
                spec = find_spec(name)
            except (ImportError, ValueError):  # a module without a spec, such as a notebook's __main__
                return None
            path = Path((spec and spec.origin) or "")
        return path if path.suffix == ".py" and path.exists() and (top == _KIT or not _is_library(path)) else None

    def module(self, name: str) -> Definitions:
        """Returns the definitions of a module that has a `file`."""
        if name not in self._modules:
            path = self.file(name)
            self._stamps[path] = _stamp(path)
            self._modules[name] = Definitions(name, path)
        return self._modules[name]

    def meaning(self, module: str, attributes: tuple[str, ...], seen: frozenset[Key] = frozenset()) -> set[Key]:
        """Returns the definitions that `module.attribute.attribute` stands for; none if they are a library's."""
        if self.file(module) is None:
            return set()
        if not attributes:
            return {(module, _ALL)}  # a module that is handed around: anything of it may be used
        here, (name, *rest) = self.module(module), attributes
        found: set[Key] = {(module, name)} if name in here.statements else set()
        if (module, name) not in seen:
            seen |= {(module, name)}
            targets = here.imports.get(name, ())
            if targets:
                return found.union(*(self.meaning(base, (*more, *rest), seen) for base, more in targets))
        if found:
            return found
        if _is_package(self.file(module)) and self.file(f"{module}.{name}"):
            return self.meaning(f"{module}.{name}", tuple(rest), seen)
        if _only_shows(f"{module}.{name}"):
            return set()
        for base in here.stars:
            if found := self.meaning(base, attributes, seen) - {(base, _ALL)}:
                return found
        for base in here.lazy(name):  # names that a package hands on when they are asked for
            if self.file(base):
                own = base.endswith(f".{name}") and name not in self.module(base).names()
                return self.meaning(base, tuple(rest) if own else attributes, seen)
        return self._by_running(module, name, tuple(rest), seen) or {(module, _ALL)}

    def _by_running(self, module: str, name: str, rest: tuple[str, ...], seen: frozenset[Key]) -> set[Key]:
        """Asks the running module for an attribute that its source does not show."""
        if self.folder is not None or module not in sys.modules:
            return set()
        value = inspect.unwrap(getattr(sys.modules[module], name, None))
        if isinstance(value, ModuleType):
            return self.meaning(value.__name__, rest, seen) if value.__name__ != module else set()
        home, own = getattr(value, "__module__", None), getattr(value, "__qualname__", "").partition(".")[0]
        return {(home, own)} if own and home and self.file(home) and own in self.module(home).statements else set()

    def _part(self, key: Key) -> tuple[str, frozenset[Key]]:
        """Returns the hash of one definition, and the definitions that it uses."""
        if key not in self._parts:
            module = self.module(key[0])
            nodes = module.everything if key[1] == _ALL else module.statements[key[1]]
            uses: set[Key] = set()
            for root, attributes in names_in(nodes, module):
                if isinstance(root, tuple):  # imported inside a function
                    uses |= self.meaning(root[0], (*root[1], *attributes))
                elif root == "globals" and root not in module.statements:
                    uses.add((module.name, _ALL))
                elif root in module.names():
                    uses |= self.meaning(module.name, (root, *attributes))
                else:
                    uses |= set().union(*(self.meaning(base, (root,)) - {(base, _ALL)} for base in module.stars))
            uses |= {(module.name, maker) for node in nodes for maker in module.makers(node)}
            self._parts[key] = _hash(map(stripped, nodes)), frozenset(uses - {key})
        return self._parts[key]


class _Running:
    """What functions of the running program use: definitions in files, and compiled code that has no file."""

    def __init__(self, sources: Sources):
        self.sources, self.keys, self.compiled = sources, set(), set()
        self._seen: set[int] = set()
        self._alive: list[Any] = []  # keeps ids from being used again

    def add(self, value: Any) -> None:
        """Adds a function, a class, or the class of an instance."""
        if id(value) in self._seen:
            return
        self._seen.add(id(value))
        self._alive.append(value)
        if isinstance(value, functools.partial):
            self.add(value.func)
            for name, inner in (*enumerate(value.args), *value.keywords.items()):
                if _is_code(inner):  # an instance would be data: what it is follows from the function's annotations
                    self._add_held(name, inner)
        elif isinstance(value, MethodType):
            self.add(value.__self__)
            self.add(value.__func__)
        elif isinstance(value, type):
            self._add_class(value)
        elif not isinstance(value, FunctionType) and hasattr(value, "__wrapped__"):  # functools.cache
            self.add(inspect.unwrap(value))
        elif isinstance(value, FunctionType):
            self._add_function(inspect.unwrap(value))
        elif not isinstance(value, ModuleType):
            self._add_class(type(value))

    def _add_held(self, name: str | int, value: Any) -> None:
        """Adds what a function holds under a name; which one of several functions it is counts as well."""
        if _is_code(value):
            inner = value.func if isinstance(value, functools.partial) else value
            self.compiled.add(f"{name}={inner.__module__}.{getattr(inner, '__qualname__', '')}")
        self.add(value)

    def _add_class(self, kind: type) -> None:
        if self._in_file(kind.__module__, kind.__qualname__):
            return
        if kind.__module__ == "__main__":
            for value in (*kind.__bases__, *filter(_is_code, map(inspect.unwrap, _functions(kind)))):
                self.add(value)

    def _add_function(self, function: FunctionType) -> None:
        path, home = Path(function.__code__.co_filename), self.sources.file(function.__module__ or "")
        in_file = home is not None and path.exists() and path.samefile(home)
        cells = dict(zip(function.__code__.co_freevars, map(_content, function.__closure__ or ()), strict=True))
        if in_file and self._in_file(function.__module__, function.__qualname__):
            for name, value in cells.items():
                if not isinstance(value, ModuleType):  # whose attributes are named in the file
                    self._add_held(name, value)
        elif not (path.exists() and _is_library(path)) and (function.__module__ or "").partition(".")[0] != "builtins":
            self._add_compiled(function, cells)

    def _in_file(self, module: str, qualname: str) -> bool:
        """Adds the outermost definition around something that is defined in a file; False if there is no file."""
        if self.sources.file(module) is None:
            return False
        name = qualname.partition(".")[0]
        here = self.sources.module(module)
        if name != "<lambda>" and name not in here.statements:  # defined in a doctest, for one
            return False
        self.keys.add((module, name if name in here.statements else _ALL))
        return True

    def _add_compiled(self, function: FunctionType, cells: dict[str, Any]) -> None:
        code = function.__code__
        self.compiled.add(repr(_frozen(code, function.__doc__)))
        for value in filter(_is_code, function.__defaults__ or ()):
            self.add(value)
        for name, attributes in _chains(code):
            value = cells.get(name, function.__globals__.get(name))
            if isinstance(value, ModuleType):
                self.keys |= self.sources.meaning(value.__name__, attributes)
            elif isinstance(value, dict | list | tuple | set):
                if len(value) > _TABLE:
                    continue
                for inner in filter(_is_code, value.values() if isinstance(value, dict) else value):
                    self.add(inner)
            elif value is not None:
                self._add_held(name, value)
        for module, attributes in _imports(code):
            self.keys |= self.sources.meaning(module, attributes)


def _chains(code: CodeType) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Returns the names that compiled code reads from outside, each with the attributes that it asks of them."""
    chain: list[str] = []
    for step in [*dis.get_instructions(code), None]:
        if step is not None and step.opname in ("EXTENDED_ARG", "CACHE", "PUSH_NULL"):
            continue
        if chain and step is not None and step.opname in ("LOAD_ATTR", "LOAD_METHOD"):
            chain.append(step.argval)
            continue
        if chain:
            yield chain[0], tuple(chain[1:])
        outside = step is not None and step.opname in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_DEREF", "LOAD_CLASSDEREF")
        chain = [step.argval] if outside else []
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _chains(inner)


def _imports(code: CodeType) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Returns what compiled code imports: modules, and what it takes from them."""
    module, taken = "", False
    for step in dis.get_instructions(code):
        if step.opname == "IMPORT_NAME":
            if module and not taken:
                yield module, ()
            module, taken = step.argval, False
        elif step.opname == "IMPORT_FROM":
            taken = True
            yield module, (step.argval,)
    if module and not taken:
        yield module, ()
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _imports(inner)


def _frozen(value: Any, doc: str | None = None) -> Any:
    """Turns compiled code into what is the same in every process: no line numbers, no order of sets."""
    if isinstance(value, CodeType):
        kept = [_frozen(inner) for inner in value.co_consts if doc is None or inner != doc]
        return value.co_code.hex(), value.co_names, kept
    if isinstance(value, frozenset):
        return "set", sorted(map(repr, value))
    return [_frozen(inner) for inner in value] if isinstance(value, tuple) else repr(value)


def _functions(kind: type) -> list[Any]:
    each = [getattr(value, "__func__", value) for value in vars(kind).values()]
    return [inner for value in each for inner in ((value.fget,) if isinstance(value, property) else (value,))]


def _is_code(value: Any) -> bool:
    return isinstance(value, FunctionType | MethodType | functools.partial | type) or hasattr(value, "__wrapped__")


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not filled yet
        return None


def _only_shows(module: str) -> bool:
    top, *rest = module.split(".")
    return top == _KIT and bool(rest) and rest[0] in _PRESENTATION


def _in_folder(folder: Path, names: list[str]) -> Path | None:
    """Returns the file of a module below a folder."""
    place = folder.joinpath(*names)
    return next((p for p in (place.with_name(f"{place.name}.py"), place / "__init__.py") if p.exists()), None)


def _is_package(path: Path | None) -> bool:
    return path is not None and path.name == "__init__.py"


@functools.cache
def _is_library(path: Path) -> bool:
    parts = path.resolve()
    standard = {Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib")}
    return bool({"site-packages", "dist-packages"} & set(parts.parts) or standard & set(parts.parents))


def _stamp(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size


def _hash(lines: Iterable[str]) -> str:
    return hashlib.sha256("\0".join(lines).encode()).hexdigest()[:12]


_IMPORTED, _LOCK = Sources(), threading.RLock()
