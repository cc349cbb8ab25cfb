"""The notebooks as files: finding them, reading their parameters and results, keeping them tidy and linked."""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat

from recsys_kit.report import HEADLINE_MIME
from recsys_kit.workspace import atomic

__all__ = [
    "Parameter",
    "clean",
    "close_matches",
    "find",
    "headline",
    "link",
    "parameters",
    "read",
    "tidy",
    "title",
    "write",
]

NAV = re.compile(r"(<!-- nav -->).*?(<!-- /nav -->)", re.DOTALL)
TAKES = re.compile(r"(<!-- takes -->).*?(<!-- /takes -->)", re.DOTALL)
CONTENTS = "README.md#notebooks"
_CELL_METADATA = {"tags", "slideshow", "jupyter", "editable"}
_WIDGET_MIME = "application/vnd.jupyter.widget-view+json"
# A bar whose work was interrupted, "epoch 2:   0%|     | 0/3 [00:00<?, ?it/s]": nothing wiped it away.
_UNFINISHED = re.compile(r"^[^|\n]*\d+%\|[^|\n]*\| \S+ \[[^\]\n]*\]")
# What TensorFlow's C++ side writes on loading, whatever the log level: that there is no GPU, what the CPU could do.
_START_UP = re.compile(
    r"^(WARNING: All log messages before absl::InitializeLog|[IWE]\d{4} .*(cuda|cpu_feature|oneDNN)"
    r"|To enable the following instructions).*\n?",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Parameter:
    """One line of a notebook's parameters cell, such as `EPOCHS: int = 3  # passes over the baskets`."""

    name: str
    type: str
    default: Any
    comment: str


def find(folder: str | Path, only: Iterable[str] = ()) -> list[Path]:
    """Returns the notebooks of a folder in course order.

    Args:
        folder: Where the notebooks lie; every file called `NN_name.ipynb` is one.
        only: Numbers, names or both (`04`, `transformer`, `04_transformer`); empty for all.

    Raises:
        ValueError: If a wanted notebook does not exist; the message names close matches.
    """
    paths = sorted(Path(folder).glob("[0-9][0-9]_*.ipynb"))
    if not paths:
        raise ValueError(
            f"`folder` must hold notebooks called NN_name.ipynb. Received: {Path(folder).resolve()}. "
            "To get the course's: recsys-kit start FOLDER, then cd FOLDER"
        )
    names: dict[str, Path] = {}
    for path in paths:
        number, _, name = path.stem.partition("_")
        names |= {number: path, name: path, path.stem: path, path.name: path}
    wanted = set()
    for key in only:
        key = key.zfill(2) if key.isdigit() else key
        if key not in names:
            raise ValueError(f"no notebook is called {key!r}{close_matches(key, names)}")
        wanted.add(names[key])
    return [path for path in paths if not wanted or path in wanted]


def close_matches(word: str, names: Iterable[str]) -> str:
    """Returns the end of an error message: the names that were probably meant, or all of them.

    Example:
        >>> close_matches("EPOCH", ["EPOCHS", "SEED"])
        '; did you mean EPOCHS?'
    """
    names = list(names)
    upper = {name.upper(): name for name in names}
    close = [upper[name] for name in difflib.get_close_matches(word.upper(), upper, n=3)]
    if close:
        return f"; did you mean {' or '.join(close)}?"
    return f"; there is: {', '.join(names)}" if names else "; there are none"


def read(path: str | Path) -> nbformat.NotebookNode:
    """Reads a notebook."""
    return nbformat.read(path, as_version=4)


def write(notebook: nbformat.NotebookNode, path: str | Path) -> bool:
    """Writes a notebook in one step, so that an interruption leaves the old file whole.

    Returns:
        Whether the file changed.
    """
    path = Path(path)
    text = nbformat.writes(notebook) + "\n"
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    with atomic(path) as part:
        part.write_text(text, encoding="utf-8")
    return True


def parameters(notebook: nbformat.NotebookNode) -> dict[str, Parameter]:
    """Reads the parameters of a notebook from the cell that is tagged `parameters`.

    Returns:
        The parameters by name; a value that is not a literal has the default `...`.
    """
    found = {}
    for cell in notebook.cells:
        if cell.cell_type != "code" or "parameters" not in cell.metadata.get("tags", []):
            continue
        lines = cell.source.splitlines()
        for node in ast.parse(cell.source).body:
            if isinstance(node, ast.AnnAssign):
                target, kind = node.target, ast.unparse(node.annotation)
            elif isinstance(node, ast.Assign) and len(node.targets) == 1:
                target, kind = node.targets[0], ""
            else:
                continue
            try:
                default = ast.literal_eval(node.value)
            except (ValueError, TypeError):
                default = ...
            rest = lines[node.end_lineno - 1].encode()[node.end_col_offset :].decode()
            comment = rest.partition("#")[2].strip()
            found[ast.unparse(target)] = Parameter(ast.unparse(target), kind, default, comment)
    return found


def headline(notebook: nbformat.NotebookNode) -> dict[str, Any] | None:
    """Returns the headline metric that the notebook displayed last, or None."""
    found = None
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            found = output.get("data", {}).get(HEADLINE_MIME, found)
    return dict(found) if found else None


def title(notebook: nbformat.NotebookNode) -> tuple[str, str]:
    """Returns a notebook's title and the plain sentence under it.

    Returns:
        Both as text; empty where the first cell has none.
    """
    text = notebook.cells[0].source if notebook.cells else ""
    text = re.sub(r"<!--.*?-->", "", NAV.sub("", text), flags=re.DOTALL)
    head, _, rest = text.strip().partition("\n")
    paragraphs = [part.strip() for part in rest.split("\n\n") if part.strip()]
    return head.lstrip("# ").strip(), " ".join(paragraphs[0].split()) if paragraphs else ""


def tidy(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Removes in place what changes from run to run or machine to machine; keeps sources, outputs and tags."""
    kit = notebook.metadata.get("recsys_kit")
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
            "language_info": {"file_extension": ".py", "mimetype": "text/x-python", "name": "python"},
        }
        | ({"recsys_kit": kit} if kit else {})
    )
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    used: set[str] = set()
    for number, cell in enumerate(notebook.cells):
        cell.metadata = nbformat.from_dict({k: v for k, v in cell.metadata.items() if k in _CELL_METADATA and v})
        if not cell.get("id") or cell.id in used:
            cell.id = f"cell-{number:03d}"
        used.add(cell.id)
        if cell.cell_type == "code":
            cell.outputs = _tidy_outputs(cell.outputs)
    return notebook


def clean(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Removes in place what `tidy` removes, and the outputs: the notebook is as before it has run."""
    for cell in tidy(notebook).cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return notebook


def _tidy_outputs(outputs: Sequence[nbformat.NotebookNode]) -> list[nbformat.NotebookNode]:
    kept: list[nbformat.NotebookNode] = []
    for output in outputs:
        if output.output_type == "stream" and kept and kept[-1].get("name") == output.name:
            kept[-1].text += output.text
        else:
            kept.append(output)
    for output in kept:
        if output.output_type == "stream":
            output.text = _last_state(output.text)
            if output.name == "stderr":
                output.text = _START_UP.sub("", output.text).lstrip("\n")
        elif "data" in output:
            output.data.pop(_WIDGET_MIME, None)
            # A figure has twice the pixels of the place it is shown in: without its width it would be twice as large.
            shown = {kind: sized for kind, sized in output.metadata.items() if kind == "image/png" and sized}
            output.metadata = nbformat.from_dict(shown)
    return [o for o in kept if (o.text if o.output_type == "stream" else o.get("data", True))]


def _last_state(text: str) -> str:
    # A progress bar rewrites its line: "\r 10%\r 20%\r    \r" -> "".
    lines = []
    for line in text.split("\n"):
        if "\r" in line or "\b" in line:
            states = [state for state in line.replace("\b", "").split("\r") if state]
            line = _UNFINISHED.sub("", states[-1]).rstrip() if states else ""
            if not line:
                continue
        lines.append(line.replace("\x1b[A", ""))
    return "\n".join(lines)


def link(paths: Sequence[Path], path: Path) -> str:
    """Returns the line of links (previous, contents, next) of one notebook.

    Args:
        paths: All notebooks in course order.
        path: The notebook to link, or its solutions (same name, in the folder `solutions`).
    """
    contents = f"[contents]({'../../' if path.parent.name == 'solutions' else '../'}{CONTENTS})"
    if path.parent.name == "solutions":
        return f"[← back to the notebook](../{path.name}) · {contents}"
    at = list(paths).index(path)
    before = [f"[← {title(read(paths[at - 1]))[0]}]({paths[at - 1].name})"] if at else []
    after = [f"[{title(read(paths[at + 1]))[0]} →]({paths[at + 1].name})"] if at + 1 < len(paths) else []
    return " · ".join([*before, contents, *after])
