"""`recsys-kit convert`: proposes, is corrected, and makes a shop; --yes takes a whole recipe and nothing else."""

import json
import sqlite3

import foreign_exports
import pandas as pd
import pytest
from typer.testing import CliRunner

from recsys_kit import conversion, datasets, recommendation
from recsys_kit.cli import app
from recsys_kit.conversion import commands
from recsys_kit.datasets.tables import DataError

OWN = "Customer,SKU,created_at,What\n" + "".join(
    f"c{i % 6},s{i % 5},2024-03-{1 + i % 20:02d} 08:00,{['zap', 'view'][i % 2]}\n" for i in range(60)
)


def run(*words):
    done = CliRunner().invoke(app, ["convert", *map(str, words)])
    return done.exit_code, done.output


def own(folder, text=OWN):
    folder.mkdir(exist_ok=True)
    (folder / "log.csv").write_text(text.replace("What", "event_name"))
    return folder


def test_a_recipe_is_proposed_first_and_carried_out_the_second_time(tmp_path):
    foreign_exports.retailrocket(tmp_path / "in")
    code, said = run(tmp_path / "in", tmp_path / "shop")
    assert code == 0 and "This is RetailRocket" in said and "Nothing is converted yet." in said
    assert "transactionid → basket_id: 260 distinct, 90% empty, such as '5009'" in said
    assert [path.name for path in (tmp_path / "shop").iterdir()] == ["shop.json"]
    code, said = run(tmp_path / "in", tmp_path / "shop")
    assert code == 0 and "events: 2,600 rows read, 2,600 written" in said
    assert datasets.read_shop(tmp_path / "shop").name == "RetailRocket recommender system dataset"


def test_a_proposal_is_corrected_by_its_owner_and_then_made(tmp_path):
    code, said = run(own(tmp_path / "in"), tmp_path / "shop")
    assert code == 0 and "No recipe fits" in said and "To decide: what do these words of events mean" in said
    assert "Customer → user_id: 6 distinct" in said
    code, said = run(tmp_path / "in", tmp_path / "shop")
    assert code == 2 and 'still holds "?"' in said
    path = tmp_path / "shop" / "shop.json"
    path.write_text(path.read_text().replace('"?"', '"purchase"'))
    code, said = run(tmp_path / "in", tmp_path / "shop")
    assert code == 0, said
    assert (datasets.read_shop(tmp_path / "shop").events["event_type"] == "purchase").sum() == 30


def test_yes_stops_at_what_is_no_recipe_and_writes_nothing(tmp_path):
    code, said = run(own(tmp_path / "in"), tmp_path / "shop", "--yes")
    assert code == 2 and "--yes takes a recipe that fits whole, and nothing else." in said
    code, said = run(own(tmp_path / "in", OWN.replace("zap", "buy")), tmp_path / "shop", "--yes")
    assert code == 2 and "no recipe: look at the proposal" in said
    assert not (tmp_path / "shop").exists()


def test_yes_stops_at_a_recipe_that_lacks_a_column(tmp_path):
    foreign_exports.hm(tmp_path / "in")
    path = tmp_path / "in" / "articles.csv"
    path.write_text(path.read_text().replace("prod_name", "name", 1))
    code, said = run(tmp_path / "in", tmp_path / "shop", "--yes")
    assert code == 2 and "articles.csv: lacks the column `prod_name`" in said


def test_yes_stops_at_a_word_that_the_recipe_does_not_know(tmp_path):
    foreign_exports.retailrocket(tmp_path / "in")
    path = tmp_path / "in" / "events.csv"
    path.write_text(path.read_text().replace(",view,", ",seen,", 1))
    code, said = run(tmp_path / "in", tmp_path / "shop", "--yes")
    assert code == 2 and "must name every word of `event_type`. Not named: 'seen' (1)" in said
    assert not (tmp_path / "shop" / "events.parquet").exists()


def test_a_recipe_can_be_named_and_must_exist_and_fit(tmp_path):
    foreign_exports.movielens(tmp_path / "in")
    with pytest.raises(DataError, match="`--recipe` must be one of"):
        commands.convert(str(tmp_path / "in"), tmp_path / "shop", recipe="netflix")
    with pytest.raises(DataError, match="the recipe retailrocket does not fit: there is no file events"):
        commands.convert(str(tmp_path / "in"), tmp_path / "shop", recipe="retailrocket")
    said = []
    conversion.convert(str(tmp_path / "in"), tmp_path / "shop", True, "movielens", said.append)
    assert "movielens" in said[0]


def test_a_name_and_a_zone_that_are_there_already_stay(tmp_path):
    foreign_exports.movielens(tmp_path / "in")
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "shop.json").write_text(json.dumps({"name": "Films", "timezone": "Europe/Paris"}))
    commands.convert(str(tmp_path / "in"), tmp_path / "shop", yes=True, say=lambda line: None)
    shop = datasets.read_shop(tmp_path / "shop")
    assert (shop.name, shop.timezone) == ("Films", "Europe/Paris")


def test_what_explains_a_file_belongs_to_its_table(tmp_path):
    foreign_exports.movielens(tmp_path / "in")
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "shop.json").write_text('{"columns": {"userId": "user_id"}}')
    code, said = run(tmp_path / "in", tmp_path / "shop", "--yes")
    assert code == 2 and "`columns` belongs to a table here: put it into one of `convert.tables`" in said


def test_lists_can_be_written_into_a_table(tmp_path, monkeypatch):
    rows = {"user_id": ["a", "b"], "rank": [1, 1], "item_id": ["x", "y"], "score": [0.5, None], "reason": ["", ""]}
    monkeypatch.setattr(recommendation, "open_shop", lambda *words, **named: None)
    monkeypatch.setattr(recommendation, "lists_to_write", lambda *words: pd.DataFrame(rows))
    target = f"sqlite:///{tmp_path / 'lists.db'}#lists"
    words = ["recommend", "--light", "--workspace", str(tmp_path / "ws"), "--out", target]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0 and f"2 users, 2 recommendations: {target}" in done.output
    with sqlite3.connect(tmp_path / "lists.db") as connection:
        assert connection.execute("SELECT * FROM lists").fetchall() == [("a", 1, "x", 0.5, ""), ("b", 1, "y", None, "")]
        connection.execute("ALTER TABLE lists ADD COLUMN more TEXT")
    monkeypatch.setattr(recommendation, "open_shop", None)  # what can't be written is said before anything is built
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 2 and "Name another table" in done.output
