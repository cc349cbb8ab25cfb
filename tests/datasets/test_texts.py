"""Tables of texts are read as texts, and a table that lacks a column is refused."""

import pytest

from recsys_kit.datasets import texts


def test_an_empty_field_and_a_number_are_texts(tmp_path):
    (tmp_path / "table.csv").write_text("code,english\nNA,\n007,null\n", encoding="utf-8")
    table = texts.read(tmp_path / "table.csv", ("code", "english"))
    assert table.to_numpy().tolist() == [["NA", ""], ["007", "null"]]


def test_a_missing_column_is_named(tmp_path):
    (tmp_path / "table.csv").write_text("code\nA\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"table.csv: columns must be code, english\. Missing: english\."):
        texts.read(tmp_path / "table.csv", ("code", "english"))


@pytest.mark.parametrize("name", sorted(path.name for path in texts.DATA.glob("*.csv")))
def test_every_table_of_the_kit_has_rows(name):
    assert len(texts.read(texts.DATA / name, ())) > 5
