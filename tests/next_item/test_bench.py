import json

import circle
import pytest
from typer.testing import CliRunner

from recsys_kit import cli
from recsys_kit.next_item import bench


def run(*arguments):
    return CliRunner().invoke(cli.app, ["bench", *map(str, arguments)])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--loss", "hinge"], "`loss` must be one of"),
        (["--backend", "theano"], "`--backend` must be tensorflow, torch or jax"),
        (["--time-limit", "0"], "`time_limit` above 0"),
        (["--epochs", "0"], "`epochs` be at least 1"),
    ],
)
def test_a_bad_option_says_what_is_wrong(benchmark, arguments, message):
    result = run(benchmark, *arguments)
    assert result.exit_code == 2 and message in result.output


def test_a_missing_backend_says_how_to_get_it(benchmark, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    result = run(benchmark, "--backend", "jax")
    assert result.exit_code == 2 and "pip install 'recsys_kit[jax]'" in result.output


def test_the_command_learns_a_certain_order_and_prints_one_json_line(benchmark, tmp_path):
    result = run(benchmark, "--seeds", "0", "1", "--epochs", "6", "--json", tmp_path / "out.json")
    assert result.exit_code == 0, result.output
    assert len(result.stdout.splitlines()) == 1
    line = json.loads(result.stdout)
    assert line == json.loads((tmp_path / "out.json").read_text())
    assert line["data"] | {"users": 60, "items": 20, "judged_users": 60} == line["data"]
    for name in ("with_prior", "without_prior", "refitted_with_prior", "refitted_without_prior"):
        assert line["transformer"][name]["mean"]["ndcg@10"] > line["baselines"]["popularity"]["ndcg@10"] + 0.2
        assert set(line["transformer"][name]["std"]) == {"recall@5", "ndcg@5", "recall@10", "ndcg@10"}
    assert [part["seed"] for part in line["runs"]] == [0, 1]
    assert {"best_epoch", "epoch_seconds", "target_tokens_per_second", "curve"} <= set(line["runs"][0])
    assert {"total_seconds", "peak_memory_mb", "parameters", "versions"} <= set(line)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("lengths", "items", "users"), [((4, 5), 6, 5), ((3, 5), 3000, 300), ((150, 400), 40, 30)], ids=str
)
def test_any_file_gets_through(tmp_path, lengths, items, users):
    """Tiny, sparse, and long with repeats."""
    result = bench.bench(circle.write(tmp_path / "any.txt", users, items, lengths), epochs=2)
    json.dumps(result, allow_nan=False)


@pytest.mark.slow
def test_the_time_limit_holds(tmp_path):
    path = circle.write(tmp_path / "large.txt", users=4000, items=3000, lengths=(20, 60))
    result = bench.bench(path, time_limit=40)
    assert result["total_seconds"] < 60  # a step can't be cut short, and the first one takes long
