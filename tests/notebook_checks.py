"""What every notebook of the course must be: one function a promise, each returning the problems that it finds."""

from __future__ import annotations

import ast
import base64
import io
import itertools
import math
import re
from pathlib import Path

import numpy as np
from PIL import Image

from recsys_kit.course import limits, notebooks

STANDARD = {"DATA": ("str", ""), "USERS": ("int", 0), "WORKSPACE": ("str", "../workspace"), "SEED": ("int", 0)}
LAST_SECTIONS = ["What we saw", "Exercises", "Read more"]
MAX_BYTES = 500_000
MEDIAN_LINES, MOST_LINES, SETUP_LINES = 8, 15, 12


def markdown(notebook) -> list[str]:
    """The text cells, without fenced code."""
    cells = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    return [re.sub(r"(?ms)^```.*?^```", "", source) for source in cells]


def code(notebook) -> list:
    return [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]


def sections_are_in_order(path: Path) -> list[str]:
    notebook = notebooks.read(path)
    texts = [*markdown(notebook), "", ""]
    problems = []
    title, sentence = notebooks.title(notebook)
    if not re.fullmatch(rf"{path.stem[:2]} · \S.*", title) or not texts[0].startswith("# "):
        problems.append(f"the first cell must begin with '# {path.stem[:2]} · Title'")
    if not sentence:
        problems.append("under the title there must be one plain sentence")
    if not notebooks.NAV.search(texts[0]):
        problems.append("the first cell must have the markers <!-- nav --> and <!-- /nav -->")
    for word in ("You will", "You need", "Takes", "Backed by"):
        if f"**{word}" not in texts[1]:
            problems.append(f"the second text cell must have **{word}**")
    headings = re.findall(r"^## +(.+?)\s*$", "\n".join(texts), re.MULTILINE)
    if headings[:1] != ["Setup"]:
        problems.append("the first section must be '## Setup'")
    if headings[-3:] != LAST_SECTIONS:
        problems.append(f"the last sections must be {LAST_SECTIONS}, and are {headings[-3:]}")
    if len(headings) < 5:
        problems.append("between Setup and What we saw there must be a section")
    exercises = "\n".join(texts).partition("## Exercises")[2].partition("## Read more")[0]
    found = set(re.findall("★+", exercises))
    problems += [f"the exercises must have one with {stars}" for stars in ("★", "★★", "★★★") if stars not in found]
    return problems


def parameters_state_their_range(path: Path) -> list[str]:
    problems = []
    for name, parameter in notebooks.parameters(notebooks.read(path)).items():
        if parameter.type in ("int", "float", "list") and not limits.stated(parameter.comment):
            problems.append(f"{name}: the comment must end in a range, such as (1 or more)")
        elif parameter.default is not ... and limits.broken(parameter.default, parameter.comment):
            problems.append(f"{name}: the default is out of its own range")
    return problems


def parameters_are_typed_commented_literals(path: Path) -> list[str]:
    notebook = notebooks.read(path)
    cells = [cell for cell in code(notebook) if "parameters" in cell.metadata.get("tags", [])]
    if len(cells) != 1:
        return [f"one cell must be tagged `parameters`, and {len(cells)} are"]
    problems = []
    if any(not isinstance(node, ast.AnnAssign) for node in ast.parse(cells[0].source).body):
        problems.append("the parameters cell must hold lines like `SEED: int = 0  # comment` and nothing else")
    known = notebooks.parameters(notebook)
    for name, parameter in known.items():
        if not name.isupper():
            problems.append(f"{name}: a parameter must be upper case")
        if parameter.default is ...:
            problems.append(f"{name}: a parameter must be a literal")
        elif parameter.type.partition("[")[0] != type(parameter.default).__name__:
            problems.append(f"{name}: the type must be that of the default, {type(parameter.default).__name__}")
        if not parameter.comment:
            problems.append(f"{name}: a parameter must have a comment on its line")
    for name, (kind, default) in STANDARD.items():
        at_home = name == "WORKSPACE" and path.parent.name == "solutions"
        default = "../../workspace" if at_home else default
        if name not in known:
            problems.append(f"the standard parameter {name} is missing")
        elif (known[name].type, known[name].default) != (kind, default):
            problems.append(f"{name} must be `{name}: {kind} = {default!r}`")
    return problems


def cells_are_short_and_introduced(path: Path) -> list[str]:
    notebook = notebooks.read(path)
    sizes = sorted(len(cell.source.strip().splitlines()) for cell in code(notebook))
    problems = []
    if np.median(sizes) > MEDIAN_LINES:
        problems.append(f"half of the code cells may have {MEDIAN_LINES} lines; the median is {np.median(sizes):g}")
    if (nine_in_ten := sizes[math.ceil(0.9 * len(sizes)) - 1]) > MOST_LINES:
        problems.append(f"nine code cells in ten may have {MOST_LINES} lines, and one of them has {nine_in_ten}")
    if (setup := len(code(notebook)[0].source.strip().splitlines())) > SETUP_LINES:
        problems.append(f"the setup may have {SETUP_LINES} lines, and has {setup}")
    for before, cell in itertools.pairwise(notebook.cells):
        if before.cell_type == cell.cell_type == "code":
            problems.append(f"no sentence stands before the code cell that begins {cell.source.splitlines()[0]!r}")
    return problems


def outputs_are_committed(path: Path) -> list[str]:
    cells = code(notebooks.read(path))
    problems = [
        f"the code cell that begins with {cell.source.splitlines()[0]!r} has not been executed"
        for cell in cells
        if not cell.execution_count
    ]
    with_outputs = sum(bool(cell.outputs) for cell in cells)
    if with_outputs < len(cells) / 3:
        problems.append(f"only {with_outputs} of {len(cells)} code cells have outputs: were they stripped?")
    return problems


def cells_to_compare_have_outputs(path: Path) -> list[str]:
    tagged = [cell for cell in code(notebooks.read(path)) if "nbval-check-output" in cell.metadata.get("tags", [])]
    if not tagged:
        return ["no cell is tagged `nbval-check-output`: nbval would compare nothing"]
    return [f"nothing to compare in {cell.source.splitlines()[0]!r}" for cell in tagged if not cell.outputs]


def no_errors(path: Path) -> list[str]:
    outputs = [output for cell in code(notebooks.read(path)) for output in cell.outputs]
    return [f"an output is the error {o.ename}: {o.evalue}" for o in outputs if o.output_type == "error"]


def nothing_on_stderr(path: Path) -> list[str]:
    outputs = [output for cell in code(notebooks.read(path)) for output in cell.outputs]
    return [f"an output went to stderr: {o.text[:80]!r}" for o in outputs if o.get("name") == "stderr"]


def no_leftovers_of_plotting(path: Path) -> list[str]:
    """What a plotting call returns is nothing to read: its cell ends in a semicolon."""
    leftover = re.compile(r"\W*(Text\(|<matplotlib|<Axes|<BarContainer)")
    found = []
    for cell in code(notebooks.read(path)):
        texts = ["".join(o.data.get("text/plain", "")) for o in cell.outputs if o.output_type == "execute_result"]
        found += [f"an output is {text[:40]!r}: end the cell in ;" for text in texts if leftover.match(text)]
    return found


def small(path: Path) -> list[str]:
    size = path.stat().st_size
    return [f"{size:,} bytes are more than {MAX_BYTES:,}"] if size >= MAX_BYTES else []


def links_resolve(path: Path) -> list[str]:
    problems = []
    for text in markdown(notebooks.read(path)):
        text = re.sub(r"`[^`]*`|\$[^$]*\$", "", text)
        urls = re.findall(r"\]\(<?([^)\s>]+)", text) + re.findall(r"""(?:src|href)=["']([^"']+)""", text)
        for url in urls:
            place, _, anchor = url.partition("#")
            if re.match(r"(https?|mailto):", url):
                continue
            target = path.parent / place if place else path
            if not target.exists():
                problems.append(f"the link {url} leads nowhere")
            elif anchor and target.suffix == ".md" and anchor not in anchors(target):
                problems.append(f"{place} has no heading #{anchor}")
    return problems


def anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ +(.+?)\s*$", path.read_text(encoding="utf-8"), re.MULTILINE)
    named = re.findall(r'<a (?:id|name)="([^"]+)"', path.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings} | set(named)


def pictures_are_local_and_described(path: Path) -> list[str]:
    problems = []
    for text in markdown(notebooks.read(path)):
        for described, url in re.findall(r"!\[(.*?)\]\(([^)\s]+)", text, re.DOTALL):
            if not described.strip():
                problems.append(f"the picture {url} has no description")
            if re.match(r"https?:", url):
                problems.append(f"the picture {url} is not local")
    return problems


def code_is_plain(path: Path) -> list[str]:
    source = "\n".join(cell.source for cell in code(notebooks.read(path)))
    wrong = {
        r"^\s*[!%]": "a shell command or a magic",
        r"import \*": "a star import",
        r"filterwarnings": "silenced warnings",
        r"urlopen|urlretrieve|requests\.get": "a download",
    }
    return [f"the code has {what}" for pattern, what in wrong.items() if re.search(pattern, source, re.MULTILINE)]


def headline_is_there(path: Path) -> list[str]:
    return [] if notebooks.headline(notebooks.read(path)) else ["no cell shows a headline: call report.headline once"]


def cost_is_recorded(path: Path) -> list[str]:
    cost = notebooks.read(path).metadata.get("recsys_kit", {})
    return (
        [] if {"seconds", "peak_mb"} <= set(cost) else ["not executed by `recsys-kit notebooks`: no cost is recorded"]
    )


def is_no_orphan(path: Path) -> list[str]:
    root, name = path.parents[1], path.stem[3:]
    wanted = [
        [root / "recsys_kit" / f"{name}.py", root / "recsys_kit" / name / "__init__.py"],
        [root / "tests" / f"test_{name}.py", root / "tests" / name],
        [path.parent / "solutions" / path.name],
    ]
    problems = [f"{files[0].relative_to(root)} is missing" for files in wanted if not any(f.exists() for f in files)]
    for readme in ("README.md", "README.zh-CN.md"):
        if f"](notebooks/{path.name})" not in (root / readme).read_text(encoding="utf-8"):
            problems.append(f"{readme} does not list it")
    return problems


def figures_are_sharp(path: Path) -> list[str]:
    problems = []
    for number, cell in enumerate(notebooks.read(path).cells):
        for output in cell.get("outputs", []):
            if content := output.get("data", {}).get("image/png"):
                pixels = Image.open(io.BytesIO(base64.b64decode(content))).width
                if pixels // 2 != output.metadata.get("image/png", {}).get("width", 0):
                    problems.append(f"the figure of cell {number} is not sharp: execute it with `recsys-kit notebooks`")
    return problems


def loads_from_elsewhere(page: str) -> list[str]:
    loading = (
        r"""(?:<(?:script|img|iframe|source)[^>]*\ssrc=|<link[^>]*\shref=|url\(|@import|import\s)\s*["'(]*https?:"""
    )
    return re.findall(loading, page)


BOTH = [
    parameters_state_their_range,
    parameters_are_typed_commented_literals,
    outputs_are_committed,
    no_errors,
    nothing_on_stderr,
    no_leftovers_of_plotting,
    small,
    links_resolve,
    pictures_are_local_and_described,
    code_is_plain,
]
NOTEBOOK = [
    *BOTH,
    sections_are_in_order,
    cells_to_compare_have_outputs,
    headline_is_there,
    cost_is_recorded,
    is_no_orphan,
]
