"""A recipe fits where every file and column is there; where one is missing it says which."""

import foreign_exports
import shop_exports

from recsys_kit.conversion import matching, sources


def best(folder, name=""):
    with sources.opened(str(folder)) as files:
        return matching.best(files, name)


def test_a_missing_column_is_named_with_its_file(tmp_path):
    foreign_exports.hm(tmp_path)
    path = tmp_path / "transactions_train.csv"
    path.write_text(path.read_text().replace("article_id", "article", 1))
    match = best(tmp_path)
    assert match.name == "hm"
    assert match.lacking == ("transactions_train.csv: lacks the column `article_id`",)


def test_a_missing_file_is_named_and_an_optional_one_is_not(tmp_path):
    foreign_exports.diginetica(tmp_path)
    (tmp_path / "train-queries.csv").unlink()
    (tmp_path / "train-clicks.csv").unlink()
    assert best(tmp_path).lacking == ()
    (tmp_path / "products.csv").unlink()
    match = best(tmp_path, "diginetica")
    assert "there is no file products.csv" in match.lacking


def test_a_file_without_a_header_must_have_as_many_columns(tmp_path):
    foreign_exports.taobao(tmp_path)
    assert best(tmp_path).name == "taobao" and not best(tmp_path).lacking
    path = tmp_path / "UserBehavior.csv"
    path.write_text("".join(f"{line},9\n" for line in path.read_text().splitlines()))
    assert best(tmp_path) is None


def test_a_recipe_for_any_file_takes_those_that_have_its_columns(tmp_path):
    shop_exports.shopify(tmp_path)
    (tmp_path / "notes.csv").write_text("a,b\n1,2\n")
    whole = (tmp_path / "orders_export_1.csv").read_text()
    (tmp_path / "orders_export_2.csv").write_text(whole)
    match = best(tmp_path)
    assert match.name == "shopify"
    assert match.plan["tables"]["events"]["file"] == ["orders_export_1.csv", "orders_export_2.csv"]


def test_files_that_no_recipe_knows_match_none(tmp_path):
    (tmp_path / "my.csv").write_text("a,b\n1,2\n")
    assert best(tmp_path) is None
