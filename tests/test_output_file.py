"""Files that a command writes: refused before the work, whole afterwards."""

import errno
import tempfile
from pathlib import Path

import pandas as pd
import pytest

from recsys_kit import output_file


def test_a_path_that_can_be_written_comes_back_with_its_home_spelt_out(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert output_file.check("~/lists.csv", [".csv"]) == tmp_path / "lists.csv"
    assert output_file.check_folder("~/ws/deeper") == tmp_path / "ws" / "deeper"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("lists.txt", r"must end in .csv or .parquet. Received: lists.txt"),
        ("lists", "must end in"),
        ("folder.csv", "is a folder: name a file in it"),
        ("nowhere/lists.csv", "the folder of .* does not exist"),
        ("file.txt/lists.csv", "the folder of .* does not exist"),
    ],
)
def test_a_path_that_cannot_be_written_is_refused(tmp_path, name, message):
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "file.txt").touch()
    with pytest.raises(ValueError, match=message):
        output_file.check(tmp_path / name, [".csv", ".parquet"])


def test_a_folder_that_takes_no_file_is_refused(tmp_path, monkeypatch):
    def full(**_):
        raise OSError(errno.EROFS, "Read-only file system")

    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="file is a file"):
        output_file.check_folder(tmp_path / "file" / "ws")
    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    for check in (output_file.check, output_file.check_folder):
        with pytest.raises(ValueError, match=r"nothing can be written to the folder .*: Read-only file system"):
            check(tmp_path / "new")


def test_a_writer_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail(part: Path) -> None:
        part.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        output_file.write(path, fail)
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]
    output_file.write(path, lambda part: part.write_text("new"))
    assert path.read_text() == "new" and list(tmp_path.iterdir()) == [path]


def test_a_device_and_a_link_are_written_through(tmp_path):
    assert output_file.write("/dev/null", lambda part: part.write_text("gone")) == Path("/dev/null")
    assert Path("/dev/null").is_char_device()
    (tmp_path / "real").touch()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    output_file.write(tmp_path / "link", lambda part: part.write_text("there"))
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real").read_text() == "there"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20"])
def test_a_text_that_starts_as_a_formula_is_none_any_more(start):
    table = pd.DataFrame({"item_id": [f"{start}1", "b"], "title": [f"{start}1+1", f"a{start}b"], "n": [-1, 2]})
    safe = output_file.without_formulas(table, ["title"])
    assert safe["title"].tolist() == [f"'{start}1+1", f"a{start}b"]
    assert safe["item_id"].tolist() == [f"{start}1", "b"] and safe["n"].tolist() == [-1, 2]
    assert table["title"].tolist() == [f"{start}1+1", f"a{start}b"]


@pytest.mark.parametrize("ending", output_file.TABLES)
def test_a_table_is_written_by_the_files_ending_and_no_text_of_a_csv_is_a_formula(tmp_path, ending):
    table = pd.DataFrame({"title": ["=1+1", "Tea"], "price": [1.5, 2.0]}, index=[7, 8])
    path = output_file.write_table(tmp_path / f"out{ending}", table, ["title"])
    read = pd.read_parquet(path) if ending == ".parquet" else pd.read_csv(path)
    assert read["title"].tolist() == (["=1+1", "Tea"] if ending == ".parquet" else ["'=1+1", "Tea"])
    assert list(read) == ["title", "price"]
