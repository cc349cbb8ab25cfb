"""What several test files share: a folder that looks like the course, with small notebooks in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from small_course import PARAMETERS

from recsys_kit import datasets, preprocessing
from recsys_kit.course import profiles

SAMPLED = ("07_optimization", "08_recommendation")
"""Notebooks that take minutes at their own values: nbval runs these with the quick profile's. The cells whose outputs
it compares must not depend on them."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Gives the notebooks in `SAMPLED` the values of the quick profile when nbval runs them."""
    for item in items:
        cell, path = getattr(item, "cell", None), item.path
        if path.stem in SAMPLED and cell and "parameters" in cell.metadata.get("tags", []):
            quick = profiles.values(path.parent, "quick", [path], {})[path]
            cell.source += "".join(f"\n{name} = {value!r}" for name, value in quick.items())


@pytest.fixture(scope="session")
def shop() -> datasets.Shop:
    """The kit's own shop with a sample of its households."""
    return datasets.load(users=200)


@pytest.fixture(scope="session")
def splits(shop: datasets.Shop) -> preprocessing.Task:
    """The next-basket task of `shop`."""
    return preprocessing.task(shop)


@pytest.fixture
def write_notebook(tmp_path: Path) -> Callable[..., Path]:
    """Returns a function that writes a notebook of the given code cells into `tmp_path/notebooks`."""

    def write(name: str, *sources: str, markdown: str = "", parameters: str = PARAMETERS) -> Path:
        text = markdown or f"# {name[:2]} · {name[3:].title()}\n\nOne plain sentence.\n\n<!-- nav -->\n<!-- /nav -->"
        cells = [nbformat.v4.new_markdown_cell(text)]
        if parameters:
            cells.append(nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]}))
        cells += [nbformat.v4.new_code_cell(source) for source in sources]
        for number, cell in enumerate(cells):
            cell.id = f"cell-{number}"
        path = tmp_path / "notebooks" / f"{name}.ipynb"
        (path.parent / "profiles").mkdir(parents=True, exist_ok=True)
        (path.parent / "profiles" / "quick.yaml").touch()
        nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
        return path

    return write
