import matplotlib.pyplot as plt
import nbformat
import pytest

from recsys_kit.course import course_map


@pytest.fixture
def folder(tmp_path):
    for name, title in (
        ("00_start_here", "00 · Start here"),
        ("03_baselines", "03 · Baselines"),
        ("04_transformer", "04 · The Transformer"),
        ("10_search", "10 · Search"),
        ("22_fairness", "no number"),
    ):
        cell = nbformat.v4.new_markdown_cell(f"# {title}\n\nWhat it is about.\n\n<!-- nav -->\nlinks\n<!-- /nav -->")
        nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / f"{name}.ipynb")
    yield tmp_path
    plt.close("all")


def drawn(figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def test_contents_are_the_files_that_exist_in_course_order(folder):
    table = course_map.contents(folder)
    assert table["number"].tolist() == ["00", "03", "04", "10", "22"]
    assert table["title"].tolist() == ["Start here", "Baselines", "The Transformer", "Search", "fairness"]
    assert table["part"].tolist() == [1, 1, 1, 2, 3]
    assert table["step"].tolist() == ["", "C", "C", "", ""]
    assert set(table["sentence"]) == {"What it is about."}
    assert all((folder / file).exists() for file in table["file"])


def test_the_map_draws_every_notebook_and_none_that_does_not_exist(folder):
    texts = drawn(course_map.course_map(folder))
    numbers = [text for text in texts if len(text) == 2 and text.isdigit()]
    assert sorted(numbers) == ["00", "03", "04", "10", "22"]
    assert [letter for letter in texts if letter in "ABCDE"] == list("ABCDE")
    assert texts.count("in preparation") == 4


def test_a_part_without_notebooks_is_left_out(folder):
    (folder / "22_fairness.ipynb").unlink()
    texts = drawn(course_map.course_map(folder))
    assert "Part 2 · Applications" in texts and "Part 3 · Trust and scale" not in texts


def test_every_text_of_the_map_lies_on_the_page(folder):
    figure = course_map.course_map(folder)
    page = figure.get_window_extent()
    renderer = figure.canvas.get_renderer()
    for text in figure.axes[0].texts:
        box = text.get_window_extent(renderer)
        assert page.x0 <= box.x0 and box.x1 <= page.x1 and page.y0 <= box.y0 and box.y1 <= page.y1, text.get_text()
