import numpy as np
import pandas as pd
import pytest

from recsys_kit.next_item import leave_one_out


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
        ("table.csv", "user_id,thing\n1,2\n", "no column item_id, timestamp"),
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


def test_the_last_item_of_every_user_is_hidden_and_all_else_is_history():
    rows = [("a", 1, "x", 1), ("b", 2, "y", 2), ("a", 1, "y", 3), ("a", 3, "z", 4), ("b", 4, "x", 5), ("a", 3, "x", 6)]
    events = pd.DataFrame(rows, columns=["user_id", "basket_id", "item_id", "day"])
    events["timestamp"] = pd.Timestamp("2017-01-01", tz="UTC") + pd.to_timedelta(events["day"], unit="D")
    hidden, split = leave_one_out.as_split(events, pd.Index(["x", "y", "z"]))
    assert hidden["user_id"].tolist() == ["a"]  # b has only two rows: too few to hide one
    assert hidden["has_company"].tolist() == [True]  # z lies in the same basket
    assert split.answers.toarray().tolist() == [[True, False, False]]
    assert len(split.history) == 5 and (split.history["timestamp"] < split.cutoff).all()
