"""Published benchmark files are read as what they are, or refused: never as something else without a word."""

import numpy as np
import pandas as pd
import pytest

from recsys_kit.next_item import formats, leave_one_out


def rows(users=30, seed=0):
    """`user item rating timestamp` of users who walk a circle of 20 items, in an order of their own."""
    rng = np.random.default_rng(seed)
    made = []
    for user in range(1, users + 1):
        begin = int(rng.integers(20))
        made += [
            (
                str(user),
                str(1 + (begin + step) % 20),
                str(int(rng.integers(1, 6))),
                str(880_000_000 + 100 * step + user),
            )
            for step in range(int(rng.integers(4, 12)))
        ]
    return [made[place] for place in rng.permutation(len(made))]


def walks(table):
    """The items of each user in time order."""
    frame = pd.DataFrame(table, columns=["user", "item", "rating", "time"])
    frame = frame.assign(time=frame["time"].astype(int)).sort_values("time")
    return frame.groupby("user")["item"].agg(list).to_dict()


def lines(table, mark):
    return "".join(mark.join(row) + "\n" for row in table)


WRITTEN = {
    "u.data": lambda table: lines(table, "\t"),
    "spaces.txt": lambda table: lines(table, " "),
    "ratings.dat": lambda table: lines(table, "::"),
    "ml.inter": lambda table: "user_id:token\titem_id:token\trating:float\ttimestamp:float\n" + lines(table, "\t"),
    "other_order.inter": lambda table: (
        "timestamp:float\titem_id:token\tuser_id:token\n" + lines([(d, b, a) for a, b, _, d in table], "\t")
    ),
    "ratings.csv": lambda table: "userId,movieId,rating,timestamp\n" + lines(table, ","),
    "semicolon.csv": lambda table: (
        "\ufeffuser_id;item_id;timestamp\n" + lines([(a, b, d) for a, b, _, d in table], ";")
    ),
    "amazon.csv": lambda table: "user_id,parent_asin,rating,timestamp\n" + lines(table, ","),
    "named.tsv": lambda table: "user\titem\trating\ttime\n" + lines(table, "\t"),
    "named.txt": lambda table: "user_id,item_id,rating,timestamp\n" + lines(table, ","),
    "pairs.txt": lambda table: lines([row[:2] for row in sorted(table, key=lambda row: int(row[3]))], " "),
    "sequences.txt": lambda table: "".join(f"{user} {' '.join(walk)}\n" for user, walk in walks(table).items()),
    "mark.txt": lambda table: "\ufeff" + WRITTEN["sequences.txt"](table),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_every_form_gives_each_user_its_items_in_time_order(tmp_path, name):
    table = rows()
    (tmp_path / name).write_text(WRITTEN[name](table), encoding="utf-8")
    users, items, said = formats.interactions(tmp_path / name)
    found = pd.DataFrame({"user": users, "item": items}).groupby("user")["item"].agg(list).to_dict()
    assert found == walks(table)
    assert ("rating` is not looked at" in said) == ("rating" in (tmp_path / name).read_text().split("\n")[0] + said)
    data = leave_one_out.read(tmp_path / name)
    assert (data.size, len(data.items), len(data.start) - 1) == (20, len(table), 30)
    assert data.read_as == said


def test_three_items_for_every_user_but_one_are_sequences_and_said_so(tmp_path):
    text = "".join(f"{user} {user % 7} {user % 5 + 7} {user % 3 + 12}\n" for user in range(40)) + "40 1 8 13 5\n"
    (tmp_path / "three.txt").write_text(text)
    data = leave_one_out.read(tmp_path / "three.txt")
    assert len(data.start) - 1 == 41 and len(data.items) == 124
    assert data.read_as.startswith("one user a line") and "no id begins two lines" in data.read_as


def test_how_many_users_are_too_short_is_said(tmp_path):
    (tmp_path / "short.txt").write_text("a 1 9\nb 1 2 3 4\n")
    assert "1 of 2 users have fewer than 3 items" in leave_one_out.read(tmp_path / "short.txt").read_as


def test_a_very_long_id_takes_no_memory_for_the_others(tmp_path):
    text = "".join(f"u{user} a b c d\n" for user in range(2000)) + "z " + "x" * 300_000 + " a b c\n"
    (tmp_path / "long.txt").write_text(text)  # 8,000 strings of that width would be 9 GB
    assert leave_one_out.read(tmp_path / "long.txt").size == 5


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "twice.txt",
            "a 1 2 3 4\nb 1 2 3 4 5\na 1 2 3 4\n",
            r"'a' begins 2 lines \(such as 1, 3\), and lines have 5 to 6 fields",
        ),
        ("twice4.txt", "a 1 2 3\nb 1 2 3\na 4 5 6\n", "can't tell how it is meant"),
        ("counter.txt", "1 5 3 1\n1 6 3 2\n2 5 1 3\n", "can't tell how it is meant"),  # times or items?
        ("ids.txt", "1 900000001 5 900000002\n1 900000002 4 900000003\n", "can't tell how it is meant"),
        ("three.txt", "1 5 881250949\n1 6 881250950\n", "lines have 3 fields.*a first line that names the fields"),
        ("comma.txt", "1,5,881250949\n1,6,881250950\n", "commas or semicolons need a first line with their names"),
        ("broken.dat", "1::5::3::9\n1::6::3\n", "Not so in 1 of 2, the first is line 2, with 3"),
        ("broken.inter", "user_id:token\titem_id:token\ttimestamp:float\n1\t2\n", "Not so in 1 of 1"),
        ("list.inter", "user_id:token\titem_id_list:token_seq\n1\t2 3 4\n", "no column item_id, timestamp"),
        ("no_time.inter", "user_id:token\titem_id:token\n1\t2\n", "no column timestamp"),
        ("headless.csv", "196,242,3,881250949\n", "The first line must name them"),
        ("both.csv", "userId,user,item_id,timestamp\n1,1,2,3\n", "'userId' and 'user' may both be user_id"),
        (
            "gap.csv",
            "user_id,item_id,timestamp\n1,2,3\n1, ,4\n",
            "missing values in item_id: 1 of 2 rows, the first is 3",
        ),
        ("inf.csv", "user_id,item_id,timestamp\n1,2,inf\n", "`timestamp` must hold numbers or dates"),
        ("header.csv", "user_id,item_id,timestamp\n", "has no rows"),
        ("binary.txt", b"\xff\xfe\x00\x01", "is not UTF-8 text"),
        ("zero.txt", b"a 1 2\x00 3\n", "zero bytes"),
    ],
)
def test_what_is_damaged_or_could_be_two_things_is_refused(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ValueError, match=message):
        formats.interactions(tmp_path / name)


def test_a_folder_and_a_missing_file_are_refused(tmp_path):
    with pytest.raises(ValueError, match="is a folder"):
        formats.interactions(tmp_path)
    with pytest.raises(ValueError, match="no such file"):
        formats.interactions(tmp_path / "nowhere.csv")


def test_an_item_called_na_is_an_item(tmp_path):
    (tmp_path / "na.csv").write_text("user_id,item_id,timestamp\na,NA,1\na,None,2\n")
    assert formats.interactions(tmp_path / "na.csv")[1].tolist() == ["NA", "None"]


def test_a_parquet_file_keeps_numbers_and_dates(tmp_path):
    times = pd.to_datetime(["2024-01-03", "2024-01-01", "2024-01-02"])
    pd.DataFrame({"user_id": [7, 7, 7], "item_id": [3, 1, 2], "timestamp": times}).to_parquet(tmp_path / "t.parquet")
    assert formats.interactions(tmp_path / "t.parquet")[1].tolist() == [1, 2, 3]
    times = [2**60 + 2, 2**60 + 1, 2**60]  # as floats they would be equal
    pd.DataFrame({"user_id": [7, 7, 7], "item_id": [3, 2, 1], "timestamp": times}).to_parquet(tmp_path / "t.parquet")
    assert formats.interactions(tmp_path / "t.parquet")[1].tolist() == [1, 2, 3]
