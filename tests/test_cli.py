import io
import subprocess
import sys

import pandas as pd
import pytest

from recsys_kit import cli, start_here
from recsys_kit.course import notebooks, results, runner
from recsys_kit.workspace import Workspace


@pytest.fixture
def calls(monkeypatch):
    """Records what would run; every notebook succeeds."""
    seen = []

    def fake(path, output, values, progress):
        seen.append((path.stem, dict(values)))
        return results.Result(path.stem, "ok", 1.0)

    monkeypatch.setattr(runner, "execute", fake)
    return seen


@pytest.mark.parametrize(
    ("words", "spread"),
    [
        (["--only", "04", "05", "--stop"], ["--only", "04", "--only", "05", "--stop"]),
        (["--seeds", "0", "1", "--json", "out"], ["--seeds", "0", "--seeds", "1", "--json", "out"]),
        (["-p", "SEED", "-1", "-p", "TAG=x"], ["-p", "SEED=-1", "-p", "TAG=x"]),
        (["file", "--only", "04"], ["file", "--only", "04"]),
        (["--only"], ["--only"]),
    ],
)
def test_an_option_takes_several_values(words, spread):
    assert cli.spread(words, ("--only", "--seeds")) == spread


def test_run_takes_several_notebooks_and_parameters(recsys_kit, write_notebook, calls):
    for name in ("01_first", "02_second", "03_third"):
        write_notebook(name)
    result = recsys_kit("run", "--only", "01", "third", "-p", "EPOCHS", "9", "-p", "USERS=5")
    assert result.exit_code == 0, result.output
    assert [name for name, _ in calls] == ["01_first", "03_third"]
    assert all((values["EPOCHS"], values["USERS"]) == (9, 5) for _, values in calls)
    assert "runs/quick/index.html" in result.output


def test_run_gives_every_notebook_absolute_folders(recsys_kit, write_notebook, calls, tmp_path):
    write_notebook("01_first")
    (tmp_path / "shop").mkdir()
    events = pd.DataFrame({"user_id": ["a", "b"], "item_id": ["x", "y"], "timestamp": ["2020-01-01", "2020-02-01"]})
    events.to_csv(tmp_path / "shop" / "events.csv", index=False)
    result = recsys_kit("run", "--data", "shop", "--out", "here")
    assert result.exit_code == 0, result.output
    assert calls == [("01_first", {"DATA": str(tmp_path / "shop"), "WORKSPACE": str(tmp_path / "here" / "workspace")})]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-p", "EPOCH", "1"], "'EPOCH'; did you mean EPOCHS?"),
        (["-p", "EPOCHS", "many"], "`EPOCHS` must be int. Received: 'many'"),
        (["-p", "EPOCHS"], "-p must be followed by a name and a value. Received: 'EPOCHS'"),
        (["--only", "firts"], "'firts'; did you mean first"),
        (["--profile", "quik"], "'quik'; did you mean quick?"),
        (["--data", "nowhere"], "nowhere"),
        (["--folder", "elsewhere"], "elsewhere"),
    ],
)
def test_what_cannot_be_run_is_refused_before_anything_runs(recsys_kit, write_notebook, calls, words, message):
    write_notebook("01_first")
    result = recsys_kit("run", *words)
    assert result.exit_code == 2
    assert message in result.output
    assert calls == []


@pytest.mark.parametrize(("status", "code"), [("ok", 0), ("skipped", 0), ("failed", 1), ("interrupted", 130)])
def test_the_exit_code_tells(recsys_kit, write_notebook, monkeypatch, status, code):
    write_notebook("01_first")
    monkeypatch.setattr(runner, "execute", lambda path, *_, **__: results.Result(path.stem, status, error="why"))
    result = recsys_kit("run")
    assert result.exit_code == code
    assert "01_first" in result.output


def test_notebooks_check_fails_until_they_are_renewed(recsys_kit, write_notebook):
    path = write_notebook("01_first")
    assert recsys_kit("notebooks", "--check").exit_code == 1
    assert recsys_kit("notebooks", "--no-execute").exit_code == 0
    assert recsys_kit("notebooks", "--check").exit_code == 0
    assert "[contents](../README.md#notebooks)" in notebooks.read(path).cells[0].source


@pytest.mark.parametrize(("status", "code"), [("ok", 0), ("warning", 0), ("missing", 1)])
def test_doctor_says_what_to_do(recsys_kit, monkeypatch, status, code):
    row = {"check": "memory", "status": status, "detail": "2 GiB", "what_to_do": "close the browser"}
    monkeypatch.setattr(start_here, "check_environment", lambda: pd.DataFrame([row]))
    result = recsys_kit("doctor")
    assert result.exit_code == code
    assert "2 GiB" in result.output and "close the browser" in result.output


def test_help_loads_nothing_heavy():
    script = (
        "import sys, typer.testing, recsys_kit.cli as cli\n"
        "result = typer.testing.CliRunner().invoke(cli.app, ['--help'])\n"
        "assert result.exit_code == 0 and 'doctor' in result.output, result.output\n"
        "print(sorted({'numpy', 'pandas', 'keras', 'tensorflow', 'papermill', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_log_shows_each_line_at_once(monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), write_through=False))
    cli.main()
    print("[1/22] 00_start_here ...")
    assert sys.stdout.buffer.getvalue() == b"[1/22] 00_start_here ...\n"


def test_clean_says_what_it_removes_and_removes_it_only_without_dry_run(recsys_kit, tmp_path):
    store = Workspace(tmp_path / "workspace")
    store.get("kept", lambda: [1])
    old = tmp_path / "workspace" / "ranker-0123456789ab.json"
    old.write_text(" " * 200_000)
    result = recsys_kit("clean")
    assert result.exit_code == 2 and "--keep-latest" in result.output
    result = recsys_kit("clean", "--keep-latest", "--dry-run")
    assert result.exit_code == 0 and old.exists()
    assert f"would remove {old.name} (0.2 MB)" in result.output
    result = recsys_kit("clean", "--keep-latest", "--workspace", str(tmp_path / "workspace"))
    assert result.exit_code == 0 and not old.exists()
    assert f"removed {old.name} (0.2 MB)" in result.output and "1 old artifacts, 0.2 MB" in result.output
    assert len(list((tmp_path / "workspace").glob("kept-*"))) == 1


def test_clean_makes_no_workspace_where_there_is_none(recsys_kit, tmp_path):
    result = recsys_kit("clean", "--keep-latest")
    assert result.exit_code == 2 and "workspace is no folder" in result.output
    assert list(tmp_path.iterdir()) == []


def test_run_says_once_what_kind_of_shop_it_gets(recsys_kit, write_notebook, calls, tmp_path):
    write_notebook("01_first")
    (tmp_path / "shop").mkdir()
    rows = [(f"u{n}", f"i{n % 40}", pd.Timestamp("2024-01-01") + pd.Timedelta(days=n % 90)) for n in range(400)]
    rows += [(f"u{n}", f"i{n % 40}", pd.Timestamp("2024-03-30")) for n in range(4)]
    events = pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp"])
    events.to_csv(tmp_path / "shop" / "events.csv", index=False)
    result = recsys_kit("run", "--data", "shop")
    assert result.exit_code == 0, result.output
    assert result.output.count("400 customers bought something: 99.0% in one basket, 1.0% in two, 0.0% in three") == 1
    assert "can't be shown here: of the" in result.output and "recsys-kit recommend works" in result.output
    for day, why in (("2030-01-01", "between the first and the last purchase"), ("soon", "YYYY-MM-DD")):
        refused = recsys_kit("run", "--data", "shop", "-p", "CUTOFF", day)
        assert refused.exit_code == 2 and "error: `cutoff` must be a day" in refused.output and why in refused.output
    assert len(calls) == 1
