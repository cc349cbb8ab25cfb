import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from recsys_kit import bench, cli


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory):
    """Sixty users who walk a circle of twenty items: what comes next is certain."""
    rng = np.random.default_rng(0)
    lines = []
    for user in range(60):
        start, length = rng.integers(20), rng.integers(5, 12)
        lines.append(f"u{user} " + " ".join(f"i{(start + step) % 20}" for step in range(length)))
    path = tmp_path_factory.mktemp("bench") / "circle.txt"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_both_file_forms_hold_the_same_sequences(benchmark, tmp_path):
    rows = [
        (line.split()[0], item, when)
        for line in benchmark.read_text().splitlines()
        for when, item in enumerate(line.split()[1:])
    ]
    table = pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp"]).sample(frac=1, random_state=0)
    table.to_csv(tmp_path / "circle.csv", index=False)
    text, csv = bench.read(benchmark), bench.read(tmp_path / "circle.csv")
    assert (
        (text.size, len(text.items), len(text.start))
        == (csv.size, len(csv.items), len(csv.start))
        == (20, len(rows), 61)
    )
    assert sorted(np.diff(text.start)) == sorted(np.diff(csv.start))


def test_users_with_fewer_than_three_items_are_left_out(tmp_path):
    (tmp_path / "short.txt").write_text("a 1 2\nb 1 2 3\n")
    assert len(bench.read(tmp_path / "short.txt").start) == 2


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.txt", "a 1 2\n", "at least 3 items"),
        ("line.txt", "a 1 2 3\nb\n", r"line holds a user id and item ids.*\[2\]"),
        ("table.csv", "user_id,item\n1,2\n", "no column item_id, timestamp"),
    ],
)
def test_a_bad_file_says_what_is_wrong(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=message):
        bench.read(tmp_path / name)


def test_batches_never_hold_the_last_two_items(benchmark):
    data = bench.read(benchmark)
    batches = bench.NextItemBatches(data, length=20, users=7)
    low, high = data.history(held_out=2)
    targets = 0
    for i in range(len(batches)):
        inputs, labels = batches[i]
        users = batches.batches[batches.order[i]]
        flat = inputs["ids"].ravel()[inputs["place"]]
        assert (flat > 0).all() and len(labels) == len(flat) == (high - low - 1)[users].sum()
        following = inputs["candidates"][labels]
        expected = np.concatenate([data.items[low[u] + 1 : high[u]] for u in users])
        np.testing.assert_array_equal(following, expected)
        targets += len(labels)
    assert targets == (high - low - 1).sum()


@pytest.mark.slow
def test_the_command_learns_a_certain_order_and_prints_one_json_line(benchmark, tmp_path):
    result = CliRunner().invoke(
        cli.app, ["bench", str(benchmark), "--epochs", "30", "--json", str(tmp_path / "out.json")]
    )
    assert result.exit_code == 0, result.output
    line = json.loads((tmp_path / "out.json").read_text())
    assert line["data"]["users"] == 60 and line["data"]["items"] == 20
    assert line["transformer"]["ndcg@10"] > line["baselines"]["popularity"]["ndcg@10"]
    assert {"epochs", "epoch_seconds", "tokens_per_second", "total_seconds"} <= set(line["cost"])
