"""Files, folders and archives give their tables by name, as text, whatever packs them."""

import gzip
import json
import zipfile

import pandas as pd
import pytest

from recsys_kit.conversion import sources
from recsys_kit.datasets.layout import Layout
from recsys_kit.datasets.tables import DataError

CSV = "id;name\n1;a\n"


def test_a_folder_gives_its_files_and_those_of_its_folders(tmp_path):
    (tmp_path / "more").mkdir()
    (tmp_path / "orders.csv").write_text(CSV)
    (tmp_path / "more" / "parts.csv.gz").write_bytes(gzip.compress(CSV.encode()))
    (tmp_path / "more" / ".hidden.csv").write_text(CSV)
    (tmp_path / "readme.md").write_text("x")
    pd.DataFrame({"id": [1, 2]}).to_parquet(tmp_path / "items.parquet")
    with sources.opened(str(tmp_path)) as files:
        assert files.names() == ["items.parquet", "more/parts.csv.gz", "orders.csv"]
        assert files.matching("PARTS.csv") == files.matching("parts*") == ["more/parts.csv.gz"]
        assert files.matching(["orders.csv"]) == ["orders.csv"] and files.matching(["no.csv"]) == []
        assert [files.columns(name) for name in files.names()] == [["id"], ["id", "name"], ["id", "name"]]
        assert files.read("items.parquet")["id"].tolist() == ["1", "2"]
        assert files.read("more/parts.csv.gz")["name"].tolist() == ["a"]
        assert files.as_part("orders.csv") == {"file": "orders.csv"}


def test_an_archive_of_many_is_unpacked_and_one_file_is_a_source(tmp_path):
    with zipfile.ZipFile(tmp_path / "archive.zip", "w") as archive:
        archive.writestr("data/a.csv", CSV)
        archive.writestr("data/b.dat", "1::2\n")
    with sources.opened(str(tmp_path / "archive.zip")) as files:
        assert files.names() == ["data/a.csv", "data/b.dat"]
        assert files.columns("data/b.dat", Layout(separator="::")) == ["1", "2"]
    (tmp_path / "a.csv").write_text(CSV)
    with sources.opened(str(tmp_path / "a.csv")) as files:
        assert files.names() == ["a.csv"]


def test_a_source_without_a_table_and_one_that_is_not_there_are_refused(tmp_path):
    with pytest.raises(DataError, match="does not exist"), sources.opened(str(tmp_path / "no")):
        pass
    with pytest.raises(DataError, match="holds no table"), sources.opened(str(tmp_path)):
        pass
    (tmp_path / "x.zip").write_text("no")
    with pytest.raises(DataError, match="is no readable zip file"), sources.opened(str(tmp_path / "x.zip")):
        pass


def test_json_lines_have_the_keys_of_all_rows(tmp_path):
    rows = [{"a": 1}, {"a": 2, "b": [{"c": 3}]}]
    (tmp_path / "x.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    with sources.opened(str(tmp_path)) as files:
        assert files.columns("x.jsonl") == ["a", "b"]
        frame = files.read("x.jsonl")
        assert frame["a"].tolist() == ["1", "2"] and frame["b"][1] == [{"c": 3}]
    (tmp_path / "x.jsonl").write_text('{"a": 1}\n{"a"')
    with sources.opened(str(tmp_path)) as files, pytest.raises(DataError, match=r"line 2 is no JSON object"):
        files.read("x.jsonl")


def test_whole_numbers_keep_their_digits_and_gaps_stay_gaps():
    frame = pd.DataFrame({"id": [2**60 + 1, 5], "gap": [1.0, None], "half": [0.5, None], "yes": [True, False]})
    text = sources.as_text(frame)
    assert text["id"].tolist() == ["1152921504606846977", "5"]
    assert text["gap"].tolist()[0] == "1" and text["gap"].isna().tolist() == [False, True]
    assert text["half"][0] == "0.5" and text["yes"].tolist() == ["True", "False"]
