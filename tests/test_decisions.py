"""The commands that write a decision: registered, told how to be called, and careful with what they are given."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from recsys_kit import decisions
from recsys_kit.cli import app


@pytest.mark.parametrize("command", ["diagnose", "target", "forecast", "price", "card"])
def test_every_decision_is_a_command_with_a_file_to_write(command):
    said = CliRunner().invoke(app, [command, "--help"])
    assert said.exit_code == 0 and "--out" in said.output


@pytest.mark.parametrize(
    ("command", "more"), [("target", ["--campaign", "1", "--budget", "9"]), ("price", []), ("diagnose", [])]
)
def test_a_folder_that_is_not_there_is_named(command, more, tmp_path):
    gone = tmp_path / "gone"
    said = CliRunner().invoke(app, [command, *more, "--out", str(tmp_path / "out.csv"), "--data", str(gone)])
    assert said.exit_code == 2 and "gone" in said.output
    assert not (tmp_path / "out.csv").exists()


def test_a_home_folder_is_spelt_out():
    assert decisions.folder(Path("~/shop")) == str(Path.home() / "shop")
    assert decisions.folder(None) == ""


def test_a_shop_too_small_for_a_diagnosis_is_told_so_on_a_page(tmp_path):
    days = [f"2025-01-{day:02} 10:00" for day in range(1, 21)]
    rows = "".join(f"u{number % 4},i{number % 3},{day}\n" for number, day in enumerate(days))
    (tmp_path / "events.csv").write_text("user_id,item_id,timestamp\n" + rows)
    out = tmp_path / "new" / "folder"
    said = CliRunner().invoke(app, ["diagnose", "--data", str(tmp_path), "--out", str(out)])
    assert said.exit_code == 0 and "too small" in said.output and "数据太少" in said.output
    assert sorted(path.name for path in out.iterdir()) == ["diagnosis.html", "diagnosis.json"]
