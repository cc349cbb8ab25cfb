import json

import circle
import pytest
from typer.testing import CliRunner

from recsys_kit import cli
from recsys_kit.next_item import bench, leave_one_out


def run(*arguments):
    return CliRunner().invoke(cli.app, ["bench", *map(str, arguments)])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--loss", "hinge"], "`loss` must be one of"),
        (["--backend", "theano"], "`--backend` must be tensorflow, torch or jax"),
        (["--time-limit", "0"], "`time_limit` above 0"),
        (["--time-limit", "nan"], "`time_limit` above 0"),
        (["--time-limit", "-5"], "`time_limit` above 0"),
        (["--epochs", "0"], "`epochs` be at least 1"),
        (["--seeds", "-1"], "`seeds` must hold numbers from 0 on"),
        (["--objective", "both"], "`objective` must be one of causal, masked"),
        (["--width", "64", "--heads", "3"], "`heads` divide the width"),
        (["--blocks", "0", "--ablation"], "`blocks` must be above 0"),
        (["--json", "nowhere/out.json"], "the folder of nowhere/out.json does not exist"),
        (["--json", "."], "is a folder"),
    ],
)
def test_a_bad_option_says_what_is_wrong_before_the_file_is_read(benchmark, monkeypatch, arguments, message):
    monkeypatch.setattr(bench.leave_one_out, "read", lambda path: pytest.fail("the work began"))
    result = run(benchmark, *arguments)
    assert result.exit_code == 2 and message in result.output


@pytest.mark.parametrize("content", ["", "a 1 2 3\nb 1 2 3\na 1 2 3\n", "1 2 3\n1 2 4\n"])
def test_a_bad_file_ends_in_one_error_line_without_a_traceback(tmp_path, content):
    (tmp_path / "bad.txt").write_text(content)
    for path in (tmp_path / "bad.txt", tmp_path, tmp_path / "nowhere.txt"):
        result = run(path)
        assert result.exit_code == 2 and result.stderr.count("error: ") == 1 and result.stdout == ""


@pytest.fixture
def trained(monkeypatch):
    """Stands in for the training."""
    monkeypatch.setattr(bench, "bench", lambda *_, **__: {"transformer": 1})


def test_the_result_is_printed_even_if_its_file_cannot_be_written(benchmark, tmp_path, trained, monkeypatch):
    def full(self, *_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_text", full)
    result = run(benchmark, "--json", tmp_path / "out.json")
    assert result.exit_code == 2 and "No space left on device" in result.stderr
    assert json.loads(result.stdout) == {"transformer": 1}
    assert list(tmp_path.iterdir()) == []


def test_an_interruption_is_one_line_and_exit_code_130(benchmark, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(bench, "bench", interrupted)
    result = run(benchmark)
    assert result.exit_code == 130
    assert result.stderr.strip() == "interrupted: bench wrote no result" and result.stdout == ""


def test_a_missing_backend_says_how_to_get_it(benchmark, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    result = run(benchmark, "--backend", "jax")
    assert result.exit_code == 2 and "pip install 'recsys_kit[jax]'" in result.output


def test_the_command_learns_a_certain_order_and_prints_one_json_line(benchmark, tmp_path):
    result = run(benchmark, "--seeds", "0", "1", "--epochs", "6", "--json", tmp_path / "out.json")
    assert result.exit_code == 0, result.output
    assert len(result.stdout.splitlines()) == 1
    assert "circle.txt was read as one user a line" in result.stderr
    line = json.loads(result.stdout)
    assert line == json.loads((tmp_path / "out.json").read_text())
    assert line["data"]["read_as"].startswith("one user a line")
    assert line["data"] | {"users": 60, "items": 20, "judged_users": 60} == line["data"]
    for name in ("with_prior", "without_prior", "refitted_with_prior", "refitted_without_prior"):
        assert line["transformer"][name]["mean"]["ndcg@10"] > line["baselines"]["popularity"]["ndcg@10"] + 0.2
        assert set(line["transformer"][name]["std"]) == {"recall@5", "ndcg@5", "recall@10", "ndcg@10"}
    assert [part["seed"] for part in line["runs"]] == [0, 1]
    assert line["runs"][0]["share_of_matrix_speed"] > 0
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


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    return circle.write(tmp_path_factory.mktemp("large") / "large.txt", users=4000, items=3000, lengths=(20, 60))


@pytest.mark.slow
def test_the_time_limit_holds_and_every_user_is_judged(large):
    result = bench.bench(large, time_limit=60)
    assert result["total_seconds"] < 80  # a step can't be cut short, and the first one takes long
    assert result["data"]["judged_users"] == 4000


def test_too_short_a_time_limit_ends_in_an_error_that_says_how_long_it_takes(large):
    result = run(large, "--time-limit", "1")
    assert result.exit_code == 2 and result.stdout == ""
    assert "error: not enough time: to judge all 4,000 users takes about" in result.stderr
    assert "Give at least" in result.stderr and "Traceback" not in result.output


@pytest.fixture
def plan(benchmark, monkeypatch):
    """A function that plans a time limit on a clock that stands still; the judging of a pass takes 1 second."""
    now = [0.0]
    monkeypatch.setattr(bench.time, "perf_counter", lambda: now[0])
    data = leave_one_out.read(benchmark)

    def judge(*_):
        now[0] += 1.0

    monkeypatch.setattr(bench.leave_one_out, "judge", judge)
    return lambda *options: bench.TimePlan(None, data, *options)


def test_the_time_for_judging_is_set_aside_before_training(plan):
    times = plan(1, False, 0.0, 1000.0)
    pause, end = times.next(refits=True)
    assert times.judging == 2 * (7 + 3) and times.testing == 2 * 3
    assert 1.0 < pause < end == 1000 - times.testing


def test_seeds_and_their_ablations_share_the_time(plan):
    times = plan(2, True, 0.0, 1000.0)
    ends = [times.next(refits)[1] for refits in (True, False) * 2]
    assert len(ends) == 4 and max(ends) <= 1000
    with pytest.raises(ValueError, match="or fewer seeds, or no ablation"):
        plan(2, True, 0.0, 40.0)


def test_the_ablation_trains_without_blocks_beside_it_and_tells_the_difference(benchmark):
    result = bench.bench(benchmark, epochs=2, ablation=True, width=16)
    assert [run["model"] for run in result["runs"]] == ["transformer", "without_blocks"]
    for kind in ("with_prior", "without_prior"):
        found = result["blocks_minus_none"][kind]["ndcg@10"]
        means = [result[model][kind]["mean"]["ndcg@10"] for model in ("transformer", "without_blocks")]
        assert found["difference"] == pytest.approx(means[0] - means[1])
        assert found["low"] <= found["difference"] <= found["high"]


def test_the_baselines_do_not_depend_on_the_time_limit(benchmark):
    short, long = (bench.bench(benchmark, epochs=1, time_limit=limit, width=16) for limit in (60, 3000))
    assert short["baselines"] == long["baselines"] and short["data"] == long["data"]
