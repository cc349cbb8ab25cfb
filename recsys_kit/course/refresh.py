"""Keeping the committed notebooks up to date: outputs, links, cost, and the tables in the READMEs."""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from recsys_kit.course import figures, notebooks, report_page, results, runner

__all__ = ["execute_in_place", "refresh", "table"]

TABLE = re.compile(r"<!-- notebooks -->.*?<!-- /notebooks -->", re.DOTALL)
_WORDS = {"README.zh-CN.md": ("，对比", {"above": "（更大）", "below": "（更小）", "level with": "（持平）"})}  # noqa: RUF001


def refresh(
    folder: Path,
    only: Iterable[str] = (),
    execute_them: bool = True,
    check: bool = False,
    fresh: bool = False,
    say: Callable[[str], None] = print,
) -> list[str]:
    """Re-executes committed notebooks in place and brings their links, metadata and README rows up to date.

    Args:
        folder: The folder of the notebooks; solutions lie in its subfolder `solutions`.
        only: Notebooks to execute; empty for all. Links and README tables are always made for all.
        execute_them: False leaves the outputs as they are.
        check: Change nothing; only find out what is not up to date. Implies not executing.
        fresh: Delete the workspace beside the notebooks first, so that nothing is loaded that a first-time reader
            would have to build.
        say: Called with each line of progress.

    Returns:
        One line per problem: a notebook that failed (its file is left as it was), or what `check` found.
    """
    paths = notebooks.find(folder)
    wanted = notebooks.find(folder, only)
    solutions = [path.parent / "solutions" / path.name for path in paths]
    problems = []
    if execute_them and not check:
        if fresh:
            shutil.rmtree(folder.resolve().parent / "workspace", ignore_errors=True)
        for path in [*wanted, *(s for s, p in zip(solutions, paths, strict=True) if p in wanted and s.exists())]:
            result = execute_in_place(path)
            say(f"{result.status:12} {path.relative_to(folder)}  {result.seconds:.0f} s, {result.peak_mb:,.0f} MB")
            if result.status == "interrupted":
                raise KeyboardInterrupt
            if result.status != "ok":
                say(result.traceback)
                problems.append(f"{path.relative_to(folder)}: {result.error}")
    paths = notebooks.find(folder)  # again: executing takes minutes, and files may have come or gone
    solutions = [path.parent / "solutions" / path.name for path in paths]
    for path in [*paths, *(solution for solution in solutions if solution.exists())]:
        notebook, line = notebooks.read(path), notebooks.link(paths, path)
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                cell.source = _fill(notebooks.NAV, f"\n{line}\n", cell.source)
                if cost := notebook.metadata.get("recsys_kit"):
                    cell.source = _fill(notebooks.TAKES, f" {_takes(cost)}", cell.source)
        notebooks.tidy(notebook)
        if check:
            if path.read_text(encoding="utf-8") != notebooks.nbformat.writes(notebook) + "\n":
                problems.append(f"{path.relative_to(folder)}: links or metadata are not up to date")
        elif notebooks.write(notebook, path):
            say(f"{'written':12} {path.relative_to(folder)}")
    for readme in sorted(folder.resolve().parent.glob("README*.md")):
        text = readme.read_text(encoding="utf-8")
        new = TABLE.sub(lambda match, name=readme.name: table(paths, match[0], name), text)
        if new == text:
            continue
        if check:
            problems.append(f"{readme.name}: the table of notebooks is not up to date")
        else:
            readme.write_text(new, encoding="utf-8")
            say(f"{'written':12} {readme.name}")
    return problems


def table(paths: Sequence[Path], old: str, readme: str = "README.md") -> str:
    """Makes a README's table of notebooks from what the executed notebooks hold.

    Args:
        paths: The notebooks in course order.
        old: The present table, markers included. Its heading stays; in a README that is not English so does the
            description of each notebook, which is the translator's.
        readme: Name of the README.

    Returns:
        The new table, markers included.
    """
    lines = [line for line in old.splitlines() if line.startswith("|")]
    head = lines[:2] or ["| Notebook | What you do | Minutes | Memory | Result |", "|---|---|---:|---:|---|"]
    described = dict(re.findall(r"^\| \[.*?\]\(notebooks/(.*?)\.ipynb\) \| (.*?) \|", old, re.MULTILINE))
    rows = []
    for path in paths:
        notebook = notebooks.read(path)
        name, what = notebooks.title(notebook)
        if readme != "README.md":
            what = described.get(path.stem, what)
        cost, found = notebook.metadata.get("recsys_kit"), notebooks.headline(notebook)
        minutes, memory = ("", "")
        if cost:
            minutes = f"{max(0.1, cost['seconds'] / 60):.1f}" if cost["seconds"] < 95 else f"{cost['seconds'] / 60:.0f}"
            memory = f"{cost['peak_mb'] / 1000:.1f} GB"
        result = report_page.describe_headline(found, *_WORDS.get(readme, ())) if found else ""
        cells = [f"[{name}](notebooks/{path.name})", what, minutes, memory, result]
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(["<!-- notebooks -->", *head, *rows, "<!-- /notebooks -->"])


def execute_in_place(path: Path) -> results.Result:
    """Re-executes one notebook at its default parameters; a notebook that fails keeps its old file."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / path.name
        result = runner.execute(path, output, progress=sys.stdout.isatty())
        if result.status == "ok":
            notebook = notebooks.read(output)
            cost = {"seconds": round(result.seconds), "peak_mb": round(result.peak_mb, -1)}
            notebook.metadata["recsys_kit"] = cost
            notebooks.write(notebooks.tidy(figures.shrink(notebook)), path)
    return result


def _fill(markers: re.Pattern, text: str, source: str) -> str:
    return markers.sub(lambda match: f"{match[1]}{text}{match[2]}", source)


def _takes(cost: Mapping[str, Any]) -> str:
    seconds = cost["seconds"]
    wall = f"about {max(10, round(seconds, -1))} s" if seconds < 95 else f"about {seconds / 60:.0f} min"
    return f"{wall} on 2 CPU cores, {cost['peak_mb'] / 1000:.1f} GB of memory"
