"""How large is the project, and where? Counts lines of code in one checkout, or before and after in two.

    python benchmarks/count_lines.py .
    python benchmarks/count_lines.py OLD NEW --limit 400

A line of code is what is left without docstrings, comments and blank lines; of a notebook, its code cells. A line that
one file loses and another file gets is moved, not gone: lines are compared without their indentation over the whole
tree. Short ones such as `)` find a partner easily, so "moved" is an upper limit, "gone" and "added" are lower ones.
"""

from __future__ import annotations

import argparse
import ast
import io
import json
import re
import tokenize
from collections import Counter, defaultdict
from pathlib import Path

import pandas as pd

_NOT_CODE = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
    tokenize.ENCODING,
}


def code_lines(source: str) -> list[str]:
    """Returns the lines of code of a Python source, without their indentation.

    Example:
        >>> code_lines("# why")
        []
    """
    lines = source.splitlines()
    kept: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in _NOT_CODE:
            kept.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            kept -= set(range(node.lineno, node.end_lineno + 1))
    return [lines[number - 1].strip() for number in sorted(kept) if lines[number - 1].strip()]


def read(path: Path) -> list[str]:
    """Returns the lines of code of a file; of a notebook those of its code cells, magic commands left out."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".ipynb":
        return code_lines(text)
    cells = ["".join(cell["source"]) for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    return [
        line for cell in cells for line in code_lines(re.sub(r"(?m)^(\s*)[%!].*$", r"\1pass", cell)) if line != "pass"
    ]


def files(root: Path) -> dict[str, Path]:
    """Returns the Python files and notebooks of a checkout by their path in it."""
    found = [
        path
        for top in ("recsys_kit", "tests", "benchmarks", "notebooks")
        for path in sorted((root / top).rglob("*"))
        if path.suffix in (".py", ".ipynb") and not any(part.startswith(".") for part in path.relative_to(root).parts)
    ]
    return {path.relative_to(root).as_posix(): path for path in found}


def room(name: str) -> str:
    """Returns the part of the project that a file belongs to: a room of the package, or a folder beside it."""
    top, *rest = name.split("/")
    return f"{top}/{Path(rest[0]).stem}" if top == "recsys_kit" else top


def count(root: Path) -> dict[str, list[str]]:
    """Returns the lines of code of each file of a checkout."""
    return {name: read(path) for name, path in files(root).items()}


def sizes(lines: dict[str, list[str]]) -> pd.Series:
    """Returns the number of lines of each room, with the sum of the package and of everything."""
    rooms = pd.Series({name: len(own) for name, own in lines.items()}, dtype=int).groupby(room).sum().sort_index()
    package = rooms[rooms.index.str.startswith("recsys_kit/")].sum()
    return pd.concat([rooms, pd.Series({"recsys_kit": package, "all": rooms.sum()})])


def changes(old: dict[str, list[str]], new: dict[str, list[str]]) -> pd.DataFrame:
    """Returns by room: old, gone, moved out, moved in, added, new, difference.

    Always old - gone - moved out + moved in + added = new.
    """
    empty: Counter[str] = Counter()
    before, after = ({name: Counter(own) for name, own in lines.items()} for lines in (old, new))
    names = sorted(before | after)
    lost = {name: before.get(name, empty) - after.get(name, empty) for name in names}
    got = {name: after.get(name, empty) - before.get(name, empty) for name in names}
    moved = sum(lost.values(), empty) & sum(got.values(), empty)
    columns: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for part, rest, there in ((lost, "gone", "moved out"), (got, "added", "moved in")):
        left = moved.copy()
        for name in names:
            partners = part[name] & left
            left -= partners
            columns[there][room(name)] += partners.total()
            columns[rest][room(name)] += part[name].total() - partners.total()
    table = pd.DataFrame({"old": sizes(old), "new": sizes(new)})
    for name in ("gone", "moved out", "moved in", "added"):
        own = pd.Series(columns[name], dtype=int)
        own["recsys_kit"] = own[own.index.str.startswith("recsys_kit/")].sum()
        own["all"] = own.drop("recsys_kit").sum()
        table[name] = own
    table = table.fillna(0).astype(int)
    table["difference"] = table["new"] - table["old"]
    table = table[["old", "gone", "moved out", "moved in", "added", "new", "difference"]]
    return table.loc[[*sorted(set(table.index) - {"recsys_kit", "all"}), "recsys_kit", "all"]]


def largest(root: Path) -> pd.DataFrame:
    """Returns the longest function and the longest class of the package, docstrings and comments included."""
    found = []
    for name, path in files(root).items():
        if name.startswith("recsys_kit/"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.FunctionDef | ast.ClassDef):
                    kind = "class" if isinstance(node, ast.ClassDef) else "function"
                    found.append((kind, node.end_lineno - node.lineno + 1, node.name, name))
    table = pd.DataFrame(found, columns=["what", "lines", "name", "file"])
    return table.sort_values("lines", ascending=False, kind="stable").drop_duplicates("what")


def long_files(root: Path, limit: int) -> list[str]:
    """Returns the Python files with more than `limit` lines, comments and blank ones included."""
    counted = {
        name: len(path.read_text(encoding="utf-8").splitlines())
        for name, path in files(root).items()
        if path.suffix == ".py"
    }
    return [f"{name} ({size})" for name, size in counted.items() if size > limit]


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkout", nargs="+", type=Path, help="one checkout, or OLD NEW")
    parser.add_argument("--limit", type=int, default=400, help="lines that a file should not exceed")
    wanted = parser.parse_args()
    if len(wanted.checkout) > 2:
        parser.error(f"one or two checkouts. Received: {len(wanted.checkout)}.")
    counted = [count(root) for root in wanted.checkout]
    print(changes(*counted).to_string() if len(counted) == 2 else sizes(counted[0]).to_string())
    for root in wanted.checkout:
        print(f"\n{root}\n{largest(root).to_string(index=False)}")
        print(f"files above {wanted.limit} lines: {', '.join(long_files(root, wanted.limit)) or 'none'}")


if __name__ == "__main__":
    main()
