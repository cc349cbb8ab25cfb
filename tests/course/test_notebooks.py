"""The committed notebooks keep the template (test_executions: and run)."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import nbformat
import notebook_checks as checks
import pytest
from PIL import Image
from small_course import HEADLINE, PARAMETERS

from recsys_kit import report
from recsys_kit.course import notebooks, refresh

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "notebooks"
PATHS = sorted(FOLDER.glob("[0-9][0-9]_*.ipynb"))
SOLUTIONS = sorted((FOLDER / "solutions").glob("*.ipynb"))
NOT_YET_SHORT: set[str] = set()
"""Pages whose code cells are too long or lack a sentence before them; whoever shortens one takes it off this list."""


def by_name(path):
    return path.stem


# The committed notebooks


def test_every_file_in_the_folder_is_a_notebook_of_the_course():
    assert PATHS
    assert sorted(FOLDER.glob("*.ipynb")) == PATHS
    assert {path.name for path in SOLUTIONS} <= {path.name for path in PATHS}


@pytest.mark.parametrize("check", checks.NOTEBOOK, ids=lambda check: check.__name__)
@pytest.mark.parametrize("path", PATHS, ids=by_name)
def test_notebook_keeps_the_template(path, check):
    assert check(path) == []


@pytest.mark.parametrize("path", PATHS, ids=by_name)
def test_code_cells_are_short_and_each_has_a_sentence_before_it(path):
    problems = checks.cells_are_short_and_introduced(path)
    assert bool(problems) == (path.stem in NOT_YET_SHORT), problems or "it is short now: take it off the list"


@pytest.mark.parametrize("path", PATHS, ids=by_name)
def test_figures_have_twice_the_pixels_that_they_are_shown_with(path):
    assert checks.figures_are_sharp(path) == []


@pytest.mark.parametrize("check", checks.BOTH, ids=lambda check: check.__name__)
@pytest.mark.parametrize("path", SOLUTIONS, ids=by_name)
def test_solution_keeps_the_template(path, check):
    assert check(path) == []


def test_links_metadata_and_readme_tables_are_up_to_date():
    assert refresh.refresh(FOLDER, check=True) == []


@pytest.mark.parametrize("path", PATHS, ids=by_name)
def test_a_committed_cell_with_promises_says_which_hold(path):
    """Where nbval has the quick profile's values, the committed outputs are what shows that the promises held."""
    promising = [cell for cell in checks.code(notebooks.read(path)) if "report.promise(" in cell.source]
    for cell in promising:
        text = "".join(output.get("text", "") for output in cell.outputs)
        assert re.search(r"^(holds|does not hold on this data): ", text, re.MULTILINE), cell.source


def test_05_and_06_were_executed_with_one_and_the_same_transformer():
    pages = notebooks.find(FOLDER, ["05", "06"])
    headlines = [notebooks.headline(notebooks.read(page)) for page in pages]
    assert headlines[0]["value"] == pytest.approx(headlines[1]["value"], abs=1e-6)


# Each check finds what it is there for


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """A course of one notebook that breaks no rule; returns the notebook's path."""
    out = nbformat.v4.new_output
    text, code = nbformat.v4.new_markdown_cell, nbformat.v4.new_code_cell
    headline = {"metric": "NDCG@10", "value": 0.25, "baseline": "popularity", "baseline_value": 0.1}
    cells = [
        text("# 01 · First\n\nOne plain sentence.\n\n<!-- nav -->\n<!-- /nav -->"),
        text("**You will** look. **You need** nothing. **Takes** a minute. **Backed by** `recsys_kit/first.py`."),
        text("![a picture](images/a.svg) What is it? See [the module](../recsys_kit/first.py).\n\n## Setup"),
        code(PARAMETERS, metadata={"tags": ["parameters"]}, execution_count=1),
        text("## Counting"),
        code("1 + 1", execution_count=2, outputs=[out("execute_result", {"text/plain": "2"}, execution_count=2)]),
        code("print(3)", execution_count=3, outputs=[out("stream", name="stdout", text="3\n")]),
        code(HEADLINE, execution_count=4, outputs=[out("display_data", {report.HEADLINE_MIME: headline})]),
        text("## What we saw\n\n- A thing."),
        text("## Exercises\n\n★ One.\n\n★★ Two.\n\n★★★ Three."),
        text("## Read more\n\n- A book."),
    ]
    cells[5].metadata["tags"] = ["nbval-check-output"]
    path = tmp_path / "notebooks" / "01_first.ipynb"
    for folder in ("notebooks/solutions", "notebooks/images", "notebooks/profiles", "recsys_kit", "tests"):
        (tmp_path / folder).mkdir(parents=True)
    for file in ("notebooks/images/a.svg", "notebooks/solutions/01_first.ipynb", "tests/test_first.py"):
        (tmp_path / file).touch()
    (tmp_path / "recsys_kit" / "first.py").touch()
    for readme in ("README.md", "README.zh-CN.md"):
        (tmp_path / readme).write_text("# Kit\n\n## Notebooks\n\n[01](notebooks/01_first.ipynb)\n", encoding="utf-8")
    cost = {"seconds": 3, "peak_mb": 100}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"recsys_kit": cost}), path)
    return path


def in_cell(number, old, new):
    def change(path, notebook):
        assert old in notebook.cells[number].source
        notebook.cells[number].source = notebook.cells[number].source.replace(old, new)

    return change


def without_cell(number):
    return lambda path, notebook: notebook.cells.pop(number)


def with_output(number, *args, **values):
    return lambda path, notebook: notebook.cells[number].outputs.append(nbformat.v4.new_output(*args, **values))


def stripped(path, notebook):
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None


def without_outputs(path, notebook):
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = []


def untagged(path, notebook):
    for cell in notebook.cells:
        cell.metadata.pop("tags", None)


def without_file(name):
    return lambda path, notebook: (path.parents[1] / name).unlink()


def unlisted(readme):
    return lambda path, notebook: (path.parents[1] / readme).write_text("# Kit\n")


BROKEN = [
    (checks.sections_are_in_order, without_cell(0), "'# 01 · Title'"),
    (checks.sections_are_in_order, in_cell(0, "01 ·", "02 ·"), "'# 01 · Title'"),
    (checks.sections_are_in_order, in_cell(0, "One plain sentence.", ""), "one plain sentence"),
    (checks.sections_are_in_order, in_cell(0, "<!-- nav -->", ""), "markers"),
    (checks.sections_are_in_order, in_cell(1, "**Takes**", "Takes"), "**Takes**"),
    (checks.sections_are_in_order, in_cell(2, "## Setup", ""), "## Setup"),
    (checks.sections_are_in_order, without_cell(4), "must be a section"),
    (checks.sections_are_in_order, without_cell(8), "the last sections"),
    (checks.sections_are_in_order, in_cell(9, "★★★", "Hard:"), "★★★"),
    (checks.sections_are_in_order, in_cell(10, "## Read more", "```\n## Read more\n```"), "the last sections"),
    (checks.parameters_are_typed_commented_literals, untagged, "and 0 are"),
    (checks.parameters_are_typed_commented_literals, in_cell(3, "SEED: int = 0", "SEED = 0"), "nothing else"),
    (checks.parameters_are_typed_commented_literals, in_cell(3, "EPOCHS", "epochs"), "upper case"),
    (checks.parameters_are_typed_commented_literals, in_cell(3, "= 3", "= 1 + 2"), "literal"),
    (checks.parameters_are_typed_commented_literals, in_cell(3, "= 3", "= 3.0"), "the type must be"),
    (
        checks.parameters_are_typed_commented_literals,
        in_cell(3, "  # seed of all random choices (0 or more)", ""),
        "comment",
    ),
    (checks.parameters_are_typed_commented_literals, in_cell(3, "USERS", "USER"), "USERS is missing"),
    (checks.parameters_are_typed_commented_literals, in_cell(3, "../workspace", "/tmp"), "WORKSPACE must be"),
    (checks.parameters_state_their_range, in_cell(3, "(1 or more)", "(a few)"), "EPOCHS: the comment must end"),
    (checks.parameters_state_their_range, in_cell(3, "= 3", "= 0"), "EPOCHS: the default is out of"),
    (checks.outputs_are_committed, stripped, "has not been executed"),
    (checks.outputs_are_committed, without_outputs, "were they stripped"),
    (checks.cells_to_compare_have_outputs, without_outputs, "nothing to compare"),
    (checks.cells_to_compare_have_outputs, untagged, "would compare nothing"),
    (checks.no_errors, with_output(5, "error", ename="ValueError", evalue="no"), "ValueError: no"),
    (checks.nothing_on_stderr, with_output(5, "stream", name="stderr", text="Warning"), "Warning"),
    (
        checks.no_leftovers_of_plotting,
        with_output(5, "execute_result", {"text/plain": "[Text(0.5, 0, 'NDCG')]"}, execution_count=2),
        "end the cell in ;",
    ),
    (checks.small, with_output(5, "stream", name="stdout", text="x" * 500_000), "bytes"),
    (checks.links_resolve, in_cell(2, "first.py)", "frist.py)"), "../recsys_kit/frist.py leads nowhere"),
    (checks.links_resolve, in_cell(2, "images/a.svg", "images/b.svg"), "images/b.svg leads nowhere"),
    (checks.links_resolve, in_cell(2, "../recsys_kit/first.py", "../README.md#nothing"), "no heading #nothing"),
    (checks.links_resolve, in_cell(2, "What is it?", '<img src="images/c.png">'), "images/c.png leads nowhere"),
    (checks.pictures_are_local_and_described, in_cell(2, "a picture", ""), "no description"),
    (checks.pictures_are_local_and_described, in_cell(2, "images/a", "https://example.org/a"), "not local"),
    (checks.code_is_plain, in_cell(6, "print(3)", "!pip install x"), "shell command"),
    (checks.code_is_plain, in_cell(6, "print(3)", "from os import *"), "star import"),
    (checks.code_is_plain, in_cell(6, "print(3)", "import warnings\nwarnings.filterwarnings('ignore')"), "silenced"),
    (checks.headline_is_there, without_outputs, "no cell shows a headline"),
    (checks.cost_is_recorded, lambda path, notebook: notebook.metadata.pop("recsys_kit"), "no cost"),
    (checks.is_no_orphan, without_file("recsys_kit/first.py"), "recsys_kit/first.py is missing"),
    (checks.is_no_orphan, without_file("tests/test_first.py"), "tests/test_first.py is missing"),
    (checks.is_no_orphan, without_file("notebooks/solutions/01_first.ipynb"), "solutions/01_first.ipynb is missing"),
    (checks.is_no_orphan, unlisted("README.md"), "README.md does not list it"),
    (checks.is_no_orphan, unlisted("README.zh-CN.md"), "README.zh-CN.md does not list it"),
]


@pytest.mark.parametrize("check", checks.NOTEBOOK, ids=lambda check: check.__name__)
def test_a_good_notebook_passes_every_check(course, check):
    assert check(course) == []


@pytest.mark.parametrize(("check", "change", "problem"), BROKEN, ids=[f"{c.__name__}-{p}" for c, _, p in BROKEN])
def test_a_broken_notebook_fails_the_check(course, check, change, problem):
    notebook = notebooks.read(course)
    change(course, notebook)
    nbformat.write(notebook, course)
    assert problem in "\n".join(check(course))


@pytest.mark.parametrize(
    ("sizes", "problem"),
    [
        ([12, *[8] * 6, *[15] * 2, 40], ""),
        ([12, *[8] * 4, *[15] * 4, 40], "the median is 13.5"),
        ([12, *[8] * 6, 15, 16, 40], "one of them has 16"),
        ([13, *[8] * 9], "the setup may have 12 lines, and has 13"),
    ],
)
def test_code_cells_of_so_many_lines_are_judged_by_the_style(tmp_path, sizes, problem):
    text, code = nbformat.v4.new_markdown_cell, nbformat.v4.new_code_cell
    cells = [cell for lines in sizes for cell in (text("So:"), code("\n".join(["1"] * lines)))]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "01_a.ipynb")
    found = "\n".join(checks.cells_are_short_and_introduced(tmp_path / "01_a.ipynb"))
    assert problem in found and bool(problem) == bool(found)


def test_a_code_cell_without_a_sentence_before_it_is_found(course):
    assert checks.cells_are_short_and_introduced(course) == [
        f"no sentence stands before the code cell that begins {line!r}"
        for line in ("print(3)", "from recsys_kit import report")
    ]


@pytest.mark.parametrize(("shown", "sharp"), [(4, True), (8, False), (None, False)])
def test_a_figure_that_is_not_sharp_is_found(course, shown, sharp):
    written = io.BytesIO()
    Image.new("RGB", (8, 8)).save(written, "png")
    data = {"image/png": base64.b64encode(written.getvalue()).decode()}
    notebook = notebooks.read(course)
    with_output(5, "display_data", data, metadata={"image/png": {"width": shown}} if shown else {})(course, notebook)
    nbformat.write(notebook, course)
    assert (checks.figures_are_sharp(course) == []) == sharp


def test_every_check_is_seen_to_fail():
    assert {check for check, _, _ in BROKEN} == set(checks.NOTEBOOK)


def test_an_orphan_notebook_fails(course):
    orphan = course.with_name("99_orphan.ipynb")
    orphan.write_bytes(course.read_bytes())
    assert len(checks.is_no_orphan(orphan)) == 5
