"""The kit's files that are no code are found in a checkout and in a wheel."""

from pathlib import Path

import pytest

from recsys_kit.datasets import shipped, texts

ROOT = Path(__file__).parents[2]


def test_a_checkout_has_its_files_beside_the_package():
    assert shipped.folder() == ROOT
    assert shipped.folder("notebooks") == ROOT / "notebooks"
    assert texts.DATA == ROOT / "data"


def fake(monkeypatch, package):
    package.mkdir(parents=True)
    monkeypatch.setattr(shipped.resources, "files", lambda name: package)


def test_a_wheel_has_them_inside_and_they_go_before_what_lies_beside(monkeypatch, tmp_path):
    fake(monkeypatch, tmp_path / "recsys_kit")
    for data in (tmp_path / "data", tmp_path / "recsys_kit" / "shipped" / "data"):
        data.mkdir(parents=True)
        (data / "glossary.csv").touch()
    assert shipped.folder("data") == tmp_path / "recsys_kit" / "shipped" / "data"


def test_a_package_without_its_files_says_so(monkeypatch, tmp_path):
    fake(monkeypatch, tmp_path / "recsys_kit")
    (tmp_path / "data").mkdir()  # somebody else's
    with pytest.raises(FileNotFoundError, match="the kit's tables are neither in"):
        shipped.folder("data")
