import foreign_shops

from recsys_kit import results_file
from recsys_kit.conversion.recipes import RECIPES


def test_there_is_an_export_for_every_shape():
    assert set(foreign_shops.SHAPES) == set(RECIPES) - {"online_retail", "movielens_1m"}  # two come in two layouts


def test_every_shape_was_converted_and_taken_to_lists_and_every_skip_has_a_reason():
    table = results_file.read(foreign_shops.FILE).table
    wanted = {(shape, step) for shape in foreign_shops.SHAPES for step in ("convert", "lists")}
    wanted |= {("shopify", kind) for kind in foreign_shops.DATABASES}
    assert wanted <= set(zip(table["shape"], table["step"], strict=True))
    assert set(table.loc[table["step"].isin({step for _, step in wanted}), "status"]) == {"ok"}
    assert (table.loc[table["status"] != "ok", "why"] != "").all()


def test_a_row_of_the_file_comes_out_again():
    kept, again = results_file.recompute(foreign_shops.FILE)
    assert {name: value for name, value in kept.items() if name not in foreign_shops.TIMES} == {
        name: value for name, value in again.items() if name not in foreign_shops.TIMES
    }


def test_the_table_names_what_was_skipped_and_why():
    rows = [{"shape": "taobao", "step": "convert", "status": "ok", "why": "", "events": 2450, "cpu_seconds": 1.0}]
    rows += [{"shape": "taobao", "step": "00", "status": "skipped", "why": "nobody comes back", "cpu_seconds": 3.0}]
    text = foreign_shops.of_pages(rows)
    assert "| `taobao` | 2,450 | skipped |" in text and "- skipped: `taobao` 00: nobody comes back" in text


def test_the_readme_shows_what_the_file_holds():
    rows = results_file.read(foreign_shops.FILE).rows
    assert foreign_shops.README.read_text(encoding="utf-8") == foreign_shops.in_readme(rows)
