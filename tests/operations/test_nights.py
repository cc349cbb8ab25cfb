"""A night is checked, gated, repeatable, resumable, and can be taken back."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from busy_shop import busy_shop, titled_shop
from typer.testing import CliRunner

from recsys_kit import datasets, output_file
from recsys_kit.cli import app
from recsys_kit.operations import faults, gate, nights

GOOD = {"decay": 120.0, "popularity_weight": 0.1}


def quiet(text):
    pass


def shop_nights(folder, train=lambda split: GOOD, receive=lambda today: today, every=1, rules=None):
    settings = nights.Settings(every=every, rules=rules or gate.Rules())
    return nights.Nights(busy_shop(), folder, settings, train, receive)


def titled_nights(folder, more=0, **how):
    return replace(shop_nights(folder, **how), shop=titled_shop(more))


def files(folder):
    return {path.relative_to(folder): (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*.*")}


def test_a_night_leaves_lists_a_report_and_a_decision(tmp_path):
    row = shop_nights(tmp_path).run("2017-10-20", quiet)
    lists = pd.read_parquet(tmp_path / "lists.parquet")
    assert row["verdict"] == "accepted"
    assert lists.groupby("user_id").size().eq(10).all() and lists["user_id"].nunique() == 150
    assert nights.history(tmp_path)["day"].tolist() == ["2017-10-20"]
    assert "as usual" in (tmp_path / "nights" / "2017-10-20" / "report.md").read_text()


def test_the_same_night_again_changes_no_file(tmp_path):
    shop_nights(tmp_path).run("2017-10-20", quiet)
    before = files(tmp_path)
    again = shop_nights(tmp_path).run("2017-10-20", quiet)
    assert again["verdict"] == "accepted" and files(tmp_path) == before


@pytest.mark.parametrize("step", ["_check", "_gate", "_search", "_publish", "_tidy"])
def test_a_night_that_was_cut_off_goes_on_to_the_same_end(tmp_path, step, monkeypatch):
    shop_nights(tmp_path / "whole").run("2017-10-20", quiet)
    whole = shop_nights(tmp_path / "whole").run("2017-10-21", quiet)
    shop_nights(tmp_path / "cut").run("2017-10-20", quiet)
    work = getattr(nights.Nights, step)

    def cut(self, *args):
        work(self, *args)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(nights.Nights, step, cut)
        shop_nights(tmp_path / "cut").run("2017-10-21", quiet)
    assert shop_nights(tmp_path / "cut").run("2017-10-21", quiet) == whole
    one, other = ({name: text for name, (text, _) in files(tmp_path / kind).items()} for kind in ("whole", "cut"))
    assert one == other


def test_a_night_that_was_killed_at_any_file_goes_on_to_the_same_end(tmp_path, monkeypatch):
    titled_nights(tmp_path / "first").run("2017-10-20", quiet)
    shutil.copytree(tmp_path / "first", tmp_path / "whole")
    write, written = output_file.write, []

    def counted(path, fill, most=1000):
        if len(written) == most:
            raise KeyboardInterrupt
        written.append(path.name)
        return write(path, fill)

    monkeypatch.setattr(output_file, "write", counted)
    whole = titled_nights(tmp_path / "whole", more=1).run("2017-10-21", quiet)
    names = list(written)
    assert {"search.json", "sold.parquet", "lists.parquet", "live.json", "decisions.csv", "report.md"} <= set(names)
    wanted = {name: text for name, (text, _) in files(tmp_path / "whole").items()}
    for most in range(len(names)):
        shutil.copytree(tmp_path / "first", tmp_path / "cut")
        written.clear()
        monkeypatch.setattr(output_file, "write", lambda path, fill, most=most: counted(path, fill, most))
        with pytest.raises(KeyboardInterrupt):
            titled_nights(tmp_path / "cut", more=1).run("2017-10-21", quiet)
        monkeypatch.setattr(output_file, "write", write)
        assert titled_nights(tmp_path / "cut", more=1).run("2017-10-21", quiet) == whole
        assert {name: text for name, (text, _) in files(tmp_path / "cut").items()} == wanted, names[most]
        shutil.rmtree(tmp_path / "cut")


def test_the_search_index_follows_the_items_and_only_them(tmp_path):
    titled_nights(tmp_path).run("2017-10-20", quiet)
    first = files(tmp_path / "search")
    said = []
    titled_nights(tmp_path).run("2017-10-21", said.append)
    assert files(tmp_path / "search") == first and "the items are those of the night before" in said[-1]
    titled_nights(tmp_path, more=2).run("2017-10-22", said.append)
    assert "62 documents, 2 of them new" in said[-1] and len(files(tmp_path / "search")) == 4  # two ways back
    titled_nights(tmp_path, more=2).run("2017-10-23", quiet)
    assert len(files(tmp_path / "search")) == 2
    assert "62 documents" in (tmp_path / "nights" / "2017-10-23" / "report.md").read_text()


def test_items_without_titles_have_no_search(tmp_path):
    shop_nights(tmp_path).run("2017-10-20", quiet)
    assert "no item has a title" in (tmp_path / "nights" / "2017-10-20" / "report.md").read_text()
    assert not (tmp_path / "search").exists()


def test_nights_without_search_leave_no_index(tmp_path):
    titled = titled_nights(tmp_path)
    replace(titled, settings=replace(titled.settings, search=False)).run("2017-10-20", quiet)
    assert not (tmp_path / "search.json").exists() and not (tmp_path / "search").exists()


def test_nights_and_their_search_load_no_keras():
    script = (
        "import sys; from recsys_kit.operations import nights, served; from recsys_kit.search import engine, nightly;"
    )
    script += "[nights.Nights, served.NightSearch, nightly.write, engine.search];"
    script += "print({'keras', 'tensorflow'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout.strip() == "set()"


def test_an_alarm_keeps_the_old_lists_and_says_why(tmp_path):
    shop_nights(tmp_path).run("2017-10-20", quiet)
    before = (tmp_path / "lists.parquet").read_bytes()
    twice = shop_nights(tmp_path, receive=lambda today: faults.plant("load twice", today, np.random.default_rng(0)))
    row = twice.run("2017-10-21", quiet)
    assert row["verdict"] == "alarm" and "there already" in row["why"] and row["lists"] == "2017-10-20"
    assert (tmp_path / "lists.parquet").read_bytes() == before


def test_a_day_that_rang_teaches_nobody(tmp_path):
    seen = []

    def train(split):
        seen.append(split.history["timestamp"])
        return GOOD

    bot = shop_nights(tmp_path, train, lambda today: faults.plant("bot", today, np.random.default_rng(0)))
    bot.run("2017-10-10", quiet)
    shop_nights(tmp_path, train).run("2017-10-25", quiet)
    local = seen[-1].dt.tz_convert("America/New_York").dt.strftime("%Y-%m-%d")
    assert "2017-10-09" in set(local) and "2017-10-10" not in set(local)


def test_a_day_that_was_looked_at_teaches_again(tmp_path):
    seen = []

    def train(split):
        seen.append(split.history["timestamp"])
        return GOOD

    bot = shop_nights(tmp_path, train, lambda today: faults.plant("bot", today, np.random.default_rng(0)))
    alarm = bot.run("2017-10-10", quiet)
    assert nights.release(tmp_path, "2017-10-10", "a school's order", quiet)
    before = files(tmp_path)
    assert not nights.release(tmp_path, "2017-10-10", "again", quiet) and files(tmp_path) == before
    assert bot.run("2017-10-10", quiet) == alarm and files(tmp_path) == before  # the night said what it said
    shop_nights(tmp_path, train).run("2017-10-25", quiet)
    assert "2017-10-10" in set(seen[-1].dt.tz_convert("America/New_York").dt.strftime("%Y-%m-%d"))
    done = nights.history(tmp_path)
    assert done["verdict"].tolist() == ["alarm", "released", "accepted"] and done["why"][1] == "a school's order"
    with pytest.raises(datasets.DataError, match=r"did not ring.*days that wait: none"):
        nights.release(tmp_path, "2017-10-25", "why not", quiet)


def test_a_bad_model_is_stopped_and_the_old_one_stays(tmp_path):
    shop_nights(tmp_path).run("2017-10-20", quiet)
    row = shop_nights(tmp_path, lambda split: gate.spoil(GOOD, permuted=True)).run("2017-10-21", quiet)
    assert row["verdict"] == "rejected" and json.loads(row["model"]) == GOOD
    assert row["lists"] == "2017-10-21"  # fresh lists, made by the old model


def test_slow_decay_does_not_pass(tmp_path):
    lost = iter(np.arange(0.0, 1.0, 0.03))
    worse = shop_nights(tmp_path, lambda split: gate.spoil(GOOD, lost=float(next(lost))), rules=gate.Rules(0.3, 0.1))
    rows = [worse.run(f"2017-10-{day}", quiet) for day in range(16, 27)]
    assert rows[1]["verdict"] == "accepted"
    assert rows[-1]["verdict"] == "rejected" and "reference" in rows[-1]["why"]


def test_a_model_is_trained_only_when_it_is_due(tmp_path):
    weekly = shop_nights(tmp_path, every=3)
    assert [weekly.run(f"2017-10-{day}", quiet)["verdict"] for day in (20, 21, 22, 23)] == [
        "accepted",
        "updated",
        "updated",
        "accepted",
    ]


def test_roll_back_restores_yesterday_s_lists_byte_for_byte(tmp_path):
    shop_nights(tmp_path).run("2017-10-20", quiet)
    yesterday = (tmp_path / "lists.parquet").read_bytes()
    shop_nights(tmp_path, lambda split: gate.GRID[-1], rules=gate.Rules(0.9, 0.9)).run("2017-10-21", quiet)
    assert (tmp_path / "lists.parquet").read_bytes() != yesterday
    assert nights.roll_back(tmp_path, quiet) == "2017-10-20"
    assert (tmp_path / "lists.parquet").read_bytes() == yesterday
    assert nights.history(tmp_path)["verdict"].tolist() == ["accepted", "accepted", "rolled back"]
    with pytest.raises(datasets.DataError, match="no night to go back to"):
        nights.roll_back(tmp_path, quiet)


def test_days_that_make_no_sense_are_refused(tmp_path):
    for day, says in [("yesterday", "YYYY-MM-DD"), ("2017-08-03", "four weeks"), ("2018-01-01", "last day")]:
        with pytest.raises(datasets.DataError, match=says):
            shop_nights(tmp_path).run(day, quiet)
    shop_nights(tmp_path).run("2017-10-20", quiet)
    with pytest.raises(datasets.DataError, match="in order"):
        shop_nights(tmp_path).run("2017-10-19", quiet)


def test_the_command_runs_a_night_and_takes_it_back(tmp_path):
    shop = busy_shop()
    (tmp_path / "shop").mkdir()
    shop.events.to_parquet(tmp_path / "shop" / "events.parquet")
    shop.items.to_csv(tmp_path / "shop" / "items.csv", index=False)
    (tmp_path / "shop" / "shop.json").write_text('{"timezone": "America/New_York"}')
    words = ["operate", "--data", str(tmp_path / "shop"), "--out", str(tmp_path / "out"), "--every", "1"]
    for day in ("2017-10-20", "2017-10-21"):
        found = CliRunner().invoke(app, [*words, "--day", day])
        assert found.exit_code == 0, found.output
    assert "2017-10-21: accepted" in found.output
    found = CliRunner().invoke(app, [*words, "--rollback"])
    assert found.exit_code == 0 and "2017-10-20" in found.output
    assert CliRunner().invoke(app, words).exit_code == 2


def test_the_command_releases_a_day_with_a_reason(tmp_path):
    twice = shop_nights(tmp_path, receive=lambda today: faults.plant("load twice", today, np.random.default_rng(0)))
    twice.run("2017-10-21", quiet)
    words = ["operate", "--out", str(tmp_path), "--release", "2017-10-21"]
    for bad in (
        words,
        [*words, "--reason", " "],
        [*words, "--reason", "x", "--rollback"],
        [*words[:3], "--reason", "x"],
    ):
        assert CliRunner().invoke(app, bad).exit_code == 2
    for says in ("2017-10-21: released (the till sent it twice)", "released already"):
        found = CliRunner().invoke(app, [*words, "--reason", "the till sent it twice"])
        assert found.exit_code == 0 and says in found.output
    assert nights.history(tmp_path)["verdict"].tolist() == ["alarm", "released"]
