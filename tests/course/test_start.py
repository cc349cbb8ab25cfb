"""The course laid down in a folder: whole, clean, and never over somebody's work."""

from __future__ import annotations

import json
import re
from pathlib import Path

import nbformat
import pytest

from recsys_kit.course import notebooks, profiles, start
from recsys_kit.datasets import shipped

TOP = shipped.folder()


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A course that nobody has touched: tests read it, and copy what they change."""
    folder = tmp_path_factory.mktemp("start") / "course"
    return folder, start.lay_down(folder)


@pytest.fixture
def own(tmp_path):
    folder = tmp_path / "my course"
    start.lay_down(folder)
    return folder


def change(path, source="# mine"):
    """What a reader does: writes into a notebook, and runs it."""
    notebook = notebooks.read(path)
    if source:
        notebook.cells[-1].source += source
    code = next(cell for cell in notebook.cells if cell.cell_type == "code")
    code.outputs, code.execution_count = [nbformat.v4.new_output("stream", text="ran\n")], 7
    notebooks.write(notebook, path)
    return path.read_bytes()


def everything(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_notebook_solution_page_profile_and_picture_is_laid_down(course):
    folder, laid = course
    for part in ("notebooks", "notebooks/solutions", "notebooks/pages", "notebooks/profiles", "notebooks/images"):
        there = {path.name for path in (TOP / part).iterdir() if path.is_file()}
        assert {path.name for path in (folder / part).iterdir() if path.is_file()} == there
    assert not (laid.same or laid.different or laid.kept)


def test_the_example_shop_and_the_figures_that_pages_read_are_laid_down_as_they_are(course):
    for part in ("data/example_shop", "benchmarks/results"):
        paths = [path for path in (TOP / part).glob("*.*") if path.is_file()]
        assert paths
        for path in paths:
            assert (course[0] / part / path.name).read_bytes() == path.read_bytes()


def test_laid_down_notebooks_say_the_same_and_have_not_run(course):
    for path in course[0].rglob("*.ipynb"):
        notebook, kit = notebooks.read(path), notebooks.read(TOP / path.relative_to(course[0]))
        assert [cell.source for cell in notebook.cells] == [cell.source for cell in kit.cells]
        assert [cell.metadata.get("tags") for cell in notebook.cells] == [c.metadata.get("tags") for c in kit.cells]
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        assert code and not any(cell.outputs or cell.execution_count for cell in code)


def test_every_link_in_a_laid_down_folder_leads_somewhere(course):
    missing = []
    for path in [*course[0].rglob("*.md"), *course[0].rglob("*.ipynb")]:
        texts = [path.read_text(encoding="utf-8")]
        if path.suffix == ".ipynb":
            texts = [cell.source for cell in notebooks.read(path).cells if cell.cell_type == "markdown"]
        for text in texts:
            text = re.sub(r"(?ms)^```.*?^```|\$[^$]*\$", "", text)
            for url in re.findall(r"\]\(<?([^)\s>]+)", text):
                if not re.match(r"https?:|#|rows$", url) and not (path.parent / url.partition("#")[0]).exists():
                    missing.append((path.name, url))
    assert missing == []


def test_the_readme_of_a_laid_down_folder_lists_every_notebook(course):
    text = (course[0] / "README.md").read_text(encoding="utf-8")
    assert "\n## Notebooks\n" in text  # where [contents] in the notebooks leads
    assert re.findall(r"\]\(notebooks/(.*?)\)", text) == [path.name for path in notebooks.find(TOP / "notebooks")]


def test_a_laid_down_folder_has_the_profiles_values(course):
    paths = notebooks.find(course[0] / "notebooks")
    assert profiles.values(course[0] / "notebooks", "quick", paths, {})


def test_starting_twice_changes_nothing(own):
    before = everything(own)
    laid = start.lay_down(own)
    assert not (laid.new or laid.different) and everything(own) == before


def test_a_file_that_differs_is_left_as_it_is_and_said(own):
    notebook, profile = own / "notebooks" / "01_preprocessing.ipynb", own / "notebooks" / "profiles" / "quick.yaml"
    mine = change(notebook)
    profile.write_text("all: {USERS: 5}\n")
    (own / "notebooks" / "03_baselines.ipynb").unlink()
    laid = start.lay_down(own)
    assert laid.different == ["notebooks/01_preprocessing.ipynb", "notebooks/profiles/quick.yaml"]
    assert laid.new == ["notebooks/03_baselines.ipynb"]
    assert notebook.read_bytes() == mine and profile.read_text() == "all: {USERS: 5}\n"


@pytest.mark.parametrize("upgrade", [False, True])
def test_a_notebook_that_was_only_run_is_no_difference_and_keeps_its_outputs(own, upgrade):
    path = own / "notebooks" / "04_transformer.ipynb"
    ran = change(path, source="")
    laid = start.lay_down(own, upgrade)
    assert not (laid.new or laid.different) and path.read_bytes() == ran


def test_upgrade_keeps_both_and_the_course_lists_only_the_new_one(own):
    path = own / "notebooks" / "01_preprocessing.ipynb"
    new, mine = path.read_bytes(), change(path)
    laid = start.lay_down(own, upgrade=True)
    assert laid.kept == {"notebooks/01_preprocessing.ipynb": "notebooks/mine_01_preprocessing.ipynb"}
    assert path.read_bytes() == new and path.with_name("mine_01_preprocessing.ipynb").read_bytes() == mine
    assert len(notebooks.find(own / "notebooks")) == len(notebooks.find(TOP / "notebooks"))


def test_a_second_upgrade_does_not_overwrite_what_the_first_kept(own):
    path = own / "notebooks" / "profiles" / "quick.yaml"
    for text in ("first", "second", "third"):
        path.write_text(text)
        start.lay_down(own, upgrade=True)
    kept = sorted(other.name for other in path.parent.glob("mine*"))
    assert kept == ["mine_2_quick.yaml", "mine_3_quick.yaml", "mine_quick.yaml"]
    assert sorted(path.with_name(name).read_text() for name in kept) == ["first", "second", "third"]


@pytest.mark.parametrize("upgrade", [False, True])
def test_a_file_that_nobody_touched_since_it_was_laid_down_follows_the_kit(own, upgrade):
    """The kit's version changes: what an older version wrote is no work of the reader's."""
    path, note = own / "notebooks" / "profiles" / "quick.yaml", own / ".recsys-kit.json"
    new = path.read_bytes()
    path.write_bytes(b"what an older version wrote")
    hashes = json.loads(note.read_text())
    hashes["notebooks/profiles/quick.yaml"] = start._hash(path.read_bytes())
    note.write_text(json.dumps(hashes))
    laid = start.lay_down(own, upgrade)
    assert laid.new == ["notebooks/profiles/quick.yaml"] and not laid.kept
    assert path.read_bytes() == new


@pytest.mark.parametrize("note", ["", "[]", "{"])
def test_without_a_readable_note_everything_that_differs_counts_as_the_readers(own, note):
    (own / ".recsys-kit.json").write_text(note)
    (own / "README.md").write_text("mine")
    start.lay_down(own, upgrade=True)
    assert (own / "mine_README.md").read_text() == "mine"


def test_a_notebook_that_is_none_counts_as_different(own):
    (own / "notebooks" / "00_start_here.ipynb").write_text("no notebook")
    assert start.lay_down(own).different == ["notebooks/00_start_here.ipynb"]


def test_other_files_of_a_folder_stay(tmp_path):
    (tmp_path / "README.md").write_text("My project\n")
    (tmp_path / "notes.txt").write_text("mine\n")
    laid = start.lay_down(tmp_path)
    assert laid.different == ["README.md"]
    assert (tmp_path / "README.md").read_text() == "My project\n" and (tmp_path / "notes.txt").read_text() == "mine\n"


def test_a_place_where_no_course_can_lie_is_refused(tmp_path):
    (tmp_path / "file").touch()
    for folder, message in ((tmp_path / "file", "must be a folder"), (TOP, "kit's own files")):
        with pytest.raises(ValueError, match=message):
            start.lay_down(folder)


def test_make_lab_opens_copies_that_git_does_not_track():
    lab = re.search(r"(?m)^lab:.*\n((?:\t.*\n)+)", (TOP / "Makefile").read_text(encoding="utf-8"))[1]
    assert "recsys-kit start course" in lab and "--ServerApp.root_dir=course" in lab
    assert "/course/" in (TOP / ".gitignore").read_text(encoding="utf-8").splitlines()


# The command


def test_the_command_says_what_it_did_and_what_to_do_next(recsys_kit):
    first = recsys_kit("start", "my course")
    assert first.exit_code == 0, first.output
    assert "next: cd 'my course' && recsys-kit run" in first.output
    Path("my course/README.md").write_text("mine")
    second = recsys_kit("start", "my course")
    assert second.exit_code == 0 and "  README.md\n" in second.output
    assert "recsys-kit start 'my course' --upgrade" in second.output
    assert "README.md is new; yours is mine_README.md" in recsys_kit("start", "my course", "--upgrade").output


def test_a_place_that_is_refused_is_one_line_and_exit_code_2(recsys_kit):
    Path("file").touch()
    result = recsys_kit("start", "file")
    assert result.exit_code == 2 and result.output == "error: `folder` must be a folder. Received: file\n"


def test_run_without_notebooks_says_how_to_get_them(recsys_kit):
    result = recsys_kit("run")
    assert result.exit_code == 2 and "recsys-kit start FOLDER" in result.output
