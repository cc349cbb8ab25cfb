import argparse
import json
import sys

import gpu
import pytest
import without_tensorflow

from recsys_kit import results_file

ONE_ROW = {"part": "step", "model": "next item", "rows": 4, "width": 8, "precision": "float32", "xla": None}
STEPS = """
import json, sys
sys.path.insert(0, {folder!r})
import gpu
gpu.SECONDS, gpu.LENGTH, gpu.ITEMS, gpu.CANDIDATES = 0.1, 8, 50, 16
step = dict(part="step", rows=4, width=8, xla=None)
rows = [gpu.row(model=model, precision=each, **step) for model in gpu.MODELS for each in ("float32", "bfloat16")]
rows.append(gpu.row(part="products", side=64, precision="bfloat16"))
print(json.dumps(rows))
"""


@pytest.fixture
def call(tmp_path, monkeypatch):
    """Calls the script on a card that is invented; figures are, too."""
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "gpu.py").write_text("def row(part):\n    return {'part': part}\n")
    state = {"card": "Card 9", "calls": [], "slow": False}
    monkeypatch.setattr(gpu, "card", lambda: state["card"])
    monkeypatch.setattr(gpu, "backend", lambda: "jax")

    def measured(arguments, seconds):
        state["calls"].append(arguments)
        return None if state["slow"] else arguments | {"figure": 1.0}

    monkeypatch.setattr(gpu, "measured", measured)

    def call(*words, out=tmp_path / "benchmarks" / "results" / "gpu.json"):
        state["calls"].clear()
        monkeypatch.setattr(sys, "argv", ["gpu.py", *words, "--out", str(out)])
        return gpu.main()

    return argparse.Namespace(call=call, state=state, out=tmp_path / "benchmarks" / "results" / "gpu.json")


def test_every_figure_tells_its_card_its_backend_and_its_day(call, capsys):
    assert call.call("--quick", "--parts", "products", "step") == 0
    made = results_file.read(call.out)
    assert made.rows[0] == {"part": "size", "figure": 1.0}  # the same on any machine
    assert {(row["card"], row["backend"], row["date"]) for row in made.rows[1:]} == {("Card 9", "jax", made.date)}
    assert {row["precision"] for row in made.rows[1:]} == {"float32", "bfloat16"}
    assert {row["xla"] for row in made.rows if row["part"] == "step"} == {True, False}
    assert "step\n" in capsys.readouterr().out


def test_the_same_command_goes_on_where_it_stopped(call, capsys):
    call.state["slow"] = True
    assert call.call("--quick", "--parts", "products") == 3
    assert "the same command goes on" in capsys.readouterr().out
    call.state["slow"] = False
    assert call.call("--quick", "--parts", "products") == 0
    measured = len(call.state["calls"])
    assert call.call("--quick", "--parts", "products") == 0 and call.state["calls"] == []
    call.state["card"] = "Card 10"
    assert call.call("--quick", "--parts", "products") == 0
    assert len(call.state["calls"]) == measured - 1  # another card's figures, but the size is nobody's
    assert {row["card"] for row in results_file.read(call.out).rows[1:]} == {"Card 9", "Card 10"}


def test_nothing_is_begun_that_would_not_end_in_time(call):
    assert call.call("--parts", "bench", "--bench", "file.txt", "--minutes", "2") == 3
    assert [row["part"] for row in call.state["calls"]] == ["size"]


@pytest.mark.parametrize("words", [(), ("--cpu",)])
def test_figures_of_a_cpu_do_not_get_into_the_file_of_the_cards(call, words, capsys):
    call.state["card"] = ""
    with pytest.raises(SystemExit):
        call.call(*words, out=gpu.OUT)
    assert "is for cards alone" in capsys.readouterr().err and call.state["calls"] == []
    with pytest.raises(SystemExit):
        call.call()
    assert call.call("--cpu", "--quick", "--parts", "products") == 0
    assert {row["card"] for row in results_file.read(call.out).rows[1:]} == {"CPU"}


def test_a_step_multiplies_what_its_products_need():
    assert gpu.size("blocks", 64, blocks=0)["mflop_a_token"] == 0
    assert gpu.size("next item", 64, blocks=0)["mflop_a_token"] == pytest.approx(6 * 64 * gpu.CANDIDATES / 1e6)


def test_the_goal_is_what_notebook_05_is_committed_with():
    validation, test = gpu.committed()
    assert 0.15 < validation < test < 0.35


@pytest.mark.slow
def test_a_figure_that_breaks_says_why_and_a_slow_one_is_stopped():
    found = gpu.measured(
        {"part": "bench", "file": "nowhere.txt", "precision": "float32", "epochs": 1, "seconds": 9}, 200
    )
    assert "nowhere.txt" in found["error"]
    assert gpu.measured(ONE_ROW, 0.5) is None


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_steps_are_timed_where_tensorflow_is_missing(backend):
    rows = without_tensorflow.printed(STEPS.format(folder=str(gpu.ROOT / "benchmarks")), backend)
    for row in rows[:-1]:
        assert row["steps_per_second"] * 4 == pytest.approx(row["sequences_per_second"], rel=0.05)
        assert row["memory_mb"] > 0 and row["first_step_s"] > 0
    assert rows[-1]["tflop_per_second"] > 0
    json.dumps(rows, allow_nan=False)
