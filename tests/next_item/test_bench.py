import itertools
import json
import time

import numpy as np
import pandas as pd
import pytest
from tqdm import tqdm
from typer.testing import CliRunner

from recsys_kit import cli, next_item
from recsys_kit.next_item import bench, fit, leave_one_out, prior


def circle(path, users=60, items=20, lengths=(5, 12), seed=0):
    """Writes users who walk a circle of items: what comes next is certain."""
    rng = np.random.default_rng(seed)
    lines = []
    for user in range(users):
        start, length = rng.integers(items), rng.integers(*lengths)
        lines.append(f"u{user} " + " ".join(f"i{(start + step) % items}" for step in range(length)))
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory):
    return circle(tmp_path_factory.mktemp("bench") / "circle.txt")


@pytest.fixture(scope="module")
def data(benchmark):
    return leave_one_out.read(benchmark)


def run(*arguments):
    return CliRunner().invoke(cli.app, ["bench", *map(str, arguments)])


def test_both_file_forms_hold_the_same_sequences(benchmark, tmp_path):
    rows = [
        (line.split()[0], item, when)
        for line in benchmark.read_text().splitlines()
        for when, item in enumerate(line.split()[1:])
    ]
    table = pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp"]).sample(frac=1, random_state=0)
    table.to_csv(tmp_path / "circle.csv", index=False)
    text, csv = leave_one_out.read(benchmark), leave_one_out.read(tmp_path / "circle.csv")
    assert (
        (text.size, len(text.items), len(text.start))
        == (csv.size, len(csv.items), len(csv.start))
        == (20, len(rows), 61)
    )
    assert sorted(np.diff(text.start)) == sorted(np.diff(csv.start))


def test_users_with_fewer_than_three_items_are_left_out(tmp_path):
    (tmp_path / "short.txt").write_text("a 1 9\nb 1 2 3 4\n")
    data = leave_one_out.read(tmp_path / "short.txt")
    assert len(data.start) == 2 and data.size == 4


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("short.txt", "a 1 2 3\n", "at least 4 items"),
        ("empty.txt", "\n", "file is empty"),
        ("line.txt", "a 1 2 3\nb\n", r"line holds a user id and item ids.*\[2\]"),
        ("table.csv", "user_id,item\n1,2\n", "no column item_id, timestamp"),
        ("gap.csv", "user_id,item_id,timestamp\n1,2,\n", "missing values in timestamp"),
        ("when.csv", "user_id,item_id,timestamp\n1,2,soon\n", "`timestamp` must hold numbers or dates"),
    ],
)
def test_a_bad_file_says_what_is_wrong(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=message):
        leave_one_out.read(tmp_path / name)


def test_judge_agrees_with_ranks_worked_by_hand(tmp_path):
    """The validation items are c and a. Scores fall from a to e; a's user has seen nothing above it, c's a and b."""
    (tmp_path / "two.txt").write_text("u a b c d\nv d e a b\n")
    data = leave_one_out.read(tmp_path / "two.txt")
    scores = np.array([5.0, 4.0, 3.0, 2.0, 1.0])
    result = leave_one_out.judge(lambda rows: np.tile(scores, (len(rows), 1)), data, held_out=2)
    assert result == {"recall@5": 1, "ndcg@5": 1, "recall@10": 1, "ndcg@10": 1}
    result = leave_one_out.judge(lambda rows: np.zeros((len(rows), 5)), data, held_out=2)  # all tie: c and a are third
    assert result["ndcg@5"] == pytest.approx(1 / np.log2(3 + 1))


def test_a_hidden_item_that_was_seen_counts_as_missed(tmp_path):
    (tmp_path / "again.txt").write_text("u a b a c\nv b c d a\n")
    data = leave_one_out.read(tmp_path / "again.txt")
    result = leave_one_out.judge(lambda rows: np.tile([1.0, 2, 3, 4], (len(rows), 1)), data, held_out=2)
    assert result["recall@10"] == 0.5


def test_an_epoch_learns_every_item_but_the_first_and_the_last_two_once(tmp_path):
    data = leave_one_out.read(circle(tmp_path / "c.txt", lengths=(3, 40)))
    low, high = data.history(held_out=2)
    batches = next_item.NextItemBatches(data, length=7, tokens=32, candidates=19)
    learned = []
    for i in range(len(batches)):
        inputs, weights = batches[i]
        real = weights > 0
        ids, answer = inputs["ids"].ravel()[inputs["place"]], inputs["candidates"][inputs["columns"][:, 0]]
        assert (ids[real] > 0).all() and inputs["ids"].shape[1] <= 7
        learned.append(np.stack([ids, answer])[:, real])
    learned = np.sort(np.concatenate(learned, axis=1).T @ [100, 1])
    expected = [data.items[i] * 100 + data.items[i + 1] for u in range(len(low)) for i in range(low[u], high[u] - 1)]
    np.testing.assert_array_equal(learned, np.sort(expected))


def test_a_masked_batch_hides_what_it_asks_for_and_always_the_last_item(tmp_path):
    data = leave_one_out.read(circle(tmp_path / "c.txt", lengths=(3, 40)))
    batches = next_item.MaskedItemBatches(data, length=7, tokens=32, candidates=19, hidden=0.3)
    low, high = data.history(held_out=2)
    asked = places = 0
    for i in range(len(batches)):
        inputs, weights = batches[i]
        ids, real = inputs["ids"], weights > 0
        place = inputs["place"][real]
        answers = inputs["candidates"][inputs["columns"][real, 0]]
        assert (ids.ravel()[place] == data.size + 1).all() and (ids == data.size + 1).sum() == len(place)
        last = (ids > 0).sum(1) - 1
        assert (ids[np.arange(len(ids)), last] == data.size + 1).all() and ids.shape[1] <= 8
        rows = batches.rows[batches.edges[batches.order[i]] : batches.edges[batches.order[i] + 1]]
        row, column = np.divmod(place, ids.shape[1])
        np.testing.assert_array_equal(answers, data.items[batches.low[rows][row] + column])
        asked, places = asked + len(place), places + (ids > 0).sum()
    assert places >= (high - low).sum()  # rows of a long history share an item
    assert 0.3 < asked / places < 0.6


@pytest.mark.parametrize("objective", fit.OBJECTIVES)
def test_both_objectives_learn_what_is_certain(data, objective):
    trainer = fit.Trainer(data, length=12, objective=objective, width=16, blocks=1, dropout=0.0)
    before = trainer.ndcg(2, np.arange(60))
    trainer.fit(2, 30, 0, tqdm(disable=True), time.perf_counter() + 600)
    assert trainer.ndcg(2, np.arange(60)) > max(0.7, before)


def test_an_unknown_objective_is_refused(benchmark):
    result = run(benchmark, "--objective", "both")
    assert result.exit_code and "must be one of causal, masked" in result.output


def test_batches_have_few_shapes_and_little_padding(tmp_path):
    data = leave_one_out.read(circle(tmp_path / "c.txt", users=800, lengths=(5, 40)))
    batches = next_item.NextItemBatches(data, length=50, tokens=256)
    shapes = [{name: part.shape for name, part in batches[i][0].items()} for i in range(len(batches))]
    for name in ("place", "candidates", "columns", "log_chance"):
        assert len({shape[name] for shape in shapes}) == 1
    places = sum(np.prod(shape["ids"]) for shape in shapes)
    assert batches.positions <= places <= 1.1 * batches.positions
    assert len(batches) * batches.tokens <= 1.2 * batches.positions


def test_the_order_of_an_epoch_follows_the_seed(data):
    same = [next_item.NextItemBatches(data, length=20, tokens=32, seed=1)[2][0]["ids"] for _ in range(2)]
    np.testing.assert_array_equal(*same)
    batches = next_item.NextItemBatches(data, length=20, tokens=32, seed=1)
    batches.on_epoch_end()
    assert not np.array_equal(batches.rows, next_item.NextItemBatches(data, length=20, tokens=32, seed=1).rows)


def test_the_chance_of_being_a_candidate_is_estimated_well(tmp_path):
    rng = np.random.default_rng(0)
    lines = [f"u{u} " + " ".join(map(str, rng.zipf(1.5, 8) % 200)) for u in range(300)]
    (tmp_path / "zipf.txt").write_text("\n".join(lines))
    data = leave_one_out.read(tmp_path / "zipf.txt")
    batches = next_item.NextItemBatches(data, length=8, tokens=16, candidates=85)
    seen, chance, times = np.zeros(data.size), np.zeros(data.size), 0
    for _ in range(20):
        for i in range(len(batches)):
            inputs, _ = batches[i]
            assert len(inputs["candidates"]) == 85
            seen[inputs["candidates"] - 1] += 1
            chance[inputs["candidates"] - 1] += np.exp(inputs["log_chance"])
            times += 1
        batches.on_epoch_end()
    often = seen > 50
    assert often.sum() > 50
    np.testing.assert_allclose((chance / np.maximum(seen, 1))[often], (seen / times)[often], atol=0.12)


def test_vectors_from_counts_put_neighbours_close(data):
    vectors = prior.cooccurrence_vectors(data, 2, width=8)
    assert vectors.shape == (20, 8) and np.sqrt((vectors**2).mean()) == pytest.approx(0.1)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    number = np.zeros(20, int)
    for item, name in zip(data.items, _names(data), strict=True):
        number[item - 1] = name
    order = np.argsort(number)
    similar = unit[order] @ unit[order].T
    assert np.diag(similar, 1).mean() > np.diag(similar, 10).mean() + 0.5


def _names(data):
    """The circle's own numbers of the items: consecutive in a sequence."""
    first = data.items[0]
    following = {}
    for user in range(len(data.start) - 1):
        part = data.items[data.start[user] : data.start[user + 1]]
        following |= dict(itertools.pairwise(part))
    place, item = {}, first
    for number in range(20):
        place[item], item = number, following[item]
    return [place[item] for item in data.items]


def test_the_prior_knows_what_follows_and_is_a_log_chance(data):
    scores = prior.ItemPrior(data, held_out=2).scorer(2)(np.arange(60))
    np.testing.assert_allclose(np.exp(scores).sum(axis=1), 1, rtol=1e-5)
    assert leave_one_out.judge(lambda rows: scores[rows], data, 2)["recall@5"] == 1


def test_time_is_kept_for_judging_and_fewer_users_are_judged_if_it_is_short(data):
    scorer = prior.ItemPrior(data, held_out=2).scorer(2)
    users, _ = bench._affordable(scorer, data, seeds=1, time_limit=1000)
    assert sorted(users) == list(range(60))
    users, pause = bench._affordable(scorer, data, seeds=1, time_limit=1e-3)
    assert len(users) < 60 and pause < 1


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
    result = bench.bench(circle(tmp_path / "any.txt", users, items, lengths), epochs=2)
    json.dumps(result, allow_nan=False)


@pytest.mark.slow
def test_the_time_limit_holds(tmp_path):
    path = circle(tmp_path / "large.txt", users=4000, items=3000, lengths=(20, 60))
    result = bench.bench(path, time_limit=40)
    assert result["total_seconds"] < 60  # a step can't be cut short, and the first one takes long
